/** All that is wrong now, worst first, and what was wrong lately. */
import { useSignal } from "@preact/signals";
import type { Alarm, Severity } from "../core/wire";
import { AlarmRow } from "../parts/alarm_row";
import { Timeline } from "../parts/timeline";
import { seenAlarms } from "../shell/settings";
import { systems } from "../shell/store";
import { t } from "../texts";

const ORDER: readonly Severity[] = ["critical", "error", "warning", "info"];
const TYPES = ["alarm.raised", "alarm.cleared", "alert.raised", "alert.cleared"];
const MOST_SEEN = 500;

interface Active {
  system: string;
  alarm: Alarm;
  key: string;
}

export default function Alerts() {
  const onlyNew = useSignal(false);
  const seen = new Set(JSON.parse(seenAlarms.value) as string[]);
  const all: Active[] = [...systems.value].flatMap(([system, state]) =>
    state.value.alarms.map((alarm) => ({
      system,
      alarm,
      key: [system, alarm.family, alarm.name, alarm.device, alarm.phase, alarm.sinceMs].join(" "),
    })),
  );
  all.sort(
    (a, b) =>
      Number(seen.has(a.key)) - Number(seen.has(b.key)) ||
      ORDER.indexOf(a.alarm.severity) - ORDER.indexOf(b.alarm.severity) ||
      b.alarm.sinceMs - a.alarm.sinceMs,
  );
  const mark = (keys: readonly string[]): void => {
    seenAlarms.value = JSON.stringify([...seen, ...keys].slice(-MOST_SEEN));
  };
  const fresh = all.filter((one) => !seen.has(one.key));
  const shown = onlyNew.value ? fresh : all;
  return (
    <>
      <div class="row between">
        <h1>{t("alerts.title")}</h1>
        {fresh.length > 1 && (
          <button type="button" class="button" onClick={() => mark(fresh.map((one) => one.key))}>
            {t("alerts.mark_all_seen")}
          </button>
        )}
      </div>
      {all.length === 0 && <p class="empty">{t("alerts.none")}</p>}
      <ul class="list">
        {shown.map((one) => (
          <AlarmRow key={one.key} system={one.system} alarm={one.alarm} named>
            {seen.has(one.key) ? (
              <span class="muted">{t("alerts.seen")}</span>
            ) : (
              <button type="button" class="button" onClick={() => mark([one.key])}>
                {t("alerts.mark_seen")}
              </button>
            )}
          </AlarmRow>
        ))}
      </ul>
      <section class="panel">
        <h2>{t("alerts.history")}</h2>
        <Timeline query={{ types: TYPES.join(",") }} mine={(one) => TYPES.includes(one.type)} systems />
      </section>
    </>
  );
}
