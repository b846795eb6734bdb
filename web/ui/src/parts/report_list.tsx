/** Reports in a list: view, other forms, make again, e-mail. */
import { useSignal } from "@preact/signals";
import { figure, instant, words } from "../core/format";
import { href } from "../core/route";
import { newestFirst, type Report } from "../core/reports";
import { post } from "../shell/api";
import { manner } from "../shell/settings";
import { labelOf, now } from "../shell/store";
import { tell } from "../shell/undo";
import { said, t } from "../texts";
import { Dialog } from "./dialog";
import { Icon } from "./icons";

interface Props {
  all: readonly Report[];
  /** Name the event of each. */
  events: boolean;
  onAsked: () => void;
}

export function ReportList({ all, events, onAsked }: Props) {
  return (
    <ul class="list">
      {newestFirst(all).map((report) => (
        <One key={`${report.event} ${report.system ?? ""} ${report.revision} ${report.html}`} report={report} events={events} onAsked={onAsked} />
      ))}
    </ul>
  );
}

const MOST_CHANGES = 4;

function change({ figure: name, before, after }: Report["changed"][number]): string {
  const said_ = [before, after].map((value) => {
    const { text, unit } = figure(name, value, manner());
    return `${text} ${unit}`;
  });
  return `${said(`totals.${name}`, words(name))} ${said_.join(" → ")}`;
}

const TOTALS = ["energy_wh", "peak_w", "coverage_pct"];

function One({ report, events, onAsked }: { report: Report; events: boolean; onAsked: () => void }) {
  const sending = useSignal(false);
  const about = { event_id: report.event, ...(report.system ? { system_id: report.system } : {}) };
  const again = async (): Promise<void> => {
    await attempt(() => post("/api/reports/generate", about), t("reports.asked"));
    onAsked();
  };
  const ready = report.state === "ready";
  return (
    <li class="panel report">
      <div class="row between">
        <div>
          <b>{report.system ? labelOf(report.system) : t("reports.event")}</b>{" "}
          {events && <a href={href("event", report.event)}>{report.event}</a>}
        </div>
        <span class="muted">
          {t("reports.revision", { n: report.revision })} {report.provisional && `· ${t("reports.provisional")}`}
          {!ready && ` · ${said(`reports.state.${report.state}`, report.state)}`}
        </span>
      </div>
      <div class="row muted">
        {report.generatedMs !== null && <span>{instant(report.generatedMs, now.value, manner())}</span>}
        {TOTALS.filter((name) => report.totals[name] !== undefined).map((name) => {
          const { text, unit } = figure(name, report.totals[name], manner());
          return (
            <span key={name}>
              {said(`totals.${name}`, name)} {text} {unit}
            </span>
          );
        })}
      </div>
      {report.changed.length > 0 && (
        <p class="muted">{t("reports.changed", { what: report.changed.slice(0, MOST_CHANGES).map(change).join(", ") })}</p>
      )}
      <div class="row">
        {ready && (
          <a class="button primary" href={report.html} target="_blank" rel="noopener">
            <Icon name="reports" />
            {t("reports.view")}
          </a>
        )}
        {ready && report.pdf && (
          <a class="button" href={report.pdf} target="_blank" rel="noopener">
            {t("reports.pdf")}
          </a>
        )}
        {ready && report.csv && (
          <a class="button" href={report.csv}>
            {t("reports.csv")}
          </a>
        )}
        <button type="button" class="button" onClick={() => void again()}>
          {t("reports.again")}
        </button>
        {ready && (
          <button type="button" class="button" onClick={() => (sending.value = true)}>
            {t("reports.send")}
          </button>
        )}
      </div>
      {sending.value && <Send report={report} onClose={() => (sending.value = false)} />}
    </li>
  );
}

function Send({ report, onClose }: { report: Report; onClose: () => void }) {
  const to = useSignal("");
  const send = async (): Promise<void> => {
    const all = to.value.split(/[,;\s]+/).filter(Boolean);
    if (all.length === 0) return;
    await attempt(
      () => post(`/api/reports/${encodeURIComponent(report.event)}/send`, { to: all, ...(report.system ? { system_id: report.system } : {}) }),
      t("reports.sent"),
    );
    onClose();
  };
  return (
    <Dialog title={t("reports.send")} onClose={onClose}>
      <div class="field">
        <label for="send-to">{t("reports.send_to")}</label>
        <input id="send-to" type="text" inputMode="email" placeholder={t("reports.send_hint")} value={to} onInput={(event) => (to.value = event.currentTarget.value)} />
      </div>
      <div class="row end">
        <button type="button" class="button" onClick={onClose}>
          {t("act.cancel")}
        </button>
        <button type="button" class="button primary" onClick={() => void send()}>
          {t("reports.send")}
        </button>
      </div>
    </Dialog>
  );
}

export async function attempt(deed: () => Promise<unknown>, done: string): Promise<void> {
  try {
    await deed();
    tell(done);
  } catch (error) {
    tell(error instanceof Error ? error.message : String(error));
  }
}
