/** Adds the position of this device to what is said next. */
import type { Signal } from "@preact/signals";
import { position, type Position } from "../shell/position";
import { tell } from "../shell/undo";
import { t } from "../texts";
import { Icon } from "./icons";

export function Gps({ place }: { place: Signal<Position | null> }) {
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
