/** Reports as the API lists them. Pure. */
import { isObject, list, numberOf, textOf, textOrNull, timeOf, type Json } from "./wire";

export interface Report {
  event: string;
  scope: "system" | "event";
  system: string | null;
  revision: number;
  state: string;
  provisional: boolean;
  generatedMs: number | null;
  html: string;
  pdf: string | null;
  csv: string | null;
  changed: readonly { figure: string; before: number | null; after: number | null }[];
  totals: Readonly<Record<string, number>>;
}

export function reports(said: Json): Report[] {
  return list(said.reports ?? said.items).map((one) => {
    const event = textOf(one.event_id);
    const base = `/api/reports/${encodeURIComponent(event)}`;
    return {
      event,
      scope: one.scope === "system" ? "system" : "event",
      system: textOrNull(one.system_id),
      revision: numberOf(one.revision) ?? 1,
      state: textOf(one.state) || "ready",
      provisional: one.provisional === true,
      generatedMs: timeOf(one.generated_at),
      html: local(one.html_url) ?? `${base}/html`,
      pdf: one.pdf === "failed" ? null : local(one.pdf_url),
      csv: local(one.csv_url),
      changed: list(one.changed).map((each) => ({ figure: textOf(each.figure), before: numberOf(each.before), after: numberOf(each.after) })),
      totals: totals(one.totals),
    };
  });
}

/** Newest first; of one event its own report before those of its systems. */
export const newestFirst = (all: readonly Report[]): Report[] =>
  [...all].sort((a, b) => (b.generatedMs ?? 0) - (a.generatedMs ?? 0) || b.revision - a.revision || (a.scope === "event" ? -1 : 1));

/** What a report is awaited of: an event, or one system in it. */
export interface Target {
  event: string;
  system: string | null;
}

/** A target, and the ENDs that its report comes of. */
export interface Awaited extends Target {
  ends: readonly string[];
}

/** An END that was said: its id, and what of. */
export interface End extends Target {
  id: string;
}

/** Tell whose reports come of an END: of the event when nobody else is in it, of each system otherwise. */
export function targets(event: string, systems: readonly string[], running: readonly string[]): Target[] {
  const goesOn = running.some((system) => !systems.includes(system));
  return goesOn ? systems.map((system) => ({ event, system })) : [{ event, system: null }];
}

/** Tell whose reports come of these ENDs; `running` tells which systems are in an event. */
export function awaitedOf(ends: readonly End[], running: (event: string) => readonly string[]): Awaited[] {
  const each = (event: string): Awaited[] => {
    const here = ends.filter((end) => end.event === event);
    const systems = here.flatMap((end) => end.system ?? []);
    const whole = systems.length < here.length; // an END of all is among them
    const found = whole ? [{ event, system: null }] : targets(event, systems, running(event));
    return found.map((target) => ({ ...target, ends: here.filter((end) => target.system === null || end.system === target.system).map((end) => end.id) }));
  };
  return [...new Set(ends.map((end) => end.event))].flatMap(each);
}

/** Leave out what only an END that ended nothing would have brought. */
export const without = (all: readonly Awaited[], end: string): Awaited[] =>
  all.map((one) => ({ ...one, ends: one.ends.filter((id) => id !== end) })).filter((one) => one.ends.length > 0);

/** Find the newest report of a target that was made since then; earlier ones are of earlier runs. */
export const madeSince = (all: readonly Report[], { event, system }: Target, sinceMs: number): Report | undefined =>
  newestFirst(all).find(
    (one) =>
      one.event === event && one.state === "ready" && (one.generatedMs ?? 0) >= sinceMs && (system === null ? one.scope === "event" : one.scope === "system" && one.system === system),
  );

/** Only addresses of web pages are linked. */
function local(said: unknown): string | null {
  const text = textOrNull(said);
  return text !== null && /^(https?:\/\/|\/(?!\/))/.test(text) ? text : null;
}

const totals = (said: unknown): Record<string, number> =>
  Object.fromEntries(isObject(said) ? Object.entries(said).filter((entry): entry is [string, number] => numberOf(entry[1]) !== null) : []);
