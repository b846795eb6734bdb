import { describe, expect, it } from "vitest";
import { DASH, day, duration, figure, instant, words } from "../src/core/format";
import { T0 } from "./samples";

const en = { language: "en-GB", timeZone: "UTC" };
const told = (name: string, value: number | null): string => {
  const { text, unit } = figure(name, value, en);
  return unit ? `${text} ${unit}` : text;
};

describe("a figure", () => {
  it.each([
    ["ac_power_w", 0, "0 W"],
    ["ac_power_w", 999.4, "999 W"],
    ["ac_power_w", 999.6, "1.0 kW"],
    ["ac_power_w", -12_345, "-12.3 kW"],
    ["ac_power_w", 1_250_000, "1.25 MW"],
    ["energy_wh", 48_210.5, "48.2 kWh"],
    ["ac_l1_voltage_v", 230.07, "230.1 V"],
    ["ac_frequency_hz", 49.978, "49.98 Hz"],
    ["cpu_frequency_hz", 2_445_432_000, "2.45 GHz"],
    ["soc_pct", 81.6, "82 %"],
    ["memory_used_bytes", 924_930_048, "882.1 MiB"],
    ["ac_power_factor_ratio", 0.9466, "0.95"],
    ["battery_time_to_go_s", 2604, "43 min"],
    ["ac_power_w", -0.3, "0 W"],
  ])("%s of %d reads %s", (name, value, text) => {
    expect(told(name, value)).toBe(text);
  });

  it("is a dash when it is not there, and keeps its unit", () => {
    expect(told("ac_power_w", null)).toBe(`${DASH} kW`);
    expect(told("ac_power_w", Number.NaN)).toBe(`${DASH} kW`);
  });

  it("has the decimal sign of its language and the unit of none", () => {
    expect(figure("ac_power_w", 12_345, { language: "de" })).toEqual({ text: "12,3", unit: "kW" });
  });

  it("tells temperatures as asked for", () => {
    expect(figure("battery_temperature_c", 25, { ...en, fahrenheit: true })).toEqual({ text: "77.0", unit: "°F" });
  });
});

describe("times", () => {
  it.each([
    [0, "0 s"],
    [59_999, "59 s"],
    [240_000, "4 min"],
    [7_500_000, "2 h 05 min"],
    [273_600_000, "3 d 4 h"],
    [-5, "0 s"],
  ])("%d ms lasts %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("name the day only when it is another", () => {
    expect(instant(T0, T0 + 1000, en)).toBe("12:00");
    expect(instant(T0 - 86_400_000, T0, en)).toBe(`${day(T0 - 86_400_000, en)}, 12:00`);
  });

  it("turns our words into people's", () => {
    expect(words("grid_lost")).toBe("Grid lost");
    expect(words("ups.ac_power_loss")).toBe("UPS AC power loss");
  });
});
