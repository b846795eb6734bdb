/** A chart of readings over time: uPlot, in the colours of the theme; lines are told apart by dashes too. */
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";
import { clock, clockWithSeconds, figure } from "../core/format";
import { manner, theme } from "../shell/settings";
import { t } from "../texts";

export interface Line {
  name: string;
  label: string;
  values: readonly (number | null)[];
  /** The band around it, where one is known. */
  least?: readonly (number | null)[];
  most?: readonly (number | null)[];
}

interface Props {
  /** Seconds since the epoch, rising. */
  times: readonly number[];
  lines: readonly Line[];
  label: string;
}

const DASHES: readonly (number[] | undefined)[] = [undefined, [8, 4], [2, 3], [12, 3, 2, 3]];
const HEIGHT = 260;

export function Chart({ times, lines, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const shape = lines.map((line) => `${line.name} ${line.least ? "band" : ""}`).join("|");
  const dark = theme.value;
  const data = (): uPlot.AlignedData => [
    times as number[],
    ...lines.flatMap((line) => [line.values, ...(line.least && line.most ? [line.least, line.most] : [])].map((values) => values as (number | null)[])),
  ];
  useEffect(() => {
    let gone = false;
    const target = place.current;
    if (!target) return undefined;
    const look = new ResizeObserver(() => chart.current?.setSize({ width: target.clientWidth, height: HEIGHT }));
    void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([{ default: Plot }]) => {
      if (gone) return;
      chart.current = new Plot(options(target, lines), data(), target);
      look.observe(target);
    });
    return () => {
      gone = true;
      look.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [shape, dark]);
  useEffect(() => {
    chart.current?.setData(data());
  }, [times, lines]);
  const empty = lines.every((line) => line.values.every((value) => value === null));
  return (
    <figure class="chart">
      <div ref={place} role="img" aria-label={label} style={{ minHeight: `${HEIGHT}px` }} />
      {empty && <figcaption class="muted">{t("system.no_chart")}</figcaption>}
      <ul class="legend">
        {lines.map((line, index) => {
          const newest = [...line.values].reverse().find((value) => value !== null);
          const { text, unit } = figure(line.name, newest, manner());
          return (
            <li key={line.name}>
              <svg viewBox="0 0 34 6" aria-hidden="true">
                <line x1="0" x2="34" y1="3" y2="3" stroke={`var(--line-${index % 4})`} stroke-width="3" stroke-dasharray={DASHES[index % 4]?.join(" ")} />
              </svg>
              {line.label} <b>{`${text} ${unit}`}</b>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}

function options(target: HTMLElement, lines: readonly Line[]): uPlot.Options {
  const style = getComputedStyle(target);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "14px system-ui, sans-serif" };
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  lines.forEach((line, index) => {
    const stroke = colour(`--line-${index % 4}`);
    const dash = DASHES[index % 4];
    series.push({ label: line.label, stroke, width: 2, ...(dash ? { dash } : {}), points: { show: false }, spanGaps: false });
    if (line.least && line.most) {
      const at = series.length;
      series.push({ stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } });
      bands.push({ series: [at + 1, at], fill: `${stroke}44` });
    }
  });
  const first = lines[0]?.name ?? "x_w";
  return {
    width: target.clientWidth,
    height: HEIGHT,
    padding: [12, 8, 0, 0],
    series,
    bands,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    axes: [
      { ...axis, space: 90, values: (_plot, splits, _axis, _space, increment) => splits.map((split) => (increment < 60 ? clockWithSeconds : clock)(split * 1000, manner())) },
      {
        ...axis,
        size: 74,
        values: (_plot, splits) =>
          splits.map((split) => {
            const { text, unit } = figure(first, split, manner());
            return `${text} ${unit}`;
          }),
      },
    ],
  };
}
