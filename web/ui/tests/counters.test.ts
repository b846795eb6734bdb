import { describe, expect, it } from "vitest";
import { counters, lately } from "../src/core/counters";
import { at } from "./samples";

describe("the counters of a system", () => {
  const one = counters({
    system_id: "ups_1",
    score: 71,
    grade: "fair",
    total: 12,
    last_day: 3,
    factors: [{ label: "AC_POWER_LOSS", recent: 2 }],
    types: [
      { type: "ups.on_battery", label: "ON_BATTERY", last_day: 1, total: 4 },
      { type: "ups.overload", label: "OVERLOAD", last_day: 0, total: 7 },
      { type: "ups.ac_power_loss", label: "AC_POWER_LOSS", last_day: 2, total: 1, lasts_since: at(0) },
    ],
  });

  it("tell what happened in the last day, the most frequent first", () => {
    expect(lately(one).map((each) => each.type)).toEqual(["ups.ac_power_loss", "ups.on_battery"]);
  });

  it("tell in words what counts against it", () => {
    expect(one).toMatchObject({ score: 71, grade: "fair", why: "AC power loss (2)" });
  });
});
