/** The reports of what was ended here: being made, or ready to be seen. */
import { madeSince, reports } from "../core/reports";
import { awaited } from "../shell/ended";
import { useQuery } from "../shell/query";
import { t } from "../texts";
import { Icon } from "./icons";

const MOST = 4;

export function ReportLinks({ targets, sinceMs }: NonNullable<typeof awaited.value>) {
  const asked = useQuery("/api/reports", reports, ["report.generated", "window.ended"]);
  const all = asked.query.value.value ?? [];
  return (
    <div class="report-ready" role="status">
      {targets.slice(0, MOST).map((target) => {
        const { event, system } = target;
        const ready = madeSince(all, target, sinceMs);
        const query = system === null ? "" : `?${new URLSearchParams({ system_id: system }).toString()}`;
        return ready ? (
          <a class="button primary" key={`${event} ${system}`} href={ready.html} target="_blank" rel="noopener">
            <Icon name="reports" />
            {t("reports.view")}
            <small>{[event, system].filter(Boolean).join(" · ")}</small>
          </a>
        ) : (
          <div key={`${event} ${system}`}>
            <p class="muted">{system === null ? t("act.report_soon", { event }) : t("act.report_soon_system", { event, system })}</p>
            <a class="button" href={`/api/reports/${encodeURIComponent(event)}/html${query}`} target="_blank" rel="noopener">
              <Icon name="reports" />
              {t("reports.wait")}
            </a>
          </div>
        );
      })}
    </div>
  );
}
