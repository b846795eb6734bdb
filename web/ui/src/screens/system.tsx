/** One system: what it does now, its charts and readings, its alarms, what happened to it. */
import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { counters, lately, named } from "../core/counters";
import { find, glance, matches, naturally, rank } from "../core/glance";
import { duration, figure, instant, words } from "../core/format";
import { heard, joined, range, type Live } from "../core/range";
import { href } from "../core/route";
import type { SystemState } from "../core/wire";
import { Age } from "../parts/age";
import { AlarmRow } from "../parts/alarm_row";
import { Chart, type Line } from "../parts/chart";
import { Icon } from "../parts/icons";
import { Loaded } from "../parts/loaded";
import { Score } from "../parts/score";
import { Badge, Big, Phases } from "../parts/tile";
import { Timeline } from "../parts/timeline";
import { useQuery } from "../shell/query";
import { route } from "../shell/router";
import { manner } from "../shell/settings";
import { now, systems } from "../shell/store";
import { loadVocabulary, meaningOf } from "../shell/vocabulary";
import { said, t } from "../texts";

export default function System() {
  const { id } = route.value;
  const system = systems.value.get(id);
  useEffect(loadVocabulary, []);
  if (!system) return <p class="empty">{t("system.none", { id })}</p>;
  return <Known system={system} />;
}

function Known({ system }: { system: Signal<SystemState> }) {
  const state = system.value;
  const seen = glance(state);
  const shown = useSignal<string | null>(null);
  return (
    <div class="system">
      <div class="row between wide">
        <h1>
          {state.name ?? state.id} {state.name && <small class="muted">{state.id}</small>}
        </h1>
        <a class="button primary" href={href("act", "", { system: state.id })}>
          <Icon name="act" />
          {t("system.act")}
        </a>
      </div>
      <div>
      <section class="panel glance">
        <div class="row between">
          <Big seen={seen} />
          <div class="right">
            <b>{said(`state.${seen.word}`, seen.word)}</b>
            <div>
              <Badge rank={rank(state, now.value)} state={state} /> <Age system={system} />
            </div>
          </div>
        </div>
        <Phases seen={seen} rated={null} />
        <Extras state={state} />
      </section>
      <Standing state={state} />
      <section class="panel">
        <h2>{t("system.alarms")}</h2>
        {state.alarms.length === 0 && <p class="muted">{t("system.no_alarms")}</p>}
        <ul class="list">
          {state.alarms.map((alarm) => (
            <AlarmRow key={`${alarm.name} ${alarm.device} ${alarm.phase}`} system={state.id} alarm={alarm} named={false} />
          ))}
        </ul>
      </section>
        <Charts system={system} shown={shown} />
        <Readings state={state} shown={shown} />
      </div>
      <div>
      <section class="panel">
        <h2>{t("system.history")}</h2>
        <Timeline query={{ system_id: state.id }} mine={(one) => one.system === state.id || one.system === "all"} systems={false} sorted />
      </section>
      <Counted id={state.id} />
      <Devices state={state} />
      <section class="panel">
        <h2>{t("system.label")}</h2>
        <div class="row">
          <img class="label" src={`/api/systems/${encodeURIComponent(state.id)}/label.svg`} alt={t("system.label_hint")} loading="lazy" />
          <a class="button" href={`/api/systems/${encodeURIComponent(state.id)}/label.svg`} target="_blank" rel="noopener">
            {t("system.label_print")}
          </a>
        </div>
      </section>
      </div>
    </div>
  );
}

const EXTRAS = ["soc_pct", "battery_power_w", "battery_voltage_v", "battery_current_a", "battery_time_to_go_s", "pv_power_w", "grid_power_w", "ac_in_power_w", "genset_power_w", "load_power_w", "tank_level_pct", "tank_1_level_pct", "ac_frequency_hz", "ac_power_factor_ratio", "memory_used_pct", "disk_used_pct"];

function Extras({ state }: { state: SystemState }) {
  const main = glance(state).main?.name;
  const found = EXTRAS.filter((name) => name !== main).flatMap((name) => {
    const value = find(state, name);
    return value ? [value] : [];
  });
  return (
    <dl class="facts">
      {found.map((value) => {
        const { text, unit } = figure(value.name, value.value, manner());
        return (
          <div key={value.name}>
            <dt>{label(value.name)}</dt>
            <dd>
              {text} <small>{unit}</small>
            </dd>
          </div>
        );
      })}
    </dl>
  );
}

function label(name: string): string {
  return said(`reading.${name}`, words(name.replace(/_[a-z]+$/, "")));
}

