/** What ENDs came to: the reports that come of them, and that they ended nothing.
 *
 * Rules that must stay true here:
 * - an END is sent whatever is thought of it: what it came to is the node's to say;
 * - what the node says of one END concerns this one alone, also when it says it late.
 */
import { effect, signal } from "@preact/signals";
import { canonical } from "../core/names";
import type { Action } from "../core/outbox";
import { awaitedOf, without, type Awaited, type End } from "../core/reports";
import { textOf, textOrNull, type Json } from "../core/wire";
import { get } from "./api";
import { confirmed } from "./outbox";
import { known } from "./standing";
import { events, nodeNow } from "./store";
import { done } from "./undo";

/** An END that ended nothing. */
export interface Nothing {
  id: string;
  system: string;
  /** What it was to end; empty for whatever the system is in. */
  event: string;
  /** The other event that the system is in. */
  active: string | null;
}
export const nothingEnded = signal<readonly Nothing[]>([]);

/** The reports that are awaited since something was ended here; `sinceMs` is when, by the node's clock: reports that
 * are older are of something else. */
export const awaited = signal<{ targets: readonly Awaited[]; sinceMs: number } | null>(null);

/** A report may be made by a clock that is a little behind. */
const SLACK_MS = 2_000;

/** Await the reports of what these end. */
export function awaitReports(said: readonly Action[]): void {
  const targets = awaitedOf(said.flatMap(endOf), runningIn);
  awaited.value = targets.length > 0 ? { targets, sinceMs: nodeNow() - SLACK_MS } : null;
}

function endOf(action: Action): End[] {
  const { id, system } = action;
  const event = textOf(action.body.event_id);
  if (action.what === "end_all") return (event ? [event] : running()).map((one) => ({ id, event: one, system: null }));
  const meant = event || known(system)?.peek().window?.eventId;
  return action.what === "end" && meant ? [{ id, event: meant, system: canonical(system) }] : [];
}

const running = (): string[] => [...events.peek().values()].filter((one) => one.active).map((one) => one.id);

const runningIn = (event: string): string[] =>
  (events.peek().get(event)?.windows ?? []).filter((window) => window.endedMs === null).map((window) => window.system);

/** When the node is asked what an END came to that was recorded before its state had it. */
const ASK_MS = [3_000, 10_000, 60_000];

const told = new Set<string>();
const asking = new Set<string>();

effect(() => {
  for (const [id, said] of confirmed.value) {
    if (told.has(id) || !["end", "end_all"].includes(textOf(said.what))) continue;
    const verdict = textOf(said.verdict);
    if (verdict === "") {
      if (!asking.has(id)) void ask(id);
      continue;
    }
    told.add(id);
    if (verdict === "ended" || verdict === "undone") continue;
    tellNothing({ id, system: textOf(said.system), event: textOf(said.asked), active: textOrNull(said.active_event_id) });
  }
});

async function ask(id: string): Promise<void> {
  asking.add(id);
  for (const delayMs of ASK_MS) {
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    if (told.has(id)) return;
    const { verdict, active_event_id } = await get(`/api/actions/${id}`).catch((): Json => ({}));
    if (textOf(verdict) !== "") confirmed.value = new Map(confirmed.peek()).set(id, { ...confirmed.peek().get(id), verdict, active_event_id });
  }
}

function tellNothing(one: Nothing): void {
  nothingEnded.value = [...nothingEnded.peek().filter((before) => before.system !== one.system), one];
  const waiting = awaited.peek();
  const targets = without(waiting?.targets ?? [], one.id);
  if (waiting) awaited.value = targets.length > 0 ? { ...waiting, targets } : null;
  const last = done.peek();
  if (last?.actions.every((action) => action.id === one.id)) done.value = null; // nothing happened that could be taken back
}
