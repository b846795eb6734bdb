/** counters. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.counters" as "nav.now")}</h1>;
}
