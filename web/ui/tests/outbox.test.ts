import { describe, expect, it } from "vitest";
import { sayAcknowledge } from "../src/core/acts";
import { LEASE_MS, again, answer, disposable, inOrder, mayTake, needsClock, nextOrder, nextToSend, problemText, settled, tried, unseen } from "../src/core/outbox";
import { T0, action } from "./samples";

describe("the order of the outbox", () => {
  it("is that in which things were tapped, however they come from the disk", () => {
    const all = [action(3), action(1), action(2)];
    expect(inOrder(all).map((one) => one.order)).toEqual([1, 2, 3]);
    expect(nextToSend(all)?.order).toBe(1);
  });

  it("puts a tap after all others, whatever the clock does", () => {
    expect(nextOrder(0, [], T0, 0)).toBe(T0 * 1000);
    const first = nextOrder(0, [], T0, 0.999);
    expect(nextOrder(first, [], T0, 0)).toBeGreaterThan(first);
    expect(nextOrder(first, [], T0 - 60_000, 0)).toBeGreaterThan(first);
    expect(nextOrder(0, [action(T0 * 2000)], T0, 0)).toBe(T0 * 2000 + 1);
  });

  it("waits for an action that failed, and passes over one that was refused", () => {
    const failed = settled(tried(action(1), 0), answer(503, null, "id-1"));
    expect(nextToSend([failed!, action(2)])?.order).toBe(1);
    const refused = settled(tried(action(1), 0), answer(422, { title: "Unknown field" }, "id-1"));
    expect(refused?.state).toBe("attention");
    expect(nextToSend([refused!, action(2)])?.order).toBe(2);
  });

  it("passes over what the node has taken and not yet confirmed", () => {
    const taken = settled(tried(action(1), 0), answer(202, { id: "id-1" }, "id-1"));
    expect(taken?.state).toBe("accepted");
    expect(nextToSend([taken!, action(2)])?.order).toBe(2);
  });

  it("lets all others pass a photo that failed, and tries failed ones in turn", () => {
    const photo = action(1, { photo: true, tries: 1 });
    expect(nextToSend([photo, action(2)])?.order).toBe(2);
    expect(nextToSend([action(0, { photo: true }), action(2)])?.order).toBe(0);
    expect(nextToSend([action(3, { photo: true, tries: 2 }), action(4, { photo: true, tries: 1 })])?.order).toBe(4);
  });

  it("is empty when everything is confirmed", () => {
    expect(settled(tried(action(1), 0), answer(200, { id: "id-1", position: 7 }, "id-1"))).toBeNull();
    expect(nextToSend([])).toBeNull();
  });
});

describe("an acknowledgement", () => {
  const known = { severity: "critical", sinceMs: T0, text: "", acknowledged: null } as const;

  it("names an alarm by all that tells it from others, and nothing else", () => {
    const alarm = { ...known, family: "alarm", name: "grid_lost", device: "vebus/276", phase: "", counted: "", period: "" } as const;
    expect(sayAcknowledge("rig_01", alarm, "").body).toEqual({ system_id: "rig_01", alarm: "grid_lost", device: "vebus/276" });
    const alert = { ...known, family: "alert", name: "x", device: "d", phase: "l1", counted: "ups.ac_power_loss", period: "hourly" } as const;
    expect(sayAcknowledge("rig_01", alert, "On it").body).toEqual({ system_id: "rig_01", alert: "x", counted: "ups.ac_power_loss", period: "hourly", note: "On it" });
  });
});

