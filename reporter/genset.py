"""A generator: energy, run hours, starts, how well it was loaded, and its 24 hour mean. Pure.

Rules that must stay true here: standstill is not load, so that bands and means are of the running time
only; without a rating there are no bands; what says that it runs is told, and a start is counted where it
was seen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Flags
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import figure
from reporter.flows import Flow
from reporter.load import BANDS_PCT, WET_STACKING, below
from reporter.track import Running, Track

POWER_FACTOR: Final = 0.8
"""Active over apparent rating of a generator whose active rating nobody states, as sets are built."""
PRIME_LIMIT_PCT: Final = 70.0
"""Highest 24 h mean of a prime rating (ISO 8528-1), with load below 30 % counted as 30 %."""
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
_TURNS_RPM: Final = 300.0
_GENERATOR_RUNS: Final = (1.0, 2.0, 3.0, 4.0)
_STANDBY, _ERROR = 0.0, 10.0
_IDLE_SHARE: Final = 0.01
_IDLE_W: Final = 100.0
_LOADED_PCT: Final = 15.0
_ENOUGH_S: Final = 60.0
_TELLS: Final = 0.9
_OF_RATING: Final = ("below_30_pct_s", "mean_load_pct", "prime_mean_pct")


@dataclass(frozen=True, slots=True)
class Turning:
    """Hold when a generator ran: its power while it did, for how long, how often it started."""

    power: Track
    run_s: float
    starts: int
    coverage_pct: float
    told_by: str


def section(basis: Basis, flow: Flow | None) -> Document | None:
    """Tell of the generator; None where there is none."""
    if flow is None:
        return None
    rated_w, source = rating(basis, flow)
    turning = turns(basis, flow, rated_w)
    peak = flow.power.peak()
    given = energy(flow.power)
    coverage_pct = flow.power.coverage_pct
    made: Document = {
        "energy_wh": figure(given.plus_wh, coverage_pct),
        "peak_w": figure(peak[0], coverage_pct, peak[1]) if peak else figure(None, coverage_pct),
        "run_s": figure(turning.run_s, turning.coverage_pct),
        "starts_count": figure(turning.starts, turning.coverage_pct),
        "running_by": turning.told_by,
        "mean_w": figure(turning.power.mean(), coverage_pct, why="did_not_run"),
        "rated_w": rated_w,
        "rated_source": source,
        "method": flow.method,
        "names": list(flow.names),
    }
    return made | _loading(turning, rated_w, coverage_pct)


def rating(basis: Basis, flow: Flow) -> tuple[float | None, str | None]:
    """Give the rated power in W and what says so; worked out of the engine's own load at the worst."""
    if flow.method == "registered":
        given = basis.facts.registration
        if "rated_w" not in given and given.get("rated_va"):
            return POWER_FACTOR * float(given["rated_va"]), "registered_va"
        return basis.device.rated_w, basis.device.rated_source
    for one in basis.facts.described:
        if str(one.get("device", "")).split("/")[0] in ("genset", "dcgenset"):
            if one.get("rated_w"):
                return float(one["rated_w"]), "described"
            if one.get("rated_va"):
                return POWER_FACTOR * float(one["rated_va"]), "described_va"
    load = basis.samples.series("genset_engine_load_pct")
    loaded = load.value >= _LOADED_PCT
    if not loaded.any():
        return None, None
    watts = np.interp(load.time_us[loaded], flow.power.time_us, flow.power.value)
    return float(np.median(100.0 * watts / load.value[loaded])), "engine_load"


def turns(basis: Basis, flow: Flow, rated_w: float | None) -> Turning:
    """Find when it ran: by the engine's speed, else by its controller, else by its power."""
    word, track, running = _signal(basis, flow, rated_w)
    lines = running[:-1] if len(running) else running
    seconds = track.step_s[lines] if len(track.step_s) else track.step_s
    starts = int((~running[:-1] & running[1:] & track.joined).sum()) if len(running) > 1 else 0
    place = np.searchsorted(track.time_us, flow.power.time_us, "right") - 1
    on = running[np.maximum(place, 0)] & (place >= 0) if len(running) else np.zeros(len(place), np.bool_)
    of = flow.power
    joined = of.joined & on[:-1]
    power = Track(of.from_us, of.to_us, of.time_us, of.value, joined)
    return Turning(power, float(seconds.sum()), starts, track.coverage_pct, word)


