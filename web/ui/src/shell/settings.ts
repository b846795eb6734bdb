/** What a person chose on this device. Kept in localStorage, which plain http has too. */
import { effect, signal, type Signal } from "@preact/signals";
import type { Manner } from "../core/format";
import { speak } from "../texts";

function kept(name: string, first: string): Signal<string> {
  const key = `ovr.${name}`;
  const value = signal(read(key) ?? first);
  effect(() => write(key, value.value));
  return value;
}

export function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing still shows everything.
  }
}

export const THEMES = ["auto", "bright", "night"] as const;
export const theme = kept("theme", "auto");
export const language = kept("language", "en");
export const temperature = kept("temperature", "c");
export const operator = kept("operator", "");
export const apiKey = kept("key", "");
export const lastSystem = kept("system", "");
export const lastEvent = kept("event", "");
export const nowView = kept("view", "tiles");

/** How numbers and times are written here. */
export const manner = (): Manner => ({
  language: navigator.languages.find((one) => one.startsWith(language.value)) ?? language.value,
  fahrenheit: temperature.value === "f",
});

export function applySettings(): void {
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
  });
  effect(() => void speak(language.value));
}
