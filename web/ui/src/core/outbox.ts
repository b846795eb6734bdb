/** What an operator said and the node has not confirmed yet: its order, and what answers make of it. Pure.
 *
 * Rules that must stay true here:
 * - actions are sent one at a time, in the order in which they were tapped;
 * - an action leaves only when the node has recorded it, or a person throws it away;
 * - one that was refused stands aside for a person and holds up no other;
 * - its time is fixed at the first try, so that every further try says the same.
 */
import type { Json } from "./wire";

export type ActionState = "waiting" | "accepted" | "attention";

export interface Action {
  /** Place in the order: about the microsecond of the tap. */
  order: number;
  /** Id of the event that it becomes. */
  id: string;
  path: string;
  /** A key of `did.*` in the texts. */
  what: string;
  system: string;
  /** What people see of it besides the system. */
  about: string;
  body: Json;
  /** By the clock of this device. */
  tappedMs: number;
  /** RFC 3339, as sent; null until it was tried. */
  time: string | null;
  photo: boolean;
  state: ActionState;
  tries: number;
  problem: string | null;
}

export type Answer =
  | { kind: "confirmed"; position: number; said: Json }
  | { kind: "accepted" }
  | { kind: "refused"; problem: string }
  | { kind: "key"; problem: string }
  | { kind: "failed"; problem: string; status: number };

/** A server that fails this often on one action will not take it. */
const MOST_FAILURES = 12;

export const inOrder = (actions: readonly Action[]): Action[] => [...actions].sort((a, b) => a.order - b.order);

/** Give a tap its place: after all that is known, and most likely another than what any other tab gives. */
export const nextOrder = (last: number, known: readonly Action[], nowMs: number, random: number): number =>
  Math.max(last + 1, nowMs * 1000 + Math.floor(random * 1000), ...known.map((one) => one.order + 1));

/** Find what is to be sent now; null when nothing is. */
export const nextToSend = (actions: readonly Action[]): Action | null =>
  inOrder(actions).find((action) => action.state === "waiting") ?? null;

/** Note that an action is about to be sent, at `nowMs`, with the clock of the node `offsetMs` ahead of this one's. */
export function tried(action: Action, offsetMs: number): Action {
  const time = action.time ?? new Date(action.tappedMs + correction(offsetMs)).toISOString();
  return { ...action, tries: action.tries + 1, time };
}

/** Take in what the node answered; null when the action is done. */
export function settled(action: Action, answer: Answer): Action | null {
  switch (answer.kind) {
    case "confirmed":
      return null;
    case "accepted":
      return { ...action, state: "accepted", problem: null };
    case "refused":
      return { ...action, state: "attention", problem: answer.problem };
    case "key":
      return { ...action, problem: answer.problem };
    case "failed": {
      const hopeless = answer.status === 500 && action.tries >= MOST_FAILURES;
      return { ...action, state: hopeless ? "attention" : "waiting", problem: answer.problem };
    }
  }
}

/** Tell whether it can be taken back by leaving it out: nobody else has seen it yet. */
export const unseen = (action: Action): boolean => action.tries === 0;

/** Send once more what was refused, at the end of the order, as a new try of the same event. */
export const again = (action: Action): Action => ({ ...action, state: "waiting", tries: 0, time: null, problem: null });

/** Read an answer of the API. */
export function answer(status: number, said: Json | null): Answer {
  const problem = problemText(said) ?? `HTTP ${status}`;
  if (status === 202) return { kind: "accepted" };
  if (status >= 200 && status < 300) {
    const position = said?.position;
    return typeof position === "number" || typeof position === "string" ? { kind: "confirmed", position: Number(position), said: said ?? {} } : { kind: "accepted" };
  }
  if (status === 401) return { kind: "key", problem };
  if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) return { kind: "refused", problem };
  return { kind: "failed", problem, status };
}

/** Find what RFC 9457 problem details tell a person. */
export function problemText(said: Json | null): string | null {
  if (!said) return null;
  const parts = [said.title, said.detail].filter((part): part is string => typeof part === "string" && part !== "");
  return [...new Set(parts)].join(": ") || null;
}

/** A clock that is nearly right is left alone. */
const correction = (offsetMs: number): number => (Math.abs(offsetMs) < 1500 ? 0 : Math.round(offsetMs));

/** Who sends when several tabs are open: the lease of one, which it renews. */
export interface Lease {
  tab: string;
  untilMs: number;
}

export const LEASE_MS = 6_000;

export const mayTake = (lease: Lease | null, tab: string, nowMs: number): boolean =>
  lease === null || lease.tab === tab || lease.untilMs < nowMs || lease.untilMs > nowMs + 2 * LEASE_MS;
