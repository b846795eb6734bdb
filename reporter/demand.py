"""Demand: the mean power over 1 s, 1 min and 15 min, fixed and sliding, and the highest of each. Pure.

Rules that must stay true here: fixed blocks begin at the local quarter of an hour; a mean is that of the
covered time, and counts for a peak only where at least 90 % of its length is covered.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from reporter.basis import Basis
from reporter.columns import Flags, Floats, Instants
from reporter.facts import Document
from reporter.figures import figure, instant
from reporter.methods import LOAD
from reporter.seconds import enough, highest_of, seconds_around
from reporter.track import US, Track

MINUTE_S, BLOCK_S = 60, 900
_GRIDS_S: Final = (1, 5, 15, 60)
_MOST_POINTS: Final = 1_000_000
_S: Final = 1_000_000


Sums = tuple[Instants, Floats, Floats]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Hold fixed blocks of a span: edges (one more than blocks), area in unit times s, covered seconds."""

    seconds: int
    edge_us: Instants
    area: Floats
    covered_s: Floats

    @property
    def mean(self) -> Floats:
        """Give the mean over the covered time of each block; NaN where nothing is covered."""
        found = np.full(len(self.area), np.nan)
        np.divide(self.area, self.covered_s, out=found, where=self.covered_s > 0)
        return found

    @property
    def valid(self) -> Flags:
        """Tell which blocks are covered well enough to be a peak."""
        return enough(self.covered_s, self.seconds)


def demand(basis: Basis, apparent: Track) -> Document:
    """Tell peaks and blocks of the window."""
    power, zone = basis.power, basis.settings.time_zone
    contract_s = 60 * basis.settings.demand_minutes
    lengths = [MINUTE_S, BLOCK_S, *([contract_s] if contract_s not in (MINUTE_S, BLOCK_S) else [])]
    made, known = [_one_second(basis)], dict[int, Sums]()
    for seconds in lengths:
        made += [fixed(power, seconds, zone), sliding(power, seconds, known)]
    return {"peaks": made, "blocks": _told(basis, apparent)}


def peak_of(demanded: Document, seconds: int, kind: str) -> Document:
    """Give one of the peaks as a figure."""
    for peak in demanded["peaks"]:
        if peak["seconds"] == seconds and (peak["kind"] == kind or seconds == 1):
            found: Document = peak["power_w"]
            return dict(found)
    return figure(None, 0.0)


def blocks(of: Track, seconds: int, zone: str) -> Blocks:
    """Cut a track into blocks that begin at whole multiples of their length in local time."""
    length_us, shift_us = seconds * _S, offset_us(zone, of.from_us)
    first = (of.from_us + shift_us) // length_us * length_us - shift_us
    edge_us = np.append(np.arange(first, max(of.to_us, of.from_us + 1), length_us), of.to_us)
    edge_us[0] = of.from_us
    area, covered_s = of.running.at(edge_us)
    return Blocks(seconds, edge_us, np.diff(area), np.diff(covered_s))


def fixed(power: Track, seconds: int, zone: str) -> Document:
    """Give the highest mean of fixed blocks."""
    cut = blocks(power, seconds, zone)
    mean = np.where(cut.valid, cut.mean, -np.inf)
    return _peak(power, seconds, "fixed", mean, cut.edge_us[:-1], cut.edge_us[1:])


def sliding(power: Track, seconds: int, known: dict[int, Sums] | None = None) -> Document:
    """Give the highest mean of any stretch of that length; stretches begin at every second of the window.

    Windows of many days are looked at in steps of 5 s and more. `known` keeps sums for other lengths.
    """
    grid_s = next(
        (step for step in _GRIDS_S if seconds % step == 0 and power.span_s / step < _MOST_POINTS), seconds
    )
    known = {} if known is None else known
    if grid_s not in known:
        at_us = np.arange(power.from_us, power.to_us + 1, grid_s * _S)
        known[grid_s] = (at_us, *power.running.at(at_us))
    at_us, area, covered_s = known[grid_s]
    apart = seconds // grid_s
    if len(at_us) <= apart:
        return _peak(power, seconds, "sliding", np.empty(0), at_us[:0], at_us[:0])
    area, covered_s = area[apart:] - area[:-apart], covered_s[apart:] - covered_s[:-apart]
    mean = np.full(len(area), -np.inf)
    np.divide(area, covered_s, out=mean, where=enough(covered_s, seconds))
    return _peak(power, seconds, "sliding", mean, at_us[:-apart], at_us[apart:])


