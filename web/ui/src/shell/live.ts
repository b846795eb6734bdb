/** The live connection: mqtt.js over websockets, read-only. The states are in `core/link`; this does what they say.
 *
 * mqtt.js makes one connection here and never a second: when and whether to try again is ours, so that it is
 * told in words and never ends.
 */
import { signal } from "@preact/signals";
import type { MqttClient } from "mqtt";
import { DEAD_MS, first, next, type Happening, type Link } from "../core/link";
import { filters } from "../core/topics";
import { isObject, numberOf, textOf } from "../core/wire";
import { get } from "./api";
import { read, write } from "./settings";
import { take } from "./store";

export interface Place {
  prefix: string;
  url: string;
  username?: string;
  password?: string;
}

export interface Node {
  id: string;
  version: string;
  keyRequired: boolean;
}

export const link = signal<Link>(first(Date.now()));
export const node = signal<Node | null>(null);

const load = () => import("mqtt");
let client: MqttClient | null = null;
let generation = 0;

/** Connect, and stay so for ever. */
export function startLive(): void {
  void load();
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
  client?.removeAllListeners();
  client?.on("error", () => undefined);
  client?.end(true);
  client = null;
}

async function open(): Promise<void> {
  close();
  const mine = generation;
  const current = (): boolean => mine === generation;
  const closed = (why: string): void => {
    if (current()) happen({ what: "closed", why, random: Math.random() });
  };
  let place: Place;
  try {
    place = await where();
  } catch {
    closed("the node cannot be reached");
    return;
  }
  const { default: mqtt } = await load();
  if (!current()) return;
  client = mqtt.connect(place.url, {
    protocolVersion: 5,
    clean: true,
    clientId: `browser_${Math.random().toString(36).slice(2, 12)}`,
    keepalive: 30,
    reconnectPeriod: 0,
    timerVariant: "native",
    connectTimeout: DEAD_MS,
    queueQoSZero: false,
    resubscribe: false,
    ...(place.username === undefined ? {} : { username: place.username, password: place.password ?? "" }),
  });
  const mineClient = client;
  client.on("connect", () => {
    if (!current()) return;
    mineClient.subscribe(filters(place.prefix), { qos: 0 }, (error) => error && closed("the broker refused"));
    happen({ what: "opened" });
  });
  client.on("message", (topic, payload, packet) => {
    if (current() && take(place.prefix, topic, payload, packet.retain === true) === "head" && packet.retain !== true) {
      happen({ what: "heartbeat" });
    }
  });
  client.on("error", (error) => closed(error.message));
  client.on("close", () => closed("the connection ended"));
}

const KEPT = "ovr.place";

/** Ask the node where its broker is; when it does not answer, it is where it was. */
async function where(): Promise<Place> {
  try {
    const said = await get("/api/ui");
    node.value = { id: textOf(said.node_id), version: textOf(said.version), keyRequired: said.key_required === true };
    const place = placeOf(said.mqtt, textOf(said.prefix) || "ovr");
    write(KEPT, JSON.stringify(place));
    return place;
  } catch (error) {
    const kept = read(KEPT);
    if (kept === null) throw error;
    return JSON.parse(kept) as Place;
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
