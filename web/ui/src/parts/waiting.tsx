/** What is not confirmed yet, with what a person can do about it. */
import { useEffect, useState } from "preact/hooks";
import { clockWithSeconds } from "../core/format";
import { disposable, type Action } from "../core/outbox";
import { keyRefused } from "../shell/api";
import { keeping } from "../shell/disk";
import { actions, discard, exported, photoOf, retry } from "../shell/outbox";
import { manner } from "../shell/settings";
import { said, t } from "../texts";
import { Sure } from "./dialog";
import { Icon } from "./icons";

export function Waiting() {
  const all = actions.value;
  return (
    <section class="waiting" aria-labelledby="waiting-title">
      {keeping.value !== "yes" && <p class="notice warn">{t(keeping.value === "full" ? "outbox.full" : "outbox.no_store")}</p>}
      {all.length > 0 && (
        <>
          <h2 id="waiting-title">
            {t("outbox.title")} <span class="count">{all.length}</span>
          </h2>
          {keyRefused.value && (
            <p class="notice warn" role="alert">
              {t("outbox.key")} <a href="#/settings">{t("nav.settings")}</a>
            </p>
          )}
          <ul class="list">
            {all.map((action) => (
              <One key={action.id} action={action} />
            ))}
          </ul>
          {all.some(disposable) && (
            <a class="button" download="not-confirmed.json" href={`data:application/json;charset=utf-8,${encodeURIComponent(exported())}`}>
              {t("outbox.export")}
            </a>
          )}
        </>
      )}
    </section>
  );
}

function One({ action }: { action: Action }) {
  const [asking, ask] = useState(false);
  const wrong = action.state === "attention";
  return (
    <li class={`waiting-one ${action.state}`}>
      {action.photo && <Thumbnail id={action.id} />}
      <div class="grow">
        <b>{said(`did.${action.what}`, action.what)}</b> {action.system}
        {action.about && <div class="clip">{action.about}</div>}
        <div class="muted">
          <Icon name={wrong ? "alerts" : "clock"} /> {t(`outbox.state.${action.state}`)} · {clockWithSeconds(action.tappedMs, manner())}
        </div>
        {action.problem && <div class={wrong ? "problem" : "muted"}>{t("outbox.problem", { problem: action.problem })}</div>}
      </div>
      {disposable(action) && (
        <div class="row">
          {wrong && (
            <button type="button" class="button" onClick={() => void retry(action.id)}>
              {t("outbox.again")}
            </button>
          )}
          <button type="button" class="button" onClick={() => ask(true)}>
            {t("outbox.discard")}
          </button>
        </div>
      )}
      {asking && <Sure question={t(action.refused ? "outbox.discard_sure" : "outbox.discard_unsure")} yes={t("outbox.discard")} onYes={() => void discard(action.id)} onClose={() => ask(false)} />}
    </li>
  );
}

function Thumbnail({ id }: { id: string }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    let made = "";
    void photoOf(id).then((blob) => {
      if (!blob) return;
      made = URL.createObjectURL(blob);
      setUrl(made);
    });
    return () => URL.revokeObjectURL(made);
  }, [id]);
  return url ? <img class="thumb" src={url} alt="" /> : null;
}
