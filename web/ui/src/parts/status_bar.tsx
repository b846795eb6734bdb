/** The top line: how live the page is, in words, and what still waits. */
import { useComputed } from "@preact/signals";
import { clock, duration } from "../core/format";
import { link, reconnect } from "../shell/live";
import { actions, attention } from "../shell/outbox";
import { manner } from "../shell/settings";
import { now } from "../shell/store";
import { t } from "../texts";
import { Icon } from "./icons";

export function StatusBar() {
  const words = useComputed(() => {
    const state = link.value;
    if (state.phase === "silent") return t("link.silent", { age: duration(Math.max(0, Date.now() - state.heardMs) + 0 * now.value) });
    return t(`link.${state.phase}`);
  });
  const state = link.value;
  const well = state.phase === "live";
  const waiting = actions.value.length;
  return (
    <div class="status">
      <span class={`link ${state.phase}`}>
        <Icon name={well ? "wifi" : "clock"} />
        <span role="status">{words}</span>
      </span>
      {waiting > 0 && (
        <a class={`status-waiting ${attention.value > 0 ? "attention" : ""}`} href="#/act">
          <Icon name={attention.value > 0 ? "alerts" : "up"} />
          {t("outbox.waiting", { n: waiting })}
        </a>
      )}
    </div>
  );
}

/** Shown above everything that may be old. */
export function Stale() {
  const state = link.value;
  if (state.phase === "live" || state.phase === "connecting" || state.phase === "hidden") return null;
  return (
    <div class="notice warn">
      <p>
        {t("link.explain")} {t("link.since", { time: clock(state.sinceMs, manner()) })} {!navigator.onLine && t("link.offline")}
      </p>
      {state.phase === "waiting" && navigator.onLine && (
        <button type="button" class="button" onClick={reconnect}>
          {t("error.retry")}
        </button>
      )}
    </div>
  );
}
