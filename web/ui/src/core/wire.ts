/** What the bus says, parsed once at the edge; what is not as promised is left out. Pure. */

export interface Stream {
  kind: string;
  intervalMs: number;
  timeMs: number;
  late: boolean;
  unsynced: boolean;
  values: Readonly<Record<string, number | null>>;
}

export interface WindowState {
  eventId: string;
  startedMs: number;
  endedMs: number | null;
  location: string | null;
}

export interface Place {
  name: string | null;
  sinceMs: number | null;
  lat: number | null;
  lon: number | null;
}

export type Severity = "critical" | "error" | "warning" | "info";

export interface Alarm {
  /** An alarm comes from a device, an alert from a rule of ours. */
  family: "alarm" | "alert";
  name: string;
  severity: Severity;
  sinceMs: number;
  device: string;
  phase: string;
  text: string;
  /** What else an alert is told by. */
  counted: string;
  period: string;
  acknowledged: Acknowledged | null;
}

/** Who takes care of an alarm. */
export interface Acknowledged {
  atMs: number;
  by: string;
  note: string;
}

export interface Device {
  id: string;
  connected: boolean | null;
  sinceMs: number | null;
  reason: string;
  said: Readonly<Record<string, unknown>>;
}

export interface SystemState {
  id: string;
  name: string | null;
  kind: string | null;
  timeMs: number | null;
  window: WindowState | null;
  place: Place | null;
  streams: readonly Stream[];
  devices: readonly Device[];
  alarms: readonly Alarm[];
  /** The node that it is at, where that is not this one. */
  node: string | null;
}

export interface EventState {
  id: string;
  active: boolean;
  startedMs: number;
  endedMs: number | null;
  windows: readonly (WindowState & { system: string })[];
}

export interface Health {
  process: string;
  status: string;
  timeMs: number | null;
  startedMs: number | null;
  said: Readonly<Record<string, unknown>>;
}

export interface Head {
  position: number;
  timeMs: number | null;
  hash: string;
  journal: string;
}

export interface Fact {
  id: string;
  type: string;
  system: string;
  timeMs: number;
  position: number;
  source: string;
  client: string;
  /** Who said it, where that was told. */
  operator: string;
  data: Readonly<Record<string, unknown>>;
}

export type Json = Record<string, unknown>;

export const isObject = (said: unknown): said is Json => typeof said === "object" && said !== null && !Array.isArray(said);
export const list = (said: unknown): readonly Json[] => (Array.isArray(said) ? said.filter(isObject) : []);
export const textOf = (said: unknown): string => (typeof said === "string" ? said : "");
export const textOrNull = (said: unknown): string | null => (typeof said === "string" && said !== "" ? said : null);
export const numberOf = (said: unknown): number | null => (typeof said === "number" && Number.isFinite(said) ? said : null);

/** Read an RFC 3339 time as milliseconds since the epoch; null when it is none. */
export function timeOf(said: unknown): number | null {
  if (typeof said !== "string") return null;
  const ms = Date.parse(said);
  return Number.isNaN(ms) ? null : ms;
}

/** Read a JSON object; null when it is none. */
export function json(body: string): Json | null {
  try {
    const said: unknown = JSON.parse(body);
    return isObject(said) ? said : null;
  } catch {
    return null;
  }
}

export function systemState(id: string, said: Json): SystemState {
  return {
    id,
    name: textOrNull(said.name),
    kind: textOrNull(said.kind),
    timeMs: timeOf(said.time),
    window: windowState(said.window),
    place: place(said.location),
    streams: list(said.readings).map(stream),
    devices: isObject(said.devices) ? Object.entries(said.devices).map(([name, one]) => device(name, isObject(one) ? one : {})) : [],
    alarms: list(said.alarms).map(alarm),
    node: textOrNull(said.node),
  };
}

export function eventState(id: string, said: Json): EventState {
  return {
    id,
    active: said.active === true,
    startedMs: timeOf(said.started_at) ?? 0,
    endedMs: timeOf(said.ended_at),
    windows: list(said.windows).flatMap((one) => {
      const window = windowState(one);
      return window ? [{ ...window, system: textOf(one.system_id) }] : [];
    }),
  };
}

export function health(process: string, said: Json): Health {
  return { process, status: textOf(said.status) || "unknown", timeMs: timeOf(said.time), startedMs: timeOf(said.started), said };
}

export function head(said: Json): Head {
  return { position: numberOf(said.position) ?? 0, timeMs: timeOf(said.time), hash: textOf(said.hash), journal: textOf(said.journal) };
}

/** Read a recorded event; null when it lacks what every event has. */
export function fact(said: Json): Fact | null {
  const timeMs = timeOf(said.time);
  if (typeof said.id !== "string" || typeof said.type !== "string" || timeMs === null) return null;
  return {
    id: said.id,
    type: said.type,
    system: textOf(said.subject),
    timeMs,
    position: Number(said.position) || 0,
    source: textOf(said.source),
    client: textOf(said.client),
    operator: textOf(said.operator),
    data: isObject(said.data) ? said.data : {},
  };
}

function windowState(said: unknown): WindowState | null {
  if (!isObject(said)) return null;
  const startedMs = timeOf(said.started_at);
  const eventId = textOrNull(said.event_id);
  if (startedMs === null || eventId === null) return null;
  return { eventId, startedMs, endedMs: timeOf(said.ended_at), location: textOrNull(said.location) };
}

function place(said: unknown): Place | null {
  if (!isObject(said)) return null;
  return { name: textOrNull(said.name), sinceMs: timeOf(said.since), lat: numberOf(said.lat), lon: numberOf(said.lon) };
}

function stream(said: Json): Stream {
  return {
    kind: textOf(said.kind),
    intervalMs: numberOf(said.interval_ms) ?? 0,
    timeMs: timeOf(said.time) ?? 0,
    late: said.late === true,
    unsynced: said.unsynced === true,
    values: (isObject(said.values) ? said.values : {}) as Record<string, number | null>,
  };
}

function device(id: string, said: Json): Device {
  const connected = typeof said.connected === "boolean" ? said.connected : null;
  return { id, connected, sinceMs: timeOf(said.since), reason: textOf(said.reason), said };
}

const SEVERITY: Readonly<Record<string, Severity>> = { alarm: "critical", critical: "critical", error: "error", warning: "warning", info: "info" };

export const severityOf = (said: Json): Severity => SEVERITY[textOf(said.level) || textOf(said.severity)] ?? "warning";

function alarm(said: Json): Alarm {
  const family = said.type === "alert" ? "alert" : "alarm";
  return {
    family,
    name: textOf(family === "alert" ? said.alert : said.alarm),
    severity: severityOf(said),
    sinceMs: timeOf(said.since) ?? 0,
    device: textOf(said.device),
    phase: textOf(said.phase),
    text: textOf(said.text),
    counted: textOf(said.counted),
    period: textOf(said.period),
    acknowledged: acknowledged(said.acknowledged),
  };
}

function acknowledged(said: unknown): Acknowledged | null {
  return isObject(said) ? { atMs: timeOf(said.at) ?? 0, by: textOf(said.by), note: textOf(said.note) } : null;
}
