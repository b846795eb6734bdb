/** What an operator said and the node has not confirmed yet: its order, and what answers make of it. Pure.
 *
 * Rules that must stay true here:
 * - actions are sent one at a time, in the order in which they were tapped;
 * - an action leaves only when the node has recorded it, or a person throws it away;
 * - one that was refused stands aside for a person and holds up no other, and so does a photo that failed;
 * - only an answer that names the action by its id is one of the node;
 * - its time is fixed at the first try, so that every further try says the same; before that, the node's is heard.
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
  /** How far the node's clock was ahead when it was tapped; null where that was not known then. */
  offsetMs: number | null;
  /** RFC 3339, as sent; null until it was tried. */
  time: string | null;
  photo: boolean;
  state: ActionState;
  tries: number;
  problem: string | null;
  /** The node said that it is not recorded as it is. */
  refused?: boolean;
}

export type Answer =
  | { kind: "confirmed"; position: number; said: Json }
  | { kind: "accepted" }
  | { kind: "refused"; problem: string }
  | { kind: "key"; problem: string }
  /** Without words where something else answered in the node's place. */
  | { kind: "failed"; problem: string | null; status: number };

/** A server that fails this often on one action will not take it. */
const MOST_FAILURES = 12;
/** What failed this often may be thrown away unasked for by the node. */
const FAILED_LONG = 3;

/** What changes windows, and can be corrected once it is recorded. */
const OF_WINDOWS: readonly string[] = ["start", "end", "end_all"];

export const inOrder = (actions: readonly Action[]): Action[] => [...actions].sort((a, b) => a.order - b.order);

/** Give a tap its place: after all that is known, and most likely another than what any other tab gives. */
export const nextOrder = (last: number, known: readonly Action[], nowMs: number, random: number): number =>
  Math.max(last + 1, nowMs * 1000 + Math.floor(random * 1000), ...known.map((one) => one.order + 1));

/** Find what is to be sent now; null when nothing is. A photo that failed lets all others pass: it changes no window. */
export function nextToSend(actions: readonly Action[]): Action | null {
  const waiting = inOrder(actions).filter((action) => action.state === "waiting");
  const failed = waiting.filter(stuck).sort((a, b) => a.tries - b.tries);
  return waiting.find((action) => !stuck(action)) ?? failed[0] ?? null;
}

const stuck = (action: Action): boolean => action.photo && action.tries > 0;

/** Tell whether a person may throw it away: it was refused, or does not get through. */
export const disposable = (action: Action): boolean => action.state === "attention" || (action.state === "waiting" && action.tries >= FAILED_LONG);

/** Tell whether the node's clock has to be heard before it is sent: its time is not fixed, and was not known. */
export const needsClock = (action: Action): boolean => action.time === null && (action.offsetMs ?? null) === null;

/** Note that it is about to be sent; `offsetMs` is how far the node's clock is ahead now, for a tap that did not know. */
export function tried(action: Action, offsetMs: number): Action {
  const time = action.time ?? new Date(action.tappedMs + correction(action.offsetMs ?? offsetMs)).toISOString();
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
      return { ...action, state: "attention", problem: answer.problem, refused: true };
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

/** Tell whether it can be corrected once it is recorded. */
export const correctable = (action: Action): boolean => OF_WINDOWS.includes(action.what);

/** Send once more what stands aside, in its old place. What was refused is not recorded and gets its time anew; what
 * only failed may be recorded, and says the same again. */
export const again = (action: Action): Action =>
  action.refused
    ? { ...action, state: "waiting", tries: 0, time: null, offsetMs: null, problem: null, refused: false }
    : { ...action, state: "waiting", tries: Math.min(action.tries, 1), problem: null };

/** Send once more what the node took and knows nothing of now: the same, so that it is recorded once. */
export const unknownThere = (action: Action): Action => ({ ...action, state: "waiting" });

/** Read an answer of the API to the action with this id; what does not name it came from somewhere else. */
export function answer(status: number, said: Json | null, id: string): Answer {
  const problem = problemText(said) ?? `HTTP ${status}`;
  if (status >= 200 && status < 300) {
    const position = said?.position;
    if (said?.id !== id) return { kind: "failed", problem: null, status: 0 };
    if (typeof position === "number" || typeof position === "string") return { kind: "confirmed", position: Number(position), said };
    return status === 202 ? { kind: "accepted" } : { kind: "failed", problem: null, status: 0 };
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
