/** What happened, as the API's timeline tells it. Pure. */
import { isObject, list, numberOf, textOf, textOrNull, timeOf, type Fact, type Json } from "./wire";

export interface Item {
  position: number;
  id: string;
  type: string;
  system: string;
  event: string | null;
  timeMs: number;
  /** When it counts, corrections considered. */
  countsMs: number;
  who: string;
  data: Json;
  verdict: string | null;
  corrected: boolean;
}

export function items(said: Json): Item[] {
  return list(said.items).flatMap((one) => {
    const timeMs = timeOf(one.time);
    if (timeMs === null) return [];
    return [
      {
        position: numberOf(one.position) ?? 0,
        id: textOf(one.id),
        type: textOf(one.type),
        system: textOf(one.system_id),
        event: textOrNull(one.event_id),
        timeMs,
        countsMs: timeOf(one.counts_at) ?? timeMs,
        who: textOf(one.operator) || textOf(one.client),
        data: isObject(one.data) ? one.data : {},
        verdict: textOrNull(one.verdict),
        corrected: numberOf(one.corrected_by) !== null,
      },
    ];
  });
}

/** An event that came live, as the timeline will tell it. */
export const item = (fact: Fact): Item => ({
  position: fact.position,
  id: fact.id,
  type: fact.type,
  system: fact.system,
  event: textOrNull(fact.data.event_id),
  timeMs: fact.timeMs,
  countsMs: fact.timeMs,
  who: fact.operator || fact.client,
  data: fact.data as Json,
  verdict: null,
  corrected: false,
});

/** Put what came live before what was read, each once, newest first. */
export function merged(read: readonly Item[], live: readonly Item[]): Item[] {
  const known = new Set(read.map((one) => one.position));
  return [...live.filter((one) => !known.has(one.position)), ...read].sort((a, b) => b.timeMs - a.timeMs || b.position - a.position);
}

/** Tell whether somebody can say that it did not happen, or happened at another time. */
export const correctable = (one: Item): boolean => one.type === "window.started" || one.type === "window.ended";

export const undone = (one: Item): boolean => one.verdict === "undone";

/** Tell whether it changed nothing: an end of what was not active. */
export const idle = (one: Item): boolean => one.verdict === "nothing_active" || one.verdict === "other_active";
