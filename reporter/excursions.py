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
from reporter.columns import Flags, Floats, Instants
from reporter.demand import blocks
from reporter.facts import Document
from reporter.figures import instant
from reporter.phases import spread
from reporter.track import Track

VOLTAGE_LIMITS_PCT: Final = (5.0, 10.0)
FREQUENCY_LIMITS_PCT: Final = (1.0, 2.0, 6.0)
INTERRUPTION_PCT: Final = 10.0
TEN_MINUTES_S: Final = 600
SUSTAINED_S: Final = 60.0
MOST_TOLD: Final = 200
_A_FREQUENCY_HZ: Final = 35.0


@dataclass(frozen=True, slots=True)
class Stretches:
    """Hold stretches of samples outside a limit: begin, length, worst value and its time of each."""

    from_us: Instants
    seconds: Floats
    worst: Floats
    worst_us: Instants

    def __len__(self) -> int:
        return len(self.from_us)


def excursions(basis: Basis) -> Document:
    """Tell of voltage and frequency in the counted part."""
    nominal = basis.device.nominal
    volts = dict(_voltages(basis))
    voltage: Document | None = None
    count, events = 0, list[Document]()
    if nominal.voltage_v and volts:
        voltage = _voltage(basis, volts, nominal.voltage_v)
        count, events = _events(volts, nominal.voltage_v)
    hertz = basis.track(f"{basis.place}_frequency_hz", counted=True)
    if not len(hertz):
        hertz = basis.track(f"{basis.place}_l1_frequency_hz", counted=True)
    return {
        "voltage": voltage,
        "frequency": _frequency(hertz, nominal.frequency_hz) if nominal.frequency_hz else None,
        "events": events,
        "events_count": count,
        "shortest_seen_s": _typical_step(next(iter(volts.values()), hertz)),
    }


def stretches(of: Track, outside: Flags, *, low: bool) -> Stretches:
    """Give the stretches of samples outside; `low`: the lowest value is the worst. A gap ends a stretch."""
    torn = np.concatenate((~of.joined, [True]))[: len(outside)]
    number = np.cumsum(np.concatenate(([0], (torn | ~outside)[:-1])))[outside]
    rows = np.flatnonzero(outside)
    if not len(rows):
        nothing = np.empty(0)
        return Stretches(rows, nothing, nothing, rows)
    begins = np.concatenate(([0], np.flatnonzero(np.diff(number)) + 1))
    value = of.value[rows] if low else -of.value[rows]
    worst = np.minimum.reduceat(value, begins)
    stretch = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(rows))))
    is_worst = np.flatnonzero(value == worst[stretch])
    first = is_worst[np.searchsorted(stretch[is_worst], np.arange(len(begins)))]
    return Stretches(
        of.time_us[rows[begins]],
        np.add.reduceat(of.weight_s[rows], begins),
        worst if low else -worst,
        of.time_us[rows[first]],
    )


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
    every = {
        phase: stretches(of, of.value < limit if low else of.value > limit, low=low)
        for phase, of in tracks.items()
    }
    worst: tuple[float, str, int] | None = None
    for phase, found in every.items():
        if len(found):
            index = int(np.argmin(found.worst) if low else np.argmax(found.worst))
            volts = float(found.worst[index])
            if worst is None or (volts < worst[0] if low else volts > worst[0]):
                worst = (volts, phase, int(found.worst_us[index]))
    return {
        "limit_pct": pct,
        "direction": direction,
        "count": sum(len(found) for found in every.values()),
        "duration_s": float(sum(found.seconds.sum() for found in every.values())),
        "longest_s": float(max((found.seconds.max(initial=0.0) for found in every.values()), default=0.0)),
        "worst_v": worst[0] if worst else None,
        "phase": worst[1] if worst else None,
        "at": instant(worst[2]) if worst else None,
    }


def _events(volts: dict[str, Track], nominal_v: float) -> tuple[int, list[Document]]:
    """Count the excursions beyond 10 %, and tell of the deepest."""
    told: list[tuple[float, int, str, float, float]] = []
    count = 0
    for phase, of in volts.items():
        for low in (True, False):
            outside = of.value < 0.9 * nominal_v if low else of.value > 1.1 * nominal_v
            found = stretches(of, outside, low=low)
            off_pct = 100.0 * (found.worst / nominal_v - 1.0)
            deepest = np.argsort(-np.abs(off_pct), kind="stable")[:MOST_TOLD]
            count += len(found)
            told += [
                (
                    float(off_pct[i]),
                    int(found.from_us[i]),
                    phase,
                    float(found.seconds[i]),
                    float(found.worst[i]),
                )
                for i in deepest.tolist()
            ]
    told.sort(key=lambda one: (-abs(one[0]), one[1], one[2]))
    return count, [
        {
            "class": _class(off_pct, seconds),
            "phase": phase,
            "from": instant(from_us),
            "duration_s": seconds,
            "worst_v": worst,
            "depth_pct": abs(off_pct),
        }
        for off_pct, from_us, phase, seconds, worst in sorted(told[:MOST_TOLD], key=lambda one: one[1:3])
    ]


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
        worst_us = int(every.worst_us[np.argmax(every.worst)]) if len(every) else None
        at = int(np.searchsorted(told.time_us, worst_us)) if worst_us is not None else None
        limits.append(
            {
                "limit_pct": pct,
                "count": len(every),
                "duration_s": float(every.seconds.sum()),
                "longest_s": float(every.seconds.max(initial=0.0)),
                "worst_hz": float(told.value[at]) if at is not None else None,
                "at": instant(worst_us),
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
