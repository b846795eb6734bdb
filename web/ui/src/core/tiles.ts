/** Map tiles: which provider, what was counted and not yet told, where things stand. Pure. */
import { isObject, numberOf, textOf, textOrNull, type Json, type SystemState } from "./wire";

export interface Provider {
  name: string;
  url: string;
  attribution: string;
  maxZoom: number;
  tileSize: number;
  tiles: number;
  free: number;
  /** Part of the free ones, 1 = all. */
  part: number;
  blocked: boolean;
}

export interface TilesStatus {
  provider: string;
  bothOver: boolean;
  banner: string | null;
  providers: readonly Provider[];
}

export function tilesStatus(said: Json): TilesStatus {
  const all = isObject(said.providers) ? said.providers : {};
  return {
    provider: textOf(said.provider),
    bothOver: said.both_over === true,
    banner: textOrNull(said.banner),
    providers: Object.entries(all).flatMap(([name, one]) => {
      if (!isObject(one) || one.configured !== true || typeof one.url_template !== "string") return [];
      return [
        {
          name,
          url: one.url_template,
          attribution: textOf(one.attribution),
          maxZoom: numberOf(one.max_zoom) ?? 19,
          tileSize: numberOf(one.tile_size) ?? 256,
          tiles: numberOf(one.tiles) ?? 0,
          free: numberOf(one.free) ?? 0,
          part: numberOf(one.pct) ?? 0,
          blocked: one.blocked === true,
        },
      ];
    }),
  };
}

/** The provider to draw with; null when none is configured. */
export const current = (status: TilesStatus): Provider | null =>
  status.providers.find((one) => one.name === status.provider) ?? status.providers.find((one) => !one.blocked) ?? null;

/** Tiles asked for and not yet told to the node, by provider and UTC month. */
export type Untold = Readonly<Record<string, number>>;

export const month = (ms: number): string => new Date(ms).toISOString().slice(0, 7);
export const asked = (untold: Untold, provider: string, ms: number): Untold => {
  const key = `${provider} ${month(ms)}`;
  return { ...untold, [key]: (untold[key] ?? 0) + 1 };
};
export function less(untold: Untold, key: string, count: number): Untold {
  const rest = (untold[key] ?? 0) - count;
  return Object.fromEntries(Object.entries({ ...untold, [key]: rest }).filter(([, one]) => one > 0));
}

export interface Spot {
  system: SystemState;
  lat: number;
  lon: number;
}

/** Systems whose place has a position. */
export const spots = (systems: Iterable<SystemState>): Spot[] =>
  [...systems].flatMap((system) => {
    const { lat = null, lon = null } = system.place ?? {};
    return lat === null || lon === null ? [] : [{ system, lat, lon }];
  });

export interface Plan {
  image: string;
  /** Pixels; null until the picture was measured. */
  width: number | null;
  height: number | null;
  /** Where places are, as parts of width and height from the top left. */
  places: Readonly<Record<string, { x: number; y: number }>>;
}

export function plan(said: Json): Plan | null {
  const image = textOf(said.image_url);
  const width = numberOf(said.width);
  const height = numberOf(said.height);
  if (!/^\/(?!\/)/.test(image)) return null;
  const places: Record<string, { x: number; y: number }> = {};
  for (const [name, one] of Object.entries(isObject(said.places) ? said.places : {})) {
    const x = isObject(one) ? numberOf(one.x) : null;
    const y = isObject(one) ? numberOf(one.y) : null;
    if (x !== null && y !== null) places[name] = { x, y };
  }
  return { image, width, height, places };
}
