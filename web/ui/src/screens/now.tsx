/** What happens now: a tile a system, trouble first. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { matches } from "../core/glance";
import { Tile } from "../parts/tile";
import { Icon } from "../parts/icons";
import { route } from "../shell/router";
import { nowView } from "../shell/settings";
import { counts, listed, systems } from "../shell/store";
import { t } from "../texts";

type Filter = "all" | "attention" | "stale" | "active";

/** So many are drawn whole before anyone looks whether they are seen. */
const FIRST = 12;
/** So many are there at once, and so many more with each picture: a tap must not wait for two hundred. */
const STEP = 12;

const search = signal("");
const filter = signal<Filter>("all");
const KEEP: Readonly<Record<Filter, readonly string[] | null>> = { all: null, attention: ["critical", "warning"], stale: ["stale", "old"], active: null };

export default function Now() {
  const asked = route.value.query.search;
  useEffect(() => {
    if (asked) search.value = asked;
  }, [asked]);
  const typed = search.value.trim();
  const keep = KEEP[filter.value];
  const shown = listed.value.filter((one) => {
    if (keep && !keep.includes(one.rank)) return false;
    if (filter.value === "active" && !one.active) return false;
    if (!typed) return true;
    const state = systems.value.get(one.id)?.peek();
    return matches(typed, one.id, one.label, state?.window?.eventId, state?.place?.name, state?.kind, state?.node);
  });
  const drawn = useGrowing(`${filter.value} ${nowView.value} ${typed}`, shown.length);
  return (
    <>
      <h1 class="visually-hidden">{t("now.title")}</h1>
      <div class="toolbar">
        <label class="search">
          <Icon name="search" />
          <span class="visually-hidden">{t("now.search")}</span>
          <input type="search" placeholder={t("now.search")} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
        </label>
        <button type="button" class="button view" aria-pressed={nowView.value === "list"} onClick={() => (nowView.value = nowView.value === "list" ? "tiles" : "list")}>
          <Icon name="more" />
          {t("now.view_list")}
        </button>
        <div class="segments filter" role="group" aria-label={t("now.filter")}>
          <Choice value="all" label={t("now.all")} count={counts.value.all} />
          <Choice value="attention" label={t("now.attention")} count={counts.value.attention} />
          <Choice value="stale" label={t("now.stale")} count={counts.value.stale} />
          <Choice value="active" label={t("now.active")} count={counts.value.active} />
        </div>
      </div>
      {listed.value.length === 0 && <p class="empty">{t("now.none")}</p>}
      {listed.value.length > 0 && shown.length === 0 && <p class="empty">{t("now.none_found")}</p>}
      <p class="visually-hidden" role="status">
        {typed && t("now.count", { shown: shown.length, all: listed.value.length })}
      </p>
      <ul class={`tiles ${nowView.value}`}>
        {shown.slice(0, drawn).map((one, index) => {
          const system = systems.value.get(one.id);
          return system && <Tile key={one.id} system={system} rank={one.rank} line={nowView.value === "list"} first={index < FIRST} />;
        })}
      </ul>
    </>
  );
}

/** Grow a list picture by picture, from its beginning when another one is asked for. */
function useGrowing(what: string, all: number): number {
  const [grown, grow] = useState({ what, count: STEP });
  const count = grown.what === what ? grown.count : STEP;
  useEffect(() => {
    if (count >= all) return undefined;
    const timer = setTimeout(() => grow({ what, count: count + STEP }), 30);
    return () => clearTimeout(timer);
  }, [what, count, all]);
  return count;
}

function Choice({ value, label, count }: { value: Filter; label: string; count: number }) {
  return (
    <button type="button" class={count > 0 ? value : ""} aria-pressed={filter.value === value} onClick={() => (filter.value = value)}>
      {label} <span class="count">{count}</span>
    </button>
  );
}
