/** Leaflet comes when a map is first shown. */
import { signal } from "@preact/signals";
import type LeafletMap from "./leaflet_map";

export const lazyMap = signal<typeof LeafletMap | null>(null);

void import("./leaflet_map").then((module) => {
  lazyMap.value = module.default;
});
