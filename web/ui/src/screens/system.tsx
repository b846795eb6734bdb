/** system. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.system" as "nav.now")}</h1>;
}
