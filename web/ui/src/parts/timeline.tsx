/** What happened, newest first: facts, notes, photos; starts and ends can be corrected here. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { sayCorrection, sayUndo } from "../core/acts";
import { clockWithSeconds, day, localInput, words } from "../core/format";
import { correctable, idle, item, items, merged, undone, type Item } from "../core/history";
import { href } from "../core/route";
import { numberOf, textOf } from "../core/wire";
import { get } from "../shell/api";
import { put } from "../shell/outbox";
import { useQuery } from "../shell/query";
import { manner } from "../shell/settings";
import { facts, labelOf } from "../shell/store";
import { offer } from "../shell/undo";
import { said, t } from "../texts";
import { Dialog, Sure } from "./dialog";
import { Icon, type IconName } from "./icons";
import { Loaded } from "./loaded";

interface Props {
  /** What the timeline is asked for, without `before` and `limit`. */
  query: Readonly<Record<string, string>>;
  /** Whether one belongs here. */
  mine: (one: Item) => boolean;
  /** Name the system of each. */
  systems: boolean;
  /** Offer to show some sorts of facts alone. */
  sorted?: boolean;
}

/** What people look for, by the types of facts. */
const SORTS = {
  all: null,
  said: ["note.added", "photo.added"],
  windows: ["window.started", "window.ended", "window.corrected", "location.set"],
  alarms: ["alarm.raised", "alarm.cleared", "alarm.acknowledged", "alert.raised", "alert.cleared", "alert.acknowledged"],
} as const;
type Sort = keyof typeof SORTS;

const PAGE = "50";
const CHANGING = ["window.corrected", "window.started", "window.ended"];

interface Page {
  items: readonly Item[];
  next: number | null;
}

export function Timeline({ query, mine, systems, sorted = false }: Props) {
  const [sort, setSort] = useState<Sort>("all");
  const types: readonly string[] | null = SORTS[sort];
  const wanted = types ? (one: Item): boolean => types.includes(one.type) && mine(one) : mine;
  return (
    <>
      {sorted && (
        <div class="timeline-filter" role="group" aria-label={t("timeline.show")}>
          {(Object.keys(SORTS) as Sort[]).map((one) => (
            <button type="button" class="chip" key={one} aria-pressed={sort === one} onClick={() => setSort(one)}>
              {t(`timeline.${one}`)}
            </button>
          ))}
        </div>
      )}
      <Facts key={sort} query={types ? { ...query, types: types.join(",") } : query} mine={wanted} systems={systems} />
    </>
  );
}

function Facts({ query, mine, systems }: Omit<Props, "sorted">) {
  const path = `/api/timeline?${new URLSearchParams({ ...query, limit: PAGE }).toString()}`;
  const asked = useQuery<Page>(path, (all) => ({ items: items(all), next: numberOf(all.next) }), CHANGING);
  const [older, setOlder] = useState<Page | null>(null);
  useEffect(() => setOlder(null), [path]);
  const live = useMemo(() => facts.value.map(item).filter(mine), [facts.value, path]);
  const more = async (before: number): Promise<void> => {
    const page = await get(`${path}&before=${before}`);
    setOlder({ items: [...(older?.items ?? []), ...items(page)], next: numberOf(page.next) });
  };
  return (
    <Loaded asked={asked}>
      {(page) => {
        const all = merged([...page.items, ...(older?.items ?? [])].filter(mine), live);
        const next = older ? older.next : page.next;
        return (
          <>
            <ol class="timeline">
              {all.map((one, index) => (
                <Fragment key={one.position} one={one} systems={systems} newDay={newDay(all[index - 1], one)} />
              ))}
            </ol>
            {next !== null && (
              <button type="button" class="button" onClick={() => void more(next)}>
                {t("system.more")}
              </button>
            )}
          </>
        );
      }}
    </Loaded>
  );
}

const newDay = (above: Item | undefined, one: Item): string | null => {
  const mine = day(one.timeMs, manner());
  return above && day(above.timeMs, manner()) === mine ? null : mine;
};

const ICONS: Readonly<Record<string, IconName>> = {
  "window.started": "play",
  "window.ended": "stop",
  "window.corrected": "clock",
  "location.set": "pin",
  "note.added": "note",
  "photo.added": "camera",
  "report.generated": "reports",
  "alarm.raised": "alerts",
  "alert.raised": "alerts",
  "alarm.acknowledged": "check",
  "alert.acknowledged": "check",
  "alarm.cleared": "check",
  "alert.cleared": "check",
};

