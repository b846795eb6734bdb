/** The nodes whose events a cloud holds: which are fresh, which are behind, and where a name stands for two machines. */
import { fleet, type FleetNode, type Standing } from "../core/fleet";
import { duration, instant, number } from "../core/format";
import { naturally } from "../core/glance";
import { href } from "../core/route";
import { Icon, type IconName } from "../parts/icons";
import { Loaded } from "../parts/loaded";
import { useQuery } from "../shell/query";
import { manner } from "../shell/settings";
import { now } from "../shell/store";
import { t } from "../texts";

const EVERY_MS = 5000;
const LOOKS: Readonly<Record<Standing, readonly [IconName, string]>> = {
  live: ["check", "well"],
  behind: ["clock", "warning"],
  silent: ["alerts", "critical"],
};

export default function FleetScreen() {
  const asked = useQuery("/api/nodes", fleet, [], EVERY_MS);
  return (
    <>
      <h1>{t("fleet.title")}</h1>
      <Loaded asked={asked}>
        {({ nodes, clashes }) => {
          const ill = nodes.filter((one) => one.standing !== "live").length;
          return (
            <>
              {nodes.length === 0 ? (
                <p class="empty">{t("fleet.none")}</p>
              ) : (
                <p class={`notice ${ill > 0 ? "warn" : "fine"}`} role="status">
                  <Icon name={ill > 0 ? "alerts" : "check"} /> {ill > 0 ? t("fleet.some_not", { n: ill, all: nodes.length }) : t("fleet.all_live", { n: nodes.length })}
                </p>
              )}
              {clashes.map((one) => (
                <p class="notice warn" role="alert" key={`${one.system} ${one.nodes.join(" ")}`}>
                  <Icon name="alerts" /> {t("fleet.conflict", { system: one.system, nodes: one.nodes.join(", ") })}
                </p>
              ))}
              <ul class="cards">
                {nodes.map((one) => (
                  <Card key={one.id} node={one} />
                ))}
              </ul>
            </>
          );
        }}
      </Loaded>
    </>
  );
}

function Card({ node }: { node: FleetNode }) {
  const [icon, look] = LOOKS[node.standing];
  const count = (n: number): string => number(n, 0, manner());
  return (
    <li class={`panel card ${node.standing === "silent" ? "ill" : ""}`}>
      <div class="row between">
        <b>{node.id}</b>
        <span class={`badge ${look}`}>
          <Icon name={icon} />
          {t(`fleet.${node.standing}`)}
        </span>
      </div>
      <div>{t("fleet.counts", { systems: count(node.systems.length), active: count(node.active) })}</div>
      <div class="muted">
        {node.lagS === null ? t("fleet.no_samples") : t("fleet.age", { age: duration(node.lagS * 1000) })}
        {node.lagEvents !== null && node.lagEvents > 0 && ` · ${t("fleet.events", { n: count(node.lagEvents) })}`}
        {node.alarms > 0 && ` · ${t("fleet.alarms", { n: count(node.alarms) })}`}
      </div>
      {node.fault && <p class="problem">{node.fault}</p>}
      {node.restored && <p class="problem">{restored(node.restored)}</p>}
      <ul class="chips plain-list">
        {[...node.systems].sort(naturally).slice(0, 12).map((system) => (
          <li key={system}>
            <a class="chip" href={href("system", system)}>
              {system}
            </a>
          </li>
        ))}
        {node.systems.length > 12 && (
          <li>
            <a class="chip" href={href("now", "", { search: node.id })}>
              {t("fleet.show")}
            </a>
          </li>
        )}
      </ul>
      <details>
        <summary>{t("health.details")}</summary>
        <dl class="plain">
          {(
            [
              ["fleet.facts", node.facts],
              ["fleet.samples", node.samples],
              ["fleet.head", node.head],
            ] as const
          ).map(([name, position]) => (
            <div key={name}>
              <dt>{t(name)}</dt>
              <dd>{position === null ? "–" : count(position)}</dd>
            </div>
          ))}
        </dl>
      </details>
    </li>
  );
}

function restored({ atMs, from, to }: NonNullable<FleetNode["restored"]>): string {
  const when = instant(atMs, now.value, manner());
  if (from === null || to === null) return t("fleet.restored", { when });
  return t("fleet.lost", { when, from: number(from, 0, manner()), to: number(to, 0, manner()) });
}
