/** The outbox: kept on `disk`, sent in order over HTTP. The rules are in `core/outbox`; this keeps and sends. */
import { computed, effect, signal } from "@preact/signals";
import { waitMs } from "../core/backoff";
import { uuid7 } from "../core/ids";
import * as core from "../core/outbox";
import { json, type Json } from "../core/wire";
import { t } from "../texts";
import { ApiError, askClock, get, send } from "./api";
import * as disk from "./disk";
import { link } from "./live";
import { apiKey, operator, read, write } from "./settings";
import { knownOffsetMs, onFact } from "./store";

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
export const attention = computed(() => actions.value.filter((action) => action.state === "attention").length);
/** Events of ours that the node has recorded: their ids, and where. */
export const confirmed = signal<ReadonlyMap<string, Json>>(new Map());

/** What is shown but not on disk yet, or cannot be kept there. */
const unwritten = new Map<string, core.Action>();
const memory = new Map<string, Blob>();
const tab = Math.random().toString(36).slice(2);
const channel = "BroadcastChannel" in window ? new BroadcastChannel("ovr.outbox") : null;
/** Ends when everything that was said so far is on disk, or is known not to get there. */
let writes: Promise<void> = Promise.resolve();
let newest = 0;
let sending = false;
let failures = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Open what was kept, and send it. */
export async function startOutbox(): Promise<void> {
  writes = disk.openDisk(() => {
    writes = writes.then(keepAll).then(reload);
    soon(0);
  });
  await writes;
  await reload();
  channel?.addEventListener("message", () => void reload().then(() => soon(0)));
  onFact((fact) => void seen(fact.id, fact.position));
  window.addEventListener("online", () => soon(0));
  window.addEventListener("beforeunload", (event) => {
    if (unwritten.size + memory.size > 0) event.preventDefault(); // this page alone has it
  });
  document.addEventListener("visibilitychange", () => !document.hidden && soon(0));
  effect(() => {
    if (apiKey.value !== "" || link.value.phase === "live") soon(0);
  });
  setInterval(() => soon(0), 15_000);
}

/** Take in what an operator said with one tap: shown at once, sent as soon as it is on disk. Nothing here waits. */
export function put(...all: readonly Said[]): readonly core.Action[] {
  const made = all.map(action);
  const photos = new Map(all.flatMap((said, index) => (said.photo ? [[made[index]!.id, said.photo] as const] : [])));
  for (const one of made) unwritten.set(one.id, one);
  for (const [id, photo] of photos) memory.set(id, photo);
  actions.value = core.inOrder([...actions.peek(), ...made]);
  writes = writes.then(keepAll);
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
    offsetMs: knownOffsetMs(),
    time: null,
    photo: said.photo !== undefined,
    state: "waiting",
    tries: 0,
    problem: null,
  };
}

/** Put on disk what is not there yet, together, or each alone where one keeps the others from it; what does not get
 * there is kept by this page alone. */
async function keepAll(): Promise<void> {
  const made = core.inOrder([...unwritten.values()]);
  if (made.length > 0 && !(await keep(made)) && made.length > 1) for (const one of made) await keep([one]);
  for (const [id, photo] of memory) {
    const gone = !actions.peek().some((one) => one.id === id);
    if (gone || (!unwritten.has(id) && (await disk.keep([], new Map([[id, photo]]))) === "all")) memory.delete(id);
  }
  const left = made.some((one) => unwritten.has(one.id)) ? "no" : [...memory.keys()].some((id) => !unwritten.has(id)) ? "full" : "yes";
  if (disk.keeping.peek() === "yes") disk.keeping.value = left;
}

/** Put these on disk, all or nothing; false when they are not there. */
async function keep(made: readonly core.Action[]): Promise<boolean> {
  const photos = new Map([...memory].filter(([id]) => made.some((one) => one.id === id)));
  const kept = await disk.keep(made, photos);
  if (kept === "none") return false;
  if (kept === "all") for (const id of photos.keys()) memory.delete(id);
  for (const one of made) await catchUp(one);
  tell();
  return true;
}

/** Bring on disk what happened to an action while it was written. */
async function catchUp(written: core.Action): Promise<void> {
  const known = unwritten.get(written.id);
  unwritten.delete(written.id);
  if (!known) await disk.forget(written);
  else if (known !== written) await disk.change(known);
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
  const before = unwritten.get(id) ?? (await disk.one(action.order)) ?? (disk.keeping.peek() === "yes" ? null : action);
  if (!before || !(core.unseen(before) || before.state === "attention")) return false;
  await drop(action);
  return true;
}

/** Throw away what was refused, or does not get through. */
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
  return memory.get(id) ?? disk.photo(id);
}

function soon(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void pump(), delayMs);
}

