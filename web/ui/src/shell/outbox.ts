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

/** What is shown but not on disk yet, or cannot be kept there. */
const unwritten = new Map<string, core.Action>();
const memory = new Map<string, Blob>();
const tab = Math.random().toString(36).slice(2);
const channel = "BroadcastChannel" in window ? new BroadcastChannel("ovr.outbox") : null;
let db: IDBPDatabase<Kept> | null = null;
/** Ends when everything that was said so far is on disk, or is known not to get there. */
let writes: Promise<void> = Promise.resolve();
let newest = 0;
let sending = false;
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Open what was kept, and send it. */
export async function startOutbox(): Promise<void> {
  writes = openStore();
  await writes;
  await reload();
  channel?.addEventListener("message", () => void reload().then(() => soon(0)));
  onFact((fact) => void seen(fact.id, fact.position));
  window.addEventListener("online", () => soon(0));
  document.addEventListener("visibilitychange", () => !document.hidden && soon(0));
  effect(() => {
    if (apiKey.value !== "" || link.value.phase === "live") soon(0);
  });
  setInterval(() => soon(0), 15_000);
}

async function openStore(): Promise<void> {
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
}

/** Take in what an operator said with one tap: shown at once, sent as soon as it is on disk. Nothing here waits. */
export function put(...all: readonly Said[]): readonly core.Action[] {
  const made = all.map(action);
  const photos = new Map(all.flatMap((said, index) => (said.photo ? [[made[index]!.id, said.photo] as const] : [])));
  for (const one of made) unwritten.set(one.id, one);
  for (const [id, photo] of photos) memory.set(id, photo);
  actions.value = core.inOrder([...actions.peek(), ...made]);
  writes = writes.then(() => keep(made, photos));
  soon(0);
  return made;
}

function action(said: Said): core.Action {
  const nowMs = Date.now();
  newest = core.nextOrder(newest, actions.peek(), nowMs, Math.random());
  return {
    order: newest,
    id: uuid7(nowMs, (bytes) => crypto.getRandomValues(bytes)),
    path: said.path,
    what: said.what,
    system: said.system,
    about: said.about,
    body: operator.value.trim() ? { ...said.body, operator: operator.value.trim() } : said.body,
    tappedMs: nowMs,
    time: null,
    photo: said.photo !== undefined,
    state: "waiting",
    tries: 0,
    problem: null,
  };
}

/** Put on disk what one tap said, all or nothing; what does not get there is kept by this page alone. */
async function keep(made: readonly core.Action[], photos: ReadonlyMap<string, Blob>): Promise<void> {
  if (!db) return;
  try {
    const transaction = db.transaction(["actions", "photos"], "readwrite", { durability: "strict" });
    for (const [id, photo] of photos) void transaction.objectStore("photos").put(photo, id);
    for (const one of made) void transaction.objectStore("actions").add(one);
    await transaction.done;
  } catch {
    durable.value = false;
    return;
  }
  for (const one of made) unwritten.delete(one.id);
  for (const id of photos.keys()) memory.delete(id);
  tell();
}

/** Wait until everything that was said so far is written. */
async function written(): Promise<void> {
  for (let last: Promise<void> | null = null; last !== writes; ) {
    last = writes;
    await last;
  }
}

/** Take back what nobody else has seen yet, or what was refused; false when it is too late for that. */
export async function takeBack(id: string): Promise<boolean> {
  await written();
  const action = actions.peek().find((one) => one.id === id);
  if (!action) return false;
  const before = unwritten.has(id) || !db ? action : await stored(action.order);
  if (!before || !(core.unseen(before) || before.state === "attention")) return false;
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
  return memory.get(id) ?? db?.get("photos", id);
}

function soon(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void pump(), delayMs);
}

async function pump(): Promise<void> {
  if (sending || !lead()) return;
  sending = true;
  let again = false;
  try {
    again = await sendAll();
    await ask();
  } finally {
    sending = false;
  }
  if (again && core.nextToSend(actions.peek())) soon(0); // tapped while we asked
}

/** Send what waits, in order; false when the node cannot take it now, and a further try is set. */
async function sendAll(): Promise<boolean> {
  for (;;) {
    await written();
    const action = core.nextToSend(actions.peek());
    if (!action || !lead()) return action === null;
    const answered = await attempt(action);
    if (answered?.kind === "failed" || answered?.kind === "key") {
      soon(waitMs(failures, Math.random()));
      failures += 1;
      return false;
    }
    failures = 0;
  }
}

/** Send one; null when it was taken back just before. */
async function attempt(waiting: core.Action): Promise<core.Answer | null> {
  const action = core.tried(waiting, offsetMs.peek());
  if (!(await replace(action))) return null;
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
  unwritten.delete(action.id);
  memory.delete(action.id);
  await onDisk(async (store) => {
    const transaction = store.transaction(["actions", "photos"], "readwrite");
    void transaction.objectStore("actions").delete(action.order);
    void transaction.objectStore("photos").delete(action.id);
    await transaction.done;
  });
  tell();
}

/** Do something to what is kept; a disk that fails holds up nothing that this page knows. */
async function onDisk<T>(work: (store: IDBPDatabase<Kept>) => Promise<T>): Promise<T | undefined> {
  if (!db) return undefined;
  try {
    return await work(db);
  } catch {
    durable.value = false;
    return undefined;
  }
}

/** Put what became of an action in its place; false when it is no longer there: what another tab dropped stays dropped. */
async function replace(action: core.Action): Promise<boolean> {
  const showing = (): boolean => actions.peek().some((one) => one.id === action.id);
  if (!showing()) return false;
  if (unwritten.has(action.id)) {
    unwritten.set(action.id, action);
  } else {
    const there = await onDisk(async (store) => {
      const transaction = store.transaction("actions", "readwrite");
      const kept = (await transaction.store.get(action.order))?.id === action.id;
      if (kept) void transaction.store.put(action);
      await transaction.done;
      return kept;
    });
    if (there === false) await reload();
    else tell();
  }
  actions.value = actions.peek().map((one) => (one.id === action.id ? action : one));
  return showing();
}

const stored = (order: number): Promise<core.Action | undefined> => onDisk((store) => store.get("actions", order));

async function reload(): Promise<void> {
  const kept = await onDisk((store) => store.getAll("actions"));
  if (!kept) return;
  const known = new Set(kept.map((one) => one.id));
  actions.value = core.inOrder([...kept, ...[...unwritten.values()].filter((one) => !known.has(one.id))]);
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
