/** Numbers, times and ages as people read them. Pure: the language and the time zone come in as arguments.
 *
 * Rules that must stay true here:
 * - no figure without its unit; what is not there is a dash, never a zero;
 * - kW is never translated, the decimal sign is.
 */

export interface Manner {
  language: string;
  timeZone?: string | undefined;
  fahrenheit?: boolean;
}

export interface Figure {
  text: string;
  unit: string;
}

export const DASH = "–";

const STEPS: Readonly<Record<string, readonly (readonly [number, string, number])[]>> = {
  w: [[1e6, "MW", 2], [1e3, "kW", 1], [1, "W", 0]],
  wh: [[1e6, "MWh", 2], [1e3, "kWh", 1], [1, "Wh", 0]],
  va: [[1e6, "MVA", 2], [1e3, "kVA", 1], [1, "VA", 0]],
  vah: [[1e6, "MVAh", 2], [1e3, "kVAh", 1], [1, "VAh", 0]],
  var: [[1e6, "Mvar", 2], [1e3, "kvar", 1], [1, "var", 0]],
  varh: [[1e6, "Mvarh", 2], [1e3, "kvarh", 1], [1, "varh", 0]],
  bytes: [[2 ** 40, "TiB", 1], [2 ** 30, "GiB", 1], [2 ** 20, "MiB", 1], [2 ** 10, "KiB", 1], [1, "B", 0]],
};

const UNITS: Readonly<Record<string, readonly [string, number]>> = {
  a: ["A", 1], ah: ["Ah", 1], v: ["V", 1], hz: ["Hz", 2], pct: ["%", 0], c: ["°C", 1], s: ["s", 0], ratio: ["", 2], count: ["", 0],
  code: ["", 0], deg: ["°", 4], l: ["L", 1], lph: ["L/h", 1], rpm: ["1/min", 0], m: ["m", 1], ohm: ["Ω", 1], hpa: ["hPa", 0],
  kpa: ["kPa", 0], lx: ["lx", 0], m3: ["m³", 2], mps: ["m/s", 1], ppm: ["ppm", 1], ugm3: ["µg/m³", 1],
};

/** Return the unit's suffix of a measurement's name: `ac_out_power_w` → `w`. */
export const suffix = (name: string): string => name.slice(name.lastIndexOf("_") + 1);

/** Write a value of a measurement with the unit that its name tells. */
export function figure(name: string, value: number | null | undefined, manner: Manner): Figure {
  const unit = suffix(name);
  const steps = STEPS[unit];
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return { text: DASH, unit: steps?.[steps.length - 2]?.[1] ?? UNITS[unit]?.[0] ?? "" };
  }
  if (steps) {
    const [size, word, digits] = steps.find(([least]) => Math.abs(value) >= least * 0.9995) ?? steps[steps.length - 1]!;
    return { text: number(value / size, digits, manner), unit: word };
  }
  if (name.endsWith("frequency_hz") && Math.abs(value) >= 1e6) return { text: number(value / 1e9, 2, manner), unit: "GHz" };
  if (unit === "s" && Math.abs(value) >= 120) return { text: duration(value * 1000), unit: "" };
  if (unit === "c" && manner.fahrenheit) return { text: number((value * 9) / 5 + 32, 1, manner), unit: "°F" };
  const [word, digits] = UNITS[unit] ?? ["", 2];
  return { text: number(value, digits, manner), unit: word };
}

const numbers = new Map<string, Intl.NumberFormat>();

export function number(value: number, digits: number, manner: Manner): string {
  const key = `${manner.language} ${digits}`;
  let format = numbers.get(key);
  if (!format) {
    format = new Intl.NumberFormat(manner.language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    numbers.set(key, format);
  }
  const text = format.format(value);
  return /[1-9]/.test(text) ? text : format.format(0);
}

/** Write how long something lasts or how old it is: `3 s`, `4 min`, `2 h 05 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function dated(manner: Manner, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${manner.language} ${manner.timeZone ?? ""} ${Object.keys(options).join()}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(manner.language, { ...options, hourCycle: "h23", ...(manner.timeZone ? { timeZone: manner.timeZone } : {}) });
    formats.set(key, format);
  }
  return format;
}

export const clock = (ms: number, manner: Manner): string => dated(manner, { hour: "2-digit", minute: "2-digit" }).format(ms);
export const clockWithSeconds = (ms: number, manner: Manner): string =>
  dated(manner, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
export const day = (ms: number, manner: Manner): string => dated(manner, { day: "numeric", month: "short", year: "numeric" }).format(ms);

/** Write an instant: the time when it was today, with the day otherwise. */
export function instant(ms: number, nowMs: number, manner: Manner): string {
  const today = day(nowMs, manner) === day(ms, manner);
  return today ? clock(ms, manner) : `${day(ms, manner)}, ${clock(ms, manner)}`;
}

/** Write an instant for `<input type=datetime-local>`, to the second, in the device's own zone; empty where there is none. */
export function localInput(ms: number): string {
  if (Number.isNaN(ms)) return "";
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 19);
}

/** Turn a word of ours into one that people read: `grid_lost` → `Grid lost`. */
export function words(name: string): string {
  const text = name.replace(/[._]+/g, " ").trim();
  const written = text.replace(/\b(ac|dc|pv|ups|cpu|gps|bms|thd)\b/gi, (short) => short.toUpperCase()).replace(/\bsoc\b/gi, "SoC");
  return written.charAt(0).toUpperCase() + written.slice(1);
}
