/** Installing: the service worker, where the browser allows one, and the offer to install. */
import { signal } from "@preact/signals";

/** "no": plain http; "waiting": not ready yet; "yes": the page opens without a network. */
export const offline = signal<"no" | "waiting" | "yes">("serviceWorker" in navigator ? "waiting" : "no");

interface InstallPrompt extends Event {
  prompt: () => Promise<unknown>;
}

/** The browser's own offer to install, to be made when a person asks for it. */
export const installable = signal<InstallPrompt | null>(null);

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  installable.value = event as InstallPrompt;
});

export async function registerWorker(): Promise<void> {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  try {
    await navigator.serviceWorker.register("./service-worker.js");
    await navigator.serviceWorker.ready;
    offline.value = "yes";
  } catch {
    offline.value = "no";
  }
}
