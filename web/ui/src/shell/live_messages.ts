/** What the page and the thread of its live connection say to each other. */

export interface Place {
  prefix: string;
  url: string;
  username?: string;
  password?: string;
}

export type Order =
  | { what: "open"; generation: number; place: Place; timeoutMs: number }
  | { what: "close"; generation: number };

export type Told =
  | { what: "opened"; generation: number }
  | { what: "closed"; generation: number; why: string }
  | { what: "now"; generation: number; topic: string; text: string; retained: boolean }
  /** The newest of each topic, and how many messages came since the page was opened. */
  | { what: "states"; generation: number; states: readonly (readonly [string, string])[]; received: number };
