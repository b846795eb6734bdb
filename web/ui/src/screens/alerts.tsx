/** alerts. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.alerts" as "nav.now")}</h1>;
}
