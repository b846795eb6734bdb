/** What is known of the event that a system is in. */
import { canonical } from "../core/names";
import { link } from "./live";
import { systems } from "./store";

/** Find a system by what is typed. */
export const known = (typed: string) => systems.value.get(typed.trim()) ?? systems.value.get(canonical(typed));

/** Tell which event a system is in; undefined where it is in none, or nobody tells now. */
export const standing = (typed: string): string | undefined => (link.peek().phase === "live" ? known(typed)?.peek().window?.eventId : undefined);
