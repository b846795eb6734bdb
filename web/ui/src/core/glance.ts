/** What one sees of a system at a glance: its main figure, its phases, its store of energy, a word. Pure.
 *
 * Rules that must stay true here:
 * - a value has the time of its own stream; nothing stands in for a value that is not there;
 * - the places are tried in the order of what a technician asks first: what is delivered, then what comes in.
 */
import type { Severity, SystemState } from "./wire";

export interface Value {
  name: string;
  value: number;
  timeMs: number;
  intervalMs: number;
}

export interface Glance {
  main: Value | null;
  /** L1, L2, L3 of the main figure's place: power, or current where the device tells no power of its phases. */
  phases: readonly (number | null)[] | null;
  /** What they are in: a name with their unit. */
  phasesIn: "x_w" | "x_a";
  soc: Value | null;
  fuel: Value | null;
  battery: Value | null;
  /** A key of `state.*` in the texts. */
  word: string;
}

const PLACES = ["ac_out", "ac", "load", "genset", "grid", "pvinverter", "ac_in", "pv", "acload", "dcgenset", "battery", "dc"];
const FUEL = ["tank_level_pct", "tank_1_level_pct", "genset_fuel_level_pct", "genset_tank_level_pct", "fuel_level_pct"];

/** Find the newest value of a measurement among a system's streams; null when there is none now. */
export function find(system: SystemState, name: string): Value | null {
  let found: Value | null = null;
  for (const stream of system.streams) {
    const value = stream.values[name];
    if (typeof value === "number" && (!found || stream.timeMs > found.timeMs)) {
      found = { name, value, timeMs: stream.timeMs, intervalMs: stream.intervalMs };
    }
  }
  return found;
}

export function glance(system: SystemState): Glance {
  const place = PLACES.find((one) => find(system, `${one}_power_w`));
  const main = place ? find(system, `${place}_power_w`) : find(system, "cpu_pct");
  const each = (what: string) => ["l1", "l2", "l3"].map((phase) => (place ? (find(system, `${place}_${phase}_${what}`)?.value ?? null) : null));
  const known = (phases: readonly (number | null)[]): boolean => phases.some((value) => value !== null);
  const powers = each("power_w");
  const currents = each("current_a");
  const fuel = FUEL.map((name) => find(system, name)).find((one) => one) ?? null;
  return {
    main,
    phases: known(powers) ? powers : known(currents) ? currents : null,
    phasesIn: known(powers) ? "x_w" : "x_a",
    soc: find(system, "soc_pct"),
    fuel,
    battery: find(system, "battery_power_w"),
    word: word(system, main),
  };
}

const VICTRON = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 244, 245, 252, 256, 257, 258, 259]);
const SUNSPEC = new Set([1, 2, 3, 4, 5, 6, 7, 8]);

function word(system: SystemState, main: Value | null): string {
  const code = (name: string) => find(system, name)?.value;
  if (code("ups_off_code") === 1) return "off";
  if (code("ups_on_battery_code") === 1) return "on_battery";
  if (code("ups_bypass_code") === 1) return "bypass";
  if (code("ups_online_code") === 1) return "on_line";
  const genset = code("genset_status_code");
  if (genset === 8 && code("state_code") === undefined) return "running";
  const victron = code("state_code");
  if (victron !== undefined && VICTRON.has(victron)) return `victron_${victron}`;
  const sunspec = code("inverter_state_code");
  if (sunspec !== undefined && SUNSPEC.has(sunspec)) return `sunspec_${sunspec}`;
  if (!main) return "no_values";
  if (main.name === "cpu_pct") return "running";
  if (main.value < -5) return "feeding_back";
  return main.value > 5 ? "drawing" : "idle";
}

/** How much a system needs a person, most first. */
export const RANKS = ["critical", "warning", "stale", "old", "fresh"] as const;
export type Rank = (typeof RANKS)[number];

export const OLD_MS = 10_000;
export const STALE_MS = 60_000;

/** Judge how old data is: by the clock of the node, and by how often this system speaks. */
export function age(system: SystemState, nowMs: number): { ageMs: number | null; rank: "fresh" | "old" | "stale" } {
  if (system.timeMs === null) return { ageMs: null, rank: "stale" };
  const ageMs = Math.max(0, nowMs - system.timeMs);
  const intervalMs = Math.min(...system.streams.map((stream) => stream.intervalMs || OLD_MS));
  const slack = Number.isFinite(intervalMs) ? Math.max(OLD_MS, 3 * intervalMs) : OLD_MS;
  if (ageMs > Math.max(STALE_MS, 2 * slack)) return { ageMs, rank: "stale" };
  return { ageMs, rank: ageMs > slack ? "old" : "fresh" };
}

/** Tell whether it sleeps on purpose, as PV inverters do at night. */
export const asleep = (system: SystemState): boolean =>
  system.devices.length > 0 && system.devices.every((device) => device.connected === false && device.reason === "asleep");

/** Tell whether none of its devices answers. */
export const gone = (system: SystemState): boolean =>
  system.devices.length > 0 && system.devices.every((device) => device.connected === false);

export function rank(system: SystemState, nowMs: number): Rank {
  const worst = worstOf(system.alarms.map((alarm) => alarm.severity));
  if (worst === "critical" || worst === "error") return "critical";
  if (worst === "warning") return "warning";
  if (asleep(system)) return "fresh";
  if (gone(system)) return "stale";
  return age(system, nowMs).rank;
}

const SEVERITIES: readonly Severity[] = ["critical", "error", "warning", "info"];

export function worstOf(severities: readonly Severity[]): Severity | null {
  return SEVERITIES.find((one) => severities.includes(one)) ?? null;
}

export interface Listed {
  id: string;
  label: string;
  rank: Rank;
  active: boolean;
}

const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;

/** Sort for a person who looks for trouble: alarms, then what is stale, then what takes part in an event, then by name. */
export function inOrder(systems: readonly Listed[]): Listed[] {
  return [...systems].sort(
    (a, b) =>
      RANKS.indexOf(a.rank) - RANKS.indexOf(b.rank) ||
      Number(b.active) - Number(a.active) ||
      compare(a.label, b.label) ||
      compare(a.id, b.id),
  );
}

export const naturally = compare;

/** Tell whether all words that were typed stand somewhere in these texts. */
export function matches(typed: string, ...texts: readonly (string | null | undefined)[]): boolean {
  const text = texts.join(" ").toLowerCase();
  return typed.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}
