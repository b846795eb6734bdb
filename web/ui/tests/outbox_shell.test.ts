/** The outbox on its disk and its way to the node, both stood in for. */
import { IDBDatabase, IDBFactory, IDBKeyRange, IDBObjectStore } from "fake-indexeddb";
import "fake-indexeddb/auto";
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Action } from "../src/core/outbox";

type Reply = (path: string, said: Record<string, unknown>) => Response;

vi.setConfig({ testTimeout: 60_000 }); // every test loads the page anew, which takes long where much else runs

const NODE_MS = Date.UTC(2026, 10, 21, 12);
const note = { path: "/api/note", what: "note", system: "rig_01", about: "x", body: { system_id: "rig_01", msg: "x" } };
const start = { path: "/api/event/start", what: "start", system: "rig_01", about: "A", body: { system_id: "rig_01", event_id: "A" } };
const photo = { ...note, path: "/api/photo", what: "photo", photo: new Blob(["x"], { type: "image/jpeg" }) };

const json = (status: number, said: unknown): Response => new Response(JSON.stringify(said), { status });
const recorded: Reply = (_path, said) => json(200, { id: said.id, position: 1 });
const away: Reply = () => {
  throw new TypeError("away");
};
const portal: Reply = () => new Response("<html>Log in</html>", { status: 200 });

let posted: { path: string; said: Record<string, unknown> }[] = [];
let asked: string[] = [];
let node: Reply = recorded;
let became: Reply = () => json(404, { title: "There is no such thing" });
/** How far the device's clock is ahead of the node's. */
let aheadMs = 0;

/** Start a page on the disk that is there. */
async function page() {
  vi.resetModules();
  const outbox = await import("../src/shell/outbox");
  const undo = await import("../src/shell/undo");
  const disk = await import("../src/shell/disk");
  const store = await import("../src/shell/store");
  await outbox.startOutbox();
  return { ...outbox, ...undo, ...disk, ...store };
}

const onDisk = async (): Promise<Action[]> => (await openDB("ovr", 1)).getAll("actions");
/** Let time pass, with all that the disk does on its own. */
async function later(ms: number): Promise<void> {
  for (let passed = 0; passed <= ms; passed += 100) {
    for (let turn = 0; turn < 15; turn++) await new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(passed < ms ? 100 : 0);
  }
}
/** Let everything happen that happens at once. */
const settle = (): Promise<void> => later(100);
const trueMs = (): number => Date.now() - aheadMs;

