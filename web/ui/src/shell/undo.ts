/** What was done last and can be taken back for half a minute. */
import { computed, signal } from "@preact/signals";
import { sayUndo } from "../core/acts";
import { correctable, unseen, type Action } from "../core/outbox";
import { t } from "../texts";
import { actions as waiting, put, takeBack } from "./outbox";

export const UNDO_MS = 30_000;

export interface Done {
  actions: readonly Action[];
  /** What people read. */
  text: string;
  untilMs: number;
}

export const done = signal<Done | null>(null);
/** Said once, to be read by people and by screen readers. */
export const told = signal<{ text: string; atMs: number } | null>(null);

/** Offer to take these back; with what said the same just before, since only the first of them changed anything. */
export function offer(actions: readonly Action[], text: string): void {
  const before = done.peek()?.actions ?? [];
  const same = actions.some(correctable) && meaning(before) === meaning(actions);
  done.value = { actions: same ? [...before, ...actions] : actions, text, untilMs: Date.now() + UNDO_MS };
  told.value = null;
}

/** What was said of windows, once. */
const meaning = (actions: readonly Action[]): string =>
  [...new Set(actions.filter(correctable).map((one) => [one.what, one.system, String(one.body.event_id ?? "")].join("\n")))].sort().join("\n\n");

export function tell(text: string): void {
  told.value = { text, atMs: Date.now() };
}

/** Whether any of it can be taken back now. */
export const mayUndo = computed(() => {
  const kept = new Map(waiting.value.map((action) => [action.id, action]));
  return (done.value?.actions ?? []).some((action) => correctable(action) || unseen(kept.get(action.id) ?? { ...action, tries: 1 }));
});

/** Take back what was done last: left out when nobody has seen it, corrected otherwise; and tell what came of it. */
export async function undo(): Promise<void> {
  const last = done.peek();
  if (!last) return;
  done.value = null;
  const stayed: Action[] = [];
  for (const action of [...last.actions].reverse()) {
    if (await takeBack(action.id)) continue;
    if (correctable(action)) put(sayUndo(action.system, action.id, last.text));
    else stayed.push(action);
  }
  const all = stayed.length === last.actions.length;
  tell(stayed.length === 0 ? t("act.undone") : all ? t("act.not_undone", { what: last.text }) : t("act.partly_undone", { n: stayed.length }));
}
