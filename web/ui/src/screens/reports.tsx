/** All reports, newest first. */
import { useSignal } from "@preact/signals";
import { matches } from "../core/glance";
import { reports } from "../core/reports";
import { Icon } from "../parts/icons";
import { Loaded } from "../parts/loaded";
import { ReportList } from "../parts/report_list";
import { useQuery } from "../shell/query";
import { t } from "../texts";

export default function Reports() {
  const search = useSignal("");
  const asked = useQuery("/api/reports", reports, ["report.requested", "report.generated"]);
  return (
    <>
      <h1>{t("reports.title")}</h1>
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">{t("reports.search")}</span>
        <input type="search" placeholder={t("reports.search")} value={search} onInput={(event) => (search.value = event.currentTarget.value)} />
      </label>
      <Loaded asked={asked}>
        {(all) =>
          all.length === 0 ? (
            <p class="empty">{t("reports.none")}</p>
          ) : (
            <ReportList all={all.filter((one) => !search.value.trim() || matches(search.value.trim(), one.event, one.system))} events onAsked={asked.again} />
          )
        }
      </Loaded>
    </>
  );
}