beforeEach(() => {
  vi.useFakeTimers({ now: NODE_MS, toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date", "performance"] });
  vi.stubGlobal("indexedDB", new IDBFactory());
  vi.stubGlobal("IDBKeyRange", IDBKeyRange);
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) });
  vi.stubGlobal("window", { addEventListener: () => undefined });
  vi.stubGlobal("document", { addEventListener: () => undefined, hidden: false, documentElement: { dataset: {} } });
  vi.stubGlobal("location", { protocol: "http:", hostname: "node", host: "node", hash: "" });
  vi.stubGlobal("navigator", { onLine: true, languages: ["en"] });
  vi.stubGlobal("Worker", class {
    postMessage(): void {}
  });
  vi.stubGlobal("fetch", async (path: string, init: RequestInit) => {
    if (path === "/api/ui") return node === away || node === portal ? node(path, {}) : json(200, { time: new Date(trueMs()).toISOString() });
    if (init.method === "GET") {
      asked.push(path);
      return became(path, {});
    }
    const said = init.body instanceof FormData ? Object.fromEntries(init.body) : (JSON.parse(String(init.body)) as Record<string, unknown>);
    posted.push({ path, said });
    return node(path, said);
  });
  posted = [];
  asked = [];
  node = recorded;
  became = () => json(404, { title: "There is no such thing" });
  aheadMs = 0;
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("what the node took with 202", () => {
  it("is sent again, the same, when the node knows nothing of it", async () => {
    node = (_path, said) => json(202, { id: said.id, status: "waiting" });
    const ui = await page();
    ui.put(note, { ...note, about: "y" });
    await settle();
    node = recorded;
    await later(20_000);

    expect(ui.actions.value).toEqual([]);
    expect(posted).toHaveLength(4);
    const same = (said: Record<string, unknown>): string => `${String(said.id)} ${String(said.time)}`;
    expect(new Set(posted.map((one) => same(one.said))).size).toBe(2);
  });

  it("leaves when the node says that it is recorded, with what it came to", async () => {
    node = (_path, said) => json(202, { id: said.id, status: "waiting" });
    became = () => json(200, { state: "confirmed", position: 7, verdict: "other_active" });
    const ui = await page();
    const [made] = ui.put({ ...start, path: "/api/event/end", what: "end" });
    await settle();

    expect(ui.actions.value).toEqual([]);
    expect(ui.confirmed.value.get(made!.id)).toMatchObject({ position: 7, verdict: "other_active" });
  });

  it("is asked about one by one: what cannot be said of one holds up no other", async () => {
    node = (_path, said) => json(202, { id: said.id });
    became = () => json(403, { title: "Not yours" });
    const ui = await page();
    ui.put(note, { ...note, about: "y" });
    await settle();

    expect(new Set(asked).size).toBe(2);
  });
});

it("a page of something else in the node's place takes nothing", async () => {
  const ui = await page();
  ui.put(note);
  await settle();
  expect(ui.actions.value).toEqual([]);
  node = portal;
  ui.put(note);
  await settle();
  expect(ui.actions.value[0]).toMatchObject({ state: "waiting", problem: "something else answered than the node" });
  node = recorded;
  await later(20_000);

  expect(ui.actions.value).toEqual([]);
});

describe("the time of a tap", () => {
  it("is not fixed before the node's clock was heard, and is the node's then", async () => {
    aheadMs = 240_000;
    node = away;
    const ui = await page();
    const tappedMs = trueMs();
    ui.put(note);
    await later(5_000);
    expect(ui.actions.value[0]).toMatchObject({ time: null, tries: 0 });
    node = recorded;
    await later(20_000);

    expect(posted).toHaveLength(1);
    expect(Math.abs(Date.parse(String(posted[0]!.said.time)) - tappedMs)).toBeLessThan(50);
  });

  it("stays the same once it was sent, so that it is recorded once", async () => {
    node = away;
    const ui = await page();
    ui.takeNow("ovr", "ovr/head", JSON.stringify({ position: 1, time: new Date(Date.now()).toISOString() }), false);
    ui.put(note);
    await settle();
    ui.takeNow("ovr", "ovr/head", JSON.stringify({ position: 2, time: new Date(Date.now() + 60_000).toISOString() }), false);
    node = recorded;
    await later(20_000);

    expect(posted.length).toBeGreaterThan(1);
    expect(new Set(posted.map((one) => one.said.time)).size).toBe(1);
  });

  it("is right at once when the device's clock was set", async () => {
    aheadMs = 240_000;
    const ui = await page();
    for (let count = 0; count < 40; count++) ui.takeNow("ovr", "ovr/head", JSON.stringify({ position: count, time: new Date(trueMs()).toISOString() }), false);
    expect(ui.knownOffsetMs()).toBe(-240_000);
    vi.setSystemTime(Date.now() - 240_000);
    aheadMs = 0;
    ui.put(note);
    await settle();

    expect(Math.abs(Date.parse(String(posted[0]!.said.time)) - Date.now())).toBeLessThan(1_000);
  });
});

describe("a photo that cannot be sent", () => {
  beforeEach(() => {
    node = (path, said) => (path === "/api/photo" ? away(path, said) : recorded(path, said));
  });

  it("lets what was tapped later pass", async () => {
    const ui = await page();
    ui.put(photo);
    ui.put(start);
    await settle();

    expect(posted.map((one) => one.path)).toContain("/api/event/start");
    expect(ui.actions.value.map((one) => one.what)).toEqual(["photo"]);
  });

  it("can be thrown away", async () => {
    const ui = await page();
    const [made] = ui.put(photo);
    await later(20_000);
    await ui.discard(made!.id);
    await settle();

    expect(ui.actions.value).toEqual([]);
    expect(await onDisk()).toEqual([]);
  });
});

describe("a disk", () => {
  it("that has no room for a photo keeps the start of the same tap", async () => {
    const put = IDBObjectStore.prototype.put;
    vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...given: unknown[]) {
      if (this.name === "photos") throw new DOMException("full", "QuotaExceededError");
      return (put as (...all: unknown[]) => never).apply(this, given);
    } as never);
    node = away;
    const ui = await page();
    ui.put(start, photo);
    await settle();

    expect((await onDisk()).map((one) => one.what)).toEqual(["start", "photo"]);
    expect(ui.keeping.value).toBe("full");
    vi.restoreAllMocks();
    ui.put(note);
    await settle();
    expect(ui.keeping.value).toBe("yes");
    node = recorded;
    await later(20_000);
    expect(posted.filter((one) => one.path === "/api/photo")[0]?.said.file).toBeInstanceOf(Blob);
  });

  it("that the browser closed is opened anew", async () => {
    node = away;
    const ui = await page();
    ui.put(note);
    await settle();
    const real = IDBDatabase.prototype.transaction;
    let dead: unknown = null;
    vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...given: unknown[]) {
      dead ??= this;
      if (this === dead) throw new DOMException("Connection to Indexed Database server lost", "InvalidStateError");
      return (real as (...all: unknown[]) => never).apply(this, given);
    } as never);
    ui.put({ ...note, about: "second" });
    await settle();

    expect((await onDisk()).map((one) => one.about)).toEqual(["x", "second"]);
    expect(ui.keeping.value).toBe("yes");
  });

  it("that does not answer holds up nothing, and is asked again", async () => {
    vi.spyOn(indexedDB, "open").mockImplementationOnce(() => new EventTarget() as never);
    vi.resetModules();
    const outbox = await import("../src/shell/outbox");
    const disk = await import("../src/shell/disk");
    void outbox.startOutbox();
    outbox.put(note);
    await later(6_000);

    expect(disk.keeping.value).toBe("no");
    expect(posted).toHaveLength(1);
    node = away;
    await later(15_000);
    outbox.put(note);
    await later(1_000);
    expect((await onDisk()).map((one) => one.what)).toEqual(["note"]);
    expect(disk.keeping.value).toBe("yes");
  });

  it("without its connection gives back what was kept when the page comes again", async () => {
    node = away;
    const before = await page();
    before.put(start, photo);
    await settle();
    const ui = await page();

    expect(ui.actions.value.map((one) => one.what)).toEqual(["start", "photo"]);
  });
});

