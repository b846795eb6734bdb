/** One active alarm: icon, word, since when, of what. */
import { duration, instant, words } from "../core/format";
import { href } from "../core/route";
import type { Alarm } from "../core/wire";
import { manner } from "../shell/settings";
import { labelOf, now } from "../shell/store";
import { t } from "../texts";
import { Icon } from "./icons";
import type { ComponentChildren } from "preact";

interface Props {
  system: string;
  alarm: Alarm;
  /** Name the system. */
  named: boolean;
  children?: ComponentChildren;
}

export function AlarmRow({ system, alarm, named, children }: Props) {
  return (
    <li class={`alarm ${alarm.severity}`}>
      <span class={`badge ${alarm.severity === "error" ? "critical" : alarm.severity}`}>
        <Icon name="alerts" />
        {alarm.family === "alarm" && alarm.severity === "critical" ? t("rank.critical") : t(`severity.${alarm.severity}`)}
      </span>
      <div class="grow">
        <b>{words(alarm.name)}</b> {[alarm.device, alarm.phase.toUpperCase()].filter(Boolean).join(" · ")}
        {alarm.text && <div class="timeline-text">{alarm.text}</div>}
        {alarm.acknowledged && (
          <div class="acknowledged">
            <Icon name="check" /> {t("alerts.acknowledged", { who: alarm.acknowledged.by, time: instant(alarm.acknowledged.atMs, now.value, manner()) })}
            {alarm.acknowledged.note && `: ${alarm.acknowledged.note}`}
          </div>
        )}
        <div class="muted">
          {named && (
            <>
              <a href={href("system", system)}>{labelOf(system)}</a> ·{" "}
            </>
          )}
          {t(`alerts.family.${alarm.family}`)} · {t("alerts.since", { time: instant(alarm.sinceMs, now.value, manner()) })} · {duration(now.value - alarm.sinceMs)}
        </div>
      </div>
      {children}
    </li>
  );
}