async function pump(): Promise<void> {
  if (sending || !lead()) return;
  sending = true;
  const leading = setInterval(lead, core.LEASE_MS / 3); // a picture takes longer than a lease
  let again = false;
  try {
    again = await sendAll();
    if (await ask()) again = false; // after a pause
  } finally {
    clearInterval(leading);
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
    if (answered?.kind !== "failed" && answered?.kind !== "key") {
      failures = 0;
      continue;
    }
    const next = core.nextToSend(actions.peek());
    if (answered.kind === "failed" && action.photo && next && !next.photo) continue; // a picture alone may not get through
    soon(waitMs(failures, Math.random()));
    failures += 1;
    return false;
  }
}

/** Send one; null when it was taken back just before. */
async function attempt(waiting: core.Action): Promise<core.Answer | null> {
  if (core.needsClock(waiting) && knownOffsetMs() === null && !(await askClock())) {
    return { kind: "failed", problem: null, status: 0 };
  }
  const photo = waiting.photo ? await photoOf(waiting.id) : undefined;
  const newest = actions.peek().find((one) => one.id === waiting.id);
  if (!newest || newest.state !== "waiting") return null;
  const action = core.tried(newest, knownOffsetMs() ?? 0);
  if (!(await replace(action))) return null;
  const answered = await sent(action, photo);
  const after = core.settled(action, answered);
  if (after) await replace(after);
  else await seen(action.id, answered.kind === "confirmed" ? answered.position : 0, answered.kind === "confirmed" ? answered.said : {});
  return answered;
}

async function sent(action: core.Action, photo: Blob | undefined): Promise<core.Answer> {
  const body = { ...action.body, id: action.id, time: action.time };
  if (!action.photo) return send(action.path, action.id, JSON.stringify(body), false);
  if (!photo) return { kind: "refused", problem: t("outbox.photo_lost") };
  return send(action.path, action.id, form(body, photo), true);
}

function form(body: Json, photo: Blob): FormData {
  const all = new FormData();
  for (const [name, value] of Object.entries(body)) {
    if (value !== undefined && value !== null) all.append(name, String(value));
  }
  all.append("file", photo, `photo.${photo.type.split("/")[1] ?? "jpg"}`);
  return all;
}

/** Ask what became of what the node took but has not confirmed; true when it knows nothing of some of it, which is
 * sent again after a pause. */
async function ask(): Promise<boolean> {
  let unknown = false;
  for (const action of actions.peek().filter((one) => one.state === "accepted")) {
    try {
      const said = await get(`/api/actions/${action.id}`);
      if (said.state === "confirmed") await seen(action.id, Number(said.position) || 0, said);
      if (said.state === "refused") {
        const problem = core.problemText((said.problem ?? {}) as Json) ?? "refused";
        await replace({ ...action, state: "attention", problem, refused: true });
      }
    } catch (error) {
      const status = error instanceof ApiError ? error.status : 0;
      if (status === 0 || status >= 500) return unknown;
      if (status !== 404) continue;
      await replace(core.unknownThere(action));
      soon(waitMs(action.tries, Math.random()));
      unknown = true;
    }
  }
  return unknown;
}

/** The node has recorded it: it leaves the outbox. */
async function seen(id: string, position: number, said: Json = {}): Promise<void> {
  const action = actions.peek().find((one) => one.id === id);
  const known = confirmed.peek().get(id);
  if (known) confirmed.value = new Map(confirmed.peek()).set(id, { ...known, ...said, position }); // heard live before it was answered
  if (!action) return;
  if (!known) confirmed.value = new Map(confirmed.peek()).set(id, { ...said, what: action.what, system: action.system, asked: action.body.event_id ?? "", position });
  await drop(action);
}

async function drop(action: core.Action): Promise<void> {
  actions.value = actions.peek().filter((one) => one.id !== action.id);
  unwritten.delete(action.id);
  memory.delete(action.id);
  await disk.forget(action); // it may be on disk though the answer to that was lost
  tell();
}

/** Put what became of an action in its place; false when it is no longer there: what another tab dropped stays dropped. */
async function replace(action: core.Action): Promise<boolean> {
  const showing = (): boolean => actions.peek().some((one) => one.id === action.id);
  if (!showing()) return false;
  if (unwritten.has(action.id)) {
    unwritten.set(action.id, action);
  } else {
    const there = await disk.change(action);
    if (there === false) await reload();
    else tell();
  }
  actions.value = actions.peek().map((one) => (one.id === action.id ? action : one));
  return showing();
}

async function reload(): Promise<void> {
  const kept = await disk.all();
  if (!kept) return;
  const known = new Set(kept.map((one) => one.id));
  actions.value = core.inOrder([...kept, ...[...unwritten.values()].filter((one) => !known.has(one.id))]);
}

const tell = (): void => channel?.postMessage("changed");

const LEASE = "ovr.sender";

/** Be the one tab that sends, if no other is. */
function lead(): boolean {
  const held = json(read(LEASE) ?? "");
  const lease = typeof held?.tab === "string" && typeof held.untilMs === "number" ? { tab: held.tab, untilMs: held.untilMs } : null;
  if (!core.mayTake(lease, tab, Date.now())) return false;
  write(LEASE, JSON.stringify({ tab, untilMs: Date.now() + core.LEASE_MS }));
  return true;
}
