/** What is surely known of a system's event, and what ENDs came to.
 *
 * Rules that must stay true here:
 * - what an END would do is told beforehand only by what is live and not about to change: otherwise it is sent;
 * - what the node said that it came to is told, whatever was thought before.
 */
import { effect, signal } from "@preact/signals";
import { ENDED, type Idle, type Standing } from "../core/acts";
import { canonical } from "../core/names";
import { ofWindows } from "../core/outbox";
import { textOf, textOrNull } from "../core/wire";
import { link } from "./live";
import { actions, confirmed, windowsSaid } from "./outbox";
import { systems } from "./store";
import { done } from "./undo";

/** For so long the state may not yet show what was said, or what came with the connection. */
const SETTLE_MS = 5_000;

/** What ended nothing, or would not have: `sent` tells which. */
export interface Ended {
  event: string;
  idle: readonly Idle[];
  sent: boolean;
}
export const nothingEnded = signal<Ended | null>(null);

/** Find a system by what is typed. */
export const known = (typed: string) => systems.value.get(typed.trim()) ?? systems.value.get(canonical(typed));

/** Tell which event a system is in: null for none, undefined where that is not sure. */
export function standing(typed: string): Standing {
  const at = link.peek();
  const nowMs = Date.now();
  if (at.phase !== "live" || nowMs - at.sinceMs < SETTLE_MS) return undefined;
  const id = canonical(typed);
  const about = (system: string): boolean => system === "all" || canonical(system) === id;
  if (actions.peek().some((action) => ofWindows(action) && about(action.system))) return undefined;
  for (const [system, saidMs] of windowsSaid) if (about(system) && Math.abs(nowMs - saidMs) < SETTLE_MS) return undefined;
  const state = known(typed)?.peek();
  return state && (state.window?.eventId ?? null);
}

const told = new Set<string>();

effect(() => {
  for (const [id, said] of confirmed.value) {
    const verdict = textOf(said.verdict);
    if (verdict === "" || told.has(id) || !["end", "end_all"].includes(textOf(said.what))) continue;
    told.add(id);
    if (verdict === ENDED || verdict === "undone") continue;
    const one = { system: textOf(said.system), active: textOrNull(said.active_event_id) };
    const before = nothingEnded.peek();
    nothingEnded.value = { event: textOf(said.asked), idle: [...(before?.sent ? before.idle : []), one], sent: true };
    const last = done.peek();
    if (last?.actions.every((action) => action.id === id)) done.value = null; // nothing happened that could be taken back
  }
});
