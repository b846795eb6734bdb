/** What an operator does: start, end, move, write down; for one system or a whole stage. */
import { computed, signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { MOST_NOTE, eventNames, missing, placeNames, say, sayEndAll, sayPhoto, type Form, type Missing, type What } from "../core/acts";
import { instant } from "../core/format";
import { matches } from "../core/glance";
import { list, textOf, textOrNull } from "../core/wire";
import { Combo } from "../parts/combo";
import { Sure } from "../parts/dialog";
import { HoldButton } from "../parts/hold_button";
import { Icon } from "../parts/icons";
import { PhotoField, type Picture } from "../parts/photo_field";
import { Waiting } from "../parts/waiting";
import { ReportLinks } from "../parts/report_links";
import { Stale } from "../parts/status_bar";
import { put } from "../shell/outbox";
import { mayLocate, position, type Position } from "../shell/position";
import { useQuery } from "../shell/query";
import { route } from "../shell/router";
import { lastEvent, lastSystem, manner } from "../shell/settings";
import { events, listed, now, systems } from "../shell/store";
import { offer, tell } from "../shell/undo";
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
/** The event whose report is awaited, since something of it was ended here. */
const ended = signal<string | null>(null);

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
      lastSystem.value = asked;
    }
    if (route.value.query.event) lastEvent.value = route.value.query.event;
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
    wrong.value = missing(what, filled, several.value);
    if (wrong.value) return focusOn(wrong.value.field);
    const words = what === "note" && !filled.note.trim() ? [] : say(what, filled);
    const names = filled.systems.length > 3 ? t("act.systems_n", { n: filled.systems.length }) : filled.systems.join(", ");
    offer(put(...words, ...photosOf(filled, pictures.value)), `${said(`did.${what}`, what)}: ${names}`);
    if (what === "end") ended.value = endedEvent(filled);
    for (const late of coming) void late.then((made) => sayLate(filled, made));
    coming.clear();
    clear(what);
  };
  const endAll = (): void => {
    const event = lastEvent.value.trim();
    offer(put(sayEndAll(event)), `${t("did.end_all")}${event ? `: ${event}` : ""}`);
    ended.value = event || (eventNames(events.value.values())[0] ?? null);
  };
  const fill = (index: number): void => {
    const template = templates[index];
    if (!template) return;
    lastEvent.value = template.event;
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
              onChange={(value) => (lastSystem.value = value)}
              problem={need("system")}
            />
            <Standing id={lastSystem.value.trim()} event={event} />
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
            onChange={(value) => (lastEvent.value = value)}
            problem={need("event")}
          />
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
          {mayLocate() && <Gps />}
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
      {ended.value && <ReportLinks event={ended.value} />}
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

function sayLate(filled: Form, made: readonly Picture[]): void {
  put(...photosOf(filled, made));
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

/** Empty what was just said, at once: what is typed from now on is the next tap's. */
function clear(what: What): void {
  note.value = "";
  pictures.value.forEach((picture) => URL.revokeObjectURL(picture.url));
  pictures.value = [];
  if (what !== "location" && what !== "start") return;
  location.value = "";
  place.value = null;
}

function endedEvent(form: Form): string | null {
  if (form.event.trim()) return form.event.trim();
  return systems.peek().get(form.systems[0] ?? "")?.peek().window?.eventId ?? null;
}

/** What the chosen system does now. */
function Standing({ id, event }: { id: string; event: string }) {
  const system = systems.value.get(id)?.value;
  if (!system) return <p class="standing" />;
  const { window, place: at } = system;
  const time = window && instant(window.startedMs, now.value, manner());
  return (
    <p class="standing">
      {window ? (
        <>
          <b>{t("act.active", { event: window.eventId, time: time ?? "" })}</b>{" "}
        </>
      ) : (
        `${t("act.idle")} `
      )}
      {at?.name && t("act.at", { location: at.name })}
      {window && event && event !== window.eventId && <span class="hint">{t("act.supersedes", { event: window.eventId })}</span>}
    </p>
  );
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

function Gps() {
  const add = async (): Promise<void> => {
    try {
      place.value = await position();
    } catch (error) {
      tell(t("act.gps_failed", { why: error instanceof Error ? error.message : "" }));
    }
  };
  return (
    <button
      type="button"
      class="button gps"
      aria-label={t("act.gps")}
      title={t("act.gps")}
      aria-pressed={place.value !== null}
      onClick={() => (place.value ? (place.value = null) : void add())}
    >
      <Icon name="pin" />
      {place.value && <small>{t("act.gps_on", { m: place.value.accuracy_m })}</small>}
    </button>
  );
}

function focusOn(field: Missing["field"]): void {
  document.querySelector<HTMLElement>(`#field-${field} :is(input, textarea)`)?.focus();
}

const texts = (all: unknown): string[] => (Array.isArray(all) ? all.filter((one): one is string => typeof one === "string") : []);