function Standing({ state }: { state: SystemState }) {
  const { window, place } = state;
  return (
    <p class="standing">
      {window ? (
        <>
          <a href={href("event", window.eventId)}>{window.eventId}</a> · {t("event.since", { time: instant(window.startedMs, now.value, manner()) })} ·{" "}
          {duration(now.value - window.startedMs)}
        </>
      ) : (
        t("act.idle")
      )}
      {place?.name && (
        <>
          {" · "}
          <Icon name="pin" /> {place.name}
          {place.lat !== null && place.lon !== null && (
            <>
              {" "}
              <a href={href("map", state.id)}>{t("nav.map")}</a>
            </>
          )}
        </>
      )}
    </p>
  );
}

const SPANS = [
  { label: "15 min", ms: 900_000 },
  { label: "1 h", ms: 3_600_000 },
  { label: "6 h", ms: 21_600_000 },
  { label: "24 h", ms: 86_400_000 },
];
const REFRESH_MS = 30_000;
const COUNTED_MS = 60_000;

/** What a system can draw, as groups of names. */
function groups(state: SystemState): Record<string, readonly string[]> {
  const main = glance(state).main?.name;
  const place = main?.endsWith("_power_w") ? main.slice(0, -"_power_w".length) : null;
  const has = (name: string): boolean => find(state, name) !== null;
  const three = (what: string): string[] => ["l1", "l2", "l3"].map((phase) => `${place}_${phase}_${what}`).filter(has);
  const all: Record<string, readonly string[]> = {
    power: main ? [main] : [],
    phases: place ? three("power_w") : [],
    voltage: place ? three("voltage_v") : [],
    current: place ? three("current_a") : [],
    charge: ["soc_pct"].filter(has),
    sources: ["grid_power_w", "ac_in_power_w", "pv_power_w", "genset_power_w", "battery_power_w"].filter((name) => name !== main && has(name)).slice(0, 4),
  };
  return Object.fromEntries(Object.entries(all).filter(([, names]) => names.length > 0));
}

function Charts({ system, shown }: { system: Signal<SystemState>; shown: Signal<string | null> }) {
  const span = useSignal(SPANS[0]!);
  const group = useSignal("power");
  const kept = useSignal<readonly Live[]>([]);
  const state = system.value;
  const all = groups(state);
  const names = shown.value ? [shown.value] : (all[group.value] ?? all.power ?? []);
  const key = names.join(",");
  const turn = Math.floor(now.value / REFRESH_MS);
  const untilMs = (turn + 1) * REFRESH_MS;
  const fromMs = untilMs - REFRESH_MS - span.value.ms;
  const query = { system_id: state.id, names: key, from: new Date(fromMs).toISOString(), to: new Date(untilMs).toISOString(), points: "600" };
  const asked = useQuery(key ? `/api/range?${new URLSearchParams(query).toString()}` : null, range);
  const past = useSignal<{ key: string; value: ReturnType<typeof range> } | null>(null);
  const query_ = asked.query.value;
  if (query_.state === "there" && past.peek()?.value !== query_.value) past.value = { key: `${key} ${span.value.ms}`, value: query_.value };
  useEffect(() => {
    kept.value = [];
  }, [key]);
  useEffect(() => {
    kept.value = heard(kept.peek(), state, names);
  }, [state, key]);
  const known = past.value?.key === `${key} ${span.value.ms}` ? past.value.value : null;
  const drawn = useMemo(() => joined(known, kept.value, names, fromMs), [known, kept.value, key]);
  const lines: Line[] = useMemo(
    () =>
      names.map((name) => {
        const columns = drawn.columns[name];
        const band = names.length === 1 && known !== null;
        return { name, label: short(name), values: columns?.mean ?? [], ...(band && columns ? { least: columns.min, most: columns.max } : {}) };
      }),
    [drawn],
  );
  if (names.length === 0) return null;
  return (
    <section class="panel" id="chart">
      <h2>{shown.value ? short(shown.value) : said(`chart.${group.value}`, words(group.value))}</h2>
      <div class="row">
        <div class="segments" role="group" aria-label={t("system.chart")}>
          {Object.keys(all).map((name) => (
            <button
              type="button"
              key={name}
              aria-pressed={!shown.value && (group.value === name || (!all[group.value] && name === "power"))}
              onClick={() => {
                shown.value = null;
                group.value = name;
              }}
            >
              {said(`chart.${name}`, words(name))}
            </button>
          ))}
        </div>
        <div class="segments" role="group" aria-label={t("system.range")}>
          {SPANS.map((one) => (
            <button type="button" key={one.label} aria-pressed={span.value === one} onClick={() => (span.value = one)}>
              {one.label}
            </button>
          ))}
        </div>
      </div>
      <Chart times={drawn.times} lines={lines} label={`${short(key)}, ${t("system.range").toLowerCase()} ${span.value.label}`} />
    </section>
  );
}

