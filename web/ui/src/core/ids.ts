/** UUIDv7 made in the browser: the id of an event before anyone else has seen it. Pure.
 *
 * `crypto.randomUUID` is absent on plain http; `getRandomValues` is not, and comes in as an argument.
 */

export type Random = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

let lastMs = 0;
let counter = 0;

/** Make an id that sorts after all that were made before on this page. */
export function uuid7(nowMs: number, random: Random): string {
  const bytes = random(new Uint8Array(16));
  if (nowMs > lastMs) {
    lastMs = nowMs;
    counter = ((bytes[6] ?? 0) & 0x07) << 8 | (bytes[7] ?? 0);
  } else if (++counter > 0xfff) {
    counter = 0;
    lastMs += 1;
  }
  let ms = lastMs;
  for (let index = 5; index >= 0; index--) {
    bytes[index] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | counter >> 8;
  bytes[7] = counter & 0xff;
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