describe("undo", () => {
  it("leaves out what nobody has seen, and says so", async () => {
    node = away;
    const ui = await page();
    ui.offer(ui.put(note), "Note: rig_01");
    await settle();
    expect(ui.mayUndo.value).toBe(true);
    await ui.undo();
    node = recorded;
    await later(20_000);

    expect(ui.told.value?.text).toBe("Taken back");
    expect(posted).toEqual([]);
  });

  it("is not offered for a note that may be with the node, nor claimed", async () => {
    node = (path, said) => (path === "/api/note" ? away(path, said) : recorded(path, said));
    const ui = await page();
    ui.offer(ui.put(note), "Note: rig_01");
    await settle();
    expect(ui.actions.value[0]?.tries).toBeGreaterThan(0);
    expect(ui.mayUndo.value).toBe(false);
    await ui.undo();

    expect(ui.told.value?.text).toBe("Too late to take back, already sent: Note: rig_01");
    expect(ui.actions.value).toHaveLength(1);
  });

  it("takes back all that said the same, since the first of them did it", async () => {
    const ui = await page();
    const first = ui.put(start);
    ui.offer(first, "Start: rig_01");
    await settle();
    const second = ui.put(start);
    ui.offer(second, "Start: rig_01");
    await settle();
    await ui.undo();
    await settle();

    expect(posted.filter((one) => one.path === "/api/window/correct").map((one) => one.said.corrects)).toEqual([second[0]!.id, first[0]!.id]);
  });

  it("takes back the last alone where it said something else", async () => {
    const ui = await page();
    ui.offer(ui.put(start), "Start: rig_01");
    const other = ui.put({ ...start, body: { system_id: "rig_01", event_id: "B" } });
    ui.offer(other, "Start: rig_01");
    await settle();
    await ui.undo();
    await settle();

    expect(posted.filter((one) => one.path === "/api/window/correct").map((one) => one.said.corrects)).toEqual([other[0]!.id]);
  });
});

