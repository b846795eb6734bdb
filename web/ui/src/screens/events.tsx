/** events. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.events" as "nav.now")}</h1>;
}
