/** What the outbox keeps on this device: IndexedDB, opened anew when the browser closed it.
 *
 * Rules that must stay true here:
 * - nothing waits for a disk that does not answer: what it cannot keep, the page keeps;
 * - what is on disk is known: `keeping` tells why something is not;
 * - a place is of one action: nothing is written over another, or forgotten in its stead.
 */
import { openDB, type DBSchema, type IDBPDatabase } from "idb";
import { signal } from "@preact/signals";
import type { Action } from "../core/outbox";

interface Kept extends DBSchema {
  actions: { key: number; value: Action };
  photos: { key: string; value: Blob };
}
type Store = IDBPDatabase<Kept>;

/** "no": this browser keeps nothing for this page; "full": there is no room. */
export const keeping = signal<"yes" | "full" | "no">("yes");

const OPEN_MS = 5_000;
const AGAIN_MS = 15_000;

let db: Store | null = null;
let opening: Promise<void> | null = null;
let failedMs = -Infinity;
let opened: () => void = () => undefined;

/** Open what is kept, for at most a few seconds; `onOpened` hears of every time that it is open. */
export async function openDisk(onOpened: () => void): Promise<void> {
  opened = onOpened;
  await open();
}

/** Put these on disk, with pictures; without them where they find no room. Tells whose picture, or all, is not there. */
export async function keep(made: readonly Action[], photos: ReadonlyMap<string, Blob>): Promise<"all" | "no photos" | "none"> {
  if (await add(made, photos)) {
    keeping.value = "yes";
    return "all";
  }
  if (photos.size === 0) return "none";
  const why = keeping.peek();
  const kept = await add(made, new Map());
  keeping.value = kept ? "full" : why;
  return kept ? "no photos" : "none";
}

async function add(made: readonly Action[], photos: ReadonlyMap<string, Blob>): Promise<boolean> {
  const done = await onDisk(async (store) => {
    const transaction = store.transaction(["actions", "photos"], "readwrite", { durability: "strict" });
    const actions = transaction.objectStore("actions");
    const place = async (one: Action): Promise<void> => {
      const there = await actions.get(one.order);
      if (there && there.id !== one.id) throw new DOMException("the place is taken", "ConstraintError");
      await (there ? actions.put(one) : actions.add(one)); // it is there when only the answer to that was lost
    };
    const all: Promise<unknown>[] = [transaction.done];
    try {
      for (const [id, photo] of photos) all.push(transaction.objectStore("photos").put(photo, id));
      all.push(...made.map(place));
      await Promise.all(all);
    } catch (error) {
      abort(transaction);
      await Promise.allSettled(all);
      throw error;
    }
    return true;
  });
  return done === true;
}

function abort(transaction: { abort: () => void }): void {
  try {
    transaction.abort();
  } catch {
    // It ended already.
  }
}

/** Put what became of an action in its place; false when it is no longer there, undefined when the disk fails. */
export const change = (action: Action): Promise<boolean | undefined> =>
  onDisk(async (store) => {
    const transaction = store.transaction("actions", "readwrite");
    const kept = (await transaction.store.get(action.order))?.id === action.id;
    if (kept) void transaction.store.put(action);
    await transaction.done;
    return kept;
  });

export const forget = (action: Action): Promise<void> =>
  onDisk(async (store) => {
    const transaction = store.transaction(["actions", "photos"], "readwrite");
    const actions = transaction.objectStore("actions");
    if ((await actions.get(action.order))?.id === action.id) void actions.delete(action.order);
    void transaction.objectStore("photos").delete(action.id);
    await transaction.done;
  });

export const all = (): Promise<Action[] | undefined> => onDisk((store) => store.getAll("actions"));
export const one = (order: number): Promise<Action | undefined> => onDisk((store) => store.get("actions", order));
export const photo = (id: string): Promise<Blob | undefined> => onDisk((store) => store.get("photos", id));

/** Do something to what is kept, once more on a connection of its own when the browser closed this one. */
async function onDisk<T>(work: (store: Store) => Promise<T>): Promise<T | undefined> {
  for (const last of [false, true]) {
    const store = await connection();
    if (!store) return undefined;
    try {
      return await work(store);
    } catch (error) {
      if (isLost(error) && !last) {
        if (db === store) db = null;
        continue;
      }
      keeping.value = error instanceof DOMException && error.name === "QuotaExceededError" ? "full" : "no";
      return undefined;
    }
  }
  return undefined;
}

async function connection(): Promise<Store | null> {
  if (!db && performance.now() - failedMs > AGAIN_MS) await open();
  return db;
}

/** Browsers in the background close connections, and say so in different words. */
const isLost = (error: unknown): boolean =>
  error instanceof DOMException && (error.name === "InvalidStateError" || (error.name === "UnknownError" && /connection/i.test(error.message)));

async function open(): Promise<void> {
  opening ??= connect().finally(() => (opening = null));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      failedMs = performance.now();
      keeping.value = "no";
      resolve();
    }, OPEN_MS);
  });
  await Promise.race([opening, late]);
  clearTimeout(timer);
}

async function connect(): Promise<void> {
  try {
    const store = await openDB<Kept>("ovr", 1, {
      upgrade(fresh) {
        fresh.createObjectStore("actions", { keyPath: "order", autoIncrement: true });
        fresh.createObjectStore("photos");
      },
      terminated() {
        if (db === store) db = null;
        void open();
      },
    });
    db = store;
    if (failedMs > -Infinity) keeping.value = "yes";
    failedMs = -Infinity;
    opened();
  } catch {
    failedMs = performance.now();
    keeping.value = "no";
  }
}
