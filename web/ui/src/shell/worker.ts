/** Installing: the service worker, where the browser allows one, the offer to install, and that of a new build.
 *
 * Rules that must stay true here:
 * - a new build is whole on this device before it is offered, and taken when a person says so, or when all pages closed.
 */
import { signal } from "@preact/signals";

/** "no": plain http; "waiting": not ready yet; "yes": the page opens without a network. */
export const offline = signal<"no" | "waiting" | "yes">("serviceWorker" in navigator ? "waiting" : "no");
/** A new build that waits to be taken. */
export const update = signal<ServiceWorker | null>(null);

const LOOK_MS = 15 * 60_000;

interface InstallPrompt extends Event {
  prompt: () => Promise<unknown>;
}

/** The browser's own offer to install, to be made when a person asks for it. */
export const installable = signal<InstallPrompt | null>(null);

window.addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  installable.value = event as InstallPrompt;
});
window.addEventListener("appinstalled", () => (installable.value = null));

/** Whether this page was opened from the home screen. */
export const installed = (): boolean =>
  window.matchMedia("(display-mode: standalone)").matches || (navigator as { standalone?: boolean }).standalone === true;

/** Whether this is a browser of iOS: it makes no offer to install, and people have to be told how. */
export const isIos = (): boolean => /iPad|iPhone|iPod/.test(navigator.userAgent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);

export async function registerWorker(): Promise<void> {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return;
  try {
    const registration = await navigator.serviceWorker.register("./service-worker.js", { updateViaCache: "none" });
    follow(registration);
    await navigator.serviceWorker.ready;
    offline.value = "yes";
  } catch {
    offline.value = "no";
  }
}

function follow(registration: ServiceWorkerRegistration): void {
  const offer = (worker: ServiceWorker | null): void => {
    if (worker?.state === "installed" && navigator.serviceWorker.controller) update.value = worker;
  };
  offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker?.addEventListener("statechange", () => offer(worker));
  });
  const look = (): void => void registration.update().catch(() => undefined);
  document.addEventListener("visibilitychange", () => !document.hidden && look());
  window.addEventListener("online", look);
  setInterval(look, LOOK_MS);
}

/** Change to the new build: what waits to be sent is on disk, and sent by the page that comes then. */
export function takeUpdate(): void {
  const worker = update.peek();
  if (!worker) return;
  navigator.serviceWorker.addEventListener("controllerchange", () => window.location.reload(), { once: true });
  worker.postMessage("take over");
}
