/** Leaflet, wrapped: markers that are elements of ours (never HTML text), over tiles, a grid, or a picture. */
import * as L from "leaflet";
import "leaflet/dist/leaflet.css";
import { useEffect, useRef } from "preact/hooks";
import type { Provider } from "../core/tiles";

/** A picture to draw on, measured in pixels. */
export interface Picture {
  image: string;
  width: number;
  height: number;
}

/** A node stands above the systems that are there, in pixels. */
const NODE_UP = 96;

export interface Pin {
  key: string;
  lat: number;
  lon: number;
  label: string;
  text: string;
  rank: string;
  href: string;
  /** A node is drawn above what stands there. */
  node?: boolean;
}

interface Props {
  pins: readonly Pin[];
  provider: Provider | null;
  plan: Picture | null;
  label: string;
  onTile: (provider: string) => void;
  onTileError: () => void;
  /** Tapped at this pixel of the picture (down, right), or position of the world. */
  onTap: ((lat: number, lon: number) => void) | null;
}

export default function LeafletMap({ pins, provider, plan, label, onTile, onTileError, onTap }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const map = useRef<L.Map | null>(null);
  const marks = useRef(new Map<string, L.Marker>());
  const tap = useRef(onTap);
  tap.current = onTap;
  useEffect(() => {
    if (!place.current) return undefined;
    const made = L.map(place.current, {
      ...(plan ? { crs: L.CRS.Simple, minZoom: -5, maxZoom: 3 } : {}),
      zoomControl: true,
      attributionControl: true,
      worldCopyJump: !plan,
    });
    made.attributionControl.setPrefix(false);
    if (plan) {
      const bounds = L.latLngBounds([-plan.height, 0], [0, plan.width]);
      L.imageOverlay(plan.image, bounds).addTo(made);
      made.fitBounds(bounds);
    } else {
      const all = pins.map((pin) => L.latLng(pin.lat, pin.lon));
      if (all.length > 0) made.fitBounds(L.latLngBounds(all).pad(0.3), { maxZoom: 17 });
      else made.setView([20, 0], 2);
    }
    made.on("click", (event: L.LeafletMouseEvent) => {
      if (plan) tap.current?.(-event.latlng.lat, event.latlng.lng);
      else tap.current?.(event.latlng.lat, event.latlng.lng);
    });
    map.current = made;
    const look = new ResizeObserver(() => made.invalidateSize());
    look.observe(place.current);
    return () => {
      look.disconnect();
      made.remove();
      map.current = null;
      marks.current.clear();
    };
  }, [plan?.image]);
  useEffect(() => {
    if (!map.current || !provider || plan) return undefined;
    const layer = L.tileLayer(provider.url, {
      attribution: provider.attribution,
      maxZoom: provider.maxZoom,
      tileSize: provider.tileSize,
      zoomOffset: provider.tileSize === 512 ? -1 : 0,
    });
    layer.on("tileloadstart", () => onTile(provider.name));
    layer.on("tileerror", onTileError);
    layer.addTo(map.current);
    return () => void layer.remove();
  }, [provider?.url, plan?.image]);
  useEffect(() => {
    const on = map.current;
    if (!on) return;
    const known = new Set(pins.map((pin) => pin.key));
    for (const [key, mark] of marks.current) {
      if (known.has(key)) continue;
      mark.remove();
      marks.current.delete(key);
    }
    for (const pin of pins) {
      const at = plan ? L.latLng(-pin.lat, pin.lon) : L.latLng(pin.lat, pin.lon);
      let mark = marks.current.get(pin.key);
      if (!mark) {
        mark = L.marker(at, { icon: L.divIcon({ className: pin.node ? "pin node" : "pin", html: document.createElement("span"), iconSize: [48, 48], iconAnchor: [24, pin.node ? NODE_UP : 24] }), title: pin.label, alt: pin.label, ...(pin.node ? { zIndexOffset: 1000 } : {}) });
        mark.on("click", () => (window.location.hash = pin.href));
        mark.addTo(on);
        marks.current.set(pin.key, mark);
      }
      if (!mark.getLatLng().equals(at)) mark.setLatLng(at);
      draw(mark, pin);
    }
  }, [pins, plan?.image]);
  return <div class={`leaflet ${plan ? "plan" : ""}`} ref={place} role="application" aria-label={label} />;
}

function draw(mark: L.Marker, pin: Pin): void {
  const element = mark.getElement();
  const inside = element?.querySelector("span");
  if (!element || !inside) return;
  element.classList.remove("critical", "warning", "stale", "old", "fresh");
  element.classList.add(pin.rank);
  const said = `${pin.label}\n${pin.text}`;
  if (inside.textContent !== said) inside.textContent = said;
}