it("a damaged lease of a tab that is gone holds up nothing", async () => {
  localStorage.setItem("ovr.sender", "{");
  const ui = await page();
  ui.put(note);
  await settle();

  expect(ui.actions.value).toEqual([]);
});

describe("what is known of a system's event", () => {
  const state = (event: string | null): [string, string] => [
    "ovr/state/rig_01",
    JSON.stringify({ time: new Date(NODE_MS).toISOString(), window: event && { event_id: event, started_at: new Date(NODE_MS).toISOString() } }),
  ];

  async function live() {
    const ui = await page();
    const { link } = await import("../src/shell/live");
    const { standing, nothingEnded } = await import("../src/shell/standing");
    link.value = { phase: "live", failures: 0, sinceMs: Date.now(), heardMs: Date.now() };
    ui.takeStates("ovr", [state("Fest B")], 1);
    return { ...ui, link, standing, nothingEnded };
  }

  it("is sure when it is live and nothing was said of it here just now", async () => {
    const ui = await live();
    expect(ui.standing("rig_01")).toBeUndefined();
    await later(6_000);
    expect(ui.standing("Rig 01")).toBe("Fest B");
    expect(ui.standing("unheard")).toBeUndefined();
    ui.takeStates("ovr", [state(null)], 1);
    expect(ui.standing("rig_01")).toBeNull();
    ui.put(start);
    expect(ui.standing("rig_01")).toBeUndefined();
    await settle();
    expect(ui.actions.value).toEqual([]);
    expect(ui.standing("rig_01")).toBeUndefined();
    await later(6_000);
    expect(ui.standing("rig_01")).toBeNull();
  });

  it("is not while the link is down, or an end of all waits", async () => {
    const ui = await live();
    await later(6_000);
    node = away;
    ui.put({ ...start, path: "/api/event/end_all", what: "end_all", system: "all" });
    await later(6_000);
    expect(ui.standing("rig_01")).toBeUndefined();
    ui.link.value = { phase: "hidden", failures: 0, sinceMs: Date.now() };
    expect(ui.standing("rig_01")).toBeUndefined();
  });

  it("is told when the node says that an end ended nothing, and no way back is offered", async () => {
    const ui = await live();
    node = (_path, said) => json(200, { id: said.id, position: 4, verdict: "other_active", active_event_id: "Fest B" });
    ui.offer(ui.put({ ...start, path: "/api/event/end", what: "end" }), "End: rig_01");
    await settle();

    expect(ui.nothingEnded.value).toEqual({ event: "A", idle: [{ system: "rig_01", active: "Fest B" }], sent: true });
    expect(ui.done.value).toBeNull();
  });

  it("is not told of an end that ended something", async () => {
    const ui = await live();
    node = (_path, said) => json(200, { id: said.id, position: 4, verdict: "ended" });
    ui.offer(ui.put({ ...start, path: "/api/event/end", what: "end" }), "End: rig_01");
    await settle();

    expect(ui.nothingEnded.value).toBeNull();
    expect(ui.mayUndo.value).toBe(true);
  });
});
