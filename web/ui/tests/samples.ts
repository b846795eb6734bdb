/** Values for tests. */
import type { Action } from "../src/core/outbox";
import { systemState, type Json, type SystemState } from "../src/core/wire";

export const T0 = Date.UTC(2026, 10, 21, 12, 0, 0);

export const at = (ms: number): string => new Date(T0 + ms).toISOString();

export function action(order: number, changes: Partial<Action> = {}): Action {
  return {
    order,
    id: `id-${order}`,
    path: "/api/note",
    what: "note",
    system: "rig_01",
    about: "",
    body: { system_id: "rig_01", msg: `note ${order}` },
    tappedMs: T0 + order,
    offsetMs: null,
    time: null,
    photo: false,
    state: "waiting",
    tries: 0,
    problem: null,
    ...changes,
  };
}

export function system(id: string, values: Record<string, number | null>, changes: Json = {}): SystemState {
  return systemState(id, {
    time: at(0),
    readings: [{ kind: "victron", interval_ms: 500, time: at(0), values }],
    devices: { gx: { connected: true, since: at(-1000) } },
    alarms: [],
    ...changes,
  });
}
