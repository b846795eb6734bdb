/** How long to wait before trying again: for ever, but never so long that a person gives up first. Pure. */

const FIRST_MS = 500;
const MOST_MS = 10_000;

/** Tell the wait before try number `failures` + 1; `random` in [0, 1) spreads many pages. */
export function waitMs(failures: number, random: number): number {
  const whole = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return Math.round(whole * (0.5 + random / 2));
}
