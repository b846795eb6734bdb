import { describe, expect, it } from "vitest";
import { fleet, placeOf } from "../src/core/fleet";
import { spots } from "../src/core/tiles";
import { system } from "./samples";

const NODE = { node: "site_a", status: "live", lag_s: 2, lag_events: 0, facts: { position: 9 }, samples: { position: 8 }, head: 9, systems: ["rig_01"], active: 1, alarms: 0, restored: null };

describe("the fleet", () => {
  it("puts the nodes that need a look first, and reads what is said of each", () => {
    const said = fleet({ nodes: [NODE, { ...NODE, node: "site_b", status: "silent", restored: { time: "2026-11-21T05:00:00Z", lost_from: 3, lost_to: 5 } }], conflicts: [{ system_id: "rig_07", nodes: ["site_a", "site_b"] }] });
    expect(said.nodes.map((one) => one.id)).toEqual(["site_b", "site_a"]);
    expect(said.nodes[0]?.restored).toMatchObject({ from: 3, to: 5 });
    expect(said.nodes[1]).toMatchObject({ standing: "live", facts: 9, samples: 8, head: 9, systems: ["rig_01"] });
    expect(said.clashes).toEqual([{ system: "rig_07", nodes: ["site_a", "site_b"] }]);
  });

  it("finds a node amid its systems that have a position", () => {
    const at = (id: string, lat: number, lon: number) => system(id, {}, { location: { name: "x", lat, lon } });
    const all = spots([at("rig_01", 52, 13), at("rig_02", 54, 15), at("rig_03", 0, 0), system("rig_04", {})]);
    const [one, none] = fleet({ nodes: [{ ...NODE, systems: ["rig_01", "rig_02", "rig_04"] }, { ...NODE, node: "site_b", systems: ["rig_04"] }] }).nodes;
    expect(placeOf(one!, all)).toEqual({ lat: 53, lon: 14 });
    expect(placeOf(none!, all)).toBeNull();
  });

  it("is empty, and a node is silent, where nothing sensible is said", () => {
    expect(fleet({})).toEqual({ nodes: [], clashes: [] });
    expect(fleet({ nodes: [{ node: "x", status: "?" }] }).nodes[0]).toMatchObject({ standing: "silent", samples: 0, lagS: null });
  });
});
