/** The vocabulary, loaded when a screen first asks for it. */
import { signal } from "@preact/signals";
import { meaning, type Meaning, type Vocabulary } from "../core/vocabulary";

const vocabulary = signal<Vocabulary | null>(null);
const known = new Map<string, Meaning>();

export function loadVocabulary(): void {
  if (!vocabulary.peek()) {
    void import("../vocabulary.json").then((module) => {
      vocabulary.value = module.default as unknown as Vocabulary;
    });
  }
}

/** Tell what a name means; null until the vocabulary is there. */
export function meaningOf(name: string): Meaning | null {
  if (!vocabulary.value) return null;
  let said = known.get(name);
  if (!said) {
    said = meaning(name, vocabulary.value);
    known.set(name, said);
  }
  return said;
}
