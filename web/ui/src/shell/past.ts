/** What happened before this page was opened, for the small charts: asked for one system at a time, when it is seen. */
import { range } from "../core/range";
import { BUCKETS, BUCKET_MS, before } from "../core/trail";
import { get } from "./api";
import { nodeNow, trailOf } from "./store";

const asked = new Set<string>();
const waiting: { id: string; name: string }[] = [];
let asking = false;

/** Ask for the past of a system's main figure, once. */
export function wantPast(id: string, name: string): void {
  if (asked.has(id) || !name.endsWith("_w")) return;
  asked.add(id);
  waiting.push({ id, name });
  if (!asking) void ask();
}

async function ask(): Promise<void> {
  asking = true;
  for (let one = waiting.shift(); one; one = waiting.shift()) {
    const { id, name } = one;
    const untilMs = nodeNow();
    const query = {
      system_id: id,
      names: name,
      from: new Date(untilMs - BUCKETS * BUCKET_MS).toISOString(),
      to: new Date(untilMs).toISOString(),
      points: String(BUCKETS),
    };
    try {
      const past = range(await get(`/api/range?${new URLSearchParams(query).toString()}`));
      const columns = past.series[name];
      const trail = trailOf(id);
      for (const values of columns ? [columns.min, columns.max] : []) trail.value = before(trail.peek(), past.stepMs, past.fromMs, values);
    } catch {
      asked.delete(id);
      waiting.length = 0;
    }
  }
  asking = false;
}
