/** What was done last and can be taken back for half a minute. */
import { signal } from "@preact/signals";
import { sayUndo } from "../core/acts";
import type { Action } from "../core/outbox";
import { put, takeBack } from "./outbox";

export const UNDO_MS = 30_000;

export interface Done {
  actions: readonly Action[];
  /** What people read. */
  text: string;
  untilMs: number;
}

export const done = signal<Done | null>(null);
/** Said once, to be read by people and by screen readers. */
export const told = signal<{ text: string; atMs: number } | null>(null);

/** Offer to take these back. */
export function offer(actions: readonly Action[], text: string): void {
  done.value = { actions, text, untilMs: Date.now() + UNDO_MS };
  told.value = null;
}

export function tell(text: string): void {
  told.value = { text, atMs: Date.now() };
}

/** Only what changes windows can be corrected once it is recorded. */
export const correctable = (action: Action): boolean => ["start", "end", "end_all"].includes(action.what);

/** Take back what was done last: left out when nobody has seen it, corrected otherwise. */
export async function undo(): Promise<void> {
  const last = done.peek();
  if (!last) return;
  done.value = null;
  for (const action of [...last.actions].reverse()) {
    if (await takeBack(action.id)) continue;
    if (correctable(action)) put(sayUndo(action.system, action.id, last.text));
  }
}
