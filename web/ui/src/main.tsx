/** Start of the page: settings, what was kept, the live connection, the first screen. */
import { render } from "preact";
import { App, loadAll } from "./app";
import { startLive } from "./shell/live";
import { startOutbox } from "./shell/outbox";
import { applySettings } from "./shell/settings";
import { startClock } from "./shell/store";
import { registerWorker } from "./shell/worker";
import "./styles/base.css";

applySettings();
startClock();
startLive();
void startOutbox();
const app = document.getElementById("app");
if (app) render(<App />, app);
void registerWorker();
loadAll();
