/** The reports of one event: being made, or ready to be seen. */
import { newestFirst, reports } from "../core/reports";
import { useQuery } from "../shell/query";
import { t } from "../texts";
import { Icon } from "./icons";

export function ReportLinks({ event }: { event: string }) {
  const asked = useQuery("/api/reports", reports, ["report.generated", "window.ended"]);
  const ready = newestFirst(asked.query.value.value ?? []).find((one) => one.event === event && one.scope === "event" && one.state === "ready");
  return (
    <div class="report-ready" role="status">
      {ready ? (
        <a class="button primary" href={ready.html} target="_blank" rel="noopener">
          <Icon name="reports" />
          {t("reports.view")}
          <small>{event}</small>
        </a>
      ) : (
        <>
          <p class="muted">{t("act.report_soon", { event })}</p>
          <a class="button" href={`/api/reports/${encodeURIComponent(event)}/html`} target="_blank" rel="noopener">
            <Icon name="reports" />
            {t("reports.wait")}
          </a>
        </>
      )}
    </div>
  );
}
