/** How far the node's clock is ahead of this device's. Pure.
 *
 * What the node said took a while to arrive, so every look is too low: of the last ones the highest counts.
 */

const LOOKS = 30;

export interface Offset {
  looks: readonly number[];
  ms: number;
}

export const unknown: Offset = { looks: [], ms: 0 };

export function looked(offset: Offset, saidMs: number, heardMs: number): Offset {
  const looks = [...offset.looks, saidMs - heardMs].slice(-LOOKS);
  return { looks, ms: Math.max(...looks) };
}
