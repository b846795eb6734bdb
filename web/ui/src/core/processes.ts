/** How a process is, by what it says and when it said it. Pure. */
import type { Health } from "./wire";

/** Every process says something at least every five seconds. */
const SILENT_MS = 20_000;
const WORDS = ["online", "offline", "stopped", "blocked", "starting"] as const;

export interface Judged {
  health: Health;
  word: (typeof WORDS)[number] | "silent" | "unknown";
  well: boolean;
}

/** Judge every process; those that need a look come first. */
export function judged(all: Iterable<Health>, nowMs: number): Judged[] {
  return [...all].map((health) => judge(health, nowMs)).sort((a, b) => Number(a.well) - Number(b.well) || a.health.process.localeCompare(b.health.process));
}

function judge(health: Health, nowMs: number): Judged {
  const said = WORDS.find((word) => word === health.status) ?? "unknown";
  const silent = said === "online" && (health.timeMs === null || nowMs - health.timeMs > SILENT_MS);
  const word = silent ? "silent" : said;
  return { health, word, well: word === "online" || word === "stopped" || word === "starting" };
}
