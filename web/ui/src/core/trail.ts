/** The last quarter of an hour of one figure, in buckets that keep the smallest and the largest value. Pure. */

export const BUCKET_MS = 10_000;
export const BUCKETS = 90;

/** One bucket: [least, most]; null where nothing was heard. */
export type Bucket = readonly [number, number] | null;

export interface Trail {
  /** Number of the newest bucket since the epoch. */
  last: number;
  buckets: readonly Bucket[];
}

export const empty: Trail = { last: 0, buckets: [] };

/** Take in a value; the same trail comes back when nothing that is drawn has changed. */
export function add(trail: Trail, timeMs: number, value: number): Trail {
  const at = Math.floor(timeMs / BUCKET_MS);
  if (trail.buckets.length === 0) return { last: at, buckets: [[value, value]] };
  const behind = trail.last - at;
  if (behind >= trail.buckets.length || behind >= BUCKETS) return trail;
  if (behind >= 0) {
    const index = trail.buckets.length - 1 - behind;
    const old = trail.buckets[index] ?? null;
    if (old && old[0] <= value && value <= old[1]) return trail;
    const buckets = [...trail.buckets];
    buckets[index] = old ? [Math.min(old[0], value), Math.max(old[1], value)] : [value, value];
    return { last: trail.last, buckets };
  }
  const gap: Bucket[] = Array.from({ length: Math.min(-behind - 1, BUCKETS) }, () => null);
  return { last: at, buckets: [...trail.buckets, ...gap, [value, value] as const].slice(-BUCKETS) };
}

/** Put what a server knows of the past before what was heard here. */
export function before(trail: Trail, stepMs: number, fromMs: number, values: readonly (number | null)[]): Trail {
  let past = empty;
  values.forEach((value, index) => {
    if (value !== null) past = add(past, fromMs + index * stepMs, value);
  });
  trail.buckets.forEach((bucket, index) => {
    if (!bucket) return;
    const timeMs = (trail.last - trail.buckets.length + 1 + index) * BUCKET_MS;
    past = add(add(past, timeMs, bucket[0]), timeMs, bucket[1]);
  });
  return past;
}

/** Draw it as one SVG path, a band between least and most, newest at the right edge; gaps stay gaps. */
export function path(trail: Trail, width: number, height: number): { d: string; least: number; most: number } | null {
  const known = trail.buckets.filter((bucket): bucket is readonly [number, number] => bucket !== null);
  if (known.length < 2) return null;
  const least = Math.min(0, ...known.map(([low]) => low));
  const most = Math.max(1, ...known.map(([, high]) => high));
  const x = (index: number) => round(((BUCKETS - trail.buckets.length + index) / (BUCKETS - 1)) * width);
  const y = (value: number) => round(1 + (1 - (value - least) / (most - least)) * (height - 2));
  const runs: number[][] = [];
  trail.buckets.forEach((bucket, index) => {
    if (!bucket) return;
    const run = runs[runs.length - 1];
    if (run && run[run.length - 1] === index - 1) run.push(index);
    else runs.push([index]);
  });
  const d = runs
    .map((run) => {
      const one = (edge: 0 | 1) => (index: number) => `${x(index)} ${y(trail.buckets[index]?.[edge] ?? 0)}`;
      const top = run.map(one(1));
      const bottom = [...run].reverse().map(one(0));
      return `M${[...top, ...bottom].join("L")}Z`;
    })
    .join("");
  return { d, least, most };
}

const round = (value: number): number => Math.round(value * 10) / 10;
