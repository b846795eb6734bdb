/** The frame around every screen: status, navigation, and the screen, loaded when it is first asked for. */
import { signal } from "@preact/signals";
import { Component, type ComponentChildren, type FunctionComponent } from "preact";
import { href, type Screen } from "./core/route";
import { Icon, type IconName } from "./parts/icons";
import { Stale, StatusBar } from "./parts/status_bar";
import { UndoBar } from "./parts/undo_bar";
import Now from "./screens/now";
import { node } from "./shell/live";
import { unseen } from "./shell/store";
import { route } from "./shell/router";
import { takeUpdate, update } from "./shell/worker";
import { t, type Key } from "./texts";

type Module = Promise<{ default: FunctionComponent }>;

const LOAD: Readonly<Record<Exclude<Screen, "now">, () => Module>> = {
  act: () => import("./screens/act"),
  system: () => import("./screens/system"),
  events: () => import("./screens/events"),
  event: () => import("./screens/event"),
  reports: () => import("./screens/reports"),
  counters: () => import("./screens/counters"),
  alerts: () => import("./screens/alerts"),
  map: () => import("./screens/map"),
  fleet: () => import("./screens/fleet"),
  health: () => import("./screens/health"),
  settings: () => import("./screens/settings"),
};

const loaded = signal<Partial<Record<Screen, FunctionComponent>>>({ now: Now });
const failed = signal<string | null>(null);

async function load(screen: Screen): Promise<void> {
  if (screen === "now" || loaded.peek()[screen]) return;
  try {
    const module = await LOAD[screen]();
    failed.value = null;
    loaded.value = { ...loaded.peek(), [screen]: module.default };
  } catch (error) {
    failed.value = error instanceof Error ? error.message : String(error);
  }
}

/** Load the other screens while nothing else happens: later there may be no network. */
export function loadAll(): void {
  const rest = (Object.keys(LOAD) as Screen[]).filter((screen) => screen !== "map");
  const idle = (): void => {
    const screen = rest.shift();
    if (screen) void load(screen).then(() => setTimeout(idle, 200));
  };
  setTimeout(idle, 3000);
}

const MAIN: readonly Screen[] = ["now", "act", "events", "alerts"];
const MORE: readonly Screen[] = ["reports", "counters", "map", "fleet", "health", "settings"];

export function App() {
  const { screen } = route.value;
  const Shown = loaded.value[screen];
  if (!Shown) void load(screen);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>
        {t("app.skip")}
      </a>
      <header>
        <StatusBar />
      </header>
      <Navigation />
      <main id="main" tabIndex={-1} class={`screen-${screen}`}>
        {screen !== "act" && <Stale />}
        {screen !== "act" && <Update />}
        <Guard key={screen}>
          {Shown ? <Shown key={`${screen} ${route.value.id}`} /> : failed.value ? <Failed /> : <p class="muted">{t("loading")}</p>}
        </Guard>
      </main>
      <UndoBar />
    </>
  );
}

/** A new build, offered where nobody is about to tap something else. */
function Update() {
  if (!update.value) return null;
  return (
    <div class="notice update" role="status">
      <span>{t("app.update")}</span>
      <button type="button" class="button primary" onClick={takeUpdate}>
        {t("app.update_now")}
      </button>
    </div>
  );
}

function Failed() {
  return (
    <div class="notice warn" role="alert">
      <p>{t("error.load", { problem: failed.value ?? "" })}</p>
      <button type="button" class="button" onClick={() => window.location.reload()}>
        {t("error.retry")}
      </button>
    </div>
  );
}

/** A screen that fails takes no other with it. */
class Guard extends Component<{ children: ComponentChildren }, { problem: string | null }> {
  override state = { problem: null };

  static override getDerivedStateFromError(error: unknown) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return (
      <div class="notice warn" role="alert">
        <p>{t("error.screen", { problem: this.state.problem })}</p>
        <button type="button" class="button" onClick={() => this.setState({ problem: null })}>
          {t("error.retry")}
        </button>
      </div>
    );
  }
}

const open = signal(false);

function Navigation() {
  const { screen } = route.value;
  const inMore = (MORE as readonly string[]).includes(screen);
  return (
    <nav aria-label={t("nav.label")}>
      <ul>
        {MAIN.map((one) => (
          <Item key={one} screen={one} />
        ))}
        <li class="nav-more">
          <button type="button" aria-expanded={open.value} class={inMore ? "current" : ""} onClick={() => (open.value = !open.value)}>
            <Icon name="more" />
            {t("nav.more")}
          </button>
        </li>
      </ul>
      <ul class={`nav-rest ${open.value ? "open" : ""}`}>
        {MORE.filter((one) => one !== "fleet" || node.value?.cloud).map((one) => (
          <Item key={one} screen={one} />
        ))}
      </ul>
    </nav>
  );
}

const PARENT: Readonly<Partial<Record<Screen, Screen>>> = { system: "now", event: "events" };

function Item({ screen }: { screen: Screen }) {
  const current = (PARENT[route.value.screen] ?? route.value.screen) === screen;
  const trouble = screen === "alerts" ? unseen.value : 0;
  return (
    <li>
      <a href={href(screen)} aria-current={current ? "page" : undefined} onClick={() => (open.value = false)}>
        <Icon name={screen as IconName} />
        {t(`nav.${screen}` as Key)}
        {trouble > 0 && <span class="nav-count">{trouble}</span>}
      </a>
    </li>
  );
}
