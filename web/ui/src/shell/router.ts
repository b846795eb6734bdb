/** Which screen is shown: the hash of the address, as a signal. */
import { signal } from "@preact/signals";
import { href, parse, type Screen } from "../core/route";

export const route = signal(parse(location.hash));

window.addEventListener("hashchange", () => {
  const before = route.peek();
  const after = parse(location.hash);
  route.value = after;
  if (after.screen !== before.screen || after.id !== before.id) {
    window.scrollTo(0, 0);
    document.getElementById("main")?.focus({ preventScroll: true });
  }
});

export function go(screen: Screen, id = "", query: Readonly<Record<string, string>> = {}): void {
  location.hash = href(screen, id, query);
}