describe("an action", () => {
  it("keeps the time of its first try, however often it is tried", () => {
    const once = tried(action(1), 90_000);
    expect(once.time).toBe(new Date(T0 + 1 + 90_000).toISOString());
    expect(tried(once, -5_000).time).toBe(once.time);
    expect(tried(once, 0).tries).toBe(2);
  });

  it("keeps the device's time when its clock is nearly right", () => {
    expect(tried(action(1), 1400).time).toBe(new Date(T0 + 1).toISOString());
  });

  it("can be left out only before it was tried", () => {
    expect(unseen(action(1))).toBe(true);
    expect(unseen(tried(action(1), 0))).toBe(false);
  });

  it("has the time by the clock that was known when it was tapped, however that was set since", () => {
    expect(tried(action(1, { offsetMs: 60_000 }), -5_000).time).toBe(new Date(T0 + 1 + 60_000).toISOString());
  });

  it("that was tapped before the node's clock was heard waits for it, and is corrected by it", () => {
    const early = action(1, { offsetMs: null });
    expect([needsClock(early), needsClock(action(1, { offsetMs: 0 }))]).toEqual([true, false]);
    const once = tried(early, -240_000);
    expect(once.time).toBe(new Date(T0 + 1 - 240_000).toISOString());
    expect(needsClock(once)).toBe(false);
  });

  it("that only failed says the same when it is sent again, since it may be recorded", () => {
    let one = action(1);
    for (let count = 0; count < 12; count++) one = settled(tried(one, 0), answer(500, null, "id-1"))!;
    expect(again(one)).toMatchObject({ state: "waiting", time: one.time });
    expect(unseen(again(one))).toBe(false);
  });

  it("may be thrown away when it was refused or does not get through", () => {
    expect(disposable(action(1, { tries: 2 }))).toBe(false);
    expect(disposable(action(1, { tries: 3 }))).toBe(true);
    expect(disposable(action(1, { state: "attention" }))).toBe(true);
    expect(disposable(action(1, { state: "accepted", tries: 9 }))).toBe(false);
  });

  it("that was refused is never dropped, and can be sent again with the right time", () => {
    const refused = settled(tried(action(1), 0), answer(409, null, "id-1"))!;
    expect(again(refused)).toMatchObject({ state: "waiting", tries: 0, time: null, problem: null, id: "id-1" });
  });

  it("waits for a key without being given up", () => {
    const asked = settled(tried(action(1), 0), answer(401, { title: "An API key is needed" }, "id-1"))!;
    expect(asked).toMatchObject({ state: "waiting", problem: "An API key is needed" });
  });

  it("that breaks the server each time stands aside at last", () => {
    let one = action(1);
    for (let count = 0; count < 12; count++) one = settled(tried(one, 0), answer(500, null, "id-1"))!;
    expect(one.state).toBe("attention");
    let away = action(2);
    for (let count = 0; count < 100; count++) away = settled(tried(away, 0), { kind: "failed", problem: "no network", status: 0 })!;
    expect(away.state).toBe("waiting");
  });
});

describe("an answer", () => {
  it.each([
    [200, { id: "id-1", position: 12 }, "confirmed"],
    [201, { id: "id-1", position: "12" }, "confirmed"],
    [202, { id: "id-1", position: null }, "accepted"],
    [200, { id: "id-1", ok: true }, "failed"],
    [200, { id: "id-2", position: 12 }, "failed"],
    [200, { position: 12 }, "failed"],
    [200, null, "failed"],
    [202, null, "failed"],
    [400, null, "refused"],
    [401, null, "key"],
    [403, null, "refused"],
    [408, null, "failed"],
    [413, null, "refused"],
    [429, null, "failed"],
    [502, null, "failed"],
  ])("%i is read by its meaning", (status, said, kind) => {
    expect(answer(status, said, "id-1").kind).toBe(kind);
  });

  it("tells a person what is wrong, once", () => {
    expect(problemText({ title: "Too long", detail: "At most 4000 characters" })).toBe("Too long: At most 4000 characters");
    expect(problemText({ title: "Too long", detail: "Too long" })).toBe("Too long");
    expect(problemText(null)).toBeNull();
  });
});

describe("of several tabs", () => {
  it("one sends; another takes over when it is gone", () => {
    const lease = { tab: "a", untilMs: T0 + LEASE_MS };
    expect(mayTake(null, "b", T0)).toBe(true);
    expect(mayTake(lease, "a", T0)).toBe(true);
    expect(mayTake(lease, "b", T0)).toBe(false);
    expect(mayTake(lease, "b", T0 + LEASE_MS + 1)).toBe(true);
  });

  it("a lease from a clock that was wrong holds up nobody", () => {
    expect(mayTake({ tab: "a", untilMs: T0 + 1e9 }, "b", T0)).toBe(true);
  });
});
