/** How old what is shown is, in words that move with the clock. */
import { useComputed, type ReadonlySignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { age, asleep, gone } from "../core/glance";
import { duration, instant } from "../core/format";
import type { SystemState } from "../core/wire";
import { manner } from "../shell/settings";
import { now } from "../shell/store";
import { t } from "../texts";

export function ageText(system: SystemState, nowMs: number): string {
  if (asleep(system) || gone(system)) {
    const since = Math.max(...system.devices.map((device) => device.sinceMs ?? 0));
    return t(asleep(system) ? "age.asleep" : "age.gone", { time: instant(since, nowMs, manner()) });
  }
  const { ageMs, rank } = age(system, nowMs);
  if (ageMs === null || system.timeMs === null) return t("age.never");
  if (rank === "stale") return t("age.stale", { time: instant(system.timeMs, nowMs, manner()) });
  return t(rank === "old" ? "age.old" : "age.fresh", { age: duration(ageMs) });
}

interface Props {
  system: ReadonlySignal<SystemState>;
  /** Whether anyone sees it; always, when left out. */
  visible?: ReadonlySignal<boolean>;
}

export function Age({ system, visible }: Props) {
  const last = useRef("");
  const text = useComputed(() => {
    if (last.current === "" || visible?.value !== false) last.current = ageText(system.value, now.value);
    return last.current;
  });
  return <span class="age">{text}</span>;
}
