/** The live connection, read-only. Its states are in `core/link`; this does what they say, through `live_worker`.
 *
 * When and whether to try again is decided here, so that it is told in words and never ends.
 */
import { signal } from "@preact/signals";
import { DEAD_MS, first, next, type Happening, type Link } from "../core/link";
import { isObject, json, numberOf, textOf } from "../core/wire";
import { askNode } from "./api";
import { read, write } from "./settings";
import type { Order, Place, Told } from "./live_messages";
import { takeNow, takeStates } from "./store";

export interface Node {
  id: string;
  version: string;
  keyRequired: boolean;
  /** Other nodes bring their events here. */
  cloud: boolean;
}

export const link = signal<Link>(first(Date.now()));
export const node = signal<Node | null>(null);

let generation = 0;
let prefix = "ovr";
const worker = new Worker(new URL("./live_worker.ts", import.meta.url), { type: "module" });
const order = (said: Order): void => worker.postMessage(said);

/** Connect, and stay so for ever. */
export function startLive(): void {
  worker.onmessage = ({ data }: MessageEvent<Told>) => data.generation === generation && heard(data);
  setInterval(() => happen({ what: "tick" }), 1000);
  document.addEventListener("visibilitychange", () => happen({ what: document.hidden ? "hid" : "shown" }));
  window.addEventListener("pageshow", (event) => event.persisted && happen({ what: "shown" }));
  window.addEventListener("online", () => happen({ what: "shown" }));
  window.addEventListener("offline", () => happen({ what: "closed", why: "no network", random: 0 }));
  if (document.hidden) happen({ what: "hid" });
  else void open();
}

/** Try again now. */
export const reconnect = (): void => happen({ what: "shown" });

function happen(happened: Happening): void {
  const before = link.peek();
  const [after, deed] = next(before, happened, Date.now());
  if (after !== before) link.value = after;
  if (deed === "close" || deed === "reopen") close();
  if (deed === "open" || deed === "reopen") void open();
}

function close(): void {
  generation += 1;
  order({ what: "close", generation });
}

async function open(): Promise<void> {
  close();
  const mine = generation;
  let place: Place;
  try {
    place = await where();
  } catch {
    if (mine === generation) closed("the node cannot be reached");
    return;
  }
  if (mine !== generation) return;
  prefix = place.prefix;
  order({ what: "open", generation, place, timeoutMs: DEAD_MS });
}

const closed = (why: string): void => happen({ what: "closed", why, random: Math.random() });

function heard(told: Told): void {
  switch (told.what) {
    case "opened":
      return happen({ what: "opened" });
    case "closed":
      return closed(told.why);
    case "states":
      return takeStates(prefix, told.states, told.received);
    case "now":
      if (takeNow(prefix, told.topic, told.text, told.retained) === "head" && !told.retained) happen({ what: "heartbeat" });
  }
}

const KEPT = "ovr.place";

/** Ask the node where its broker is; when it does not answer, it is where it was. */
async function where(): Promise<Place> {
  try {
    const said = await askNode();
    if (!isObject(said.mqtt)) throw new Error("something else answered");
    node.value = { id: textOf(said.node_id), version: textOf(said.version), keyRequired: said.key_required === true, cloud: said.cloud === true };
    const place = placeOf(said.mqtt, textOf(said.prefix) || "ovr");
    write(KEPT, JSON.stringify(place));
    return place;
  } catch (error) {
    const kept = json(read(KEPT) ?? "");
    if (typeof kept?.url !== "string" || typeof kept.prefix !== "string") throw error;
    return kept as unknown as Place;
  }
}

function placeOf(said: unknown, prefix: string): Place {
  const mqtt = isObject(said) ? said : {};
  const secure = location.protocol === "https:";
  const path = textOf(mqtt.path) || "/mqtt";
  const url = textOf(mqtt.url) || (secure ? `wss://${location.host}${path}` : `ws://${location.hostname}:${numberOf(mqtt.port) ?? 9001}/`);
  const user = typeof mqtt.username === "string" ? { username: mqtt.username, password: textOf(mqtt.password) } : {};
  return { prefix, url, ...user };
}
