/** Something read from the API, as a signal that a screen shows: loading, there, or failed. */
import { signal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { Json } from "../core/wire";
import { ApiError, get } from "./api";
import { facts } from "./store";

export type Query<T> = { state: "loading"; value: T | null } | { state: "there"; value: T } | { state: "failed"; value: T | null; problem: string; status: number };

export interface Asked<T> {
  query: Signal<Query<T>>;
  again: () => void;
}

/** Read a path and keep what it said; read again when the path changes, when a fact of these types comes, and now and
 * then while the page is seen, if `everyMs` says so. */
export function useQuery<T>(path: string | null, shape: (said: Json) => T, types: readonly string[] = [], everyMs = 0): Asked<T> {
  const asked = useMemo(() => {
    const query = signal<Query<T>>({ state: "loading", value: null });
    let generation = 0;
    const again = async (): Promise<void> => {
      if (path === null) return;
      const mine = ++generation;
      try {
        const said = shape(await get(path));
        if (mine === generation) query.value = { state: "there", value: said };
      } catch (error) {
        if (mine !== generation) return;
        const status = error instanceof ApiError ? error.status : 0;
        query.value = { state: "failed", value: query.peek().value, problem: error instanceof Error ? error.message : String(error), status };
      }
    };
    return { query, again: () => void again() };
  }, [path]);
  const newest = types.length > 0 ? (facts.value.find((fact) => types.includes(fact.type))?.id ?? "") : "";
  useEffect(() => {
    asked.again();
  }, [asked]);
  useEffect(() => {
    if (newest === "") return undefined;
    const timer = setTimeout(asked.again, 600);
    return () => clearTimeout(timer);
  }, [asked, newest]);
  useEffect(() => {
    if (everyMs === 0) return undefined;
    const timer = setInterval(() => !document.hidden && asked.again(), everyMs);
    return () => clearInterval(timer);
  }, [asked, everyMs]);
  return asked;
}
