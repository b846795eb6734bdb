/** The nodes of a cloud as the API tells them. Pure. */
import type { Spot } from "./tiles";
import { list, numberOf, textOf, textOrNull, timeOf, type Json } from "./wire";

const STANDINGS = ["live", "behind", "silent"] as const;
export type Standing = (typeof STANDINGS)[number];

export interface FleetNode {
  id: string;
  standing: Standing;
  lagS: number | null;
  lagEvents: number | null;
  facts: number;
  samples: number;
  head: number | null;
  fault: string | null;
  systems: readonly string[];
  active: number;
  alarms: number;
  restored: { atMs: number; from: number | null; to: number | null } | null;
}

export interface Clash {
  system: string;
  nodes: readonly string[];
}

export interface Fleet {
  nodes: readonly FleetNode[];
  clashes: readonly Clash[];
}

/** Read what `/api/nodes` says; those that need a look come first. */
export function fleet(said: Json): Fleet {
  const nodes = list(said.nodes).map(node);
  const clashes = list(said.conflicts).map((one) => ({ system: textOf(one.system_id), nodes: texts(one.nodes) }));
  return { nodes: nodes.sort((a, b) => STANDINGS.indexOf(b.standing) - STANDINGS.indexOf(a.standing) || a.id.localeCompare(b.id)), clashes };
}

function node(one: Json): FleetNode {
  const restored = one.restored as Json | null | undefined;
  const atMs = restored ? timeOf(restored.time) : null;
  return {
    id: textOf(one.node),
    standing: STANDINGS.find((word) => word === one.status) ?? "silent",
    lagS: numberOf(one.lag_s),
    lagEvents: numberOf(one.lag_events),
    facts: position(one.facts),
    samples: position(one.samples),
    head: numberOf(one.head),
    fault: textOrNull(one.fault),
    systems: texts(one.systems),
    active: numberOf(one.active) ?? 0,
    alarms: numberOf(one.alarms) ?? 0,
    restored: restored && atMs !== null ? { atMs, from: numberOf(restored.lost_from), to: numberOf(restored.lost_to) } : null,
  };
}

const position = (lane: unknown): number => numberOf((lane as Json | undefined)?.position) ?? 0;
const texts = (all: unknown): string[] => (Array.isArray(all) ? all.filter((one): one is string => typeof one === "string") : []);

/** Where a node is: amid its systems that have a position; null where none has. Leaves the date line aside. */
export function placeOf(node: FleetNode, spots: readonly Spot[]): { lat: number; lon: number } | null {
  const mine = spots.filter((spot) => node.systems.includes(spot.system.id));
  const middle = (of: (spot: Spot) => number): number => mine.reduce((sum, spot) => sum + of(spot), 0) / mine.length;
  return mine.length === 0 ? null : { lat: middle((spot) => spot.lat), lon: middle((spot) => spot.lon) };
}
