/** The outbox on disk: IndexedDB, sent in order over HTTP. The rules are in `core/outbox`; this keeps and sends. */
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { computed, effect, signal } from "@preact/signals";
import { waitMs } from "../core/backoff";
import { uuid7 } from "../core/ids";
import * as core from "../core/outbox";
import type { Json } from "../core/wire";
import { get, send } from "./api";
import { link } from "./live";
import { apiKey, operator, read, write } from "./settings";
import { onFact, offsetMs } from "./store";

interface Kept extends DBSchema {
  actions: { key: number; value: core.Action };
  photos: { key: string; value: Blob };
}

export interface Said {
  path: string;
  what: string;
  system: string;
  about: string;
  body: Json;
  photo?: Blob;
}

/** What is not confirmed, in order. */
export const actions = signal<readonly core.Action[]>([]);
/** False where the browser keeps nothing on disk. */
export const durable = signal(true);
export const attention = computed(() => actions.value.filter((action) => action.state === "attention").length);
/** Events of ours that the node has recorded: their ids, and where. */
export const confirmed = signal<ReadonlyMap<string, Json>>(new Map());

const memory = new Map<string, Blob>();
const tab = Math.random().toString(36).slice(2);
const channel = "BroadcastChannel" in window ? new BroadcastChannel("ovr.outbox") : null;
let db: IDBPDatabase<Kept> | null = null;
let sending = false;
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Open what was kept, and send it. */
export async function startOutbox(): Promise<void> {
  try {
    db = await openDB<Kept>("ovr", 1, {
      upgrade(fresh) {
        fresh.createObjectStore("actions", { keyPath: "order", autoIncrement: true });
        fresh.createObjectStore("photos");
      },
    });
  } catch {
    durable.value = false;
  }
  await reload();
  channel?.addEventListener("message", () => void reload());
  onFact((fact) => void seen(fact.id, fact.position));
  window.addEventListener("online", () => soon(0));
  document.addEventListener("visibilitychange", () => !document.hidden && soon(0));
  effect(() => {
    if (apiKey.value !== "" || link.value.phase === "live") soon(0);
  });
  setInterval(() => soon(0), 15_000);
}

/** Keep what an operator said and begin to send it; it is on disk when this returns. */
export async function put(said: Said): Promise<core.Action> {
  const id = uuid7(Date.now(), (bytes) => crypto.getRandomValues(bytes));
  const action: Omit<core.Action, "order"> = {
    id,
    path: said.path,
    what: said.what,
    system: said.system,
    about: said.about,
    body: operator.value.trim() ? { ...said.body, operator: operator.value.trim() } : said.body,
    tappedMs: Date.now(),
    time: null,
    photo: said.photo !== undefined,
    state: "waiting",
    tries: 0,
    problem: null,
  };
  let order: number;
  if (db) {
    const transaction = db.transaction(["actions", "photos"], "readwrite", { durability: "strict" });
    if (said.photo) await transaction.objectStore("photos").put(said.photo, id);
    order = await transaction.objectStore("actions").add(action as core.Action);
    await transaction.done;
  } else {
    order = Math.max(0, ...actions.peek().map((one) => one.order)) + 1;
    if (said.photo) memory.set(id, said.photo);
  }
  const kept = { ...action, order };
  actions.value = [...actions.peek(), kept];
  tell();
  soon(0);
  return kept;
}

/** Take back what nobody else has seen yet; false when it is too late for that. */
export async function takeBack(id: string): Promise<boolean> {
  const action = actions.peek().find((one) => one.id === id);
  if (!action || !core.unseen(action)) return false;
  await drop(action);
  return true;
}

/** Throw away what was refused. */
export async function discard(id: string): Promise<void> {
  const action = actions.peek().find((one) => one.id === id);
  if (action) await drop(action);
}

/** Send once more what was refused. */
export async function retry(id: string): Promise<void> {
  const action = actions.peek().find((one) => one.id === id);
  if (action) await replace(core.again(action));
  soon(0);
}

