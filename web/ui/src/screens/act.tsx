/** What an operator does: start, end, move, write down; for one system or a whole stage. */
import { computed, signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { MOST_NOTE, eventNames, missing, placeNames, say, sayEndAll, sayPhoto, twice, type Form, type Missing, type Tap, type What } from "../core/acts";
import { matches } from "../core/glance";
import { list, textOf, textOrNull } from "../core/wire";
import { Combo } from "../parts/combo";
import { Sure } from "../parts/dialog";
import { Gps } from "../parts/gps";
import { HoldButton } from "../parts/hold_button";
import { Icon } from "../parts/icons";
import { NothingEnded, type Elsewhere } from "../parts/nothing_ended";
import { PhotoField, type Picture } from "../parts/photo_field";
import { Waiting } from "../parts/waiting";
import { ReportLinks } from "../parts/report_links";
import { Standing } from "../parts/standing";
import { Stale } from "../parts/status_bar";
import { awaitReports, awaited, nothingEnded } from "../shell/ended";
import { follow, leave, meant, name, replaced, used } from "../shell/event_field";
import { put } from "../shell/outbox";
import { mayLocate, type Position } from "../shell/position";
import { useQuery } from "../shell/query";
import { route } from "../shell/router";
import { lastEvent, lastSystem } from "../shell/settings";
import { events, listed, systems } from "../shell/store";
import { offer } from "../shell/undo";
import { said, t } from "../texts";

const several = signal(false);
const picked = signal<ReadonlySet<string>>(new Set());
const location = signal("");
const note = signal("");
const pictures = signal<readonly Picture[]>([]);
/** Pictures that are still being made small: a tap takes them with it. */
const coming = new Set<Promise<readonly Picture[]>>();
const place = signal<Position | null>(null);
const wrong = signal<Missing | null>(null);
let last: Tap | null = null;

const chosen = computed(() => (several.value ? [...picked.value] : lastSystem.value.trim() ? [lastSystem.value.trim()] : []));

export default function Act() {
  const suggested = useQuery("/api/suggestions", (all) => ({
    events: texts(all.events),
    locations: texts(all.locations),
    templates: list(all.templates).map((one) => ({
      event: textOf(one.event_id),
      location: textOrNull(one.location),
      note: textOrNull(one.note),
      systems: texts(one.systems),
    })),
  }));
  const { events: eventsKnown = [], locations = [], templates = [] } = suggested.query.value.value ?? {};
  useEffect(() => {
    const asked = route.value.query.system;
    if (asked) {
      several.value = false;
      choose(asked);
    }
    if (route.value.query.event) name(route.value.query.event);
  }, [route.value]);
  const asking = useSignal(false);

  const form = (): Form => ({
    systems: chosen.value,
    event: lastEvent.value,
    location: location.value,
    note: note.value,
    photos: pictures.value.length + coming.size,
    position: place.value,
  });
  const act = (what: What): void => {
    const filled = form();
    const tap = { what, form: filled, atMs: Date.now() };
    if (twice(last, tap)) return;
    nothingEnded.value = [];
    wrong.value = missing(what, filled, several.value);
    if (wrong.value) return focusOn(wrong.value.field);
    last = tap;
    const parts = what === "note" ? filled.systems.map((system) => ({ ...filled, systems: [system], event: meant(system, filled.event) })) : [filled];
    const words = what === "note" && !filled.note.trim() ? [] : parts.flatMap((part) => say(what, part));
    const names = filled.systems.length > 3 ? t("act.systems_n", { n: filled.systems.length }) : filled.systems.join(", ");
    const made = put(...words, ...parts.flatMap((part) => photosOf(part, pictures.value)));
    if (what === "end") awaitReports(made);
    offer(made, `${said(`did.${what}`, what)}: ${names}`);
    for (const late of coming) void late.then((made) => sayLate(parts, made));
    coming.clear();
    clear(what);
  };
  /** End each in the event that it is in: ENDs of their own, with nothing of what was typed. */
  const endThese = (all: readonly Elsewhere[]): void => {
    const made = put(...all.flatMap(({ system, active }) => say("end", { systems: [system], event: active, location: "", note: "", photos: 0, position: null })));
    nothingEnded.value = [];
    awaitReports(made);
    offer(made, `${t("did.end")}: ${all.map((one) => one.system).join(", ")}`);
  };
  const endAll = (): void => {
    const event = lastEvent.value.trim();
    const made = put(sayEndAll(event));
    nothingEnded.value = [];
    awaitReports(made);
    offer(made, `${t("did.end_all")}${event ? `: ${event}` : ""}`);
  };
  const fill = (index: number): void => {
    const template = templates[index];
    if (!template) return;
    name(template.event);
    if (template.location) location.value = template.location;
    if (template.note) note.value = template.note;
    if (template.systems.length > 0) {
      several.value = true;
      picked.value = new Set(template.systems);
    }
  };
  const optionsOf = (values: readonly string[]) => [...new Set(values)].map((value) => ({ value }));
  const event = lastEvent.value.trim();
  const need = (field: Missing["field"]) => (wrong.value?.field === field ? t(wrong.value.text) : undefined);
  return (
    <div class="act">
      <h1 class="visually-hidden">{t("act.title")}</h1>
      <div class="segments wide" role="group" aria-label={t("act.mode")}>
        <button type="button" aria-pressed={!several.value} onClick={() => (several.value = false)}>
          {t("act.one")}
        </button>
        <button type="button" aria-pressed={several.value} onClick={() => (several.value = true)}>
          {t("act.several")}
        </button>
      </div>
      <div id="field-system">
        {several.value ? (
          <Several problem={need("system")} />
        ) : (
          <>
            <Combo
              plain
              label={t("act.system")}
              value={lastSystem.value}
              options={listed.value.map((one) => ({ value: one.id, hint: one.label === one.id ? "" : one.label }))}
              onChange={choose}
              problem={need("system")}
            />
            <Standing typed={lastSystem.value.trim()} event={event} onActive={follow} />
          </>
        )}
      </div>
      {templates.length > 0 && (
        <div class="chips" role="group" aria-label={t("act.templates")}>
          {templates.map((template, index) => (
            <button type="button" class="chip" key={template.event} onClick={() => fill(index)}>
              {template.event}
            </button>
          ))}
        </div>
      )}
      <div class="two">
        <div id="field-event">
          <Combo
            label={t("act.event")}
            placeholder={t("act.event_hint")}
            value={lastEvent.value}
            options={optionsOf([...eventNames(events.value.values()), ...eventsKnown])}
            onChange={name}
            problem={need("event")}
          />
          {replaced.value && replaced.value !== event && (
            <button type="button" class="chip" onClick={() => name(replaced.value ?? "")}>
              {t("act.use_event", { event: replaced.value })}
            </button>
          )}
        </div>
        <div id="field-location">
          <div class="with-button">
          <Combo
            label={t("act.location")}
            placeholder={t("act.location_hint")}
            value={location.value}
            options={optionsOf([...placeNames([...systems.value.values()].map((one) => one.peek()), events.value.values()), ...locations])}
            onChange={(value) => (location.value = value)}
            problem={need("location")}
          />
          {mayLocate() && <Gps place={place} />}
          </div>
        </div>
      </div>
      <div id="field-note" class="field">
        <label for="note">{t("act.note")}</label>
        <textarea id="note" rows={2} maxLength={MOST_NOTE} placeholder={t("act.note_hint")} value={note} onInput={(change) => (note.value = change.currentTarget.value)} />
        {need("note") && (
          <p class="problem" role="alert">
            {need("note")}
          </p>
        )}
        <PhotoField pictures={pictures.value} onAdd={expect} onRemove={remove} />
      </div>
      <div class="acts-all">
      <div class="acts">
        <button type="button" class="button act-start" onClick={() => act("start")}>
          <Icon name="play" />
          {t("act.start")}
        </button>
        <button type="button" class="button act-end" onClick={() => act("end")}>
          <Icon name="stop" />
          {t("act.end")}
        </button>
      </div>
      <div class="acts">
        <button type="button" class="button act-other" onClick={() => act("location")}>
          <Icon name="pin" />
          {t("act.set_location")}
        </button>
        <button type="button" class="button act-other" onClick={() => act("note")}>
          <Icon name="note" />
          {t("act.add_note")}
        </button>
      </div>
      </div>
      <Stale />
      <NothingEnded onEnd={endThese} />
      {awaited.value && <ReportLinks {...awaited.value} />}
      <Waiting />
      <HoldButton
        onHeld={endAll}
        onPressed={() => (asking.value = true)}
        hint={event ? t("act.end_all_hold", { event }) : t("act.end_all_hold_any")}
      >
        {t("act.end_all")}
      </HoldButton>
      {asking.value && (
        <Sure
          question={event ? t("act.end_all_sure", { event }) : t("act.end_all_sure_any")}
          yes={t("act.end_all")}
          onYes={endAll}
          onClose={() => (asking.value = false)}
        />
      )}
    </div>
  );
}

const photosOf = (filled: Form, all: readonly Picture[]) =>
  all.flatMap((picture) => filled.systems.map((system) => ({ ...sayPhoto(system, filled.event.trim(), filled.note.trim()), photo: picture.blob })));

function sayLate(parts: readonly Form[], made: readonly Picture[]): void {
  put(...parts.flatMap((part) => photosOf(part, made)));
  made.forEach((picture) => URL.revokeObjectURL(picture.url));
}

function expect(made: Promise<readonly Picture[]>): void {
  coming.add(made);
  void made.then((all) => {
    if (coming.delete(made)) pictures.value = [...pictures.value, ...all];
  });
}

function remove(picture: Picture): void {
  URL.revokeObjectURL(picture.url);
  pictures.value = pictures.value.filter((one) => one !== picture);
}

/** Choose a system: what belongs to the one before is forgotten. */
function choose(value: string): void {
  if (value.trim() !== lastSystem.peek().trim()) {
    place.value = null;
    leave();
  }
  lastSystem.value = value;
}

/** Empty what was just said, at once: what is typed from now on is the next tap's. */
function clear(what: What): void {
  note.value = "";
  pictures.value.forEach((picture) => URL.revokeObjectURL(picture.url));
  pictures.value = [];
  used(what);
  if (what !== "location" && what !== "start") return;
  if (location.value.trim()) place.value = null; // a position belongs to a named place
  location.value = "";
}

function Several({ problem }: { problem: string | undefined }) {
  const search = useSignal("");
  const shown = listed.value.filter((one) => !search.value.trim() || matches(search.value.trim(), one.id, one.label, systems.value.get(one.id)?.peek().place?.name));
  const toggle = (id: string): void => {
    const after = new Set(picked.value);
    if (!after.delete(id)) after.add(id);
    picked.value = after;
  };
  return (
    <fieldset class="several">
      <legend>
        {t("act.systems")} <span class="count">{t("act.systems_n", { n: picked.value.size })}</span>
      </legend>
      <div class="row">
        <label class="search">
          <Icon name="search" />
          <span class="visually-hidden">{t("now.search")}</span>
          <input type="search" placeholder={t("now.search")} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
        </label>
        <button type="button" class="button" onClick={() => (picked.value = new Set([...picked.value, ...shown.map((one) => one.id)]))}>
          {t("act.select_all")}
        </button>
        <button type="button" class="button" onClick={() => (picked.value = new Set())}>
          {t("act.select_none")}
        </button>
      </div>
      <ul class="picks">
        {shown.map((one) => (
          <li key={one.id}>
            <label>
              <input type="checkbox" checked={picked.value.has(one.id)} onChange={() => toggle(one.id)} />
              <span>{one.label}</span>
              {one.active && <small>{systems.value.get(one.id)?.value.window?.eventId}</small>}
            </label>
          </li>
        ))}
      </ul>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </fieldset>
  );
}

function focusOn(field: Missing["field"]): void {
  document.querySelector<HTMLElement>(`#field-${field} :is(input, textarea)`)?.focus();
}

const texts = (all: unknown): string[] => (Array.isArray(all) ? all.filter((one): one is string => typeof one === "string") : []);
