import { describe, expect, it } from "vitest";
import { age, asleep, find, glance, inOrder, matches, rank, type Listed } from "../src/core/glance";
import { T0, at, system } from "./samples";

describe("a glance at a system", () => {
  it("shows what is delivered before what comes in", () => {
    const seen = glance(system("rig_01", { ac_in_power_w: 9000, ac_out_power_w: 5000, ac_out_l1_power_w: 2000, ac_out_l2_power_w: 3000, soc_pct: 81 }));
    expect(seen.main?.value).toBe(5000);
    expect(seen.phases).toEqual([2000, 3000, null]);
    expect(seen.soc?.value).toBe(81);
  });

  it("puts nothing in the place of a value that is not there", () => {
    const seen = glance(system("rig_01", { ac_out_power_w: null, soc_pct: null }));
    expect(seen).toMatchObject({ main: null, soc: null, phases: null, word: "no_values" });
  });

  it("takes the newest of two streams that tell the same", () => {
    const two = system("a", {}, {
      readings: [
        { kind: "x", interval_ms: 500, time: at(0), values: { ac_power_w: 1 } },
        { kind: "x", interval_ms: 5000, time: at(1000), values: { ac_power_w: 2 } },
      ],
    });
    expect(find(two, "ac_power_w")?.value).toBe(2);
  });

  it.each([
    [{ state_code: 9, ac_out_power_w: 1 }, "victron_9"],
    [{ inverter_state_code: 4, ac_out_power_w: 1 }, "sunspec_4"],
    [{ ups_on_battery_code: 1, ups_online_code: 0, ac_out_power_w: 1 }, "on_battery"],
    [{ ac_power_w: 500 }, "drawing"],
    [{ ac_power_w: -500 }, "feeding_back"],
    [{ ac_power_w: 0 }, "idle"],
    [{ cpu_pct: 3 }, "running"],
  ])("finds a word for %o", (values, word) => {
    expect(glance(system("a", values as Record<string, number>)).word).toBe(word);
  });
});

describe("the age of data", () => {
  const one = system("a", { ac_power_w: 1 });
  it("is judged by the node's clock and by how often the system speaks", () => {
    expect(age(one, T0 + 3_000).rank).toBe("fresh");
    expect(age(one, T0 + 11_000).rank).toBe("old");
    expect(age(one, T0 + 61_000).rank).toBe("stale");
    const slow = system("b", {}, { readings: [{ kind: "x", interval_ms: 60_000, time: at(0), values: {} }] });
    expect(age(slow, T0 + 61_000).rank).toBe("fresh");
  });

  it("is never negative, and never known of what never spoke", () => {
    expect(age(one, T0 - 5_000).ageMs).toBe(0);
    expect(age(system("c", {}, { time: null, readings: [] }), T0)).toEqual({ ageMs: null, rank: "stale" });
  });

  it("does not alarm about an inverter that sleeps", () => {
    const night = system("pv", { ac_power_w: 0 }, { devices: { inverter: { connected: false, reason: "asleep", since: at(0) } } });
    expect(asleep(night)).toBe(true);
    expect(rank(night, T0 + 1e7)).toBe("fresh");
  });

  it("is stale at once when no device answers", () => {
    expect(rank(system("m", { ac_power_w: 0 }, { devices: { meter: { connected: false, since: at(0) } } }), T0)).toBe("stale");
  });
});

describe("the order of systems", () => {
  const one = (id: string, changes: Partial<Listed> = {}): Listed => ({ id, label: id, rank: "fresh", active: false, ...changes });

  it("is alarms, warnings, stale, old, then those in an event, then names as people count", () => {
    const all = [
      one("rig_10"),
      one("rig_2"),
      one("z_event", { active: true }),
      one("old", { rank: "old" }),
      one("gone", { rank: "stale" }),
      one("warned", { rank: "warning" }),
      one("burning", { rank: "critical" }),
    ];
    expect(inOrder(all).map((each) => each.id)).toEqual(["burning", "warned", "gone", "old", "z_event", "rig_2", "rig_10"]);
  });

  it("ranks by the worst alarm", () => {
    const alarms = [{ type: "alarm", alarm: "a", level: "warning", since: at(0) }, { type: "alert", alert: "b", severity: "critical", since: at(0) }];
    expect(rank(system("a", {}, { alarms: alarms.slice(0, 1) }), T0)).toBe("warning");
    expect(rank(system("a", {}, { alarms }), T0)).toBe("critical");
  });
});

describe("searching", () => {
  it("finds all words anywhere, in any case", () => {
    expect(matches("stage RIG", "rig_01", "Main stage", null)).toBe(true);
    expect(matches("stage rig", "rig_01", "FOH")).toBe(false);
  });
});
