"""Curves for charts: lowest, mean and highest of even steps, with holes where nothing was measured. Pure.

Rules that must stay true here: a peak is never lost between two steps; a step without data is null, and not
zero.
"""

from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Floats, Instants
from reporter.facts import Document
from reporter.figures import Settled, digits_of, instant
from reporter.track import US, Track

MOST_POINTS: Final = 1500
MOST_PHASE_POINTS: Final = 400
STEPS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800,
)  # fmt: skip
_S: Final = 1_000_000


def step_s(of: Track, most: int) -> int:
    """Give the shortest even step that needs no more points than that, and has a sample in it as a rule."""
    typical_s = float(np.median(of.step_s[of.joined])) if of.joined.any() else 0.0
    least = max(of.span_s / most, typical_s)
    return next((step for step in STEPS_S if step >= least), STEPS_S[-1])


def curve(of: Track, most: int = MOST_POINTS) -> Document:
    """Give [seconds since from, min, mean, max] of every step, or null; powers with one digit."""
    step = step_s(of, most)
    low, mean, high = steps(of, step)
    points = np.stack((np.arange(len(mean)) * float(step), low, mean, high), axis=1)
    return {"step_s": step, "from": instant(of.from_us), "points": _told(points, digits_of("w"))}


def soc_curve(basis: Basis) -> Document | None:
    """Give [seconds since from, state of charge] of every step, or null."""
    soc = basis.track("soc_pct")
    if soc.covered_s <= 0:
        return None
    step = step_s(soc, MOST_PHASE_POINTS)
    _, mean, _ = steps(soc, step)
    points = np.stack((np.arange(len(mean)) * float(step), mean), axis=1)
    return {"step_s": step, "from": instant(soc.from_us), "points": _told(points, digits_of("pct"))}


def phase_curves(basis: Basis) -> Document | None:
    """Give the mean power and the lowest and highest voltage of every phase and step."""
    step = step_s(basis.power, MOST_PHASE_POINTS)
    told: Document = {"step_s": step, "from": instant(basis.from_us), "power_w": {}, "voltage_v": {}}
    for phase in basis.device.phasing.live:
        power = basis.track(f"{basis.place}_{phase}_power_w")
        if power.covered_s > 0:
            told["power_w"][phase] = _told(steps(power, step)[1], digits_of("w"))
        volts = basis.track(f"{basis.place}_{phase}_voltage_v")
        if volts.covered_s > 0:
            low, _, high = steps(volts, step)
            told["voltage_v"][phase] = _told(np.stack((low, high), axis=1), digits_of("v"))
    return told if told["power_w"] or told["voltage_v"] else None


def steps(of: Track, step: int) -> tuple[Floats, Floats, Floats]:
    """Give lowest, mean and highest of every step (s); NaN where less than a tenth is covered."""
    count = max(1, -(-(of.to_us - of.from_us) // (step * _S)))
    edge_us = of.from_us + np.arange(count + 1, dtype=np.int64) * (step * _S)
    edge_us[-1] = of.to_us
    area, covered_s = (np.diff(part) for part in of.running.at(edge_us))
    mean = np.full(count, np.nan)
    known = covered_s >= 0.1 * np.diff(edge_us) * US
    known &= covered_s > 0
    np.divide(area, covered_s, out=mean, where=known)
    low, high = mean.copy(), mean.copy()
    begins: Instants = np.searchsorted(of.time_us, edge_us)
    full = known & (np.diff(begins) > 0)
    if full.any():
        pairs = np.stack((begins[:-1][full], begins[1:][full]), axis=1).ravel()
        padded = np.append(of.value, of.value[-1])
        low[full] = np.minimum(np.minimum.reduceat(padded, pairs)[::2], mean[full])
        high[full] = np.maximum(np.maximum.reduceat(padded, pairs)[::2], mean[full])
    return low, mean, high


def _told(points: Floats, digits: int) -> Settled:
    holes = np.isnan(points if points.ndim == 1 else points[:, -1])
    told = Settled((np.round(points, digits) + 0.0).tolist())
    for hole in np.flatnonzero(holes).tolist():
        told[hole] = None
    return told
