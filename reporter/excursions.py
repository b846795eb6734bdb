"""Voltage and frequency outside their limits: how often, how long, how far. Pure.

Rules that must stay true here: an excursion is told with what its samples can show: its length is that of
the samples outside, and what passes between two samples is not seen; a gap ends an excursion; the limits
are percent of the nominal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Flags
from reporter.demand import blocks
from reporter.facts import Document
from reporter.figures import instant
from reporter.phases import spread
from reporter.track import Track, spans

VOLTAGE_LIMITS_PCT: Final = (5.0, 10.0)
FREQUENCY_LIMITS_PCT: Final = (1.0, 2.0, 6.0)
INTERRUPTION_PCT: Final = 10.0
TEN_MINUTES_S: Final = 600
SUSTAINED_S: Final = 60.0
MOST_TOLD: Final = 200
_A_FREQUENCY_HZ: Final = 35.0


@dataclass(frozen=True, slots=True)
class Excursion:
    """Tell of one stretch outside a limit; `worst` is the value furthest out."""

    from_us: int
    seconds: float
    worst: float
    worst_us: int


def excursions(basis: Basis) -> Document:
    """Tell of voltage and frequency in the counted part."""
    nominal = basis.device.nominal
    volts = dict(_voltages(basis))
    voltage, events = None, []
    if nominal.voltage_v and volts:
        voltage = _voltage(basis, volts, nominal.voltage_v)
        events = _events(volts, nominal.voltage_v)
    hertz = basis.track(f"{basis.place}_frequency_hz", counted=True)
    if not len(hertz):
        hertz = basis.track(f"{basis.place}_l1_frequency_hz", counted=True)
    worst_first = sorted(events, key=lambda one: (-one["depth_pct"], one["from"]))[:MOST_TOLD]
    return {
        "voltage": voltage,
        "frequency": _frequency(hertz, nominal.frequency_hz) if nominal.frequency_hz else None,
        "events": sorted(worst_first, key=lambda one: one["from"]),
        "events_count": len(events),
        "shortest_seen_s": _typical_step(next(iter(volts.values()), hertz)),
    }


def stretches(of: Track, outside: Flags, *, low: bool) -> list[Excursion]:
    """Give the stretches of samples outside; `low`: the lowest value is the worst."""
    weight_s = of.weight_s
    found = []
    for first, last in spans(outside):
        for begin, end in _unbroken(of, first, last):
            part = of.value[begin : end + 1]
            worst = begin + int(np.argmin(part) if low else np.argmax(part))
            seconds = float(weight_s[begin : end + 1].sum())
            found.append(
                Excursion(int(of.time_us[begin]), seconds, float(of.value[worst]), int(of.time_us[worst]))
            )
    return found


def _unbroken(of: Track, first: int, last: int) -> Iterator[tuple[int, int]]:
    torn = first + np.flatnonzero(~of.joined[first:last])
    begins = [first, *(torn + 1).tolist()]
    ends = [*torn.tolist(), last]
    return zip(begins, ends, strict=True)


def _voltages(basis: Basis) -> Iterator[tuple[str, Track]]:
    positions = basis.device.phasing.live
    if basis.device.nominal.between == "line":
        positions = ("l12", "l23", "l31")
    for position in positions:
        of = basis.track(f"{basis.place}_{position}_voltage_v", counted=True)
        if of.covered_s > 0:
            yield position, of


def _voltage(basis: Basis, volts: dict[str, Track], nominal_v: float) -> Document:
    told: Document = {"nominal_v": nominal_v, "between": basis.device.nominal.between, "limits": []}
    for pct in VOLTAGE_LIMITS_PCT:
        for low, direction in ((True, "below"), (False, "above")):
            limit = nominal_v * (1.0 + (-pct if low else pct) / 100.0)
            told["limits"].append(_limit(volts, pct, limit, direction, low=low))
    within = outside = 0
    for of in volts.values():
        squares = blocks(of.with_value(of.value**2), TEN_MINUTES_S, basis.settings.time_zone)
        rms = np.sqrt(squares.mean[squares.valid])
        good = np.abs(rms - nominal_v) <= nominal_v / 10.0
        within, outside = within + int(good.sum()), outside + int((~good).sum())
    told["ten_minutes"] = {
        "blocks": within + outside,
        "within_10_pct": 100.0 * within / (within + outside) if within + outside else None,
    }
    return told


def _limit(tracks: dict[str, Track], pct: float, limit: float, direction: str, *, low: bool) -> Document:
    every = [
        (one, phase)
        for phase, of in tracks.items()
        for one in stretches(of, of.value < limit if low else of.value > limit, low=low)
    ]
    worst = min(every, key=lambda one: one[0].worst if low else -one[0].worst, default=None)
    return {
        "limit_pct": pct,
        "direction": direction,
        "count": len(every),
        "duration_s": sum((one.seconds for one, _ in every), 0.0),
        "longest_s": max((one.seconds for one, _ in every), default=0.0),
        "worst_v": worst[0].worst if worst else None,
        "phase": worst[1] if worst else None,
        "at": instant(worst[0].worst_us) if worst else None,
    }


def _events(volts: dict[str, Track], nominal_v: float) -> list[Document]:
    told = []
    for phase, of in volts.items():
        for low in (True, False):
            outside = of.value < 0.9 * nominal_v if low else of.value > 1.1 * nominal_v
            for one in stretches(of, outside, low=low):
                off_pct = 100.0 * (one.worst / nominal_v - 1.0)
                told.append(
                    {
                        "class": _class(off_pct, one.seconds),
                        "phase": phase,
                        "from": instant(one.from_us),
                        "duration_s": one.seconds,
                        "worst_v": one.worst,
                        "depth_pct": abs(off_pct),
                    }
                )
    return told


def _class(off_pct: float, seconds: float) -> str:
    """Name an excursion as IEEE 1159 does, by depth and by whether it lasts longer than a minute."""
    lasting = seconds > SUSTAINED_S
    if off_pct > 0:
        return "overvoltage" if lasting else "swell"
    if 100.0 + off_pct < INTERRUPTION_PCT:
        return "sustained_interruption" if lasting else "interruption"
    return "undervoltage" if lasting else "sag"


def _frequency(hertz: Track, nominal_hz: float) -> Document | None:
    turns = hertz.value > _A_FREQUENCY_HZ
    if hertz.covered_s <= 0 or not turns.any():
        return None
    weight_s = np.where(turns, hertz.weight_s, 0.0)
    told = Track(
        hertz.from_us,
        hertz.to_us,
        hertz.time_us[turns],
        hertz.value[turns],
        np.diff(hertz.time_us[turns]) <= _longest_us(hertz),
    )
    limits = []
    for pct in FREQUENCY_LIMITS_PCT:
        off = np.abs(told.value - nominal_hz) > nominal_hz * pct / 100.0
        away = told.with_value(np.abs(told.value - nominal_hz))
        every = stretches(away, off, low=False)
        worst = max(every, key=lambda one: one.worst, default=None)
        at = int(np.searchsorted(told.time_us, worst.worst_us)) if worst else 0
        limits.append(
            {
                "limit_pct": pct,
                "count": len(every),
                "duration_s": sum((one.seconds for one in every), 0.0),
                "longest_s": max((one.seconds for one in every), default=0.0),
                "worst_hz": float(told.value[at]) if worst else None,
                "at": instant(worst.worst_us) if worst else None,
            }
        )
    return {
        "nominal_hz": nominal_hz,
        "frequency_hz": spread(told),
        "present_s": float(weight_s.sum()),
        "limits": limits,
    }


def _longest_us(of: Track) -> int:
    return int((of.time_us[1:] - of.time_us[:-1])[of.joined].max(initial=0))


def _typical_step(of: Track) -> float | None:
    steps = of.step_s[of.joined]
    return float(np.median(steps)) if len(steps) else None
