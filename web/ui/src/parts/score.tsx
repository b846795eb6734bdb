/** The health score of a system, with its grade in words. */
import type { Counters } from "../core/counters";
import { number, words } from "../core/format";
import { manner } from "../shell/settings";
import { said } from "../texts";
import { Icon } from "./icons";

const GOOD = ["excellent", "good"];

export function Score({ one }: { one: Counters }) {
  const grade = GOOD.includes(one.grade) ? "well" : one.grade === "fair" ? "warning" : "critical";
  return (
    <span class={`badge ${grade}`}>
      <Icon name={grade === "well" ? "check" : "alerts"} />
      {number(one.score, 0, manner())} · {said(`grade.${one.grade}`, words(one.grade))}
    </span>
  );
}
