"""Litres: what a stated generator would have burnt, and what the real one did. Pure.

Rules that must stay true here:
- nothing is compared with a generator that nobody stated;
- fuel that was measured goes over fuel that was worked out, and each says which it is;
- a curve that nobody stated is the typical one, and says so; such litres carry a lower and an upper end.

The straight-line fuel curve (Willans line) of a set at constant speed: litres an hour = idle + slope · kW.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Floats, Series
from reporter.energy import energy
from reporter.flows import Flow
from reporter.genset import POWER_FACTOR, Turning
from reporter.track import US, Track

TYPICAL_IDLE_LPH_PER_KW: Final = 0.0255
TYPICAL_SLOPE_L_PER_KWH: Final = 0.248
"""Median of published charts for sets from 60 kW on, by least squares."""
UNSURE: Final = 0.15
"""How far a worked-out quantity of fuel may be off, as a share."""
DIESEL: Final = "diesel"
_FLUIDS: Final[Mapping[float, str]] = {0.0: "", 7.0: DIESEL, 6.0: "petrol"}
_TANKS: Final = ("tank", *(f"tank_{number}" for number in range(2, 9)))
_STILL_SHARE: Final = 0.01
_LITRES: Final = 1000.0
_MINUTE_US: Final = 60_000_000
_NEARLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold a fuel curve: litres an hour without load, and litres for each kWh on top; stated or typical."""

    idle_lph: float
    slope_l_per_kwh: float
    source: str

    def burnt_l(self, hours: float, energy_wh: float) -> float:
        """Give the litres of running for so long and delivering so much."""
        return self.idle_lph * hours + self.slope_l_per_kwh * energy_wh / 1000.0


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Hold what would have run instead: `count` sets that share the load, each with the curve."""

    rated_w: float | None
    rated_va: float | None
    count: int
    fuel: str
    fuel_source: str
    curve: Curve
    source: str
    note: str | None

    def burnt_l(self, load: Track) -> float:
        """Give the litres for a load, running for all the time that it is covered; export burns nothing."""
        return self.curve.burnt_l(self.count * load.covered_s / 3600.0, energy(load).plus_wh)


@dataclass(frozen=True, slots=True)
class Burnt:
    """Hold what really was burnt; `why` says why it is not known."""

    litres: float | None
    method: str
    coverage_pct: float
    fuel: str
    fuel_source: str
    why: str | None = None

    @property
    def is_modelled(self) -> bool:
        """Tell whether it was worked out, not measured."""
        return self.method == "modelled"


def counterfactual(basis: Basis) -> tuple[Counterfactual | None, str]:
    """Give what was stated for the system, else for the site; or none and the word that says why."""
    for given, source in (
        (basis.facts.registration.get("counterfactual_generator"), "registration"),
        (basis.settings.counterfactual, "settings"),
    ):
        if given:
            return _counterfactual(given, source)
    return None, "no_counterfactual"


def typical(rated_w: float) -> Curve:
    """Give the typical curve of a set of this size."""
    return Curve(TYPICAL_IDLE_LPH_PER_KW * rated_w / 1000.0, TYPICAL_SLOPE_L_PER_KWH, "typical")


def burnt(basis: Basis, flow: Flow | None, turning: Turning | None, rated_w: float | None) -> Burnt:
    """Give what the system's own generator burnt: by its counter, its rate, its tank, else by the curve."""
    if flow is None or turning is None:
        return Burnt(0.0, "no_generator", 100.0, DIESEL, "none")
    tank, fuel = _tank(basis)
    told = fuel or DIESEL
    source = "tank" if fuel else "assumed"
    counted = _within(basis, basis.samples.series("genset_engine_fuel_used_l"))
    if (reach_pct := _reach_pct(basis, counted)) >= _NEARLY * 100.0:
        litres = float(np.maximum(np.diff(counted.value), 0.0).sum())
        return Burnt(litres, "counter", reach_pct, told, source)
    rate = basis.track("genset_engine_fuel_rate_lph")
    if rate.covered_s >= _NEARLY * flow.power.covered_s > 0:
        return Burnt(rate.integral() / 3600.0, "rate", rate.coverage_pct, told, source)
    if tank is not None and (reach_pct := _reach_pct(basis, tank)) >= _NEARLY * 100.0:
        taken_l = _LITRES * drawn(_by_minute(tank))
        if taken_l > 0 or turning.run_s <= 0 or not rated_w:  # a full tank hardly shows some minutes
            return Burnt(taken_l, "tank", reach_pct, told, source)
    if not rated_w:
        return Burnt(None, "modelled", turning.coverage_pct, told, source, "no_rating")
    litres = typical(rated_w).burnt_l(turning.run_s / 3600.0, energy(flow.power).plus_wh)
    return Burnt(litres, "modelled", min(turning.coverage_pct, flow.power.coverage_pct), told, source)