def one_second(power: Track) -> Document:
    """Give the highest power of one second: the mean around a sample, or its reading where they are rarer."""
    kind, mean, at_us = seconds_around(power, power.from_us, power.to_us)
    return _peak(power, 1, kind, mean, at_us, at_us)


def _one_second(basis: Basis) -> Document:
    """Give the highest second of all samples, also where they were read in steps."""
    power, samples = basis.power, basis.samples
    if not samples.step_s:
        return one_second(power)
    found = highest_of(samples.stretches, basis.power_names)
    if isinstance(found, str):
        return {
            "seconds": 1,
            "kind": "reading",
            "power_w": figure(None, power.coverage_pct, why=found),
            "to": None,
        }
    watts = found.value * (basis.device.rated_w or 0.0) / 100.0 if basis.power_method == LOAD else found.value
    return _peak(power, 1, found.kind, np.array([watts]), *2 * [np.array([found.at_us])])


def _peak(
    power: Track, seconds: int, kind: str, mean: Floats, begin_us: Instants, end_us: Instants
) -> Document:
    made: Document = {"seconds": seconds, "kind": kind}
    best = int(np.argmax(mean)) if len(mean) else 0
    if not len(mean) or not np.isfinite(mean[best]):
        why = "no_data" if not len(power) else "too_short" if power.span_s < seconds else "too_many_gaps"
        return {**made, "power_w": figure(None, power.coverage_pct, why=why), "to": None}
    return {
        **made,
        "power_w": figure(float(mean[best]), power.coverage_pct, int(begin_us[best])),
        "to": instant(int(end_us[best])),
    }


def _told(basis: Basis, apparent: Track) -> list[Document]:
    power, zone = basis.power, basis.settings.time_zone
    cut = blocks(power, BLOCK_S, zone)
    begins = np.searchsorted(power.time_us, cut.edge_us)
    begins[-1] = len(power)
    highest, lowest = _extremes(power.value, begins)
    va = blocks(apparent, BLOCK_S, zone).mean
    length_s = np.diff(cut.edge_us) * US
    return [
        {
            "from": instant(int(begin_us)),
            "to": instant(int(end_us)),
            "energy_wh": area / 3600.0 if covered_s > 0 else None,
            "mean_w": mean if covered_s > 0 else None,
            "min_w": low,
            "max_w": high,
            "coverage_pct": min(100.0, 100.0 * covered_s / whole_s) if whole_s else 0.0,
            "apparent_va": float(volt_ampere) if np.isfinite(volt_ampere) else None,
            "power_factor_ratio": _factor(mean, float(volt_ampere)),
            "valid": bool(valid),
        }
        for begin_us, end_us, area, mean, low, high, covered_s, whole_s, volt_ampere, valid in zip(
            cut.edge_us[:-1],
            cut.edge_us[1:],
            cut.area.tolist(),
            cut.mean.tolist(),
            lowest,
            highest,
            cut.covered_s.tolist(),
            length_s.tolist(),
            va,
            cut.valid,
            strict=True,
        )
    ]


def _factor(mean_w: float, mean_va: float) -> float | None:
    if not np.isfinite(mean_va) or not np.isfinite(mean_w) or mean_va <= 0:
        return None
    return max(-1.0, min(1.0, mean_w / mean_va))


def _extremes(value: Floats, begins: Instants) -> tuple[list[float | None], list[float | None]]:
    """Give the highest and the lowest value between each two indices; None where there is none."""
    counts = np.diff(begins)
    if not len(value):
        nothing: list[float | None] = [None] * len(counts)
        return nothing, list(nothing)
    starts = np.minimum(begins[:-1], len(value) - 1)
    full = counts > 0
    highest: list[float | None] = [None] * len(counts)
    lowest: list[float | None] = list(highest)
    for made, extreme in ((highest, np.maximum), (lowest, np.minimum)):
        found = extreme.reduceat(value, starts[full]) if full.any() else np.empty(0)
        for index, one in zip(np.flatnonzero(full), found.tolist(), strict=True):
            made[index] = one
    return highest, lowest


def offset_us(zone: str, at_us: int) -> int:
    """Give how far local time is ahead of UTC at an instant, in microseconds."""
    offset = datetime.fromtimestamp(at_us // _S, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) * _S if offset is not None else 0
