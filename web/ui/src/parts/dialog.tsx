/** A question in the middle of the screen; the browser keeps the focus in it. */
import { useEffect, useId, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { t } from "../texts";

interface Props {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: Props) {
  const id = useId();
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose} onClick={(event) => event.target === dialog.current && onClose()}>
      <div class="dialog-in">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  );
}

interface SureProps {
  question: string;
  yes: string;
  onYes: () => void;
  onClose: () => void;
}

/** Ask whether it is meant. */
export function Sure({ question, yes, onYes, onClose }: SureProps) {
  return (
    <Dialog title={question} onClose={onClose}>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          {t("act.cancel")}
        </button>
        <button
          type="button"
          class="button danger"
          onClick={() => {
            onYes();
            onClose();
          }}
        >
          {yes}
        </button>
      </div>
    </Dialog>
  );
}
