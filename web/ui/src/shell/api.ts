/** The HTTP API of the node, as far as screens use it. Every request has a time limit. */
import { effect, signal } from "@preact/signals";
import { answer, problemText, type Answer } from "../core/outbox";
import { isObject, timeOf, type Json } from "../core/wire";
import { t } from "../texts";
import { apiKey } from "./settings";
import { hearAnswer } from "./store";

const READ_MS = 15_000;
const WRITE_MS = 20_000;
const PHOTO_MS = 120_000;

/** The node wants an API key that this device does not have. What everybody may read says nothing about keys. */
export const keyRefused = signal(false);

effect(() => {
  void apiKey.value;
  keyRefused.value = false;
});

/** A header tells whole seconds, the node's own answers tell all of it. */
const ROUNDED_MS = 1_000;

/** A request failed; the message is for people. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** Read a JSON object. Raises ApiError. */
export async function get(path: string): Promise<Json> {
  return request(path, { method: "GET" }, READ_MS);
}

/** Send JSON and read the answer. Raises ApiError. */
export async function post(path: string, body: Json, method = "POST"): Promise<Json> {
  return request(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }, WRITE_MS);
}

/** Send a form with a file in it. Raises ApiError. */
export async function upload(path: string, form: FormData, method = "POST"): Promise<Json> {
  return request(path, { method, body: form }, PHOTO_MS);
}

/** Send an action of the outbox; whatever happens is an answer. */
export async function send(path: string, id: string, body: BodyInit, isForm: boolean): Promise<Answer> {
  const headers = new Headers({ "Idempotency-Key": id });
  if (!isForm) headers.set("Content-Type", "application/json");
  try {
    const { response, said } = await timed(path, { method: "POST", headers, body }, isForm ? PHOTO_MS : WRITE_MS);
    const read = answer(response.status, said, id);
    if (read.kind === "confirmed" || read.kind === "accepted") keyRefused.value = false;
    return read.kind === "failed" && read.problem === null ? { ...read, problem: t("error.not_the_node") } : read;
  } catch (error) {
    return { kind: "failed", problem: worded(error), status: 0 };
  }
}

async function request(path: string, init: RequestInit, limitMs: number): Promise<Json> {
  const { response, said } = await timed(path, init, limitMs).catch((error: unknown) => {
    throw new ApiError(worded(error), 0);
  });
  if (!response.ok) throw new ApiError(problemText(said) ?? `HTTP ${response.status}`, response.status);
  return said ?? {};
}

async function timed(path: string, init: RequestInit, limitMs: number): Promise<{ response: Response; said: Json | null }> {
  const headers = new Headers(init.headers);
  if (apiKey.value) headers.set("X-API-Key", apiKey.value);
  const askedMs = Date.now();
  const response = await fetch(path, { ...init, headers, signal: AbortSignal.timeout(limitMs), cache: "no-store" });
  const heardMs = Date.now();
  const said = await body_(response);
  const dateMs = Date.parse(response.headers.get("Date") ?? "");
  if (said && !Number.isNaN(dateMs)) hearAnswer(dateMs, ROUNDED_MS, askedMs, heardMs); // a page of something else tells its own time
  if (response.status === 401) keyRefused.value = true;
  return { response, said };
}

/** Ask the node what a page needs to begin, and hear its time with it. Raises ApiError. */
export async function askNode(): Promise<Json> {
  const askedMs = Date.now();
  const said = await get("/api/ui");
  if (apiKey.peek() !== "" || said.key_required === false) keyRefused.value = false; // it looks at a key that is sent
  const saidMs = timeOf(said.time);
  if (saidMs !== null) hearAnswer(saidMs, 0, askedMs, Date.now());
  return said;
}

/** Ask the node what time it is; false when it does not say. */
export async function askClock(): Promise<boolean> {
  try {
    return timeOf((await askNode()).time) !== null;
  } catch (error) {
    return error instanceof ApiError && error.status >= 400 && error.status < 500; // it is there, and tells it with a header
  }
}

async function body_(response: Response): Promise<Json | null> {
  try {
    const said: unknown = await response.json();
    return isObject(said) ? said : Array.isArray(said) ? { items: said } : null;
  } catch {
    return null;
  }
}

function worded(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
  return navigator.onLine ? "the node cannot be reached" : "no network";
}
