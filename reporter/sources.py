"""Which source gave how much: grid, sun, shares of all, and the time on the battery alone. Pure.

Rules that must stay true here: shares are of what was supplied (import, generator, sun, and what the battery
gave more than it took); what is not accounted for is told as losses, and only where every flow is measured.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import figure
from reporter.flows import Flow, Flows, total
from reporter.track import Track, spans

_SHARED: Final = 90.0
_PHASES: Final = ("load_l1_power_w", "load_l2_power_w", "load_l3_power_w")


def grid_section(flow: Flow | None) -> Document | None:
    """Tell what was drawn from the grid and fed into it; None where there is no grid."""
    if flow is None:
        return None
    used, coverage_pct = energy(flow.power), flow.power.coverage_pct
    peak, low = flow.power.peak(), flow.power.low()
    return {
        "import_wh": figure(used.plus_wh, coverage_pct),
        "export_wh": figure(used.minus_wh, coverage_pct),
        "peak_w": figure(peak[0], coverage_pct, peak[1]) if peak else figure(None, coverage_pct),
        "peak_export_w": figure(-low[0], coverage_pct, low[1])
        if low and low[0] < 0
        else figure(0.0, coverage_pct),
        "method": flow.method,
        "names": list(flow.names),
    }


def pv_section(flows: Sequence[Flow], used_wh: float | None) -> Document | None:
    """Tell what the sun gave, on the DC and on the AC side; None where nothing of it is measured."""
    if not flows:
        return None
    arrays = [_array(flow) for flow in flows]
    coverage_pct = min(flow.power.coverage_pct for flow in flows)
    total_wh = sum(float(one["energy_wh"]["value"]) for one in arrays)
    share = 100.0 * total_wh / used_wh if used_wh else None
    return {
        "energy_wh": figure(total_wh, coverage_pct),
        "of_load_pct": figure(share, coverage_pct, why="no_load"),
        "peak_w": arrays[0]["peak_w"] if len(arrays) == 1 else figure(None, coverage_pct, why="two_sides"),
        "arrays": arrays,
    }


def section(basis: Basis, flows: Flows) -> Document | None:
    """Tell the shares of all sources and the balance; None where no source is known."""
    supplied = _supplied(flows)
    if not supplied:
        return None
    coverage_pct = min(one for _, _, one in supplied)
    total_wh = sum(wh for _, wh, _ in supplied)
    return {
        "supplied_wh": figure(total_wh, coverage_pct),
        "shares": [
            {
                "source": word,
                "energy_wh": figure(wh, share_coverage_pct),
                "share_pct": 100.0 * wh / total_wh if total_wh > 0 else None,
            }
            for word, wh, share_coverage_pct in supplied
        ],
        **_balance(basis, flows, total_wh, coverage_pct),
        "islanded": _islanded(flows),
    }


def _array(flow: Flow) -> Document:
    peak, coverage_pct = flow.power.peak(), flow.power.coverage_pct
    return {
        "side": flow.side,
        "energy_wh": figure(energy(flow.power).plus_wh, coverage_pct),
        "peak_w": figure(peak[0], coverage_pct, peak[1]) if peak else figure(None, coverage_pct),
        "method": flow.method,
        "names": list(flow.names),
    }


def _supplied(flows: Flows) -> list[tuple[str, float, float]]:
    """Give word, energy and coverage of each source."""
    found = []
    for word, flow in (("grid", flows.grid), ("genset", flows.genset)):
        if flow is not None:
            found.append((word, energy(flow.power).plus_wh, flow.power.coverage_pct))
    if flows.pv:
        sun_wh = sum(energy(one.power).plus_wh for one in flows.pv)
        found.append(("pv", sun_wh, min(one.power.coverage_pct for one in flows.pv)))
    if flows.battery is not None and found:
        net_wh = -energy(flows.battery.power).net_wh
        found.append(("battery", max(0.0, net_wh), flows.battery.power.coverage_pct))
    elif flows.battery is not None:
        found.append(("battery", energy(flows.battery.power).minus_wh, flows.battery.power.coverage_pct))
    return found


def used_wh(basis: Basis, flows: Flows) -> tuple[float | None, float]:
    """Give what all loads used, and its coverage: as told as a whole, else at the output and beside it.

    None where loads hang on the grid side or sun comes in on the output, and nobody measures how much.
    """
    told = total(basis, ["load_power_w"], "meter") or total(basis, _PHASES, "sum_of_phases")
    if told is not None:
        return energy(told.power).plus_wh, told.power.coverage_pct
    load = flows.load
    if load.covered_s <= 0 or any(one.side == "ac" for one in flows.pv):
        return None, load.coverage_pct
    beside_wh = 0.0
    if flows.grid is not None and flows.grid.method in ("meter", "sum_of_phases"):
        through = total(basis, ["ac_in_power_w"], "meter")
        if through is None:
            return None, load.coverage_pct
        beside_wh = max(0.0, energy(flows.grid.power).net_wh - _from_grid_wh(flows, through))
    return energy(load).plus_wh + beside_wh, load.coverage_pct


def _from_grid_wh(flows: Flows, through: Flow) -> float:
    """Give what came through the input from the grid: all of it, less the generator's."""
    genset_wh = energy(flows.genset.power).plus_wh if flows.genset is not None else 0.0
    return energy(through.power).net_wh - genset_wh


def _balance(basis: Basis, flows: Flows, supplied_wh: float, coverage_pct: float) -> Document:
    """Tell where it went: loads, grid, battery, and what is left as losses."""
    load_wh, load_pct = used_wh(basis, flows)
    stored_wh = max(0.0, energy(flows.battery.power).net_wh) if flows.battery else 0.0
    export_wh = energy(flows.grid.power).minus_wh if flows.grid else 0.0
    all_pct = min(coverage_pct, load_pct)
    known = load_wh is not None and all_pct >= _SHARED
    losses_wh = supplied_wh - export_wh - stored_wh - (load_wh or 0.0) if known else None
    share = 100.0 * losses_wh / supplied_wh if losses_wh is not None and supplied_wh > 0 else None
    return {
        "load_wh": figure(load_wh, load_pct, why="not_all_measured"),
        "export_wh": figure(export_wh, coverage_pct),
        "stored_wh": figure(stored_wh, coverage_pct),
        "losses_wh": figure(losses_wh, all_pct, why="not_all_measured"),
        "losses_pct": figure(share, all_pct, why="not_all_measured"),
    }


def _islanded(flows: Flows) -> Document | None:
    """Tell how long nothing but battery and sun supplied the loads, and what they used then."""
    alone = flows.islanded
    if alone is None or alone.covered_s <= 0:
        return None
    lines = (alone.value[:-1] > 0) & alone.joined
    begins, ends = spans(lines)
    reach = np.concatenate(([0.0], np.cumsum(alone.step_s)))
    load = flows.load
    place = np.searchsorted(alone.time_us, load.time_us, "right") - 1
    here = (alone.value[np.maximum(place, 0)] > 0) & (place >= 0)
    part = Track(load.from_us, load.to_us, load.time_us, load.value, load.joined & here[:-1])
    seconds = float(alone.step_s[lines].sum())
    return {
        "duration_s": figure(seconds, alone.coverage_pct),
        "time_pct": 100.0 * seconds / alone.covered_s,
        "count": len(begins),
        "longest_s": float(max(reach[ends] - reach[begins], default=0.0)),
        "energy_wh": figure(energy(part).plus_wh, min(alone.coverage_pct, load.coverage_pct)),
    }
