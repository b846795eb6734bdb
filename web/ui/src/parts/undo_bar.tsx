/** What was done last, and the way back, for half a minute. */
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { done, mayUndo, told, undo } from "../shell/undo";
import { t } from "../texts";
import { Icon } from "./icons";

const TOLD_MS = 5_000;

export function UndoBar() {
  const leftMs = useSignal(0);
  const last = done.value;
  useEffect(() => {
    if (!last) return undefined;
    const tick = (): void => {
      leftMs.value = last.untilMs - Date.now();
      if (leftMs.value <= 0) done.value = null;
    };
    tick();
    const timer = setInterval(tick, 500);
    return () => clearInterval(timer);
  }, [last]);
  const words = told.value;
  useEffect(() => {
    if (!words) return undefined;
    const timer = setTimeout(() => (told.value = null), TOLD_MS);
    return () => clearTimeout(timer);
  }, [words]);
  const open = mayUndo.value;
  useEffect(() => {
    if (!last || open) return undefined;
    const timer = setTimeout(() => (done.value = null), TOLD_MS); // nothing left to take back
    return () => clearTimeout(timer);
  }, [last, open]);
  return (
    <div class={`undo-bar ${last || words ? "shown" : ""}`}>
      <span role="status">{last?.text ?? words?.text ?? ""}</span>
      {last && open && (
        <button
          type="button"
          class="button"
          onClick={() => void undo()}
        >
          <Icon name="undo" />
          {t("act.undo_left", { s: Math.max(0, Math.ceil(leftMs.value / 1000)) })}
        </button>
      )}
    </div>
  );
}
