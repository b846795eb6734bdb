/** Ids of systems as the recorder makes them canonical (`bus/system_ids.py`), to find what is typed. Pure. */

/** Trimmed, lower case, spaces and dashes become `_`; `Logger 3` is `acuvim_13`. */
export function canonical(typed: string): string {
  const name = typed.trim().toLowerCase().replace(/[ \-\t]/g, "_").replace(/__+/g, "_");
  const logger = /^logger_*([1-9])$/.exec(name);
  return logger ? `acuvim_1${logger[1]}` : name;
}

/** Tell whether it stands for no system, but for all or for the site. */
export const standsForMore = (typed: string): boolean => canonical(typed) === "all" || typed.trim().startsWith("_");