function short(name: string): string {
  const known = meaningOf(name);
  if (!known) return words(name);
  return [known.quantity, known.position].filter(Boolean).join(" ");
}

function Readings({ state, shown }: { state: SystemState; shown: Signal<string | null> }) {
  const search = useSignal("");
  const rows = state.streams
    .flatMap((stream) => Object.entries(stream.values).map(([name, value]) => ({ name, value, stream, known: meaningOf(name) })))
    .filter((row) => !search.value.trim() || matches(search.value.trim(), row.name, row.known?.quantity, row.known?.place, row.known?.position));
  const places = [...new Set(rows.map((row) => row.known?.place ?? ""))].sort(naturally);
  return (
    <details class="panel readings">
      <summary>
        <h2>
          {t("system.readings")} <span class="count">{state.streams.reduce((sum, stream) => sum + Object.keys(stream.values).length, 0)}</span>
        </h2>
      </summary>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t("system.readings_search")}</span>
        <input type="search" placeholder={t("system.readings_search")} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
      </label>
      {places.map((place) => (
        <section key={place}>
          <h3>{place}</h3>
          <ul class="list">
            {rows
              .filter((row) => (row.known?.place ?? "") === place)
              .map((row) => (
                <li key={`${row.stream.kind} ${row.stream.intervalMs} ${row.name}`}>
                  <button
                    type="button"
                    class="reading"
                    onClick={() => {
                      shown.value = row.name;
                      document.getElementById("chart")?.scrollIntoView({ block: "start" });
                    }}
                  >
                    <span>
                      {row.known ? [row.known.position, row.known.quantity].filter(Boolean).join(" · ") : words(row.name)}
                      <small class="muted">{row.name}</small>
                    </span>
                    <span class="reading-value">
                      <b>{valueText(row.name, row.value, row.known?.codes ?? null)}</b>
                      <small class="muted">{duration(now.value - row.stream.timeMs)}</small>
                    </span>
                  </button>
                </li>
              ))}
          </ul>
        </section>
      ))}
    </details>
  );
}

function valueText(name: string, value: number | null, codes: Readonly<Record<string, string>> | null): string {
  if (value !== null && codes) return codes[String(value)] ?? String(value);
  const { text, unit } = figure(name, value, manner());
  return unit ? `${text} ${unit}` : text;
}

const MOST_TYPES = 5;

/** How healthy it is by what was counted, and what that was. */
function Counted({ id }: { id: string }) {
  const asked = useQuery(`/api/counters/${encodeURIComponent(id)}`, counters, ["counters.reset"], COUNTED_MS);
  return (
    <section class="panel">
      <h2>{t("system.health")}</h2>
      <Loaded asked={asked} none={t("counters.none")}>
        {(one) => (
          <>
            <Score one={one} />
            <p class="muted">{one.why || t("counters.nothing_wrong")}</p>
            <dl class="plain">
              {lately(one)
                .slice(0, MOST_TYPES)
                .map((each) => (
                  <div key={each.type}>
                    <dt>{named(each.label)}</dt>
                    <dd>
                      {t("counters.in_day", { n: each.lastDay })} {each.lasting && <span class="badge warning">{t("counters.lasting")}</span>}
                    </dd>
                  </div>
                ))}
            </dl>
            <div class="row between">
              <span class="muted">
                {t("counters.day")}: {one.lastDay} · {t("counters.total")}: {one.total}
              </span>
              <a class="button" href={href("counters", id)}>
                {t("system.counters")}
              </a>
            </div>
          </>
        )}
      </Loaded>
    </section>
  );
}

function Devices({ state }: { state: SystemState }) {
  if (state.devices.length === 0) return null;
  return (
    <section class="panel">
      <h2>{t("system.devices")}</h2>
      <ul class="list">
        {state.devices.map((device) => {
          const about = ["maker", "model", "serial", "firmware", "address"].map((name) => device.said[name]).filter((one) => typeof one === "string");
          const word = device.connected === null ? "system.unknown" : device.connected ? "system.connected" : "system.disconnected";
          return (
            <li key={device.id} class="device">
              <b>{device.id}</b> <span class={device.connected === false ? "bad" : ""}>{t(word)}</span>
              {device.sinceMs !== null && <span class="muted"> · {instant(device.sinceMs, now.value, manner())}</span>}
              {device.reason && <span class="muted"> · {words(device.reason)}</span>}
              <div class="muted">{about.join(" · ")}</div>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
