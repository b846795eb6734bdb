/** The topics of the bus that a browser reads. No other module spells one. Pure. */

export type Heard =
  | { kind: "head" }
  | { kind: "system"; id: string }
  | { kind: "event"; id: string }
  | { kind: "health"; process: string }
  | { kind: "fact"; system: string; type: string };

/** The types of events that screens follow; samples come as state. */
export const FACTS = [
  "window.started",
  "window.ended",
  "window.corrected",
  "location.set",
  "note.added",
  "photo.added",
  "alarm.raised",
  "alarm.cleared",
  "alert.raised",
  "alert.cleared",
  "alarm.acknowledged",
  "alert.acknowledged",
  "counters.reset",
  "system.registered",
  "report.requested",
  "report.generated",
  "journal.restored",
] as const;

export function filters(prefix: string): string[] {
  return [`${prefix}/head`, `${prefix}/state/#`, `${prefix}/health/+`, ...FACTS.map((type) => `${prefix}/events/+/${type}`)];
}

/** Take a topic apart; null when it is none of ours. */
export function parse(prefix: string, topic: string): Heard | null {
  if (!topic.startsWith(`${prefix}/`)) return null;
  const [family, ...rest] = topic.slice(prefix.length + 1).split("/");
  const [one, two] = rest;
  if (family === "head" && rest.length === 0) return { kind: "head" };
  if (one === undefined || one === "") return null;
  if (family === "health" && rest.length === 1) return { kind: "health", process: one };
  if (family === "state" && rest.length === 1) return named("system", one);
  if (family === "state" && rest.length === 2 && one === "_events" && two) return named("event", two);
  if (family === "events" && rest.length === 2 && two) return { kind: "fact", system: one, type: two };
  return null;
}

function named(kind: "system" | "event", segment: string): Heard | null {
  try {
    return { kind, id: decodeURIComponent(segment) };
  } catch {
    return null;
  }
}
