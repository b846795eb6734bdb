import { describe, expect, it } from "vitest";
import { fleet } from "../src/core/fleet";

const NODE = { node: "site_a", status: "live", lag_s: 2, lag_events: 0, facts: { position: 9 }, samples: { position: 8 }, head: 9, systems: ["rig_01"], active: 1, alarms: 0, restored: null };

describe("the fleet", () => {
  it("puts the nodes that need a look first, and reads what is said of each", () => {
    const said = fleet({ nodes: [NODE, { ...NODE, node: "site_b", status: "silent", restored: { time: "2026-11-21T05:00:00Z", lost_from: 3, lost_to: 5 } }], conflicts: [{ system_id: "rig_07", nodes: ["site_a", "site_b"] }] });
    expect(said.nodes.map((one) => one.id)).toEqual(["site_b", "site_a"]);
    expect(said.nodes[0]?.restored).toMatchObject({ from: 3, to: 5 });
    expect(said.nodes[1]).toMatchObject({ standing: "live", facts: 9, samples: 8, head: 9, systems: ["rig_01"] });
    expect(said.clashes).toEqual([{ system: "rig_07", nodes: ["site_a", "site_b"] }]);
  });

  it("is empty, and a node is silent, where nothing sensible is said", () => {
    expect(fleet({})).toEqual({ nodes: [], clashes: [] });
    expect(fleet({ nodes: [{ node: "x", status: "?" }] }).nodes[0]).toMatchObject({ standing: "silent", samples: 0, lagS: null });
  });
});
