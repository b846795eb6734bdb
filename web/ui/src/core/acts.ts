/** What an operator may say, checked before it is kept, in the shapes of the API. Pure. */
import { words } from "./format";
import { standsForMore } from "./names";
import type { Alarm, EventState, Json, SystemState } from "./wire";

export const MOST_NAME = 120;
export const MOST_NOTE = 4000;

export interface Form {
  systems: readonly string[];
  event: string;
  location: string;
  note: string;
  photos: number;
  position: { lat: number; lon: number; accuracy_m: number } | null;
}

export type What = "start" | "end" | "location" | "note";
/** Which field is missing, as a key of `act.*` in the texts. */
export type Missing = { field: "system" | "event" | "location" | "note"; text: "act.need_system" | "act.need_one_system" | "act.systems_none" | "act.need_event" | "act.need_location" | "act.need_note" };

export interface Said {
  path: string;
  what: string;
  system: string;
  about: string;
  body: Json;
}

/** Tell what is missing; null when it can be said. */
export function missing(what: What, form: Form, several: boolean): Missing | null {
  if (form.systems.length === 0) return { field: "system", text: several ? "act.systems_none" : "act.need_system" };
  if (form.systems.some(standsForMore)) return { field: "system", text: "act.need_one_system" };
  if (what === "start" && !form.event.trim()) return { field: "event", text: "act.need_event" };
  if (what === "location" && !form.location.trim()) return { field: "location", text: "act.need_location" };
  if (what === "note" && !form.note.trim() && form.photos === 0) return { field: "note", text: "act.need_note" };
  return null;
}

/** A tap, to know its twin by. */
export interface Tap {
  what: What;
  form: Form;
  atMs: number;
}

const TWICE_MS = 1_500;

/** Tell whether a tap is the one before once more, as gloves do; what that one emptied may be empty now. */
export function twice(last: Tap | null, { what, form, atMs }: Tap): boolean {
  if (last === null || last.what !== what || Math.abs(atMs - last.atMs) >= TWICE_MS) return false;
  const same = (name: "note" | "location"): boolean => form[name] === "" || form[name] === last.form[name];
  return form.event === last.form.event && form.systems.join("\n") === last.form.systems.join("\n") && form.photos === 0 && same("note") && same("location");
}

/** Put a form into what is sent: one entry a system. Photos are entries of their own, and so is the position of a START. */
export function say(what: What, form: Form): Said[] {
  const said = entries(what, form);
  const placed = what === "start" && form.position !== null && form.location.trim() !== "";
  return placed ? [...said, ...entries("location", { ...form, note: "" })] : said;
}

function entries(what: What, form: Form): Said[] {
  const event = form.event.trim();
  const location = form.location.trim();
  const note = form.note.trim();
  const optional = (name: string, value: string): Json => (value ? { [name]: value } : {});
  return form.systems.map((system_id): Said => {
    switch (what) {
      case "start":
        return {
          path: "/api/event/start",
          what,
          system: system_id,
          about: [event, location, note].filter(Boolean).join(" · "),
          body: { system_id, event_id: event, ...optional("location", location), ...optional("note", note) },
        };
      case "end":
        return { path: "/api/event/end", what, system: system_id, about: [event, note].filter(Boolean).join(" · "), body: { system_id, ...optional("event_id", event), ...optional("note", note) } };
      case "location":
        return { path: "/api/location/set", what, system: system_id, about: location, body: { system_id, location, ...(form.position ?? {}), ...optional("note", note) } };
      case "note":
        return { path: "/api/note", what, system: system_id, about: note, body: { system_id, msg: note, ...optional("event_id", event) } };
    }
  });
}

export const sayEndAll = (event: string): Said => ({
  path: "/api/event/end_all",
  what: "end_all",
  system: "all",
  about: event,
  body: event ? { event_id: event } : {},
});

export const sayPhoto = (system_id: string, event: string, caption: string): Said => ({
  path: "/api/photo",
  what: "photo",
  system: system_id,
  about: caption,
  body: { system_id, ...(event ? { event_id: event } : {}), ...(caption ? { caption: caption.slice(0, 500) } : {}) },
});

/** Say that somebody takes care of an alarm or alert, named by all that tells it from others. */
export function sayAcknowledge(system_id: string, alarm: Alarm, note: string): Said {
  const own = { alarm: { alarm: alarm.name, device: alarm.device, phase: alarm.phase }, alert: { alert: alarm.name, counted: alarm.counted, period: alarm.period } };
  const known = Object.entries(own[alarm.family]).filter(([, value]) => value !== "");
  return {
    path: "/api/alarm/acknowledge",
    what: "acknowledge",
    system: system_id,
    about: [words(alarm.name), note].filter(Boolean).join(" · "),
    body: { system_id, ...Object.fromEntries(known), ...(note ? { note } : {}) },
  };
}

export const sayReset = (system_id: string, reason: string): Said => ({ path: "/api/counters/reset", what: "reset", system: system_id, about: reason, body: { system_id, reason } });

export const sayUndo = (system_id: string, corrects: string, about: string): Said => ({
  path: "/api/window/correct",
  what: "undo",
  system: system_id,
  about,
  body: { system_id, corrects, undo: true },
});

export const sayCorrection = (system_id: string, corrects: string, time_to: string, note: string, about: string): Said => ({
  path: "/api/window/correct",
  what: "correct",
  system: system_id,
  about,
  body: { system_id, corrects, time_to, ...(note ? { note } : {}) },
});

/** Names of events that were used, running ones first, then the newest. */
export function eventNames(events: Iterable<EventState>): string[] {
  return [...events]
    .sort((a, b) => Number(b.active) - Number(a.active) || (b.endedMs ?? b.startedMs) - (a.endedMs ?? a.startedMs))
    .map((event) => event.id);
}

/** Names of places that were used, those of now first. */
export function placeNames(systems: Iterable<SystemState>, events: Iterable<EventState>): string[] {
  const names = new Set<string>();
  for (const system of systems) if (system.place?.name) names.add(system.place.name);
  for (const event of events) for (const window of event.windows) if (window.location) names.add(window.location);
  return [...names];
}