/** All that waits, to be saved as a file when nothing else helps. */
export const exported = (): string => JSON.stringify(core.inOrder(actions.value), null, 2);

/** The picture of an action that has one. */
export async function photoOf(id: string): Promise<Blob | undefined> {
  return db ? db.get("photos", id) : memory.get(id);
}

function soon(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void pump(), delayMs);
}

async function pump(): Promise<void> {
  if (sending || !lead()) return;
  sending = true;
  try {
    for (let action = core.nextToSend(actions.peek()); action && lead(); action = core.nextToSend(actions.peek())) {
      const answered = await attempt(action);
      if (answered.kind === "failed" || answered.kind === "key") {
        soon(waitMs(failures, Math.random()));
        failures += 1;
        break;
      }
      failures = 0;
    }
    await ask();
  } finally {
    sending = false;
  }
}

async function attempt(waiting: core.Action): Promise<core.Answer> {
  const action = core.tried(waiting, offsetMs.peek());
  await replace(action);
  const body = { ...action.body, id: action.id, time: action.time };
  const photo = action.photo ? await photoOf(action.id) : undefined;
  const answered = photo
    ? await send(action.path, action.id, form(body, photo), true)
    : await send(action.path, action.id, JSON.stringify(body), false);
  const after = core.settled(action, answered);
  if (after) await replace(after);
  else await seen(action.id, answered.kind === "confirmed" ? answered.position : 0, answered.kind === "confirmed" ? answered.said : {});
  return answered;
}

function form(body: Json, photo: Blob): FormData {
  const all = new FormData();
  for (const [name, value] of Object.entries(body)) {
    if (value !== undefined && value !== null) all.append(name, String(value));
  }
  all.append("file", photo, `photo.${photo.type.split("/")[1] ?? "jpg"}`);
  return all;
}

/** Ask what became of what the node took but has not confirmed. */
async function ask(): Promise<void> {
  for (const action of actions.peek().filter((one) => one.state === "accepted")) {
    try {
      const said = await get(`/api/actions/${action.id}`);
      if (said.state === "confirmed") await seen(action.id, Number(said.position) || 0);
      if (said.state === "refused") {
        const problem = core.problemText((said.problem ?? {}) as Json) ?? "refused";
        await replace({ ...action, state: "attention", problem });
      }
    } catch {
      return;
    }
  }
}

/** The node has recorded it: it leaves the outbox. */
async function seen(id: string, position: number, said: Json = {}): Promise<void> {
  const action = actions.peek().find((one) => one.id === id);
  if (!action) return;
  confirmed.value = new Map(confirmed.peek()).set(id, { ...said, position });
  await drop(action);
}

async function drop(action: core.Action): Promise<void> {
  actions.value = actions.peek().filter((one) => one.id !== action.id);
  memory.delete(action.id);
  if (db) {
    const transaction = db.transaction(["actions", "photos"], "readwrite");
    await transaction.objectStore("actions").delete(action.order);
    await transaction.objectStore("photos").delete(action.id);
    await transaction.done;
  }
  tell();
}

async function replace(action: core.Action): Promise<void> {
  if (!actions.peek().some((one) => one.id === action.id)) return;
  actions.value = actions.peek().map((one) => (one.id === action.id ? action : one));
  await db?.put("actions", action);
  tell();
}

async function reload(): Promise<void> {
  if (db) actions.value = core.inOrder(await db.getAll("actions"));
}

const tell = (): void => channel?.postMessage("changed");

const LEASE = "ovr.sender";

/** Be the one tab that sends, if no other is. */
function lead(): boolean {
  const held = read(LEASE);
  const lease = held === null ? null : (JSON.parse(held) as core.Lease);
  if (!core.mayTake(lease, tab, Date.now())) return false;
  write(LEASE, JSON.stringify({ tab, untilMs: Date.now() + core.LEASE_MS }));
  return true;
}
