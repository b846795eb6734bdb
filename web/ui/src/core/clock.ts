/** How far the node's clock is ahead of this device's. Pure.
 *
 * Rules that must stay true here:
 * - what the node said took a while to arrive, so every look is too low: of the last ones the highest counts;
 * - before anything is live, an answer of the node tells as much, as near as its way there and back was short;
 * - a clock of this device that was set makes all that was known of it worthless.
 */

const LOOKS = 30;
/** Between two looks at both clocks, slower ones than this agree. */
const JUMP_MS = 1_000;

export interface Offset {
  looks: readonly number[];
  ms: number;
  /** Whether the node was heard at all. */
  known: boolean;
  /** How far off an answer may be that this is from. */
  withinMs: number;
}

export const unknown: Offset = { looks: [], ms: 0, known: false, withinMs: Infinity };

export function looked(offset: Offset, saidMs: number, heardMs: number): Offset {
  const looks = [...offset.looks, saidMs - heardMs].slice(-LOOKS);
  return { looks, ms: Math.max(...looks), known: true, withinMs: 0 };
}

/** Take in an answer to what was asked at `askedMs`: the node's time then, or up to `roundedMs` later. */
export function answered(offset: Offset, saidMs: number, roundedMs: number, askedMs: number, heardMs: number): Offset {
  const least = saidMs - heardMs;
  const most = saidMs + roundedMs - askedMs;
  const withinMs = most - least;
  if (withinMs < 0 || withinMs >= offset.withinMs) return offset;
  const ms = least <= 0 && most >= 0 ? 0 : (least + most) / 2;
  return { looks: [], ms, known: true, withinMs };
}

/** Both clocks of this device at one moment: the one that can be set, and the one that only runs. */
export interface Clocks {
  wallMs: number;
  steadyMs: number;
}

/** Tell whether the clock of this device was set, or the device slept, since `before`. */
export const jumped = (before: Clocks, now: Clocks): boolean => Math.abs(now.wallMs - before.wallMs - (now.steadyMs - before.steadyMs)) > JUMP_MS;
