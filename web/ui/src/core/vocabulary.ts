/** What a measurement's name means, by the grammar of the vocabulary. Pure; the vocabulary comes in as an argument. */
import { suffix, words } from "./format";

interface Quantity {
  meaning: string;
  codes?: string;
}

interface Place {
  of: string;
  prefix?: string;
  count?: number;
  sets?: readonly string[];
  numbered_sets?: readonly string[];
  quantities?: Readonly<Record<string, string | Quantity>>;
}

export interface Vocabulary {
  places: Readonly<Record<string, Place>>;
  sets: Readonly<Record<string, Readonly<Record<string, string | Quantity>>>>;
  codes: Readonly<Record<string, { values: Readonly<Record<string, string>> }>>;
}

export interface Meaning {
  /** Where it is measured. */
  place: string;
  /** L1, L2 … or nothing. */
  position: string;
  quantity: string;
  /** Words of an enumeration. */
  codes: Readonly<Record<string, string>> | null;
}

const POSITIONS: Readonly<Record<string, string>> = { l1: "L1", l2: "L2", l3: "L3", l12: "L1–L2", l23: "L2–L3", l31: "L3–L1", ll: "L–L", n: "N" };

/** Tell what a name means; a name of nobody's is taken apart into its words. */
export function meaning(name: string, vocabulary: Vocabulary): Meaning {
  for (const [key, place] of Object.entries(vocabulary.places)) {
    const prefix = place.prefix ?? key;
    const rest = after(prefix, name);
    if (rest === null) continue;
    const [number, quantity] = numbered(rest, place.count ?? 0);
    const found = lookup(quantity, place, vocabulary);
    if (!found) continue;
    const words = capital(place.of || prefix.replaceAll("_", " ")) + (number ? ` ${number}` : "");
    return { place: words, ...found };
  }
  return { place: "", position: "", quantity: words(name.slice(0, name.length - suffix(name).length)), codes: null };
}

function after(prefix: string, name: string): string | null {
  if (prefix === "") return name;
  return name.startsWith(`${prefix}_`) ? name.slice(prefix.length + 1) : null;
}

function numbered(rest: string, count: number): [string, string] {
  const match = /^(\d+)_(.+)$/.exec(rest);
  return match && Number(match[1]) <= count ? [match[1]!, match[2]!] : ["", rest];
}

function lookup(rest: string, place: Place, vocabulary: Vocabulary): Omit<Meaning, "place"> | null {
  const [first = "", ...others] = rest.split("_");
  const tries: [string, string][] = [["", rest]];
  if (first in POSITIONS) tries.push([POSITIONS[first]!, others.join("_")]);
  const tables = [place.quantities ?? {}, ...[...(place.sets ?? []), ...(place.numbered_sets ?? [])].map((name) => vocabulary.sets[name] ?? {})];
  for (const [position, quantity] of tries) {
    const said = tables.map((table) => table[quantity]).find((one) => one !== undefined);
    if (said === undefined) continue;
    const given = typeof said === "string" ? { meaning: said } : said;
    const codes = given.codes ? (vocabulary.codes[given.codes]?.values ?? null) : null;
    return { position, quantity: capital(given.meaning), codes };
  }
  return null;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
