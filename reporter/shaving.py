"""What the battery did for the grid connection: its peak with and without it, and what that saves. Pure.

Rules that must stay true here: without the battery the grid would have given what it gave and what came out
of the battery system besides, less what went into it, at the same instant; while the grid was away nothing
could have been drawn, so that these times do not count; both peaks are of the same fixed blocks.
"""

from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Flags, Floats
from reporter.demand import Blocks, blocks
from reporter.facts import Document
from reporter.figures import figure
from reporter.flows import GRID_CODES, Flow, Flows, held_at, kept, values_at
from reporter.track import Track

_AC: Final = ("ac_in_power_w", "ac_out_power_w")
_NAMES: Final = ("peak_w", "peak_without_w", "shaved_w", "shaved_pct", "saving_amount")


def section(basis: Basis, flows: Flows) -> Document | None:
    """Tell of peak shaving; None where there is no grid or no battery."""
    if flows.grid is None or flows.battery is None:
        return None
    actual, without, method = without_battery(basis, flows, flows.grid, flows.battery)
    seconds, zone = 60 * basis.settings.demand_minutes, basis.settings.time_zone
    cut, other = blocks(actual, seconds, zone), blocks(without, seconds, zone)
    valid = cut.valid & other.valid
    coverage_pct = actual.coverage_pct
    made: Document = {
        "seconds": seconds,
        "method": method,
        "blocks": int(valid.sum()),
        "demand_charge_per_kw": basis.settings.demand_charge_per_kw,
        "currency": basis.settings.currency,
    }
    if not valid.any():
        return made | {name: figure(None, coverage_pct, why="no_whole_block") for name in _NAMES}
    (peak_w, at_us), (without_w, without_at_us) = (_highest(one, valid) for one in (cut, other))
    saved_w = without_w - peak_w
    price = basis.settings.demand_charge_per_kw
    return made | {
        "peak_w": figure(peak_w, coverage_pct, at_us),
        "peak_without_w": figure(without_w, coverage_pct, without_at_us),
        "shaved_w": figure(saved_w, coverage_pct),
        "shaved_pct": figure(
            100.0 * saved_w / without_w if without_w > 0 else None, coverage_pct, why="no_load"
        ),
        "saving_amount": figure(
            round(saved_w / 1000.0 * price, 2) if price is not None else None, coverage_pct, why="no_price"
        ),
    }


def without_battery(basis: Basis, flows: Flows, grid: Flow, battery: Flow) -> tuple[Track, Track, str]:
    """Give what the grid gave, what it would have given, and how that was found.

    On the AC side where input and output are both measured (the sun's own share stays); else by the
    battery's power, which takes the converter as free of losses.
    """
    times = grid.power.time_us
    method, helped = "battery_power", -values_at(battery.power, times)
    if all(basis.has(name) for name in _AC):
        into, out = (values_at(basis.track(name), times) for name in _AC)
        sun: Floats = np.zeros(len(times))
        for one in flows.pv:
            sun = sun + (values_at(one.power, times) if one.side == "dc" else 0.0)
        method, helped = "ac_balance", out - into - sun
    known = np.isfinite(helped)
    if len(flows.source):
        known &= np.isin(held_at(flows.source, times), GRID_CODES)
    without = grid.power.with_value(grid.power.value + np.nan_to_num(helped))
    return kept(grid.power, known), kept(without, known), method


def _highest(of: Blocks, valid: Flags) -> tuple[float, int]:
    """Give the highest mean of valid blocks and its begin; a connection that only fed in has no peak."""
    best = int(np.argmax(np.where(valid, of.mean, -np.inf)))
    return max(0.0, float(of.mean[best])), int(of.edge_us[best])
