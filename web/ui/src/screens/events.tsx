/** The users' events: running ones first. */
import { useSignal } from "@preact/signals";
import { duration, figure, instant } from "../core/format";
import { matches } from "../core/glance";
import { href } from "../core/route";
import type { EventState } from "../core/wire";
import { Icon } from "../parts/icons";
import { manner } from "../shell/settings";
import { events, now, powerOf } from "../shell/store";
import { t } from "../texts";

export default function Events() {
  const search = useSignal("");
  const all = [...events.value.values()]
    .filter((event) => !search.value.trim() || matches(search.value.trim(), event.id))
    .sort((a, b) => Number(b.active) - Number(a.active) || b.startedMs - a.startedMs);
  return (
    <>
      <h1>{t("events.title")}</h1>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t("events.search")}</span>
        <input type="search" placeholder={t("events.search")} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
      </label>
      {events.value.size === 0 && <p class="empty">{t("events.none")}</p>}
      <Group title={t("events.active")} all={all.filter((event) => event.active)} />
      <Group title={t("events.past")} all={all.filter((event) => !event.active)} />
    </>
  );
}

function Group({ title, all }: { title: string; all: readonly EventState[] }) {
  if (all.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <ul class="cards">
        {all.map((event) => (
          <li key={event.id} class="panel card">
            <a href={href("event", event.id)}>
              <b>{event.id}</b>
              <Facts event={event} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Facts({ event }: { event: EventState }) {
  const taking = new Set(event.windows.map((window) => window.system));
  const running = event.windows.filter((window) => window.endedMs === null).map((window) => window.system);
  const power = figure("x_w", powerOf(running), manner());
  return (
    <>
      <span class="muted">
        {event.endedMs === null
          ? `${t("event.since", { time: instant(event.startedMs, now.value, manner()) })} · ${duration(now.value - event.startedMs)}`
          : t("event.from_to", { from: instant(event.startedMs, now.value, manner()), to: instant(event.endedMs, now.value, manner()) })}
      </span>
      <span class="row between">
        <span>{taking.size === 1 ? t("events.systems_1") : t("events.systems", { n: taking.size })}</span>
        {event.active && (
          <b>
            {power.text} {power.unit}
          </b>
        )}
      </span>
    </>
  );
}
