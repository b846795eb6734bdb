"""The battery: state of charge, what went in and out, cycles, round trip, time nearly empty. Pure.

Rules that must stay true here:
- positive is charging, as everywhere;
- what is stored is the state of charge times the nominal capacity, and cycles are counted in what of it is
used; without a capacity neither is said;
- a round trip takes the change of what is stored into account, and is said only after more than one full
cycle, because before that the state of charge's own error is larger than the losses.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.energy import Energy, energy
from reporter.facts import Document
from reporter.figures import figure
from reporter.flows import Flow
from reporter.load import below
from reporter.phases import spread
from reporter.track import Track

LOW_PCT: Final = 20.0
_FULL_PCT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """Hold what a battery holds, in Wh: nominal, and what of it is used; and what says so."""

    nominal_wh: float
    usable_wh: float
    source: str


def section(basis: Basis, flow: Flow | None) -> Document | None:
    """Tell of the battery; None where there is neither a state of charge nor a power."""
    soc = charge(basis)
    if flow is None and soc.covered_s <= 0:
        return None
    capacity = capacity_of(basis)
    stored_wh = stored_change_wh(soc, capacity)
    return {
        "soc_pct": _soc(soc),
        "below_20_pct_s": _low(soc),
        "capacity_wh": capacity.nominal_wh if capacity else None,
        "usable_wh": capacity.usable_wh if capacity else None,
        "capacity_source": capacity.source if capacity else None,
        "stored_change_wh": figure(stored_wh, soc.coverage_pct, why="no_capacity" if len(soc) else "no_soc"),
        **_throughput(flow, capacity, stored_wh, soc),
        "cell_voltage_min_v": spread(basis.track("battery_cell_voltage_min_v")),
        "temperature_c": spread(_temperature(basis)),
        "method": flow.method if flow else None,
        "names": list(flow.names) if flow else [],
    }


def charge(basis: Basis) -> Track:
    """Give the state of charge: that of the battery in charge, else of the first one."""
    soc = basis.track("soc_pct")
    return soc if len(soc) else basis.track("battery_1_soc_pct")


def capacity_of(basis: Basis) -> Capacity | None:
    """Give the capacity as registered, else as the battery tells it at its median voltage."""
    given = basis.facts.registration.get("battery") or {}
    usable = float(given.get("usable_pct") or _FULL_PCT) / _FULL_PCT
    if given.get("capacity_wh"):
        return _capacity(float(given["capacity_wh"]), usable, "registered")
    if given.get("capacity_ah") and given.get("nominal_voltage_v"):
        watt_hours = float(given["capacity_ah"]) * float(given["nominal_voltage_v"])
        return _capacity(watt_hours, usable, "registered_ah")
    hours, volts = basis.samples.series("battery_capacity_ah"), basis.samples.series("battery_voltage_v")
    if len(hours) and len(volts):
        watt_hours = float(np.median(hours.value)) * float(np.median(volts.value))
        return _capacity(watt_hours, usable, "measured_ah") if watt_hours > 0 else None
    return None


def stored_change_wh(soc: Track, capacity: Capacity | None) -> float | None:
    """Give how much more is stored at the end than at the begin; None where it is not known."""
    if capacity is None or soc.covered_s <= 0:
        return None
    return float(soc.value[-1] - soc.value[0]) / _FULL_PCT * capacity.nominal_wh


def round_trip_ratio(
    used: Energy, stored_wh: float | None, usable_wh: float | None
) -> tuple[float | None, str]:
    """Give out over (in - change of what is stored), or a word that says why not."""
    if stored_wh is None or not usable_wh:
        return None, "no_capacity"
    if used.minus_wh < usable_wh:
        return None, "less_than_a_cycle"
    taken_wh = used.plus_wh - stored_wh
    if taken_wh <= 0:
        return None, "does_not_add_up"
    ratio = used.minus_wh / taken_wh
    return (ratio, "") if ratio <= 1.0 else (None, "does_not_add_up")


def _capacity(nominal_wh: float, usable: float, source: str) -> Capacity:
    return Capacity(nominal_wh, nominal_wh * usable, source)


def _soc(soc: Track) -> Document:
    coverage_pct = soc.coverage_pct
    low, high = soc.low(), soc.peak()
    if low is None or high is None or soc.covered_s <= 0:
        nothing = figure(None, coverage_pct, why="no_soc")
        return {name: dict(nothing) for name in ("start", "end", "min", "max", "mean")}
    return {
        "start": figure(float(soc.value[0]), coverage_pct, int(soc.time_us[0])),
        "end": figure(float(soc.value[-1]), coverage_pct, int(soc.time_us[-1])),
        "min": figure(low[0], coverage_pct, low[1]),
        "max": figure(high[0], coverage_pct, high[1]),
        "mean": figure(soc.mean(), coverage_pct),
    }


def _low(soc: Track) -> Document:
    if soc.covered_s <= 0:
        return figure(None, soc.coverage_pct, why="no_soc")
    return figure(below(soc, LOW_PCT, inclusive=False)[0], soc.coverage_pct)


def _throughput(
    flow: Flow | None, capacity: Capacity | None, stored_wh: float | None, soc: Track
) -> Document:
    """Tell what went in and out, cycles, losses and the round trip."""
    names = ("in_wh", "out_wh", "cycles", "loss_wh", "round_trip_ratio", "peak_charge_w", "peak_discharge_w")
    if flow is None:
        return {name: figure(None, 0.0, why="not_measured") for name in names}
    used, coverage_pct = energy(flow.power), flow.power.coverage_pct
    both_pct = min(coverage_pct, soc.coverage_pct)
    usable_wh = capacity.usable_wh if capacity else None
    ratio, why = round_trip_ratio(used, stored_wh, usable_wh)
    return {
        "in_wh": figure(used.plus_wh, coverage_pct),
        "out_wh": figure(used.minus_wh, coverage_pct),
        "cycles": figure(used.minus_wh / usable_wh if usable_wh else None, coverage_pct, why="no_capacity"),
        "loss_wh": _loss(used, stored_wh, both_pct),
        "round_trip_ratio": figure(ratio, both_pct, why=why),
        **_peaks(flow.power),
    }


def _loss(used: Energy, stored_wh: float | None, coverage_pct: float) -> Document:
    """Tell what went in, less what came out and what is stored; a gain is the state of charge's own error."""
    if stored_wh is None:
        return figure(None, coverage_pct, why="no_capacity")
    lost_wh = used.net_wh - stored_wh
    return figure(lost_wh if lost_wh >= 0 else None, coverage_pct, why="does_not_add_up")


def _peaks(power: Track) -> Document:
    made = {}
    for name, moment, sign in (
        ("peak_charge_w", power.peak(), 1.0),
        ("peak_discharge_w", power.low(), -1.0),
    ):
        if moment is None or sign * moment[0] <= 0:
            made[name] = figure(0.0 if moment else None, power.coverage_pct)
        else:
            made[name] = figure(sign * moment[0], power.coverage_pct, moment[1])
    return made


def _temperature(basis: Basis) -> Track:
    highest = basis.track("battery_cell_temperature_max_c")
    return highest if len(highest) else basis.track("battery_temperature_c")
