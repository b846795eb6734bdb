/** All that is wrong now, worst first, and what was wrong lately. */
import { useSignal } from "@preact/signals";
import { sayAcknowledge } from "../core/acts";
import { words } from "../core/format";
import type { Alarm, Severity } from "../core/wire";
import { AlarmRow } from "../parts/alarm_row";
import { Dialog } from "../parts/dialog";
import { Timeline } from "../parts/timeline";
import { put } from "../shell/outbox";
import { labelOf, systems } from "../shell/store";
import { offer } from "../shell/undo";
import { t } from "../texts";

const ORDER: readonly Severity[] = ["critical", "error", "warning", "info"];
const TYPES = ["alarm.raised", "alarm.cleared", "alarm.acknowledged", "alert.raised", "alert.cleared", "alert.acknowledged"];

interface Active {
  system: string;
  alarm: Alarm;
  key: string;
}

export default function Alerts() {
  const asking = useSignal<readonly Active[]>([]);
  const all: Active[] = [...systems.value].flatMap(([system, state]) =>
    state.value.alarms.map((alarm) => ({
      system,
      alarm,
      key: [system, alarm.family, alarm.name, alarm.device, alarm.phase, alarm.counted, alarm.period, alarm.sinceMs].join(" "),
    })),
  );
  all.sort(
    (a, b) =>
      Number(a.alarm.acknowledged !== null) - Number(b.alarm.acknowledged !== null) ||
      ORDER.indexOf(a.alarm.severity) - ORDER.indexOf(b.alarm.severity) ||
      b.alarm.sinceMs - a.alarm.sinceMs,
  );
  const fresh = all.filter((one) => one.alarm.acknowledged === null);
  return (
    <>
      <div class="row between">
        <h1>{t("alerts.title")}</h1>
        {fresh.length > 1 && (
          <button type="button" class="button" onClick={() => (asking.value = fresh)}>
            {t("alerts.acknowledge_all")}
          </button>
        )}
      </div>
      {all.length === 0 && <p class="empty">{t("alerts.none")}</p>}
      <ul class="list">
        {all.map((one) => (
          <AlarmRow key={one.key} system={one.system} alarm={one.alarm} named>
            {one.alarm.acknowledged === null && (
              <button type="button" class="button" onClick={() => (asking.value = [one])}>
                {t("alerts.acknowledge")}
              </button>
            )}
          </AlarmRow>
        ))}
      </ul>
      {asking.value.length > 0 && <Acknowledge all={asking.value} onClose={() => (asking.value = [])} />}
      <section class="panel">
        <h2>{t("alerts.history")}</h2>
        <Timeline query={{ types: TYPES.join(",") }} mine={(one) => TYPES.includes(one.type)} systems />
      </section>
    </>
  );
}

/** Say that somebody takes care of it, with a word on how. */
function Acknowledge({ all, onClose }: { all: readonly Active[]; onClose: () => void }) {
  const note = useSignal("");
  const names = all.length === 1 ? `${words(all[0]!.alarm.name)} · ${labelOf(all[0]!.system)}` : t("alerts.n", { n: all.length });
  const say = (): void => {
    offer(put(...all.map((one) => sayAcknowledge(one.system, one.alarm, note.value.trim()))), `${t("did.acknowledge")}: ${names}`);
    onClose();
  };
  return (
    <Dialog title={t("alerts.acknowledge")} onClose={onClose}>
      <p>{names}</p>
      <p class="muted">{t("alerts.acknowledge_hint")}</p>
      <div class="field">
        <label for="acknowledge-note">{t("alerts.note")}</label>
        <input id="acknowledge-note" type="text" maxLength={500} value={note} onInput={(event) => (note.value = event.currentTarget.value)} />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          {t("act.cancel")}
        </button>
        <button type="button" class="button primary" onClick={say}>
          {t("act.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
