/** Telling the node how many map tiles were asked for, in batches; what could not be told is kept. */
import { asked, less, type Untold } from "../core/tiles";
import { isObject, type Json } from "../core/wire";
import { post } from "./api";
import { read, write } from "./settings";

const KEY = "ovr.tiles";
const EVERY_MS = 5_000;

let untold: Untold = load();
let timer: ReturnType<typeof setTimeout> | undefined;

function load(): Untold {
  try {
    const said: unknown = JSON.parse(read(KEY) ?? "{}");
    return isObject(said) ? (said as Untold) : {};
  } catch {
    return {};
  }
}

/** Count a tile; `onTold` hears how things stand afterwards. */
export function count(provider: string, onTold: (status: Json) => void): void {
  untold = asked(untold, provider, Date.now());
  timer ??= setTimeout(() => void tell(onTold), EVERY_MS);
}

async function tell(onTold: (status: Json) => void): Promise<void> {
  timer = undefined;
  write(KEY, JSON.stringify(untold));
  for (const [key, tiles] of Object.entries(untold)) {
    const [provider = "", month_key = ""] = key.split(" ");
    try {
      onTold(await post("/api/map-tiles/increment", { provider, count: tiles, month_key }));
      untold = less(untold, key, tiles);
      write(KEY, JSON.stringify(untold));
    } catch {
      return;
    }
  }
}
