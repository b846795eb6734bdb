/** What was asked of the API, or that it is still coming, or why it did not. */
import type { ComponentChildren } from "preact";
import type { Asked } from "../shell/query";
import { t } from "../texts";

interface Props<T> {
  asked: Asked<T>;
  /** What is said where there is no such thing, which is no failure then. */
  none?: string;
  children: (value: T) => ComponentChildren;
}

export function Loaded<T>({ asked, none, children }: Props<T>) {
  const query = asked.query.value;
  if (none !== undefined && query.state === "failed" && query.status === 404) return <p class="muted">{none}</p>;
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
