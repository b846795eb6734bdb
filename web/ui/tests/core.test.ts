import { describe, expect, it } from "vitest";
import { missing, say, sayCorrection, sayUndo, type Form } from "../src/core/acts";
import { answered, jumped, looked, unknown } from "../src/core/clock";
import { uuid7 } from "../src/core/ids";
import { href, parse } from "../src/core/route";
import { filters, parse as topic } from "../src/core/topics";
import { BUCKETS, BUCKET_MS, add, before, empty, path } from "../src/core/trail";
import { eventState, fact, json, systemState } from "../src/core/wire";
import { T0, at } from "./samples";

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);

describe("ids", () => {
  it("are UUIDv7 and sort as they were made, even within one millisecond", () => {
    const made = Array.from({ length: 10_000 }, (_, index) => uuid7(T0 + Math.floor(index / 5000), random));
    expect(made.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(true);
    expect([...made].sort()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  it("still rise when the clock is set back", () => {
    const one = uuid7(T0 + 5000, random);
    expect(uuid7(T0, random) > one).toBe(true);
  });
});

describe("topics", () => {
  it.each([
    ["ovr/head", { kind: "head" }],
    ["ovr/state/rig_01", { kind: "system", id: "rig_01" }],
    ["ovr/state/_events/Summer%20Festival%2Fday%201", { kind: "event", id: "Summer Festival/day 1" }],
    ["ovr/health/recorder", { kind: "health", process: "recorder" }],
    ["ovr/events/rig_01/note.added", { kind: "fact", system: "rig_01", type: "note.added" }],
    ["ovr/state/%zz", null],
    ["ovr/state", null],
    ["ovr/events/rig_01", null],
    ["other/state/rig_01", null],
  ])("%s", (said, heard) => {
    expect(topic("ovr", said)).toEqual(heard);
  });

  it("bring no samples", () => {
    expect(filters("ovr").some((filter) => filter.includes("sample") || filter === "ovr/events/#")).toBe(false);
  });
});

describe("what the bus says", () => {
  it("is read as it is promised, and the rest left out", () => {
    const state = systemState("a", { time: "nonsense", window: { event_id: "x" }, readings: ["?", { kind: "k", time: at(0), values: null }], devices: { d: 3 }, alarms: null });
    expect(state).toMatchObject({ timeMs: null, window: null, alarms: [] });
    expect(state.streams).toHaveLength(1);
    expect(state.devices[0]).toMatchObject({ id: "d", connected: null });
    expect(json("[1]")).toBeNull();
    expect(json("{")).toBeNull();
    expect(fact({ id: "a", type: "b" })).toBeNull();
  });

  it("tells a user's event with its windows", () => {
    const event = eventState("x", { active: true, started_at: at(0), ended_at: null, windows: [{ system_id: "a", event_id: "x", started_at: at(0), ended_at: null, location: "FOH" }] });
    expect(event.windows[0]).toMatchObject({ system: "a", location: "FOH", endedMs: null });
  });
});

describe("what operators say", () => {
  const form: Form = { systems: ["rig_01"], event: " startup ", location: "", note: "", photos: 0, position: null };

  it("is asked for what it lacks", () => {
    expect(missing("start", { ...form, systems: [] }, false)?.field).toBe("system");
    expect(missing("start", { ...form, event: " " }, false)?.field).toBe("event");
    expect(missing("location", form, false)?.field).toBe("location");
    expect(missing("note", form, false)?.field).toBe("note");
    expect(missing("note", { ...form, photos: 1 }, false)).toBeNull();
    expect(missing("end", { ...form, event: "" }, false)).toBeNull();
  });

  it("leaves out what is empty and trims what is typed", () => {
    expect(say("start", form)[0]?.body).toEqual({ system_id: "rig_01", event_id: "startup" });
    expect(say("location", { ...form, location: "Field 4", position: { lat: 1, lon: 2, accuracy_m: 8 } })[0]?.body).toEqual({
      system_id: "rig_01", location: "Field 4", lat: 1, lon: 2, accuracy_m: 8,
    });
    expect(say("note", { ...form, note: "hot" })[0]?.body).toEqual({ system_id: "rig_01", msg: "hot", event_id: "startup" });
  });

  it("is one entry for each system of a stage, in the order picked", () => {
    expect(say("start", { ...form, systems: ["b", "a"] }).map((one) => one.system)).toEqual(["b", "a"]);
  });

  it("corrects by the id of what was said", () => {
    expect(sayUndo("rig_01", "id-1", "").body).toEqual({ system_id: "rig_01", corrects: "id-1", undo: true });
    expect(sayCorrection("rig_01", "id-1", at(0), "", "").body).toEqual({ system_id: "rig_01", corrects: "id-1", time_to: at(0) });
  });
});

describe("addresses", () => {
  it("come back as they went, whatever an event is called", () => {
    for (const id of ["rig_01", "50 % off/day 2?", "#&=", "Über"]) expect(parse(href("event", id, { tab: "a b" }))).toEqual({ screen: "event", id, query: { tab: "a b" } });
  });

  it("that are none lead to the first screen", () => {
    expect(parse("#/nothing").screen).toBe("now");
    expect(parse("").screen).toBe("now");
    expect(parse("#/event/%zz").id).toBe("%zz");
  });
});

describe("the clock", () => {
  it("takes the look that was delayed least", () => {
    let offset = unknown;
    for (const delay of [300, 20, 900]) offset = looked(offset, T0 + 5000, T0 + delay);
    expect(offset.ms).toBe(4980);
  });

  it("forgets looks, so that a clock that is set is noticed", () => {
    let offset = looked(unknown, T0 + 60_000, T0);
    for (let count = 0; count < 30; count++) offset = looked(offset, T0, T0);
    expect(offset.ms).toBe(0);
  });

  it("is known from an answer of the node, as near as it came quickly", () => {
    const slow = answered(unknown, T0 - 240_000, 0, T0 - 5_000, T0);
    expect(slow).toMatchObject({ known: true, ms: -237_500 });
    const rounded = answered(slow, T0 - 240_500, 1_000, T0 - 200, T0);
    expect(rounded.ms).toBe(-239_900);
    expect(answered(rounded, T0, 0, T0 - 5_000, T0)).toBe(rounded);
    expect(looked(rounded, T0 - 240_010, T0)).toMatchObject({ ms: -240_010, known: true });
    expect(unknown.known).toBe(false);
  });

  it("that is right within the way of an answer is left alone", () => {
    expect(answered(unknown, T0 - 1_000, 0, T0 - 3_000, T0).ms).toBe(0);
  });

  it("was set when it parts from the one that only runs", () => {
    const before = { wallMs: T0, steadyMs: 500 };
    expect(jumped(before, { wallMs: T0 + 60_000, steadyMs: 60_400 })).toBe(false);
    expect(jumped(before, { wallMs: T0 + 300_000, steadyMs: 60_500 })).toBe(true);
    expect(jumped(before, { wallMs: T0 - 180_000, steadyMs: 60_500 })).toBe(true);
  });
});

describe("a trail", () => {
  it("keeps the least and the most of each ten seconds", () => {
    let trail = empty;
    for (const [second, value] of [[0, 5], [1, 9], [2, 7], [10, 1]] as const) trail = add(trail, T0 + second * 1000, value);
    expect(trail.buckets).toEqual([[5, 9], [1, 1]]);
  });

  it("is the same object when nothing that is drawn has changed", () => {
    const trail = add(add(empty, T0, 5), T0 + 1, 9);
    expect(add(trail, T0 + 2, 7)).toBe(trail);
  });

  it("keeps gaps, and no more than a quarter of an hour", () => {
    let trail = add(empty, T0, 1);
    trail = add(trail, T0 + 3 * BUCKET_MS, 2);
    expect(trail.buckets).toEqual([[1, 1], null, null, [2, 2]]);
    expect(add(trail, T0 + 1e9, 3).buckets.length).toBe(BUCKETS);
    expect(path(trail, 100, 20)?.d.match(/M/g)).toHaveLength(2);
  });

  it("takes late values where they belong and drops older ones", () => {
    const trail = add(add(empty, T0, 1), T0 + BUCKET_MS, 2);
    expect(add(trail, T0, 8).buckets[0]).toEqual([1, 8]);
    expect(add(trail, T0 - 1e9, 8)).toBe(trail);
  });

  it("is joined with the past that the node remembers, its least and its most", () => {
    const heard = add(empty, T0, 50);
    const joined = before(heard, BUCKET_MS, T0 - 2 * BUCKET_MS, [10, null, 30]);
    expect(joined.buckets).toEqual([[10, 10], null, [30, 50]]);
  });
});
