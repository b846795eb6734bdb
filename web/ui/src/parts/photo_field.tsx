/** Pictures from the camera or the gallery, made small before anything else. */
import { useId, useState } from "preact/hooks";
import { small } from "../shell/photo";
import { t, type Key } from "../texts";
import { Icon, type IconName } from "./icons";

export interface Picture {
  blob: Blob;
  url: string;
}

interface Props {
  pictures: readonly Picture[];
  /** Told at once of pictures that are being made small. */
  onAdd: (coming: Promise<readonly Picture[]>) => void;
  onRemove: (picture: Picture) => void;
}

export function PhotoField({ pictures, onAdd, onRemove }: Props) {
  const [failed, setFailed] = useState(false);
  const [busy, setBusy] = useState(0);
  const make = async (files: readonly File[]): Promise<readonly Picture[]> => {
    const made: Picture[] = [];
    for (const file of files) {
      try {
        const blob = await small(file);
        made.push({ blob, url: URL.createObjectURL(blob) });
      } catch {
        setFailed(true);
      }
    }
    setBusy((count) => count - 1);
    return made;
  };
  const take = (files: readonly File[]): void => {
    if (files.length === 0) return;
    setFailed(false);
    setBusy((count) => count + 1);
    onAdd(make(files));
  };
  return (
    <div class="photos">
      {pictures.map((picture, index) => (
        <span class="photo" key={picture.url}>
          <img src={picture.url} alt={`${t("act.photo")} ${index + 1}`} />
          <button type="button" aria-label={t("act.photo_remove", { n: index + 1 })} onClick={() => onRemove(picture)}>
            <Icon name="close" />
          </button>
        </span>
      ))}
      <Source text={busy > 0 ? "loading" : pictures.length > 0 ? "act.photo_more" : "act.photo"} icon="camera" camera onFiles={take} />
      <Source text="act.gallery" icon="picture" camera={false} onFiles={take} />
      {failed && (
        <p class="problem" role="alert">
          {t("act.photo_failed")}
        </p>
      )}
    </div>
  );
}

interface SourceProps {
  text: Key;
  icon: IconName;
  /** Whether phones go straight to their camera. */
  camera: boolean;
  onFiles: (files: readonly File[]) => void;
}

function Source({ text, icon, camera, onFiles }: SourceProps) {
  const id = useId();
  return (
    <>
      <input
        id={id}
        class="visually-hidden"
        type="file"
        accept="image/*"
        {...(camera ? { capture: "environment" as const } : { multiple: true })}
        onChange={(event) => {
          const input = event.currentTarget;
          onFiles([...(input.files ?? [])]);
          input.value = "";
        }}
      />
      <label for={id} class="button">
        <Icon name={icon} />
        {t(text)}
      </label>
    </>
  );
}
