/** Addresses within the page: `#/system/rig_01?tab=notes`. Pure. */

export const SCREENS = ["now", "act", "system", "events", "event", "reports", "counters", "alerts", "map", "fleet", "health", "settings"] as const;
export type Screen = (typeof SCREENS)[number];

export interface Route {
  screen: Screen;
  /** What it is about: a system_id or an event_id; empty where it is about all. */
  id: string;
  query: Readonly<Record<string, string>>;
}

export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name = "", ...rest] = path.split("/");
  const screen = SCREENS.find((one) => one === name) ?? "now";
  return { screen, id: decoded(rest.join("/")), query: Object.fromEntries(new URLSearchParams(search)) };
}

export function href(screen: Screen, id = "", query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${screen}${id === "" ? "" : `/${encodeURIComponent(id)}`}${search && `?${search}`}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
