/** What was asked of the API, or that it is still coming, or why it did not. */
import type { ComponentChildren } from "preact";
import type { Asked } from "../shell/query";
import { t } from "../texts";

export function Loaded<T>({ asked, children }: { asked: Asked<T>; children: (value: T) => ComponentChildren }) {
  const query = asked.query.value;
  return (
    <>
      {query.state === "failed" && (
        <div class="notice warn" role="status">
          <p>{t("error.load", { problem: query.problem })}</p>
          <button type="button" class="button" onClick={asked.again}>
            {t("error.retry")}
          </button>
        </div>
      )}
      {query.state === "loading" && query.value === null && <p class="muted">{t("loading")}</p>}
      {query.value !== null && children(query.value)}
    </>
  );
}
