/** Lets the page open without a network: the files of one build, and nothing of the node's data.
 *
 * Rules that must stay true here:
 * - what the node answers is never kept: old figures must not look like new ones;
 * - a page of one build never gets files of another: a new build waits, whole, until its pages are asked to change or
  are all closed.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;
/** Written by the build: its version, and the files it is made of. */
declare const __FILES__: readonly string[];
declare const __VERSION__: string;

const CACHE = `ovr-${__VERSION__}`;

worker.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(__FILES__.map((file) => new Request(file, { cache: "reload" })))));
});

worker.addEventListener("message", (event) => {
  if (event.data === "take over") void worker.skipWaiting();
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((name) => name.startsWith("ovr-") && name !== CACHE).map((name) => caches.delete(name))))
      .then(() => worker.clients.claim()),
  );
});

const scope = new URL("./", worker.location.href);

worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path.startsWith("api/") || path.startsWith("s/") || ["health", "metrics", "mqtt"].includes(path)) return;
  if (event.request.mode === "navigate" && (path === "" || path === "index.html")) {
    event.respondWith(kept("./", event.request));
  } else if (__FILES__.includes(`./${path}`)) {
    event.respondWith(kept(event.request, event.request));
  }
});

/** Answer with a file of this build; ask the node where the browser has thrown it away. */
async function kept(file: RequestInfo, request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(file)) ?? fetch(request);
}
