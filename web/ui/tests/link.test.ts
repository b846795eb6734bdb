import { describe, expect, it } from "vitest";
import { waitMs } from "../src/core/backoff";
import { DEAD_MS, SILENT_MS, first, next, type Deed, type Happening, type Link } from "../src/core/link";

function run(happened: readonly (readonly [number, Happening])[]): { link: Link; deeds: Deed[] } {
  let link = first(0);
  const deeds: Deed[] = [];
  for (const [ms, one] of happened) {
    const [after, deed] = next(link, one, ms);
    link = after;
    if (deed !== "none") deeds.push(deed);
  }
  return { link, deeds };
}

const tick = { what: "tick" } as const;
const heartbeat = { what: "heartbeat" } as const;
const opened = { what: "opened" } as const;
const closed = { what: "closed", why: "x", random: 1 } as const;

describe("the live connection", () => {
  it("is live with a heartbeat only", () => {
    expect(run([[100, opened]]).link.phase).toBe("silent");
    expect(run([[100, opened], [200, heartbeat]]).link.phase).toBe("live");
  });

  it("says that it is silent, then begins anew", () => {
    const heard: [number, Happening][] = [[0, opened], [0, heartbeat]];
    expect(run([...heard, [SILENT_MS - 1, tick]]).link.phase).toBe("live");
    expect(run([...heard, [SILENT_MS, tick]]).link).toMatchObject({ phase: "silent", heardMs: 0 });
    expect(run([...heard, [SILENT_MS, tick], [DEAD_MS, tick]])).toMatchObject({ link: { phase: "connecting" }, deeds: ["reopen"] });
  });

  it("is live again with the next heartbeat", () => {
    expect(run([[0, opened], [0, heartbeat], [SILENT_MS, tick], [SILENT_MS + 1, heartbeat]]).link.phase).toBe("live");
  });

  it("tries for ever, and says when next", () => {
    let link = first(0);
    let nowMs = 0;
    let opens = 0;
    for (let round = 0; round < 200; round++) {
      [link] = next(link, closed, nowMs);
      expect(link.phase).toBe("waiting");
      nowMs += 10_000;
      const [after, deed] = next(link, tick, nowMs);
      link = after;
      if (deed === "open") opens += 1;
    }
    expect(opens).toBe(200);
  });

  it("does not wait for an answer for ever", () => {
    const { link, deeds } = run([[DEAD_MS, tick]]);
    expect(link.phase).toBe("waiting");
    expect(deeds).toEqual(["close"]);
  });

  it("drops the socket when the page is hidden, and begins anew when it is shown", () => {
    const { link, deeds } = run([[0, opened], [1, heartbeat], [2, { what: "hid" }], [9e6, { what: "shown" }]]);
    expect(link).toMatchObject({ phase: "connecting", failures: 0 });
    expect(deeds).toEqual(["close", "reopen"]);
  });

  it("does nothing while it is hidden", () => {
    expect(run([[0, { what: "hid" }], [1, closed], [9e6, tick]])).toMatchObject({ link: { phase: "hidden" }, deeds: ["close"] });
  });

  it("begins anew at once when it is shown while it waits", () => {
    expect(run([[0, closed], [1, { what: "shown" }]]).deeds).toEqual(["close", "reopen"]);
  });
});

describe("waiting", () => {
  it("grows up to ten seconds and stays there", () => {
    expect(waitMs(0, 1)).toBe(500);
    expect(waitMs(3, 1)).toBe(4000);
    expect(waitMs(1000, 1)).toBe(10_000);
    expect(waitMs(1000, 0)).toBe(5_000);
  });
});
