// How the UI is bundled: relative addresses, one chunk a screen, libraries apart so that they stay in caches.
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin, type Rolldown } from "vite";

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = join(HERE, "../static");
/** What the build is made of; tests hash the same to see whether it is up to date. */
const SOURCES = ["src", "public", "index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts"];
const COMPRESSED = /\.(js|css|html|svg|webmanifest)$/;
const LEAST_BYTES = 1000;

function files(path: string): string[] {
  return statSync(path).isFile() ? [path] : readdirSync(path).flatMap((name) => files(join(path, name)));
}

function sourceHash(): string {
  const hash = createHash("sha256");
  const paths = SOURCES.flatMap((name) => files(join(HERE, name))).map((path) => relative(HERE, path).split("\\").join("/"));
  for (const path of paths.sort()) hash.update(`${path}\0`).update(createHash("sha256").update(readFileSync(join(HERE, path))).digest());
  return hash.digest("hex");
}

/** List what the first screen and the live connection need before anything else is asked for. */
function firstLoad(bundle: Rolldown.OutputBundle): string[] {
  const chunks = Object.values(bundle).filter((one) => one.type === "chunk");
  const found = new Set<string>(["index.html"]);
  const add = (name: string): void => {
    const chunk = chunks.find((one) => one.fileName === name);
    if (found.has(name)) return;
    found.add(name);
    chunk?.imports.forEach(add);
    chunk?.viteMetadata?.importedCss.forEach((style) => found.add(style));
  };
  for (const chunk of chunks) if (chunk.name === "index") add(chunk.fileName);
  for (const name of Object.keys(bundle)) if (name.includes("live_worker")) add(name);
  return [...found].sort();
}

/** Tell the service worker its files, compress what is served, and record what it was made from. */
function finish(): Plugin {
  return {
    name: "ovr-finish",
    apply: "build",
    writeBundle(_options, bundle) {
      const all = files(OUT).map((path) => relative(OUT, path)).sort();
      const kept = all.filter((name) => name !== "service-worker.js");
      const version = createHash("sha256");
      for (const name of kept) version.update(name).update(readFileSync(join(OUT, name)));
      const worker = join(OUT, "service-worker.js");
      const listed = JSON.stringify(["./", ...kept.filter((name) => name !== "index.html").map((name) => `./${name}`)]);
      const code = readFileSync(worker, "utf8").replaceAll("__FILES__", listed).replaceAll("__VERSION__", JSON.stringify(version.digest("hex").slice(0, 12)));
      writeFileSync(worker, code);
      const sizes: Record<string, { bytes: number; gzip: number }> = {};
      for (const name of all) {
        const body = readFileSync(join(OUT, name));
        const gzip = gzipSync(body, { level: 9 });
        if (COMPRESSED.test(name)) sizes[name] = { bytes: body.length, gzip: gzip.length };
        if (!COMPRESSED.test(name) || body.length < LEAST_BYTES) continue;
        writeFileSync(join(OUT, `${name}.gz`), gzip);
        writeFileSync(join(OUT, `${name}.br`), brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
      writeFileSync(join(OUT, "build.json"), `${JSON.stringify({ sources: sourceHash(), first: firstLoad(bundle), files: sizes }, null, 2)}\n`);
    },
  };
}

const NODE = process.env.OVR_WEB ?? "http://127.0.0.1:18833";

export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [finish()],
  worker: { format: "es" },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      input: { index: "index.html", service_worker: "src/service_worker.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === "service_worker" ? "service-worker.js" : "assets/[name]-[hash].js"),
        chunkFileNames: "assets/[name]-[hash].js",
        assetFileNames: "assets/[name]-[hash][extname]",
      },
    },
  },
  server: { proxy: Object.fromEntries(["/api", "/health", "/s"].map((path) => [path, NODE])) },
});
