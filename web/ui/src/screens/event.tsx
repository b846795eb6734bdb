/** event. */
import { t } from "../texts";

export default function Screen() {
  return <h1>{t("nav.event" as "nav.now")}</h1>;
}
