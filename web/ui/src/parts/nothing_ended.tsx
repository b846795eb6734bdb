/** That an END ended nothing, and what a person can do instead. */
import { useEffect, useRef } from "preact/hooks";
import { nothingEnded, type Nothing } from "../shell/ended";
import { t } from "../texts";

/** A system, and the event that it is in. */
export interface Elsewhere {
  system: string;
  active: string;
}

export function NothingEnded({ onEnd }: { onEnd: (all: readonly Elsewhere[]) => void }) {
  const told = nothingEnded.value;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.scrollIntoView({ block: "nearest" }), [told]);
  if (told.length === 0) return null;
  const elsewhere = told.flatMap(({ system, active }): Elsewhere[] => (active === null ? [] : [{ system, active }]));
  const others = [...new Set(elsewhere.map((one) => one.active))];
  return (
    <div class="notice warn nothing-ended" role="alert" ref={place}>
      <ul class="plain-list">
        {told.map((one) => (
          <li key={one.id}>{why(one)}</li>
        ))}
      </ul>
      <p>{t("act.ended_nothing")}</p>
      <div class="row">
        {elsewhere.length > 0 && (
          <button type="button" class="button" onClick={() => onEnd(elsewhere)}>
            {others.length === 1 ? t("act.end_other", { event: others[0] ?? "" }) : t("act.end_each")}
          </button>
        )}
        <button type="button" class="button" onClick={() => (nothingEnded.value = [])}>
          {t("dialog.close")}
        </button>
      </div>
    </div>
  );
}

function why({ system, active, event }: Nothing): string {
  if (system === "all") return event ? t("act.none_in", { event }) : t("act.none_in_any");
  if (active === null) return t("act.in_none", { system });
  return t("act.in_other", { system, active, event });
}