function Fragment({ one, systems, newDay: dayText }: { one: Item; systems: boolean; newDay: string | null }) {
  const [open, setOpen] = useState<"correct" | "undo" | null>(null);
  const gone = undone(one);
  const text = textOf(one.data.text) || textOf(one.data.note) || textOf(one.data.caption);
  const nothing = idle(one);
  const mayChange = correctable(one) && !gone && !nothing;
  return (
    <>
      {dayText && <li class="timeline-day">{dayText}</li>}
      <li class={`timeline-one ${gone || nothing ? "gone" : ""}`}>
        <span class="timeline-mark">
          <Icon name={ICONS[one.type] ?? "health"} />
        </span>
        <div class="grow">
          <div class="row between">
            <b>{title(one)}</b>
            <time dateTime={new Date(one.timeMs).toISOString()}>{clockWithSeconds(one.countsMs, manner())}</time>
          </div>
          {text && <p class="timeline-text">{text}</p>}
          {typeof one.data.sha256 === "string" && /^[0-9a-f]{64}$/.test(one.data.sha256) && one.type === "photo.added" && (
            <a href={`/api/photos/${one.data.sha256}`} target="_blank" rel="noopener">
              <img class="timeline-photo" src={`/api/photos/${one.data.sha256}`} alt={textOf(one.data.caption) || t("act.photo")} loading="lazy" />
            </a>
          )}
          <div class="row muted">
            {systems && <System id={one.system} />}
            {one.who && <span>{t("system.by", { who: one.who })}</span>}
            {gone ? <span>{t("system.undone")}</span> : one.corrected && <span>{t("system.corrected")}</span>}
            {nothing && <span>{t("system.changed_nothing")}</span>}
            {mayChange && (
              <>
                <button type="button" class="quiet" onClick={() => setOpen("correct")}>
                  {t("system.correct")}
                </button>
                <button type="button" class="quiet" onClick={() => setOpen("undo")}>
                  {t("system.undo")}
                </button>
              </>
            )}
          </div>
        </div>
        {open === "correct" && <Correct one={one} onClose={() => setOpen(null)} />}
        {open === "undo" && (
          <Sure
            question={t("system.undo_sure")}
            yes={t("system.undo")}
            onYes={() => put(sayUndo(one.system, one.id, title(one)))}
            onClose={() => setOpen(null)}
          />
        )}
      </li>
    </>
  );
}

function System({ id }: { id: string }) {
  if (id === "all" || id.startsWith("_")) return <span>{t("fact.everywhere")}</span>;
  return <a href={href("system", id)}>{labelOf(id)}</a>;
}

export function title(one: Item): string {
  const name = words(textOf(one.data.alarm) || textOf(one.data.alert) || textOf(one.data.name) || one.type);
  return said(`fact.${one.type}`, words(one.type), {
    event: textOf(one.data.event_id) || one.event || "",
    location: textOf(one.data.name),
    name,
  });
}

const AGO_MIN = [5, 15, 30, 60];

/** Say when a start or an end really happened. */
function Correct({ one, onClose }: { one: Item; onClose: () => void }) {
  const [atMs, setAt] = useState(one.countsMs);
  const [note, setNote] = useState("");
  const save = (): void => {
    if (Number.isNaN(atMs)) return;
    const kept = put(sayCorrection(one.system, one.id, new Date(atMs).toISOString(), note.trim(), `${title(one)} · ${localInput(atMs).replace("T", " ")}`));
    offer(kept, `${t("did.correct")}: ${one.system}`);
    onClose();
  };
  return (
    <Dialog title={t(one.type === "window.started" ? "system.correct_start" : "system.correct_end")} onClose={onClose}>
      <p>
        {title(one)} · {labelOf(one.system)}
      </p>
      <div class="chips">
        {AGO_MIN.map((minutes) => (
          <button type="button" class="chip" key={minutes} onClick={() => setAt(one.countsMs - minutes * 60_000)}>
            {t("system.earlier", { n: minutes })}
          </button>
        ))}
      </div>
      <div class="field">
        <label for="correct-time">{t("system.new_time")}</label>
        <input id="correct-time" type="datetime-local" step={1} value={localInput(atMs)} onInput={(event) => setAt(new Date(event.currentTarget.value).getTime())} />
      </div>
      <div class="field">
        <label for="correct-note">{t("system.why")}</label>
        <input id="correct-note" type="text" maxLength={400} value={note} onInput={(event) => setNote(event.currentTarget.value)} />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          {t("act.cancel")}
        </button>
        <button type="button" class="button primary" onClick={save}>
          {t("act.confirm")}
        </button>
      </div>
    </Dialog>
  );
}
