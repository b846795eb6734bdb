/** That an END ended nothing, or would not have, and what a person can do instead. */
import { useEffect, useRef } from "preact/hooks";
import type { Idle } from "../core/acts";
import { nothingEnded } from "../shell/standing";
import { t } from "../texts";

interface Props {
  /** End these in the event that each is in. */
  onEnd: (idle: readonly Idle[]) => void;
  /** Send what was held back. */
  onSend: (idle: readonly Idle[]) => void;
}

export function NothingEnded({ onEnd, onSend }: Props) {
  const told = nothingEnded.value;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [told]);
  if (!told) return null;
  const { idle, event, sent } = told;
  const elsewhere = idle.filter((one) => one.active !== null);
  const others = [...new Set(elsewhere.map((one) => one.active))];
  return (
    <div class="notice warn nothing-ended" role="alert" ref={place}>
      <ul class="plain-list">
        {idle.map((one) => (
          <li key={one.system}>{why(one, event)}</li>
        ))}
      </ul>
      <p>{t(sent ? "act.ended_nothing" : "act.not_sent")}</p>
      <div class="row">
        {elsewhere.length > 0 && (
          <button type="button" class="button" onClick={() => onEnd(elsewhere)}>
            {others.length === 1 ? t("act.end_other", { event: others[0] ?? "" }) : t("act.end_each")}
          </button>
        )}
        {!sent && (
          <button type="button" class="button" onClick={() => onSend(idle)}>
            {t("act.send_anyway")}
          </button>
        )}
        <button type="button" class="button" onClick={() => (nothingEnded.value = null)}>
          {t("dialog.close")}
        </button>
      </div>
    </div>
  );
}

function why({ system, active }: Idle, event: string): string {
  if (system === "all") return event ? t("act.none_in", { event }) : t("act.none_in_any");
  if (active === null) return t("act.in_none", { system });
  return t("act.in_other", { system, active, event });
}
