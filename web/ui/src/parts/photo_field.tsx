/** Pictures from the camera or the gallery, made small before anything else. */
import { useEffect, useId, useState } from "preact/hooks";
import { small } from "../shell/photo";
import { t } from "../texts";
import { Icon } from "./icons";

export interface Picture {
  blob: Blob;
  url: string;
}

interface Props {
  pictures: readonly Picture[];
  onChange: (pictures: readonly Picture[]) => void;
}

export function PhotoField({ pictures, onChange }: Props) {
  const id = useId();
  const [failed, setFailed] = useState(false);
  const [busy, setBusy] = useState(false);
  const add = async (files: FileList | null): Promise<void> => {
    setFailed(false);
    setBusy(true);
    const made: Picture[] = [];
    for (const file of files ?? []) {
      try {
        const blob = await small(file);
        made.push({ blob, url: URL.createObjectURL(blob) });
      } catch {
        setFailed(true);
      }
    }
    setBusy(false);
    onChange([...pictures, ...made]);
  };
  return (
    <div class="photos">
      {pictures.map((picture, index) => (
        <span class="photo" key={picture.url}>
          <img src={picture.url} alt={`${t("act.photo")} ${index + 1}`} />
          <button type="button" aria-label={t("act.photo_remove", { n: index + 1 })} onClick={() => onChange(pictures.filter((one) => one !== picture))}>
            <Icon name="close" />
          </button>
        </span>
      ))}
      <input
        id={id}
        class="visually-hidden"
        type="file"
        accept="image/*"
        capture="environment"
        disabled={busy}
        onChange={(event) => {
          const input = event.currentTarget;
          void add(input.files).then(() => (input.value = ""));
        }}
      />
      <label for={id} class="button">
        <Icon name="camera" />
        {busy ? t("loading") : t(pictures.length > 0 ? "act.photo_more" : "act.photo")}
      </label>
      {failed && (
        <p class="problem" role="alert">
          {t("act.photo_failed")}
        </p>
      )}
    </div>
  );
}

/** Forget the pictures' addresses when the screen goes. */
export function useFreed(pictures: readonly Picture[]): void {
  useEffect(() => () => pictures.forEach((picture) => URL.revokeObjectURL(picture.url)), []);
}
