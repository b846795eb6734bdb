/** Counters and health scores as the API tells them. Pure. */
import { words } from "./format";
import { list, numberOf, textOf, timeOf, type Json } from "./wire";

export interface Counted {
  type: string;
  label: string;
  severity: string;
  total: number;
  sinceReset: number;
  lastHour: number;
  lastDay: number;
  lastMs: number | null;
  lasting: boolean;
}

export interface Counters {
  system: string;
  score: number;
  grade: string;
  total: number;
  lastDay: number;
  why: string;
  types: Counted[];
}

export interface Happened {
  type: string;
  timeMs: number;
  seconds: number | null;
  cause: string;
}

/** Labels are written as in the counters specification: `AC_POWER_LOSS`. */
export const named = (label: string): string => words(label.toLowerCase());

export function counters(one: Json): Counters {
  return {
    system: textOf(one.system_id),
    score: numberOf(one.score) ?? 0,
    grade: textOf(one.grade),
    total: numberOf(one.total) ?? 0,
    lastDay: numberOf(one.last_day) ?? 0,
    why: list(one.factors)
      .map((factor) => `${named(textOf(factor.label))} (${numberOf(factor.recent) ?? 0})`)
      .join(", "),
    types: list(one.types).map((each) => ({
      type: textOf(each.type),
      label: textOf(each.label),
      severity: textOf(each.severity),
      total: numberOf(each.total) ?? 0,
      sinceReset: numberOf(each.since_reset) ?? 0,
      lastHour: numberOf(each.last_hour) ?? 0,
      lastDay: numberOf(each.last_day) ?? 0,
      lastMs: timeOf(each.last_at),
      lasting: timeOf(each.lasts_since) !== null,
    })),
  };
}

export const happened = (all: Json): Happened[] =>
  list(all.history).flatMap((one) => {
    const timeMs = timeOf(one.time) ?? timeOf(one.at);
    return timeMs === null ? [] : [{ type: textOf(one.event_type) || textOf(one.type), timeMs, seconds: numberOf(one.duration_s) ?? numberOf(one.seconds), cause: textOf(one.cause) }];
  });

/** What happened in the last day or still lasts, the most frequent first. */
export const lately = (one: Counters): Counted[] => one.types.filter((each) => each.lastDay > 0 || each.lasting).sort((a, b) => b.lastDay - a.lastDay);
