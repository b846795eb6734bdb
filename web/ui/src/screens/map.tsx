/** Where everything stands: on a map, or on a picture of the site when there is no internet. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { lazyMap } from "../parts/lazy_map";
import { fleet, placeOf, type FleetNode } from "../core/fleet";
import { figure } from "../core/format";
import { RANKS, glance, naturally, rank } from "../core/glance";
import { href } from "../core/route";
import { current, plan as readPlan, spots, tilesStatus, type Plan } from "../core/tiles";
import type { Picture, Pin } from "../parts/leaflet_map";
import type { SystemState } from "../core/wire";
import { attempt } from "../parts/report_list";
import { Icon } from "../parts/icons";
import { get, post, upload } from "../shell/api";
import { node } from "../shell/live";
import { useQuery } from "../shell/query";
import { manner } from "../shell/settings";
import { listed, now, systems } from "../shell/store";
import { count } from "../shell/tiles";
import { t } from "../texts";

export default function MapScreen() {
  const asked = useQuery("/api/map-tiles/status", tilesStatus, ["map_provider.preferred"]);
  const planAsked = useQuery<Plan | null>("/api/site-plan", readPlan);
  const view = useSignal<"map" | "plan">("map");
  const failed = useSignal(0);
  const placing = useSignal<string | null>(null);
  const nodesAsked = useQuery(node.value?.cloud ? "/api/nodes" : null, fleet, [], NODES_MS);
  const nodes = nodesAsked.query.value.value?.nodes ?? [];
  const status = asked.query.value.value;
  const provider = status && current(status);
  const plan = planAsked.query.value.value;
  const picture = usePicture(plan);
  const onPlan = view.value === "plan";
  const all = listed.value.flatMap((one) => {
    const system = systems.value.get(one.id)?.value;
    return system ? [system] : [];
  });
  const pins = onPlan && plan && picture ? planPins(all, plan, picture) : [...worldPins(all), ...nodePins(nodes, all)];
  const placed = (system: SystemState): boolean =>
    onPlan ? plan?.places[system.place?.name ?? ""] !== undefined : system.place?.lat !== null && system.place?.lat !== undefined;
  const names = [...new Set(all.flatMap((system) => (system.place?.name ? [system.place.name] : [])))].sort(naturally);
  const Shown = lazyMap.value;
  const place = async (lat: number, lon: number): Promise<void> => {
    const name = placing.value;
    if (!name || !plan || !picture) return;
    placing.value = null;
    const part = (pixels: number, all: number): number => Math.round((Math.max(0, Math.min(pixels, all)) / all) * 10_000) / 10_000;
    const at = { x: part(lon, picture.width), y: part(lat, picture.height) };
    const places = async () => readPlan(await get("/api/site-plan"))?.places ?? plan.places; // others place too
    await attempt(async () => post("/api/site-plan/places", { ...(await places()), [name]: at }, "PUT"), t("settings.saved"));
    planAsked.again();
  };
  return (
    <>
      <div class="row between">
        <h1>{t("map.title")}</h1>
        <div class="segments" role="group" aria-label={t("map.title")}>
          {(["map", "plan"] as const).map((one) => (
            <button type="button" key={one} aria-pressed={view.value === one} onClick={() => (view.value = one)}>
              {t(`map.${one}`)}
            </button>
          ))}
        </div>
      </div>
      {!onPlan && status?.bothOver && (
        <p class="notice warn" role="status">
          {status.banner ?? t("map.both_over")}
        </p>
      )}
      {!onPlan && status && !provider && <p class="notice">{t("map.no_provider")}</p>}
      {!onPlan && failed.value > 3 && <p class="notice warn">{t("map.no_tiles")}</p>}
      {onPlan && !plan && <p class="notice">{t("map.no_plan")}</p>}
      {placing.value !== null && (
        <p class="notice" role="status">
          {t("map.place_hint", { name: placing.value })}
        </p>
      )}
      {Shown && (!onPlan || picture) ? (
        <Shown
          key={onPlan ? picture?.image : "map"}
          pins={pins}
          provider={provider}
          plan={onPlan ? picture : null}
          label={t(onPlan ? "map.plan" : "map.map")}
          onTile={(name) =>
            count(name, (said) => {
              asked.query.value = { state: "there", value: tilesStatus(said) };
            })
          }
          onTileError={() => (failed.value += 1)}
          onTap={onPlan && placing.value ? (lat, lon) => void place(lat, lon) : null}
        />
      ) : (
        !onPlan && <p class="muted">{t("loading")}</p>
      )}
      {onPlan && (
        <div class="row">
          <UploadPlan onDone={planAsked.again} />
          {plan &&
            names.map((name) => (
              <button type="button" class="chip" key={name} aria-pressed={placing.value === name} onClick={() => (placing.value = name)}>
                <Icon name="pin" /> {name}
              </button>
            ))}
        </div>
      )}
      {!onPlan && status && status.providers.length > 0 && <Providers status={status} onChosen={asked.again} />}
      {!onPlan && nodes.length > 0 && <Nodes nodes={nodes} all={all} />}
      <section class="panel">
        <h2>{t("map.no_position")}</h2>
        <ul class="chips plain-list">
          {all
            .filter((system) => !placed(system))
            .map((system) => (
              <li key={system.id}>
                <a class="chip" href={href("system", system.id)}>
                  {system.name ?? system.id} {system.place?.name && <small class="muted">{system.place.name}</small>}
                </a>
              </li>
            ))}
        </ul>
      </section>
    </>
  );
}

function pinOf(system: SystemState, lat: number, lon: number): Pin {
  const main = glance(system).main;
  const { text, unit } = figure(main?.name ?? "x_w", main?.value, manner());
  return { key: system.id, lat, lon, label: system.name ?? system.id, text: [`${text} ${unit}`, system.node].filter(Boolean).join(" · "), rank: rank(system, now.value), href: href("system", system.id) };
}

const NODES_MS = 15_000;
const NODE_RANKS = { live: "fresh", behind: "warning", silent: "critical" } as const;

const nodePins = (nodes: readonly FleetNode[], all: readonly SystemState[]): Pin[] =>
  nodes.flatMap((one) => {
    const at = placeOf(one, spots(all));
    return at === null ? [] : [{ key: `node ${one.id}`, ...at, label: one.id, text: t(`fleet.${one.standing}`), rank: NODE_RANKS[one.standing], href: href("fleet"), node: true }];
  });

/** Every node, those too that no position is known of. */
function Nodes({ nodes, all }: { nodes: readonly FleetNode[]; all: readonly SystemState[] }) {
  return (
    <section class="panel">
      <h2>{t("map.nodes")}</h2>
      <ul class="list nodes">
        {nodes.map((one) => (
          <li key={one.id} class="row between">
            <span>
              <b>{one.id}</b>{" "}
              <span class="muted">
                {t(`fleet.${one.standing}`)} · {t("fleet.counts", { systems: one.systems.length, active: one.active })}
                {placeOf(one, spots(all)) === null && ` · ${t("map.node_nowhere")}`}
              </span>
            </span>
            <a class="button" href={href("now", "", { search: one.id })}>
              {t("fleet.show")}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

const worldPins = (all: readonly SystemState[]): Pin[] => spots(all).map(({ system, lat, lon }) => pinOf(system, lat, lon));

/** One pin a place, with all that stands there. */
function planPins(all: readonly SystemState[], plan: Plan, picture: Picture): Pin[] {
  return Object.entries(plan.places).flatMap(([name, at]) => {
    const here = all.filter((system) => system.place?.name === name).map((system) => pinOf(system, at.y * picture.height, at.x * picture.width));
    const [first] = here;
    if (!first || here.length === 1) return here;
    const worst = RANKS.find((one) => here.some((pin) => pin.rank === one)) ?? "fresh";
    const text = here.map((pin) => `${pin.label} ${pin.text}`).join("\n");
    return [{ ...first, key: `place ${name}`, label: name, text, rank: worst, href: href("now", "", { search: name }) }];
  });
}

/** Measure the picture of a plan; a new one at the same address is loaded anew. */
function usePicture(plan: Plan | null): Picture | null {
  const picture = useSignal<Picture | null>(null);
  useEffect(() => {
    if (!plan) {
      picture.value = null;
      return;
    }
    const image = new Image();
    image.onload = () => {
      const known = picture.peek();
      const same = known?.width === image.naturalWidth && known.height === image.naturalHeight;
      if (!same) picture.value = { image: image.src, width: image.naturalWidth, height: image.naturalHeight };
    };
    image.src = `${plan.image}?${Date.now()}`;
  }, [plan]);
  return picture.value;
}

function UploadPlan({ onDone }: { onDone: () => void }) {
  const send = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    const form = new FormData();
    form.append("file", file);
    await attempt(() => upload("/api/site-plan", form, "PUT"), t("settings.saved"));
    onDone();
  };
  return (
    <span class="photos">
      <input id="plan-file" class="visually-hidden" type="file" accept="image/*" onChange={(event) => void send(event.currentTarget.files?.[0])} />
      <label class="button" for="plan-file">
        <Icon name="up" />
        {t("map.upload")}
      </label>
    </span>
  );
}

function Providers({ status, onChosen }: { status: ReturnType<typeof tilesStatus>; onChosen: () => void }) {
  const choose = (provider: string): void => void attempt(() => post("/api/fleet/map-provider/preferred", { provider }), t("settings.saved")).then(onChosen);
  return (
    <section class="panel">
      <h2>{t("map.provider")}</h2>
      <ul class="list">
        {status.providers.map((one) => (
          <li key={one.name} class="row between">
            <span>
              <b>{one.name}</b>{" "}
              <span class="muted">
                {t("map.used", { tiles: one.tiles, free: one.free, pct: Math.round(one.part * 100) })}
                {one.blocked && ` · ${t("map.blocked")}`}
              </span>
            </span>
            <button type="button" class="button" aria-pressed={status.provider === one.name} onClick={() => choose(one.name)}>
              {t("map.choose")}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
