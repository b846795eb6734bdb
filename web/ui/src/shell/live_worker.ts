/** The live connection's own thread: mqtt.js over websockets, so that the page's thread only draws.
 *
 * mqtt.js makes one connection here and never a second: when and whether to try again is for the page to say.
 * Facts and heads are told at once; of states only the newest of each topic, twice a second, or at once when a
 * fact has just come that changes them.
 */
import mqtt, { type MqttClient } from "mqtt";
import { filters, parse } from "../core/topics";
import type { Order, Told } from "./live_messages";

const STATES_MS = 500;
const SOON_MS = 40;
const URGENT_MS = 2_000;

const decoder = new TextDecoder();
const tell = (told: Told): void => self.postMessage(told);

let client: MqttClient | null = null;
let generation = 0;
let states = new Map<string, string>();
let received = 0;
let urgentUntil = 0;
let timer: ReturnType<typeof setTimeout> | undefined;
let dueAt = 0;

self.onmessage = ({ data }: MessageEvent<Order>) => {
  generation = data.generation;
  client?.removeAllListeners();
  client?.on("error", () => undefined);
  client?.end(true);
  client = null;
  states = new Map();
  if (data.what === "open") open(data);
};

function open(order: Extract<Order, { what: "open" }>): void {
  const mine = generation;
  const { place } = order;
  const closed = (why: string): void => {
    if (mine === generation) tell({ what: "closed", generation, why });
  };
  const opened = mqtt.connect(place.url, {
    protocolVersion: 5,
    clean: true,
    clientId: `browser_${Math.random().toString(36).slice(2, 12)}`,
    keepalive: 30,
    reconnectPeriod: 0,
    timerVariant: "native",
    connectTimeout: order.timeoutMs,
    queueQoSZero: false,
    resubscribe: false,
    ...(place.username === undefined ? {} : { username: place.username, password: place.password ?? "" }),
  });
  client = opened;
  opened.on("connect", () => {
    opened.subscribe(filters(place.prefix), { qos: 0 }, (error) => error && closed("the broker refused"));
    tell({ what: "opened", generation });
  });
  opened.on("message", (topic, payload, packet) => {
    if (mine === generation) heard(place.prefix, topic, decoder.decode(payload), packet.retain === true);
  });
  opened.on("error", (error) => closed(error.message));
  opened.on("close", () => closed("the connection ended"));
}

function heard(prefix: string, topic: string, text: string, retained: boolean): void {
  received += 1;
  const kind = parse(prefix, topic)?.kind;
  if (kind === "head" || kind === "fact") {
    if (kind === "fact") urgentUntil = Date.now() + URGENT_MS;
    tell({ what: "now", generation, topic, text, retained });
  } else if (kind !== undefined) {
    states.set(topic, text);
    flushWithin(Date.now() < urgentUntil || retained ? SOON_MS : STATES_MS);
  }
}

function flushWithin(ms: number): void {
  const at = Date.now() + ms;
  if (timer !== undefined && dueAt <= at) return;
  clearTimeout(timer);
  dueAt = at;
  timer = setTimeout(flush, ms);
}

function flush(): void {
  timer = undefined;
  tell({ what: "states", generation, states: [...states], received });
  states = new Map();
}
