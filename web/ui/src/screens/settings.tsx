/** settings. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.settings" as "nav.now")}</h1>;
}
