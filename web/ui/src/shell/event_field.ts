/** The field of the event that is meant: it follows the system that is chosen until somebody says which is meant.
 *
 * Rules that must stay true here:
 * - what a person typed, or started, stays until a person changes it.
 */
import { signal } from "@preact/signals";
import { lastEvent } from "./settings";
import { standing } from "./standing";

/** Whether somebody said on this page which event is meant. */
const said = signal(false);
/** What the field held before it followed the system. */
export const replaced = signal<string | null>(null);

/** Say which event is meant; nothing leaves it to the system again. */
export function name(event: string): void {
  said.value = event.trim() !== "";
  replaced.value = null;
  lastEvent.value = event;
}

/** Something was said with the field as it is; a START says which event is meant: the system is not in it yet. */
export function used(what: string): void {
  replaced.value = null;
  if (what === "start") said.value = true;
}

/** Give back what the field held before it followed a system that is no longer chosen. */
export function leave(): void {
  if (replaced.value !== null) lastEvent.value = replaced.value;
  replaced.value = null;
}

/** Put the event that the chosen system is in into the field, unless somebody said which is meant. */
export function follow(active: string): void {
  const before = lastEvent.peek().trim();
  if (said.peek() || before === active) return;
  replaced.value ??= before;
  lastEvent.value = active;
}

/** Tell what a note about a system belongs to: the event that it is in, unless somebody said which is meant. */
export const meant = (system: string, event: string): string => (said.peek() ? event : (standing(system) ?? event));
