/** The texts in the language that was chosen. One catalogue is loaded, the others only when asked for. */
import { signal } from "@preact/signals";
import { en, type Key, type Texts } from "./en";

export type { Key } from "./en";

/** Languages there are: code, and the name that its speakers use. */
export const LANGUAGES: Readonly<Record<string, { name: string; load: () => Promise<Texts> }>> = {
  en: { name: "English", load: () => Promise.resolve(en) },
};

const texts = signal<Texts>(en);

export async function speak(language: string): Promise<void> {
  const chosen = LANGUAGES[language] ?? LANGUAGES.en;
  if (chosen) texts.value = await chosen.load();
  document.documentElement.lang = language;
}

/** Say a text, with `{name}` filled in. */
export function t(key: Key, filled: Readonly<Record<string, string | number>> = {}): string {
  const text: string = texts.value[key];
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(filled[name] ?? whole));
}

/** Say a text whose key is put together; the fallback where there is none. */
export function said(key: string, fallback: string, filled: Readonly<Record<string, string | number>> = {}): string {
  return key in texts.value ? t(key as Key, filled) : fallback;
}
