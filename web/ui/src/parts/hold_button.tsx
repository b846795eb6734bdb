/** A button that acts only when it is held, for what cannot be meant by a slip.
 *
 * Held by finger, mouse, Space or Enter. Screen readers press without holding: they are asked once more.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";

const HOLD_MS = 1000;

interface Props {
  onHeld: () => void;
  /** Asked when it was pressed without a hand or a key. */
  onPressed: () => void;
  disabled?: boolean;
  hint: string;
  children: ComponentChildren;
}

export function HoldButton({ onHeld, onPressed, disabled, hint, children }: Props) {
  const [held, setHeld] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const byHand = useRef(false);
  const begin = (): void => {
    if (disabled || timer.current !== undefined) return;
    byHand.current = true;
    setHeld(true);
    timer.current = setTimeout(() => {
      end();
      navigator.vibrate?.(80);
      onHeld();
    }, HOLD_MS);
  };
  const end = (): void => {
    clearTimeout(timer.current);
    timer.current = undefined;
    setHeld(false);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <button
      type="button"
      class={`button hold danger ${held ? "held" : ""}`}
      disabled={disabled}
      onPointerDown={(event) => event.button === 0 && begin()}
      onPointerUp={end}
      onPointerLeave={end}
      onPointerCancel={end}
      onContextMenu={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (event.key !== " " && event.key !== "Enter") return;
        event.preventDefault();
        if (!event.repeat) begin(); // a key that stays down is held once
      }}
      onKeyUp={end}
      onBlur={end}
      onClick={() => {
        if (!byHand.current && !disabled) onPressed();
        byHand.current = false;
      }}
    >
      <span class="hold-fill" aria-hidden="true" />
      <span class="hold-text">
        {children}
        <small>{hint}</small>
      </span>
    </button>
  );
}
