/** One system at a glance. It draws itself anew when its own signal says so and it is seen, and nothing else does.
 *
 * Phases are told apart by their labels, ranks by icon and word: colour only repeats it.
 */
import { batch, useComputed, useSignal, type Signal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { glance, type Glance, type Rank } from "../core/glance";
import { figure } from "../core/format";
import { href } from "../core/route";
import { path, type Trail } from "../core/trail";
import type { SystemState } from "../core/wire";
import { manner } from "../shell/settings";
import { wantPast } from "../shell/past";
import { trailOf } from "../shell/store";
import { said, t } from "../texts";
import { Age } from "./age";
import { Icon } from "./icons";

interface Props {
  system: Signal<SystemState>;
  rank: Rank;
  /** In one line. */
  line: boolean;
  /** Among those that are likely seen at once. */
  first: boolean;
}

export function Tile({ system, rank, line, first }: Props) {
  const place = useRef<HTMLLIElement>(null);
  const visible = useSignal(first);
  const drawn = useRef<{ rank: Rank; line: boolean; inside: VNode } | null>(null);
  useEffect(() => watch(place.current, visible), []);
  const kept = drawn.current;
  if (visible.value || kept?.rank !== rank || kept.line !== line) {
    const Inside = !visible.value ? Name : line ? Line : Whole;
    drawn.current = { rank, line, inside: <Inside system={system} rank={rank} visible={visible} /> };
  }
  return (
    <li ref={place} class={`tile ${line ? "line" : ""} ${rank}`}>
      {drawn.current?.inside}
    </li>
  );
}

/** What is enough of a tile that nobody sees, but a screen reader may come across. */
function Name({ system, rank }: InsideProps) {
  const state = system.peek();
  return (
    <a href={href("system", state.id)}>
      <span class="tile-head">
        <b class="tile-name">{state.name ?? state.id}</b>
        <Badge rank={rank} state={state} />
      </span>
    </a>
  );
}

/** What nobody sees is not drawn anew: with two hundred systems that is most of the work. */
const shown = new WeakMap<Element, Signal<boolean>>();
const observer = new IntersectionObserver(
  (entries) =>
    batch(() => {
      for (const entry of entries) {
        const visible = shown.get(entry.target);
        if (visible) visible.value = entry.isIntersecting;
      }
    }),
  { rootMargin: "150px" },
);

function watch(element: Element | null, visible: Signal<boolean>): () => void {
  if (!element) return () => undefined;
  shown.set(element, visible);
  observer.observe(element);
  return () => observer.unobserve(element);
}

interface InsideProps {
  system: Signal<SystemState>;
  rank: Rank;
  visible: Signal<boolean>;
}

/** Follow a system while it is seen. */
function useSeen({ system, visible }: InsideProps): SystemState {
  const last = useRef(system.peek());
  if (visible.value) last.current = system.value;
  return last.current;
}

function Whole(props: InsideProps) {
  const state = useSeen(props);
  const seen = glance(state);
  const main = seen.main?.name;
  useEffect(() => {
    if (main && props.visible.value) wantPast(state.id, main);
  }, [state.id, main, props.visible.value]);
  return (
    <a href={href("system", state.id)}>
      <span class="tile-head">
        <b class="tile-name">{state.name ?? state.id}</b>
        <Badge rank={props.rank} state={state} />
      </span>
      <span class="tile-main">
        <Big seen={seen} />
        <span class="tile-word">{said(`state.${seen.word}`, seen.word)}</span>
      </span>
      <Store seen={seen} />
      <span class="tile-low">
        <Phases seen={seen} rated={null} />
        <Sparkline trail={trailOf(state.id)} />
      </span>
      <span class="tile-foot">
        <span class="tile-event">{state.window ? [state.window.eventId, state.window.location].filter(Boolean).join(" · ") : t("tile.not_active")}</span>
        <Age system={props.system} visible={props.visible} />
      </span>
    </a>
  );
}

function Line(props: InsideProps) {
  const state = useSeen(props);
  const seen = glance(state);
  return (
    <a href={href("system", state.id)}>
      <span class="tile-head">
        <b class="tile-name">{state.name ?? state.id}</b>
        <Badge rank={props.rank} state={state} />
      </span>
      <Big seen={seen} />
      <span class="line-more">
        {seen.soc && <SocText seen={seen} />}
        <Age system={props.system} visible={props.visible} />
      </span>
    </a>
  );
}

export function Badge({ rank, state }: { rank: Rank; state: SystemState }) {
  if (rank === "fresh") return null;
  const many = state.alarms.length > 1 && (rank === "critical" || rank === "warning") ? ` ${state.alarms.length}` : "";
  const seen = (rank === "critical" || rank === "warning") && state.alarms.length > 0 && state.alarms.every((alarm) => alarm.acknowledged !== null);
  return (
    <span class={`badge ${rank} ${seen ? "seen" : ""}`} title={seen ? t("rank.seen") : undefined}>
      <Icon name={seen ? "check" : rank === "stale" || rank === "old" ? "clock" : "alerts"} />
      {t(`rank.${rank}`) + many}
      {seen && <span class="visually-hidden"> {t("rank.seen")}</span>}
    </span>
  );
}

export function Big({ seen }: { seen: Glance }) {
  const main = seen.main;
  const { text, unit } = figure(main?.name ?? "ac_power_w", main?.value, manner());
  return (
    <span class="big">
      {main?.name === "cpu_pct" && <small class="big-label">{t("tile.cpu")} </small>}
      {text}
      <small>{unit}</small>
    </span>
  );
}

function SocText({ seen }: { seen: Glance }) {
  const { text, unit } = figure("soc_pct", seen.soc?.value, manner());
  return (
    <span class="soc-text">
      <Icon name="battery" />
      {text} {unit}
    </span>
  );
}

function Store({ seen }: { seen: Glance }) {
  if (!seen.soc && !seen.fuel) return null;
  const battery = seen.battery?.value ?? 0;
  return (
    <span class="stores">
      {seen.soc && <Level icon="battery" label={t("tile.soc")} name="soc_pct" value={seen.soc.value} />}
      {seen.fuel && <Level icon="fuel" label={t("tile.fuel")} name="fuel_pct" value={seen.fuel.value} />}
      {seen.soc && Math.abs(battery) > 20 && (
        <span class="flow">
          {figure("battery_power_w", Math.abs(battery), manner()).text} {figure("battery_power_w", Math.abs(battery), manner()).unit}{" "}
          {t(battery > 0 ? "tile.charging" : "tile.discharging")}
        </span>
      )}
    </span>
  );
}

function Level({ icon, label, name, value }: { icon: "battery" | "fuel"; label: string; name: string; value: number }) {
  const { text, unit } = figure(name, value, manner());
  const low = value < 20 ? "low" : "";
  return (
    <span class={`level ${low}`} title={label}>
      <Icon name={icon} />
      <span class="visually-hidden">{label} </span>
      <span class="level-bar" aria-hidden="true">
        <span style={{ width: `${Math.max(0, Math.min(100, value))}%` }} />
      </span>
      {text} {unit}
    </span>
  );
}

export function Phases({ seen, rated }: { seen: Glance; rated: number | null }) {
  if (!seen.phases) return <span class="phases" />;
  const most = Math.max(rated ?? 0, seen.phasesIn === "x_w" ? 100 : 1, ...seen.phases.map((value) => Math.abs(value ?? 0)));
  return (
    <span class="phases">
      {seen.phases.map((value, index) =>
        value === null ? null : (
          <span class={`phase l${index + 1}`} key={index}>
            <span class="phase-name">L{index + 1}</span>
            <span class="phase-bar" aria-hidden="true">
              <span style={{ width: `${(Math.abs(value) / most) * 100}%` }} />
            </span>
            <span class="phase-value">
              {figure(seen.phasesIn, value, manner()).text}
              <span class="phase-unit"> {figure(seen.phasesIn, value, manner()).unit}</span>
            </span>
          </span>
        ),
      )}
    </span>
  );
}

const WIDTH = 120;
const HEIGHT = 36;

export function Sparkline({ trail }: { trail: Signal<Trail> }) {
  const drawn = useComputed(() => path(trail.value, WIDTH, HEIGHT));
  if (!drawn.value) return <span class="spark" />;
  const most = figure("x_w", drawn.value.most, manner());
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={t("tile.trend", { most: `${most.text} ${most.unit}` })}>
      <path d={drawn.value.d} />
    </svg>
  );
}
