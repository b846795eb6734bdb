/** Readings over time, as the API tells them, with what came live since at their end. Pure. */
import { isObject, numberOf, timeOf, type Json, type SystemState } from "./wire";

export interface Columns {
  mean: readonly (number | null)[];
  min: readonly (number | null)[];
  max: readonly (number | null)[];
}

export interface Range {
  fromMs: number;
  stepMs: number;
  series: Readonly<Record<string, Columns>>;
}

export function range(said: Json): Range {
  const series = isObject(said.series) ? said.series : {};
  return {
    fromMs: timeOf(said.from) ?? 0,
    stepMs: (numberOf(said.step_s) ?? 1) * 1000,
    series: Object.fromEntries(Object.entries(series).map(([name, one]) => [name, columns(one)])),
  };
}

/** Small charts of several systems: least and greatest of each step. */
export interface Sparklines {
  fromMs: number;
  stepMs: number;
  systems: ReadonlyMap<string, readonly (readonly (number | null)[])[]>;
}

export function sparklines(said: Json): Sparklines {
  const systems = isObject(said.systems) ? said.systems : {};
  return {
    fromMs: timeOf(said.from) ?? 0,
    stepMs: (numberOf(said.step_s) ?? 1) * 1000,
    systems: new Map(Object.entries(systems).map(([id, one]) => [id, [columns(one).min, columns(one).max]])),
  };
}

function columns(said: unknown): Columns {
  const numbers = (values: unknown): (number | null)[] => (Array.isArray(values) ? values.map(numberOf) : []);
  const one = isObject(said) ? said : {};
  return { mean: numbers(one.mean), min: numbers(one.min), max: numbers(one.max) };
}

export interface Live {
  timeMs: number;
  values: Readonly<Record<string, number | null>>;
}

const MOST_LIVE = 2400;

/** Keep what came live, each time once. */
export function heard(live: readonly Live[], system: SystemState, names: readonly string[]): readonly Live[] {
  if (system.timeMs === null || live[live.length - 1]?.timeMs === system.timeMs) return live;
  const values = Object.fromEntries(
    names.map((name) => [name, system.streams.map((stream) => stream.values[name]).find((value) => value !== undefined) ?? null]),
  );
  return [...live, { timeMs: system.timeMs, values }].slice(-MOST_LIVE);
}

export interface Drawn {
  /** Seconds since the epoch. */
  times: number[];
  columns: Record<string, Columns>;
}

/** Join the past with what came live after its last value. */
export function joined(past: Range | null, live: readonly Live[], names: readonly string[], fromMs: number): Drawn {
  const count = past ? Math.max(0, ...Object.values(past.series).map((one) => one.mean.length)) : 0;
  const times = past ? Array.from({ length: count }, (_, index) => (past.fromMs + (index + 0.5) * past.stepMs) / 1000) : [];
  let last = count;
  const known = (index: number): boolean => Object.values(past?.series ?? {}).some((one) => typeof one.mean[index] === "number");
  while (last > 0 && !known(last - 1)) last -= 1;
  const endMs = last > 0 && past ? past.fromMs + last * past.stepMs : fromMs;
  const tail = live.filter((one) => one.timeMs > endMs);
  const columns = Object.fromEntries(
    names.map((name) => {
      const was = past?.series[name];
      const added = tail.map((one) => one.values[name] ?? null);
      const join = (values: readonly (number | null)[] | undefined): (number | null)[] => [
        ...Array.from({ length: last }, (_, index) => values?.[index] ?? null),
        ...added,
      ];
      return [name, { mean: join(was?.mean), min: join(was?.min), max: join(was?.max) }];
    }),
  );
  return { times: [...times.slice(0, last), ...tail.map((one) => one.timeMs / 1000)], columns };
}