def prime_mean_pct(power: Track, rated_w: float) -> float | None:
    """Give the highest mean of 24 hours in percent of the rating, or that of all where it ran for less.

    Load below 30 % counts as 30 %, standstill does not count (ISO 8528-1, permissible average power).
    """
    if power.covered_s < _ENOUGH_S or rated_w <= 0:
        return None
    floored = power.with_value(np.maximum(power.value, WET_STACKING * rated_w))
    at_us = np.append(np.arange(power.from_us, power.to_us, _MINUTE_US), power.to_us)
    area, covered_s = Running(floored).at(at_us)
    if power.to_us - power.from_us > _DAY_US:
        earlier = np.searchsorted(at_us, at_us - _DAY_US, "left")
        whole = at_us - power.from_us >= _DAY_US
        area, covered_s = (part[whole] - part[earlier[whole]] for part in (area, covered_s))
    else:
        area, covered_s = area[-1:], covered_s[-1:]
    mean = np.divide(area, covered_s, out=np.zeros(len(area)), where=covered_s >= _ENOUGH_S)
    return float(100.0 * mean.max() / rated_w)


def bands(power: Track, rated_w: float) -> list[Document]:
    """Give seconds and energy by load: below 25 %, to 60, to 80, to 100 and above; exact for the lines."""
    uppers = [below(power, rated_w * pct / 100.0) for pct in BANDS_PCT[1:]]
    under = [(0.0, 0.0), *uppers, (power.covered_s, power.integral() / 3600.0)]
    edges: tuple[int | None, ...] = (*BANDS_PCT, None)
    return [
        {
            "from_pct": lower,
            "to_pct": upper,
            "duration_s": max(0.0, upto[0] - before[0]),
            "energy_wh": upto[1] - before[1],
            "time_pct": 100.0 * max(0.0, upto[0] - before[0]) / power.covered_s if power.covered_s else 0.0,
        }
        for lower, upper, before, upto in zip(edges[:-1], edges[1:], under[:-1], under[1:], strict=True)
    ]


def _loading(turning: Turning, rated_w: float | None, coverage_pct: float) -> Document:
    """Tell how well it was loaded while it ran; `why` where that cannot be said."""
    power = turning.power
    why = "no_rating" if not rated_w else "did_not_run" if power.covered_s <= 0 else None
    if why is not None or rated_w is None:
        nothing = {name: figure(None, coverage_pct, why=why) for name in _OF_RATING}
        return nothing | {"bands": [], "prime_limit_pct": PRIME_LIMIT_PCT}
    low_s, _ = below(power, WET_STACKING * rated_w, inclusive=False)
    mean_w = power.mean()
    return {
        "below_30_pct_s": figure(low_s, coverage_pct),
        "mean_load_pct": figure(None if mean_w is None else 100.0 * mean_w / rated_w, coverage_pct),
        "prime_mean_pct": figure(prime_mean_pct(power, rated_w), coverage_pct, why="too_short"),
        "bands": bands(power, rated_w),
        "prime_limit_pct": PRIME_LIMIT_PCT,
    }


def _signal(basis: Basis, flow: Flow, rated_w: float | None) -> tuple[str, Track, Flags]:
    for name in ("genset_engine_speed_rpm", "dcgenset_engine_speed_rpm"):
        speed = basis.track(name)
        if _tells(speed, flow):
            return "engine_speed", speed, np.asarray(speed.value > _TURNS_RPM, np.bool_)
    state = basis.track("generator_state_code")
    if _tells(state, flow):
        return "generator_state", state, np.isin(state.value, _GENERATOR_RUNS)
    status = basis.track("genset_status_code")
    if _tells(status, flow):
        runs = (status.value > _STANDBY) & (status.value < _ERROR)
        return "generator_status", status, np.asarray(runs, np.bool_)
    least_w = max(_IDLE_W, _IDLE_SHARE * (rated_w or 0.0))
    return "power", flow.power, np.asarray(flow.power.value > least_w, np.bool_)


def _tells(of: Track, flow: Flow) -> bool:
    return of.covered_s > 0 and of.covered_s >= _TELLS * flow.power.covered_s
