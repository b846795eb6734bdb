/** What happened before this page was opened, for the small charts: of all systems that come into sight, at once. */
import { sparklines } from "../core/range";
import { before } from "../core/trail";
import { get } from "./api";
import { trailOf } from "./store";

const GATHER_MS = 100;
const AT_ONCE = 100;

const asked = new Set<string>();
const waiting: string[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;

/** Ask for the past of a system's main figure, once. */
export function wantPast(id: string, name: string): void {
  if (asked.has(id) || !name.endsWith("_w")) return;
  asked.add(id);
  waiting.push(id);
  timer ??= setTimeout(() => void ask(), GATHER_MS);
}

async function ask(): Promise<void> {
  while (waiting.length > 0) {
    const some = waiting.splice(0, AT_ONCE);
    try {
      const past = sparklines(await get(`/api/sparklines?${new URLSearchParams({ system_ids: some.join(",") }).toString()}`));
      for (const [id, columns] of past.systems) {
        const trail = trailOf(id);
        for (const values of columns) trail.value = before(trail.peek(), past.stepMs, past.fromMs, values);
      }
    } catch {
      for (const id of some) asked.delete(id); // asked again when it comes into sight again
    }
  }
  timer = undefined;
}
