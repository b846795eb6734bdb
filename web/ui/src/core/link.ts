/** The live connection's states and what leads from one to the next. Pure.
 *
 * Rules that must stay true here:
 * - there is no last try: whatever happens, a wait ends in another one;
 * - a connection without a heartbeat is not live, however open its socket is;
 * - coming back to the foreground begins anew at once.
 */
import { waitMs } from "./backoff";

/** The recorder says its head once a second. */
export const SILENT_MS = 4_000;
export const DEAD_MS = 12_000;

export type Link =
  | { phase: "connecting"; failures: number; sinceMs: number }
  | { phase: "live"; failures: 0; sinceMs: number; heardMs: number }
  | { phase: "silent"; failures: 0; sinceMs: number; heardMs: number }
  | { phase: "waiting"; failures: number; sinceMs: number; retryMs: number; why: string }
  | { phase: "hidden"; failures: 0; sinceMs: number };

export type Happening =
  | { what: "opened" }
  | { what: "heartbeat" }
  | { what: "closed"; why: string; random: number }
  | { what: "tick" }
  | { what: "shown" }
  | { what: "hid" };

/** What the shell has to do to the socket. */
export type Deed = "open" | "close" | "reopen" | "none";

export const first = (nowMs: number): Link => ({ phase: "connecting", failures: 0, sinceMs: nowMs });

/** Take in what happened: the next state, and what is to be done. */
export function next(link: Link, happened: Happening, nowMs: number): [Link, Deed] {
  switch (happened.what) {
    case "opened":
      return link.phase === "hidden" ? [link, "close"] : [{ phase: "silent", failures: 0, sinceMs: nowMs, heardMs: nowMs }, "none"];
    case "heartbeat":
      if (link.phase === "live") return [{ ...link, heardMs: nowMs }, "none"];
      return link.phase === "silent" ? [{ phase: "live", failures: 0, sinceMs: nowMs, heardMs: nowMs }, "none"] : [link, "none"];
    case "closed":
      return link.phase === "hidden" || link.phase === "waiting" ? [link, "none"] : [waiting(link, nowMs, happened.why, happened.random), "close"];
    case "shown":
      return [first(nowMs), "reopen"];
    case "hid":
      return [{ phase: "hidden", failures: 0, sinceMs: nowMs }, "close"];
    case "tick":
      return tick(link, nowMs);
  }
}

function tick(link: Link, nowMs: number): [Link, Deed] {
  switch (link.phase) {
    case "live":
      return nowMs - link.heardMs < SILENT_MS ? [link, "none"] : [{ ...link, phase: "silent", sinceMs: link.heardMs }, "none"];
    case "silent":
      return nowMs - link.heardMs < DEAD_MS ? [link, "none"] : [first(nowMs), "reopen"];
    case "connecting":
      return nowMs - link.sinceMs < DEAD_MS ? [link, "none"] : [waiting(link, nowMs, "no answer", 0), "close"];
    case "waiting":
      return nowMs < link.retryMs ? [link, "none"] : [{ phase: "connecting", failures: link.failures, sinceMs: nowMs }, "open"];
    case "hidden":
      return [link, "none"];
  }
}

function waiting(link: Link, nowMs: number, why: string, random: number): Link {
  const failures = link.failures + 1;
  return { phase: "waiting", failures, sinceMs: nowMs, retryMs: nowMs + waitMs(link.failures, random), why };
}
