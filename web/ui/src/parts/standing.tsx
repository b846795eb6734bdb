/** What the chosen system does now, and what a person should know of it before acting. */
import { useEffect } from "preact/hooks";
import { instant } from "../core/format";
import { link } from "../shell/live";
import { manner } from "../shell/settings";
import { known } from "../shell/standing";
import { now, systems } from "../shell/store";
import { t } from "../texts";

interface Props {
  typed: string;
  event: string;
  /** Told of the event that the system is in, when it is chosen and when that changes. */
  onActive: (event: string) => void;
}

export function Standing({ typed, event, onActive }: Props) {
  const system = known(typed)?.value;
  const active = system?.window?.eventId ?? "";
  useEffect(() => {
    if (active) onActive(active);
  }, [typed, active]);
  if (!system) {
    const unheard = typed !== "" && systems.value.size > 0 && link.value.phase === "live";
    return <p class="standing">{unheard && <span class="hint">{t("act.unheard", { system: typed })}</span>}</p>;
  }
  const { window, place: at } = system;
  const time = window && instant(window.startedMs, now.value, manner());
  return (
    <p class="standing">
      {window ? (
        <>
          <b>{t("act.active", { event: window.eventId, time: time ?? "" })}</b>{" "}
        </>
      ) : (
        `${t("act.idle")} `
      )}
      {at?.name && t("act.at", { location: at.name })}
      {window && event && event !== window.eventId && <span class="hint">{t("act.supersedes", { event: window.eventId })}</span>}
    </p>
  );
}
