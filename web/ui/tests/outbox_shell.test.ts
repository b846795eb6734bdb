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
/** Let the disk write what comes next, and tell the page that its connection was lost. */
function loseAnswer(times = 1): void {
  const real = IDBDatabase.prototype.transaction;
  let left = times;
  vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(function (this: IDBDatabase, ...given: unknown[]) {
    const transaction = (real as (...all: unknown[]) => EventTarget).apply(this, given);
    if (given[1] !== "readwrite" || !Array.isArray(given[0]) || left-- <= 0) return transaction;
    const listen = transaction.addEventListener.bind(transaction);
    const failed: ((event: unknown) => void)[] = [];
    transaction.addEventListener = ((name: string, hear: (event: unknown) => void) => {
      if (name === "error" || name === "abort") failed.push(hear);
      if (name !== "complete") return listen(name, hear);
      listen("complete", () => {
        Object.defineProperty(transaction, "error", { value: new DOMException("Connection to Indexed Database server lost", "UnknownError") });
        failed.forEach((one) => one({}));
      });
    }) as never;
    return transaction;
  } as never);
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

  it("is sent again after pauses that grow, however often it is forgotten", async () => {
    node = (_path, said) => json(202, { id: said.id, status: "waiting" });
    const ui = await page();
    ui.put(note);
    await later(3_000);

    expect(posted.length).toBeGreaterThan(1);
    expect(posted.length).toBeLessThan(6);
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
    ui.put(note);
    await settle();
    expect(ui.keeping.value).toBe("full");
    vi.restoreAllMocks();
    ui.put(note);
    await settle();
    expect(ui.keeping.value).toBe("yes");
    expect(await (await openDB("ovr", 1)).count("photos")).toBe(1);
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

  it("that wrote and lost its answer keeps what is tapped later, and forgets what is taken back", async () => {
    node = away;
    const ui = await page();
    loseAnswer();
    const [first] = ui.put(start);
    await settle();
    ui.put(note);
    await settle();
    expect((await onDisk()).map((one) => one.what)).toEqual(["start", "note"]);
    expect(ui.keeping.value).toBe("yes");
    const back = ui.takeBack(first!.id);
    await settle();

    expect(await back).toBe(true);
    expect((await onDisk()).map((one) => one.what)).toEqual(["note"]);
  });

  it("that wrote and lost every answer forgets what is taken back at once", async () => {
    node = away;
    const ui = await page();
    loseAnswer(2);
    const [first] = ui.put(start);
    const back = ui.takeBack(first!.id);
    await settle();

    expect(await back).toBe(true);
    expect(await onDisk()).toEqual([]);
  });

  it("with a place that another tab took keeps all others, and what took it", async () => {
    node = away;
    const ui = await page();
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await (await openDB("ovr", 1)).add("actions", { order: Date.now() * 1000 + 500, id: "of another tab" });
    const [first] = ui.put(note);
    await settle();
    ui.put(start);
    await settle();
    expect((await onDisk()).map((one) => one.what)).toEqual([undefined, "start"]);
    expect(ui.keeping.value).toBe("no");
    await ui.discard(first!.id);

    expect((await onDisk()).map((one) => one.what)).toEqual([undefined, "start"]);
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

describe("what an END came to", () => {
  const end = { ...start, path: "/api/event/end", what: "end" };
  const verdict = (verdict: string, active_event_id: string | null = null): Reply => (_path, said) => json(200, { id: said.id, position: 4, verdict, active_event_id });
  const inEvent = (system: string, event: string | null): [string, string] => [
    `ovr/state/${system}`,
    JSON.stringify({ time: new Date(NODE_MS).toISOString(), window: event && { event_id: event, started_at: new Date(NODE_MS).toISOString() } }),
  ];

  const ended = async () => ({ ...(await page()), ...(await import("../src/shell/ended")) });

  it("is told when it ended nothing, with the event that is meant, and no way back is offered", async () => {
    const ui = await ended();
    node = verdict("other_active", "Fest B");
    const made = ui.put(end);
    ui.offer(made, "End: rig_01");
    ui.awaitReports(made);
    expect(ui.awaited.value?.targets).toHaveLength(1);
    await settle();

    expect(ui.nothingEnded.value).toEqual([{ id: made[0]!.id, event: "A", system: "rig_01", active: "Fest B" }]);
    expect(ui.awaited.value).toBeNull();
    expect(ui.done.value).toBeNull();
  });

  it("is not told of one that ended something", async () => {
    const ui = await ended();
    node = verdict("ended");
    ui.offer(ui.put(end), "End: rig_01");
    await settle();

    expect(ui.nothingEnded.value).toEqual([]);
    expect(ui.mayUndo.value).toBe(true);
  });

  it("concerns this END alone: what others bring is awaited on, and each has its own event", async () => {
    const ui = await ended();
    ui.takeStates("ovr", [inEvent("rig_03", "C"), inEvent("rig_01", "Fest B")], 1);
    node = (path, said) => (said.system_id === "rig_03" ? verdict("ended") : verdict("other_active", "Fest B"))(path, said);
    const of = (system: string, event: string) => ({ ...end, system, body: { system_id: system, ...(event && { event_id: event }) } });
    ui.put(of("rig_02", "old"));
    await settle();
    ui.awaitReports(ui.put(of("rig_01", "A"), of("rig_03", "")));
    await settle();

    expect(ui.nothingEnded.value.map((one) => [one.system, one.event])).toEqual([["rig_02", "old"], ["rig_01", "A"]]);
    expect(ui.awaited.value?.targets.map((one) => one.event)).toEqual(["C"]);
  });

  it("is asked for when the node could not say it with its answer", async () => {
    const ui = await ended();
    became = () => json(200, { state: "confirmed", position: 1, verdict: "nothing_active" });
    ui.put(end);
    await settle();
    expect(ui.nothingEnded.value).toEqual([]);
    await later(4_000);

    expect(ui.nothingEnded.value).toMatchObject([{ system: "rig_01", event: "A", active: null }]);
    await later(80_000);
    expect(asked).toHaveLength(1);
  });
});

describe("the field of the event", () => {
  async function field() {
    const ui = await page();
    const { link } = await import("../src/shell/live");
    link.value = { phase: "live", failures: 0, sinceMs: Date.now(), heardMs: Date.now() };
    ui.takeStates("ovr", [["ovr/state/rig_02", JSON.stringify({ time: new Date(NODE_MS).toISOString(), window: { event_id: "Old", started_at: new Date(NODE_MS).toISOString() } })]], 1);
    return { ...ui, ...(await import("../src/shell/event_field")), ...(await import("../src/shell/settings")) };
  }

  it("follows the system that is chosen, and gives back what was there", async () => {
    const { follow, leave, lastEvent, replaced } = await field();
    lastEvent.value = "Last week";
    follow("Old");
    expect([lastEvent.value, replaced.value]).toEqual(["Old", "Last week"]);
    leave();
    expect([lastEvent.value, replaced.value]).toEqual(["Last week", null]);
  });

  it("keeps what was typed, or started, when another system is chosen", async () => {
    const { follow, leave, name, used, lastEvent } = await field();
    name("Fest");
    leave();
    follow("Old");
    expect(lastEvent.value).toBe("Fest");
    name("");
    lastEvent.value = "Kept of before";
    used("start");
    leave();
    follow("Old");
    expect(lastEvent.value).toBe("Kept of before");
  });

  it("belongs to a note as the system's own event, until somebody says which is meant", async () => {
    const { meant, name } = await field();
    expect([meant("Rig 02", "Fest"), meant("unheard", "Fest")]).toEqual(["Old", "Fest"]);
    name("Fest");
    expect(meant("rig_02", "Fest")).toBe("Fest");
  });
});

describe("the hint about the key", () => {
  async function refused() {
    node = () => json(401, { title: "Key wrong" });
    became = () => json(200, { reports: [] });
    const ui = { ...(await page()), ...(await import("../src/shell/api")), ...(await import("../src/shell/settings")) };
    ui.put(note);
    await settle();
    expect(ui.keyRefused.value).toBe(true);
    return ui;
  }

  it("stays while everybody may read", async () => {
    const ui = await refused();
    await ui.get("/api/reports");
    await ui.askNode();

    expect(ui.keyRefused.value).toBe(true);
  });

  it("goes with another key, and with what is taken", async () => {
    const ui = await refused();
    ui.apiKey.value = "another";
    expect(ui.keyRefused.value).toBe(false);
    await later(20_000);
    expect(ui.keyRefused.value).toBe(true);
    node = recorded;
    await later(20_000);

    expect(ui.keyRefused.value).toBe(false);
  });
});
