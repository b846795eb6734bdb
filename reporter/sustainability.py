"""Fuel and CO2 of a system against what would have run instead. Pure.

Rules that must stay true here: without a stated generator nothing is called avoided, and the section says
so; what the battery gave more than it took was charged somewhere else, and counts as grid electricity; what
is not measured is not zero.
"""

from typing import Any, Final

import numpy as np

from reporter import genset
from reporter.basis import Basis
from reporter.battery import capacity_of, charge, stored_change_wh
from reporter.emissions import Fuel, Ledger, Range, co2, told
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import figure
from reporter.flows import Flows
from reporter.fuel import UNSURE, Burnt, Counterfactual, burnt, counterfactual
from reporter.seconds import enough
from reporter.sources import used_wh
from reporter.track import Running

_MINUTE_US: Final = 60_000_000
_TOO_SMALL_PCT: Final = 100.0


def section(basis: Basis, flows: Flows) -> Document | None:
    """Tell of fuel and CO2; None where no power is measured."""
    load = basis.counted_power
    if load.covered_s <= 0:
        return None
    stated, why = _counterfactual(basis, flows)
    baseline = Fuel(
        Range.around(stated.burnt_l(load), UNSURE) if stated else None,
        stated.fuel if stated else "",
        load.coverage_pct,
        why or None,
    )
    real, actual = _actual(basis, flows)
    import_wh, off_site_wh = _electricity(basis, flows)
    grid_wh = None if _unknown(import_wh, off_site_wh) else import_wh["value"] + off_site_wh["value"]
    grid_pct = min(import_wh["coverage_pct"], off_site_wh["coverage_pct"])
    ledger = Ledger(basis.settings, basis.to_us)
    both_pct = min(baseline.coverage_pct, actual.coverage_pct)
    avoided = baseline.litres.less(actual.litres) if baseline.litres and actual.litres else None
    load_wh, load_pct = used_wh(basis, flows)
    made: Document = {
        "counterfactual": _told(basis, stated, why),
        "load_wh": figure(load_wh, load_pct, why="not_all_measured"),
        "baseline_l": told(baseline.litres, baseline.coverage_pct, baseline.why),
        "actual_l": told(actual.litres, actual.coverage_pct, actual.why),
        "avoided_l": told(avoided, both_pct, baseline.why or actual.why),
        "actual_method": real.method,
        "actual_fuel": real.fuel,
        "actual_fuel_source": real.fuel_source,
        "grid_import_wh": import_wh,
        "off_site_charge_wh": off_site_wh,
        **co2(ledger, baseline, actual, grid_wh, grid_pct),
        "region": basis.settings.region,
        "factors": [factor.told() for factor in ledger.used],
    }
    return made | {"notes": _notes(made, ledger, stated, why, real)}


def _counterfactual(basis: Basis, flows: Flows) -> tuple[Counterfactual | None, str]:
    if flows.pv and not (flows.battery or flows.grid or flows.genset):
        return None, "produces"
    return counterfactual(basis)


def _actual(basis: Basis, flows: Flows) -> tuple[Burnt, Fuel]:
    """Give what was burnt; of a system whose sources are not measured nobody knows."""
    if flows.genset is None and flows.battery is None and flows.grid is None and not flows.pv:
        real = Burnt(None, "none", 0.0, "", "none", "sources_not_measured")
    else:
        rated_w, _ = genset.rating(basis, flows.genset) if flows.genset else (None, None)
        turning = genset.turns(basis, flows.genset, rated_w) if flows.genset else None
        real = burnt(basis, flows.genset, turning, rated_w)
    share = UNSURE if real.is_modelled else 0.0
    litres = Range.around(real.litres, share) if real.litres is not None else None
    return real, Fuel(litres, real.fuel, real.coverage_pct, real.why)


def _electricity(basis: Basis, flows: Flows) -> tuple[Document, Document]:
    """Give what was drawn from the grid, and what the battery had been charged with elsewhere."""
    nothing = figure(None, 0.0, why="sources_not_measured")
    if flows.genset is None and flows.battery is None and flows.grid is None and not flows.pv:
        return dict(nothing), dict(nothing)
    drawn = figure(0.0, 100.0)
    if flows.grid is not None:
        drawn = figure(energy(flows.grid.power).plus_wh, flows.grid.power.coverage_pct)
    elsewhere = figure(0.0, 100.0)
    if flows.battery is not None:
        soc = charge(basis)
        change_wh = stored_change_wh(soc, capacity_of(basis))
        if change_wh is None:
            change_wh, coverage_pct = energy(flows.battery.power).net_wh, flows.battery.power.coverage_pct
        else:
            coverage_pct = soc.coverage_pct
        elsewhere = figure(max(0.0, -change_wh), coverage_pct)
    return drawn, elsewhere


def _unknown(*figures: Document) -> bool:
    return any(one["value"] is None for one in figures)


def _told(basis: Basis, stated: Counterfactual | None, why: str) -> Document:
    """Tell which generator is compared with, and how it would have been loaded."""
    if stated is None:
        return {"stated": False, "why": why}
    load = basis.counted_power
    rated_w = stated.rated_w * stated.count if stated.rated_w else None
    highest, mean_w = _highest_minute(basis), load.mean()
    return {
        "stated": True,
        "source": stated.source,
        "count": stated.count,
        "rated_va": stated.rated_va,
        "rated_w": stated.rated_w,
        "fuel": stated.fuel,
        "fuel_source": stated.fuel_source,
        "idle_lph": stated.curve.idle_lph,
        "slope_l_per_kwh": stated.curve.slope_l_per_kwh,
        "curve": stated.curve.source,
        "said_by": stated.note,
        "run_s": load.covered_s,
        "peak_load_pct": 100.0 * highest / rated_w if rated_w and highest is not None else None,
        "mean_load_pct": 100.0 * mean_w / rated_w if rated_w and mean_w is not None else None,
    }


def _highest_minute(basis: Basis) -> float | None:
    """Give the highest mean of a minute of the load."""
    load = basis.counted_power
    at_us = np.arange(load.from_us, load.to_us + 1, _MINUTE_US)
    area, covered_s = Running(load).at(at_us)
    whole = enough(np.diff(covered_s), _MINUTE_US / 1e6)
    if not whole.any():
        return None
    return float((np.diff(area)[whole] / np.diff(covered_s)[whole]).max())


def _notes(made: Document, ledger: Ledger, stated: Counterfactual | None, why: str, real: Burnt) -> list[str]:
    sets: set[Any] = {factor.region for factor in ledger.used if factor.status != "stated"}
    peak_pct = made["counterfactual"].get("peak_load_pct")
    return [
        word
        for word, holds in (
            (why, stated is None),
            ("counterfactual_too_small", peak_pct is not None and peak_pct > _TOO_SMALL_PCT),
            ("typical_curve", stated is not None and stated.curve.source == "typical"),
            ("fuel_modelled", real.is_modelled and real.litres is not None),
            ("fuel_assumed", real.fuel_source == "assumed"),
            ("counterfactual_fuel_assumed", stated is not None and stated.fuel_source == "assumed"),
            ("no_grid_factor", made["actual_grid_co2_kg"].get("why") == "no_grid_factor"),
            ("factors_at_second_hand", any(factor.status == "secondary" for factor in ledger.used)),
            ("factors_of_another_region", bool(sets - {ledger.settings.region})),
            ("charged_elsewhere", bool(made["off_site_charge_wh"]["value"])),
        )
        if holds
    ]
