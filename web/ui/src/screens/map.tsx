/** map. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.map" as "nav.now")}</h1>;
}
