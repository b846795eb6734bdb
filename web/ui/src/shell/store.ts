/** All that is known now, as signals: systems, events, health, head, and what happened lately.
 *
 * Rules that must stay true here:
 * - a system is one signal, so that a message draws one tile and no list;
 * - states come twice a second, the newest of each topic only; facts at once.
 */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { answered, jumped, looked, unknown, type Clocks, type Offset } from "../core/clock";
import { find, glance, inOrder, rank, type Listed } from "../core/glance";
import { parse } from "../core/topics";
import { add, empty, type Trail } from "../core/trail";
import * as wire from "../core/wire";

const MOST_FACTS = 300;

export const systems = signal<ReadonlyMap<string, Signal<wire.SystemState>>>(new Map());
export const events = signal<ReadonlyMap<string, wire.EventState>>(new Map());
export const healths = signal<ReadonlyMap<string, wire.Health>>(new Map());
export const head = signal<wire.Head | null>(null);
/** Recorded events that came live, newest first. */
export const facts = signal<readonly wire.Fact[]>([]);
export const messages = signal(0);
export const trails = new Map<string, Signal<Trail>>();

const offset = signal<Offset>(unknown);
export const offsetMs = computed(() => offset.value.ms);
/** Whether the node's clock was heard since this device's was set. */
export const clockKnown = computed(() => offset.value.known);
const clocks = (): Clocks => ({ wallMs: Date.now(), steadyMs: performance.now() });
let before = clocks();

/** How far the node's clock is ahead; null while it was not heard since this device's was set. */
export function knownOffsetMs(): number | null {
  const at = clocks();
  if (jumped(before, at)) offset.value = unknown;
  before = at;
  return offset.peek().known ? offset.peek().ms : null;
}

/** Take in what an answer of the node tells of its clock. */
export function hearAnswer(saidMs: number, roundedMs: number, askedMs: number, heardMs: number): void {
  knownOffsetMs();
  offset.value = answered(offset.peek(), saidMs, roundedMs, askedMs, heardMs);
}
/** The time by the node's clock, moved once a second. */
export const now = signal(Date.now());
export const nodeNow = (): number => Date.now() + offset.value.ms;

let received = 0;
type OnFact = (fact: wire.Fact) => void;
const listeners = new Set<OnFact>();

/** Be told of every recorded event that comes live. */
export function onFact(listener: OnFact): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Take in what is told at once: the head, or a recorded event. */
export function takeNow(prefix: string, topic: string, text: string, retained: boolean): "head" | "other" {
  const heard = parse(prefix, topic);
  if (heard?.kind === "head") {
    takeHead(text, retained);
    return "head";
  }
  if (heard?.kind === "fact") takeFact(text);
  return "other";
}

function takeHead(text: string, retained: boolean): void {
  const said = wire.json(text);
  if (!said) return;
  const newest = wire.head(said);
  head.value = newest;
  if (retained || newest.timeMs === null) return;
  knownOffsetMs();
  offset.value = looked(offset.peek(), newest.timeMs, Date.now());
}

function takeFact(text: string): void {
  const said = wire.json(text);
  const fact = said && wire.fact(said);
  if (!fact || facts.peek().some((known) => known.id === fact.id && known.source === fact.source)) return;
  facts.value = [fact, ...facts.peek()].slice(0, MOST_FACTS);
  for (const listener of listeners) listener(fact);
}

/** Take in states, the newest of each topic; all at once, so that a list is drawn once. */
export function takeStates(prefix: string, states: readonly (readonly [string, string])[], count: number): void {
  received = count;
  batch(() => {
    for (const [topic, text] of states) {
      const heard = parse(prefix, topic);
      const said = text === "" ? null : wire.json(text);
      if (heard?.kind === "system") takeSystem(heard.id, said);
      else if (heard?.kind === "event") events.value = changed(events.peek(), heard.id, said && wire.eventState(heard.id, said));
      else if (heard?.kind === "health") healths.value = changed(healths.peek(), heard.process, said && wire.health(heard.process, said));
    }
  });
}

function takeSystem(id: string, said: wire.Json | null): void {
  const known = systems.peek().get(id);
  if (!said) {
    systems.value = changed(systems.peek(), id, null);
    return;
  }
  const state = wire.systemState(id, said);
  if (known) known.value = state;
  else systems.value = changed(systems.peek(), id, signal(state));
  const main = glance(state).main;
  if (main && main.name !== "cpu_pct") {
    const trail = trailOf(id);
    trail.value = add(trail.peek(), main.timeMs, main.value);
  }
}

export function trailOf(id: string): Signal<Trail> {
  let trail = trails.get(id);
  if (!trail) {
    trail = signal(empty);
    trails.set(id, trail);
  }
  return trail;
}

function changed<V>(map: ReadonlyMap<string, V>, key: string, value: V | null): ReadonlyMap<string, V> {
  const copy = new Map(map);
  if (value === null) copy.delete(key);
  else copy.set(key, value);
  return copy;
}

export const labelOf = (id: string): string => systems.value.get(id)?.value.name ?? id;

/** What every list of systems is made of; a new list only when the order, a rank or a name is another. */
export const listed: ReadonlySignal<readonly Listed[]> = stable(
  computed(() => {
    const at = now.value;
    const all: Listed[] = [];
    for (const [id, state] of systems.value) {
      const system = state.value;
      all.push({ id, label: system.name ?? id, rank: rank(system, at), active: system.window !== null });
    }
    return inOrder(all);
  }),
);

function stable(source: ReadonlySignal<readonly Listed[]>): ReadonlySignal<readonly Listed[]> {
  let last: readonly Listed[] = [];
  return computed(() => {
    const fresh = source.value;
    const same =
      fresh.length === last.length &&
      fresh.every((one, index) => {
        const old = last[index];
        return old?.id === one.id && old.rank === one.rank && old.label === one.label && old.active === one.active;
      });
    if (!same) last = fresh;
    return last;
  });
}

export const counts = computed(() => {
  const count = (keep: (one: Listed) => boolean) => listed.value.filter(keep).length;
  return {
    all: listed.value.length,
    attention: count((one) => one.rank === "critical" || one.rank === "warning"),
    stale: count((one) => one.rank === "stale" || one.rank === "old"),
    active: count((one) => one.active),
  };
});

/** How many systems have an alarm that nobody takes care of yet. */
export const unseen = computed(() => {
  let count = 0;
  for (const state of systems.value.values()) if (state.value.alarms.some((alarm) => alarm.acknowledged === null)) count += 1;
  return count;
});

/** Sum the main power of systems; null when none has one. */
export function powerOf(ids: Iterable<string>): number | null {
  let sum: number | null = null;
  for (const id of ids) {
    const system = systems.value.get(id)?.value;
    const main = system && glance(system).main;
    if (main && main.name.endsWith("_w")) sum = (sum ?? 0) + main.value;
  }
  return sum;
}

export { find };

export function startClock(): void {
  let last = received;
  setInterval(() => {
    batch(() => {
      knownOffsetMs();
      now.value = nodeNow();
      messages.value = received - last;
    });
    last = received;
  }, 1000);
}