def drawn(level: Floats) -> float:
    """Give what was taken out of a tank: all falls, less the swinging of the level between them.

    A rise counts as filling, and ends a fall, only when it is more than 1 % of the highest level.
    """
    if not len(level):
        return 0.0
    still = _STILL_SHARE * float(level.max())
    top = low = float(level[0])
    taken = 0.0
    for now in level.tolist():
        low = min(low, now)
        if now - low > still:
            taken += top - low
            top = low = now
        elif top == low:
            top = low = max(top, now)
    return taken + (top - low if top - low > still else 0.0)


def _counterfactual(given: Mapping[str, Any], source: str) -> tuple[Counterfactual | None, str]:
    rated_va = float(given["rated_va"]) if given.get("rated_va") else None
    rated_w = POWER_FACTOR * rated_va if rated_va else None
    idle, slope = given.get("idle_lph"), given.get("slope_l_per_kwh")
    if idle is not None and slope is not None:
        curve = Curve(float(idle), float(slope), "stated")
    elif rated_w:
        usual = typical(rated_w)
        curve = Curve(
            usual.idle_lph if idle is None else float(idle),
            usual.slope_l_per_kwh if slope is None else float(slope),
            "typical",
        )
    else:
        return None, "counterfactual_incomplete"
    made = Counterfactual(
        rated_w=rated_w,
        rated_va=rated_va,
        count=int(given.get("count") or 1),
        fuel=str(given.get("fuel") or DIESEL),
        fuel_source="stated" if given.get("fuel") else "assumed",
        curve=curve,
        source=source,
        note=given.get("source"),
    )
    return made, ""


def _tank(basis: Basis) -> tuple[Series | None, str]:
    """Give the first tank that holds a fuel, and which, where it tells."""
    for place in _TANKS:
        fluid = basis.samples.series(f"{place}_fluid_code").value
        level = _within(basis, basis.samples.series(f"{place}_remaining_m3"))
        if len(fluid) and len(level) and float(np.median(fluid)) in _FLUIDS:
            return level, _FLUIDS[float(np.median(fluid))]
    return None, ""


def _within(basis: Basis, series: Series) -> Series:
    inside = (series.time_us >= basis.from_us) & (series.time_us <= basis.to_us)
    return Series(series.time_us[inside], series.value[inside], series.interval_ms)


def _reach_pct(basis: Basis, series: Series) -> float:
    """Give the share of the window between the first and the last value of a counter."""
    span_s = (basis.to_us - basis.from_us) * US
    if len(series) < 2 or span_s <= 0:  # noqa: PLR2004 - it takes two readings
        return 0.0
    return 100.0 * float(series.time_us[-1] - series.time_us[0]) * US / span_s


def _by_minute(series: Series) -> Floats:
    """Give the mean of each minute that has a value, so that a wave in the tank counts for little."""
    minute = series.time_us // _MINUTE_US
    _, place = np.unique(minute, return_inverse=True)
    return np.asarray(np.bincount(place, series.value) / np.bincount(place), np.float64)
