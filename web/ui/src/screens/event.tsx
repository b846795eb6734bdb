/** One event of the users: its systems now, what came together so far, its reports, what happened. */
import { duration, figure, instant } from "../core/format";
import { glance } from "../core/glance";
import { href } from "../core/route";
import { reports } from "../core/reports";
import { isObject, list, numberOf, textOf, type EventState, type Json } from "../core/wire";
import { Age } from "../parts/age";
import { Icon } from "../parts/icons";
import { Loaded } from "../parts/loaded";
import { ReportList, attempt } from "../parts/report_list";
import { Timeline } from "../parts/timeline";
import { post } from "../shell/api";
import { useQuery } from "../shell/query";
import { route } from "../shell/router";
import { manner } from "../shell/settings";
import { events, labelOf, now, powerOf, systems } from "../shell/store";
import { said, t } from "../texts";

interface Totals {
  energy_wh: number | null;
  peak_w: number | null;
  coverage_pct: number | null;
}

interface SoFar {
  totals: Totals;
  systems: ReadonlyMap<string, Totals & { counted: boolean }>;
}

/** How often what comes together is asked for while an event runs. */
const EVERY_MS = 15_000;

const NAMES = ["energy_wh", "peak_w", "coverage_pct"] as const;
const totals = (one: Json): Totals => ({ energy_wh: numberOf(one.energy_wh), peak_w: numberOf(one.peak_w), coverage_pct: numberOf(one.coverage_pct) });
const soFar = (all: Json): SoFar => ({
  totals: totals(isObject(all.totals) ? all.totals : {}),
  systems: new Map(list(all.systems).map((one) => [textOf(one.system_id), { ...totals(one), counted: one.counted === true }])),
});

export default function Event() {
  const { id } = route.value;
  const event = events.value.get(id);
  const asked = useQuery(`/api/events/${encodeURIComponent(id)}`, soFar, ["window.started", "window.ended", "window.corrected"], event?.active === true ? EVERY_MS : 0);
  const listed = useQuery(`/api/reports?event_id=${encodeURIComponent(id)}`, reports, ["report.requested", "report.generated"]);
  if (!event) return <p class="empty">{t("event.none", { id })}</p>;
  const known = asked.query.value.value;
  const running = event.windows.filter((window) => window.endedMs === null).map((window) => window.system);
  const power = figure("x_w", powerOf(running), manner());
  const make = (): void =>
    void attempt(() => post("/api/reports/generate", { event_id: id }), t("reports.asked")).then(listed.again);
  return (
    <>
      <div class="row between">
        <h1>{id}</h1>
        <a class="button primary" href={href("act", "", { event: id })}>
          <Icon name="act" />
          {t("nav.act")}
        </a>
      </div>
      <p class="standing">
        {event.endedMs === null
          ? `${t("event.since", { time: instant(event.startedMs, now.value, manner()) })} · ${duration(now.value - event.startedMs)}`
          : t("event.from_to", { from: instant(event.startedMs, now.value, manner()), to: instant(event.endedMs, now.value, manner()) })}
      </p>
      <section class="panel">
        <h2>{t("event.totals")}</h2>
        <dl class="facts">
          {event.active && (
            <div>
              <dt>{t("event.power_now")}</dt>
              <dd>
                {power.text} <small>{power.unit}</small>
              </dd>
            </div>
          )}
          {NAMES.filter((name) => typeof known?.totals[name] === "number").map((name) => {
            const { text, unit } = figure(name, known?.totals[name], manner());
            return (
              <div key={name}>
                <dt>{said(`totals.${name}`, name)}</dt>
                <dd>
                  {text} <small>{unit}</small>
                </dd>
              </div>
            );
          })}
        </dl>
      </section>
      <section class="panel">
        <h2>
          {t("event.systems")} <span class="count">{new Set(event.windows.map((window) => window.system)).size}</span>
        </h2>
        <Systems event={event} known={known?.systems ?? new Map()} />
      </section>
      <section>
        <h2>{t("event.reports")}</h2>
        <Loaded asked={listed}>
          {(all) => {
            const mine = all.filter((one) => one.event === id);
            return mine.length > 0 ? (
              <ReportList all={mine} events={false} onAsked={listed.again} />
            ) : (
              <div class="row">
                <p class="muted">{t("reports.none")}</p>
                <button type="button" class="button" onClick={make}>
                  {t("reports.make")}
                </button>
              </div>
            );
          }}
        </Loaded>
      </section>
      <section class="panel">
        <h2>{t("event.timeline")}</h2>
        <Timeline query={{ event_id: id }} mine={(one) => one.event === id} systems sorted />
      </section>
    </>
  );
}

function Systems({ event, known }: { event: EventState; known: SoFar["systems"] }) {
  return (
    <ul class="list">
      {event.windows.map((window) => {
        const system = systems.value.get(window.system);
        const main = system && window.endedMs === null ? glance(system.value).main : null;
        const power = figure(main?.name ?? "x_w", main?.value, manner());
        const so = known.get(window.system);
        const energy = figure("x_wh", so?.energy_wh, manner());
        const peak = figure("x_w", so?.peak_w, manner());
        return (
          <li key={`${window.system} ${window.startedMs}`} class="part">
            <div>
              <a href={href("system", window.system)}>{labelOf(window.system)}</a>
              <div class="muted">
                {[window.location, instant(window.startedMs, now.value, manner()) + (window.endedMs === null ? "" : ` – ${instant(window.endedMs, now.value, manner())}`)]
                  .filter(Boolean)
                  .join(" · ")}
              </div>
              {typeof so?.energy_wh === "number" && (
                <div>
                  <span class="nowrap">
                    {t("event.energy")} <b>{`${energy.text} ${energy.unit}`}</b>
                  </span>{" "}
                  <span class="nowrap">
                    {t("event.peak")} <b>{`${peak.text} ${peak.unit}`}</b>
                  </span>
                  {!so.counted && <div class="muted">{t("event.not_counted")}</div>}
                </div>
              )}
            </div>
            <div class="right">
              {window.endedMs === null ? (
                <>
                  <b class="part-power">{`${power.text} ${power.unit}`}</b>
                  <div class="muted">{system && <Age system={system} />}</div>
                </>
              ) : (
                <span class="muted">{t("event.ended")}</span>
              )}
            </div>
          </li>
        );
      })}
    </ul>
  );
}
