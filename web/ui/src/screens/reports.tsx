/** reports. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.reports" as "nav.now")}</h1>;
}
