"""Which energy counters run, and how fast: the powers of a moment, by system and the counter's own name.

Pure. Rules that must stay true here: what the counters say is what the flows said; each counts one direction.
"""

from collections.abc import Iterator, Mapping

from producers.simulator.electricity import Phases, total_w
from producers.simulator.flow import Flow, Source
from producers.simulator.scenario import GX, Wiring

Powers = dict[str, float]
Counters = Mapping[str, Mapping[str, float]]
"""Wh (or varh) by system and counter."""

TODAY = "_today_"
"""Part of the name of a counter that begins anew at midnight."""
LOSSES = "losses"
"""What became heat in the inverter/charger: no device counts it."""
_NAMES = ("l1", "l2", "l3")


def powers(wiring: Wiring, flow: Flow) -> Iterator[tuple[str, Powers]]:
    """Give what each system's counters gain, in W."""
    rig = wiring.rig
    yield rig.system_id, (_of_rig(wiring, flow) if rig.face == GX else _of_hybrid(flow))
    for name, phases in (*flow.feeds.items(), *flow.inputs.items()):
        if name:
            yield name, _of_meter(phases)
    for inverter, phases in zip(wiring.inverters, flow.inverters, strict=True):
        yield inverter.system_id, {"ac_out_energy_import_wh": total_w(phases)}
    for ups, through in zip(wiring.upses, flow.upses, strict=True):
        yield (
            ups.system_id,
            {"ac_in_energy_import_wh": through.in_w, "ac_out_energy_import_wh": through.out_w},
        )


def counted(
    before: Counters, gains: Iterator[tuple[str, Powers]], hours: float, *, midnight: bool
) -> dict[str, dict[str, float]]:
    """Move the counters on, from midnight or another time."""
    after = {}
    for system_id, gained in gains:
        known = before.get(system_id, {})
        after[system_id] = {
            name: (0.0 if midnight and TODAY in name else known.get(name, 0.0)) + power * hours
            for name, power in gained.items()
        }
    return after


def _of_rig(wiring: Wiring, flow: Flow) -> Powers:
    in_w, out_w = total_w(flow.ac_in), total_w(flow.ac_out)
    paths = _paths(in_w, out_w)
    found = {
        **_battery_and_sun(flow),
        **_both_ways("ac_in_energy", in_w),
        **_both_ways("ac_out_energy", out_w),
        **_both_ways("grid_energy", flow.grid_w),
        "load_energy_wh": flow.load_w,
        "energy_inverter_to_out_wh": paths["inverter_to_out"],
        "energy_out_to_inverter_wh": paths["out_to_inverter"],
    }
    for number, source in ((1, Source.GRID), (2, Source.GENERATOR)):
        here = float(flow.source is source)
        found |= {
            f"energy_in{number}_to_out_wh": paths["in_to_out"] * here,
            f"energy_in{number}_to_inverter_wh": paths["in_to_inverter"] * here,
            f"energy_out_to_in{number}_wh": paths["out_to_in"] * here,
            f"energy_inverter_to_in{number}_wh": paths["inverter_to_in"] * here,
        }
    if wiring.generator is not None:
        found["genset_energy_import_wh"] = in_w if flow.source is Source.GENERATOR else 0.0
    if wiring.inverters:
        found["pvinverter_energy_import_wh"] = sum(total_w(one) for one in flow.inverters)
    return found


def _of_hybrid(flow: Flow) -> Powers:
    """Count as a hybrid inverter does: its output is what it gives to the house and the grid."""
    made_w = total_w(flow.ac_out) - total_w(flow.ac_in)
    return {
        **_battery_and_sun(flow),
        **_both_ways("ac_out_energy", made_w),
        **_both_ways("grid_energy", flow.grid_w),
        "load_energy_wh": flow.load_w,
    }


def _battery_and_sun(flow: Flow) -> Powers:
    return {
        "battery_energy_charged_wh": max(0.0, flow.battery_w),
        "battery_energy_discharged_wh": max(0.0, -flow.battery_w),
        "battery_energy_charged_today_wh": max(0.0, flow.battery_w),
        "battery_energy_discharged_today_wh": max(0.0, -flow.battery_w),
        "pv_energy_wh": flow.pv_w,
        "pv_energy_today_wh": flow.pv_w,
        LOSSES: flow.losses_w,
    }


def _of_meter(phases: Phases) -> Powers:
    vars_ = sum(phase.reactive_var for phase in phases)
    found = {
        **_both_ways("ac_energy", total_w(phases)),
        **_both_ways("ac_reactive_energy", vars_, "varh"),
        "ac_apparent_energy_vah": sum(phase.apparent_va for phase in phases),
    }
    for name, phase in zip(_NAMES, phases, strict=True):
        found |= _both_ways(f"ac_{name}_energy", phase.power_w)
        found |= _both_ways(f"ac_{name}_reactive_energy", phase.reactive_var, "varh")
        found[f"ac_{name}_apparent_energy_vah"] = phase.apparent_va
    return found


def _both_ways(counter: str, power: float, unit: str = "wh") -> Powers:
    return {f"{counter}_import_{unit}": max(0.0, power), f"{counter}_export_{unit}": max(0.0, -power)}


def _paths(in_w: float, out_w: float) -> Powers:
    """Say which way the power goes through an inverter/charger: between input, output and itself."""
    comes, goes = max(0.0, in_w), max(0.0, -in_w)
    drawn, given = max(0.0, out_w), max(0.0, -out_w)
    straight, back = min(comes, drawn), min(given, goes)
    return {
        "in_to_out": straight,
        "in_to_inverter": comes - straight,
        "inverter_to_out": drawn - straight,
        "out_to_in": back,
        "out_to_inverter": given - back,
        "inverter_to_in": goes - back,
    }
