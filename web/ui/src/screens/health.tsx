/** health. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.health" as "nav.now")}</h1>;
}
