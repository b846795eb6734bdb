/** How often what happened, and how healthy each system is by it. */
import { useSignal } from "@preact/signals";
import { sayReset } from "../core/acts";
import { counters, happened, named } from "../core/counters";
import { instant, number, words } from "../core/format";
import { href } from "../core/route";
import { list } from "../core/wire";
import { Dialog } from "../parts/dialog";
import { Loaded } from "../parts/loaded";
import { Score } from "../parts/score";
import { put } from "../shell/outbox";
import { useQuery } from "../shell/query";
import { route } from "../shell/router";
import { manner } from "../shell/settings";
import { labelOf, now } from "../shell/store";
import { offer } from "../shell/undo";
import { t } from "../texts";

export default function CountersScreen() {
  return route.value.id ? <One id={route.value.id} /> : <All />;
}

function All() {
  const asked = useQuery("/api/counters", (all) => list(all.systems).map(counters), ["counters.reset"]);
  return (
    <>
      <h1>{t("counters.title")}</h1>
      <Loaded asked={asked}>
        {(all) =>
          all.length === 0 ? (
            <p class="empty">{t("counters.none")}</p>
          ) : (
            <ul class="cards">
              {all.map((one) => (
                <li key={one.system} class="panel card">
                  <a href={href("counters", one.system)}>
                    <span class="row between">
                      <b>{labelOf(one.system)}</b>
                      <Score one={one} />
                    </span>
                    <span class="muted">
                      {t("counters.day")}: {one.lastDay} · {t("counters.total")}: {number(one.total, 0, manner())}
                    </span>
                    {one.why && <span>{one.why}</span>}
                  </a>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

function One({ id }: { id: string }) {
  const asking = useSignal(false);
  const asked = useQuery(`/api/counters/${encodeURIComponent(id)}`, (all) => ({ ...counters(all), history: happened(all) }), ["counters.reset"]);
  const reset = (reason: string): void => offer(put(sayReset(id, reason)), `${t("did.reset")}: ${id}`);
  return (
    <>
      <div class="row between">
        <h1>{labelOf(id)}</h1>
        <span class="row">
          <a class="button" href={href("counters")}>
            {t("counters.all")}
          </a>
          <a class="button" href={href("system", id)}>
            {t("act.system")}
          </a>
        </span>
      </div>
      <Loaded asked={asked} none={t("counters.none")}>
        {(one) => (
          <>
            <section class="panel">
              <div class="row between">
                <h2>{t("counters.health")}</h2>
                <Score one={one} />
              </div>
              <p class="muted">{one.why || t("counters.nothing_wrong")}</p>
            </section>
            <section class="panel" hidden={one.types.length === 0}>
              <div class="scroll-x" tabIndex={0} role="region" aria-label={t("counters.title")}>
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{t("counters.type")}</th>
                      <th scope="col" class="number">
                        {t("counters.hour")}
                      </th>
                      <th scope="col" class="number">
                        {t("counters.day")}
                      </th>
                      <th scope="col" class="number">
                        {t("counters.total")}
                      </th>
                      <th scope="col">{t("counters.last")}</th>
                    </tr>
                  </thead>
                  <tbody>
                    {one.types.map((each) => (
                      <tr key={each.type}>
                        <th scope="row" class="row-head">
                          {named(each.label)}
                          {each.lasting && <span class="badge warning">{t("counters.lasting")}</span>}
                        </th>
                        <td class="number">{each.lastHour}</td>
                        <td class="number">{each.lastDay}</td>
                        <td class="number">
                          {number(each.total, 0, manner())}
                          {each.sinceReset !== each.total && <small class="muted"> ({t("counters.since_reset", { n: each.sinceReset })})</small>}
                        </td>
                        <td class="when">{each.lastMs === null ? "–" : instant(each.lastMs, now.value, manner())}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
              <div class="row end">
                <button type="button" class="button danger" onClick={() => (asking.value = true)}>
                  {t("counters.reset")}
                </button>
              </div>
            </section>
            {one.history.length > 0 && (
              <section class="panel">
                <h2>{t("counters.lately")}</h2>
                <ul class="list">
                  {one.history.slice(0, 50).map((each) => (
                    <li key={`${each.type} ${each.timeMs}`} class="device">
                      <b>{named(each.type)}</b>{" "}
                      <span class="muted">
                        {instant(each.timeMs, now.value, manner())}
                        {each.seconds !== null && ` · ${number(each.seconds, 0, manner())} s`}
                        {each.cause && ` · ${words(each.cause)}`}
                      </span>
                    </li>
                  ))}
                </ul>
              </section>
            )}
          </>
        )}
      </Loaded>
      {asking.value && <Reset id={id} onReset={reset} onClose={() => (asking.value = false)} />}
    </>
  );
}

/** A reset has a reason: it is what maintenance is known by. */
function Reset({ id, onReset, onClose }: { id: string; onReset: (reason: string) => void; onClose: () => void }) {
  const reason = useSignal("");
  const say = (): void => {
    if (!reason.value.trim()) return document.getElementById("reset-why")?.focus();
    onReset(reason.value.trim());
    onClose();
  };
  return (
    <Dialog title={t("counters.reset")} onClose={onClose}>
      <p>{t("counters.reset_sure", { system: labelOf(id) })}</p>
      <div class="field">
        <label for="reset-why">{t("counters.why")}</label>
        <input id="reset-why" type="text" maxLength={500} required value={reason} onInput={(event) => (reason.value = event.currentTarget.value)} />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          {t("act.cancel")}
        </button>
        <button type="button" class="button danger" onClick={say}>
          {t("counters.reset")}
        </button>
      </div>
    </Dialog>
  );
}
