/** A text field with suggestions: free text, arrows, Enter, Escape, large targets. */
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { matches } from "../core/glance";
import { t } from "../texts";
import { Icon } from "./icons";

export interface Option {
  value: string;
  /** Shown beside the value. */
  hint?: string;
}

interface Props {
  label: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  placeholder?: string;
  most?: number;
  problem?: string | undefined;
  /** Ids of systems have no capitals to guess. */
  plain?: boolean;
}

const SHOWN = 30;

export function Combo({ label, value, options, onChange, placeholder, most = 120, problem, plain = false }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState(false);
  const [active, setActive] = useState(-1);
  useEffect(() => {
    if (plain) input.current?.setAttribute("autocorrect", "off");
  }, [plain]);
  const found = useMemo(
    () => (typed && value.trim() ? options.filter((one) => matches(value.trim(), one.value, one.hint)) : options).slice(0, SHOWN),
    [options, value, typed],
  );
  const shown = open && found.length > 0 && !(found.length === 1 && found[0]?.value === value);
  const choose = (chosen: string): void => {
    onChange(chosen);
    setOpen(false);
    setTyped(false);
    setActive(-1);
  };
  const move = (step: number): void => {
    setOpen(true);
    const index = (active + step + found.length + 1) % (found.length + 1);
    setActive(index === found.length ? -1 : index);
    document.getElementById(`${id}-${index}`)?.scrollIntoView({ block: "nearest" });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter" && shown && found[active]) {
      event.preventDefault();
      choose(found[active].value);
    } else if (event.key === "Escape" && shown) {
      event.preventDefault();
      setOpen(false);
    }
  };
  return (
    <div class="field combo">
      <label for={id}>{label}</label>
      <div class="combo-box">
        <input
          id={id}
          ref={input}
          role="combobox"
          type="text"
          autocomplete="off"
          autocapitalize={plain ? "none" : "sentences"}
          spellcheck={false}
          maxLength={most}
          placeholder={placeholder}
          value={value}
          aria-expanded={shown}
          aria-controls={`${id}-list`}
          aria-autocomplete="list"
          aria-activedescendant={shown && active >= 0 ? `${id}-${active}` : undefined}
          aria-invalid={problem ? true : undefined}
          aria-describedby={problem ? `${id}-problem` : undefined}
          onInput={(event) => {
            onChange(event.currentTarget.value);
            setTyped(true);
            setOpen(true);
            setActive(-1);
          }}
          onFocus={() => {
            setOpen(true);
            setTyped(false);
          }}
          onClick={() => setOpen(true)}
          onBlur={() => setOpen(false)}
          onKeyDown={onKeyDown}
        />
        {value && (
          <button
            type="button"
            class="combo-clear"
            aria-label={t("combo.clear", { label })}
            onClick={() => {
              onChange("");
              setTyped(false);
              input.current?.focus();
            }}
          >
            <Icon name="close" />
          </button>
        )}
      </div>
      <ul id={`${id}-list`} role="listbox" aria-label={label} hidden={!shown}>
        {shown &&
          found.map((one, index) => (
            <li
              key={one.value}
              id={`${id}-${index}`}
              role="option"
              aria-selected={index === active}
              onPointerDown={(event) => event.preventDefault()}
              onClick={() => choose(one.value)}
            >
              <span>{one.value}</span>
              {one.hint && <small>{one.hint}</small>}
            </li>
          ))}
      </ul>
      {problem && (
        <p id={`${id}-problem`} class="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
