import { describe, expect, it, vi } from "vitest";
import { missing, say, twice, type Form } from "../src/core/acts";
import { localInput } from "../src/core/format";
import { canonical } from "../src/core/names";
import { awaitedOf, madeSince, reports, targets, without } from "../src/core/reports";
import { T0, at } from "./samples";

const form: Form = { systems: ["rig_02"], event: "Fest A", location: "", note: "", photos: 0, position: null };

describe("an END", () => {
  it("of all has its own button", () => {
    for (const typed of ["all", " ALL ", "_site"]) expect(missing("end", { ...form, systems: [typed] }, false)?.text).toBe("act.need_one_system");
  });
});

describe("a tap", () => {
  const first = { what: "start", form: { ...form, location: "Gate" }, atMs: T0 } as const;

  it("is taken once when the finger tapped twice, though the first emptied the form", () => {
    expect(twice(first, { what: "start", form, atMs: T0 + 1_499 })).toBe(true);
    expect(twice(first, { ...first, atMs: T0 + 400 })).toBe(true);
  });

  it("is another when it is later, of something else, or says more", () => {
    expect(twice(null, first)).toBe(false);
    expect(twice(first, { what: "start", form, atMs: T0 + 1_500 })).toBe(false);
    expect(twice(first, { what: "end", form, atMs: T0 + 100 })).toBe(false);
    for (const other of [{ systems: ["rig_01"] }, { event: "Fest B" }, { location: "Field" }, { note: "hot" }, { photos: 1 }]) {
      expect(twice(first, { what: "start", form: { ...form, ...other }, atMs: T0 + 100 })).toBe(false);
    }
  });
});

describe("a START", () => {
  const position = { lat: 1, lon: 2, accuracy_m: 5 };

  it("says the position of its place as well", () => {
    const said = say("start", { ...form, location: "Gate", note: "windy", position });
    expect(said.map((one) => one.path)).toEqual(["/api/event/start", "/api/location/set"]);
    expect(said[1]?.body).toEqual({ system_id: "rig_02", location: "Gate", lat: 1, lon: 2, accuracy_m: 5 });
  });

  it("says none of a place without a name", () => {
    expect(say("start", { ...form, position })).toHaveLength(1);
  });
});

describe("what is typed for a system", () => {
  it.each([
    ["Rig 02", "rig_02"],
    [" RIG-02 ", "rig_02"],
    ["Logger 3", "acuvim_13"],
    ["LOGGER-3", "acuvim_13"],
    ["logger 12", "logger_12"],
    ["a--b", "a_b"],
  ])("%s is found as the recorder would", (typed, id) => {
    expect(canonical(typed)).toBe(id);
  });
});

describe("the report of what was ended", () => {
  const ready = { event_id: "Fest A", state: "ready", html_url: "/html" };
  const all = reports({
    reports: [
      { ...ready, scope: "event", revision: 1, generated_at: at(-60_000) },
      { event_id: "Fest A", scope: "event", state: "requested", revision: 2 },
      { ...ready, scope: "system", system_id: "rig_02", generated_at: at(5_000), html_url: "/system" },
    ],
  });

  it("is none that was made before", () => {
    expect(madeSince(all, { event: "Fest A", system: null }, T0)).toBeUndefined();
    expect(madeSince(all, { event: "Fest A", system: null }, T0 - 120_000)?.html).toBe("/html");
  });

  it("is the system's while others are still in the event, and the event's after the last", () => {
    expect(targets("Fest A", ["rig_02"], ["rig_01", "rig_02"])).toEqual([{ event: "Fest A", system: "rig_02" }]);
    expect(targets("Fest A", ["rig_01", "rig_02"], ["rig_02"])).toEqual([{ event: "Fest A", system: null }]);
    expect(madeSince(all, { event: "Fest A", system: "rig_02" }, T0)?.html).toBe("/system");
    expect(madeSince(all, { event: "Fest A", system: "rig_01" }, T0)).toBeUndefined();
  });

  it("is awaited until every END that it would come of ended nothing", () => {
    const end = (id: string, system: string | null, event = "Fest A") => ({ id, event, system });
    const both = awaitedOf([end("a", "rig_01"), end("b", "rig_02"), end("c", "rig_03", "Fest B")], (event) => (event === "Fest B" ? ["rig_03", "rig_04"] : ["rig_01"]));
    expect(both).toEqual([
      { event: "Fest A", system: null, ends: ["a", "b"] },
      { event: "Fest B", system: "rig_03", ends: ["c"] },
    ]);
    expect(without(both, "b").map((one) => one.event)).toEqual(["Fest A", "Fest B"]);
    expect(without(without(both, "a"), "b").map((one) => one.event)).toEqual(["Fest B"]);
    expect(awaitedOf([end("all", null)], () => ["rig_01"])).toEqual([{ event: "Fest A", system: null, ends: ["all"] }]);
  });
});

it("a time to be corrected keeps its seconds", () => {
  const ms = Date.parse("2026-11-21T12:00:45.500Z");
  expect(new Date(localInput(ms)).getTime()).toBe(ms - 500);
  expect(localInput(Number.NaN)).toBe("");
});

describe("a button that is held", () => {
  it("acts once, however long a key stays down", async () => {
    vi.useFakeTimers();
    vi.doMock("preact/hooks", () => ({ useState: (first: unknown) => [first, () => undefined], useRef: (first: unknown) => ({ current: first }), useEffect: () => undefined }));
    vi.stubGlobal("navigator", {});
    const { HoldButton } = await import("../src/parts/hold_button");
    const held = vi.fn();
    const node = HoldButton({ onHeld: held, onPressed: () => undefined, hint: "", children: "" }) as unknown as { props: { onKeyDown: (event: unknown) => void } };
    for (let ms = 0; ms < 3_500; ms += 33) {
      node.props.onKeyDown({ key: " ", repeat: ms > 0, preventDefault: () => undefined });
      vi.advanceTimersByTime(33);
    }
    vi.doUnmock("preact/hooks");
    vi.unstubAllGlobals();
    vi.useRealTimers();

    expect(held).toHaveBeenCalledTimes(1);
  });
});
