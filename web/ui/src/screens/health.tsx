/** How the pipeline itself is: every process, in words. */
import { duration, number, words } from "../core/format";
import { judged } from "../core/processes";
import { numberOf } from "../core/wire";
import { Icon } from "../parts/icons";
import { link } from "../shell/live";
import { manner } from "../shell/settings";
import { clockKnown, head, healths, messages, now, offsetMs } from "../shell/store";
import { t } from "../texts";

export default function Health() {
  const all = judged(healths.value.values(), now.value);
  const ill = all.filter((one) => !one.well).length;
  const off = Math.abs(offsetMs.value) / 1000;
  return (
    <>
      <h1>{t("health.title")}</h1>
      {all.length === 0 ? (
        <p class="empty">{t("health.none")}</p>
      ) : (
        <p class={`notice ${ill > 0 ? "warn" : "fine"}`} role="status">
          <Icon name={ill > 0 ? "alerts" : "check"} /> {ill > 0 ? t("health.some_ill", { n: ill, all: all.length }) : t("health.all_well", { n: all.length })}
        </p>
      )}
      <ul class="cards">
        {all.map(({ health, word, well }) => {
          const behind = numberOf(health.said.lag_events);
          const problem = health.said.problem;
          return (
            <li key={health.process} class={`panel card ${well ? "" : "ill"}`}>
              <div class="row between">
                <b>{health.process}</b>
                <span class={`badge ${well ? "well" : "critical"}`}>
                  <Icon name={well ? "check" : "alerts"} />
                  {t(`health.${word}`)}
                </span>
              </div>
              <div class="muted">
                {health.timeMs !== null && t("age.fresh", { age: duration(now.value - health.timeMs) })}
                {behind !== null && ` · ${t("health.lag")} ${t("health.events", { n: number(behind, 0, manner()) })}`}
              </div>
              {typeof problem === "string" && <p class="problem">{problem}</p>}
              <details>
                <summary>{t("health.details")}</summary>
                <dl class="plain">
                  {Object.entries(health.said)
                    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
                    .map(([name, value]) => (
                      <div key={name}>
                        <dt>{words(name)}</dt>
                        <dd>{String(value)}</dd>
                      </div>
                    ))}
                </dl>
              </details>
            </li>
          );
        })}
      </ul>
      <section class="panel">
        <h2>{t("health.head")}</h2>
        <dl class="plain">
          <div>
            <dt>{t("health.position")}</dt>
            <dd>{head.value ? number(head.value.position, 0, manner()) : "–"}</dd>
          </div>
          <div>
            <dt>{t("health.hash")}</dt>
            <dd class="mono">{head.value?.hash ?? "–"}</dd>
          </div>
          <div>
            <dt>{t("health.clock")}</dt>
            <dd>{!clockKnown.value ? t("health.clock_unknown") : off < 1.5 ? t("health.clock_fine", { s: number(Math.max(off, 0.1), 1, manner()) }) : t("health.clock_off", { s: number(off, 0, manner()) })}</dd>
          </div>
          <div>
            <dt>{t("health.messages")}</dt>
            <dd>
              {messages} · {t(`link.phase.${link.value.phase}`)}
            </dd>
          </div>
        </dl>
      </section>
    </>
  );
}
