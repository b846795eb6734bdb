"""The highest second of a power, also of a window so long that its samples are not kept. Pure.

Rules that must stay true here: a mean of a second counts only where at least 90 % of it is covered; what is
found of a long window while its samples are in hand is what would be found of all of them together.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from reporter.basis import guard
from reporter.columns import Flags, Floats, Instants, Samples, Second, Series, Stretch
from reporter.facts import ReportSettings
from reporter.methods import phase_powers
from reporter.track import Track, track

VALID: Final = 0.9
_HALF_US: Final = 500_000
_BESIDE_US: Final = 2_000_000
_ROUNDING_S: Final = 1e-7


def enough(covered_s: Floats, seconds: Floats | float) -> Flags:
    """Tell where so much of a length is covered that its mean can be a peak; sharp to the microsecond."""
    return covered_s >= VALID * seconds - _ROUNDING_S


def seconds_around(power: Track, from_us: int, to_us: int) -> tuple[str, Floats, Instants]:
    """Give the seconds around the samples of a span of which one is the highest: kind, power and middle.

    Samples are rarer than seconds, and are readings, where most of them would not find another one in nine
    tenths of a second.
    """
    inside = slice(*np.searchsorted(power.time_us, (from_us, to_us + 1)).tolist())
    value, at_us = power.value[inside], power.time_us[inside]
    steps = power.step_s[power.joined]
    if not len(steps) or float(np.median(steps)) >= VALID - _ROUNDING_S:
        return "reading", value, at_us
    if len(value):
        highest = _around(power, at_us[[int(np.argmax(value))]])[0]
        if highest > -np.inf:
            at_us = at_us[_near(power, power.value >= highest)[inside]]
    return "sliding", _around(power, at_us), at_us


def _around(power: Track, at_us: Instants) -> Floats:
    """Give the mean of the second around instants; -inf where too little of it is covered."""
    area, covered_s = power.running.at(at_us + _HALF_US)
    earlier_area, earlier_s = power.running.at(at_us - _HALF_US)
    mean = np.full(len(at_us), -np.inf)
    length_s = covered_s - earlier_s
    np.divide(area - earlier_area, length_s, out=mean, where=enough(length_s, 1))
    return mean


def _near(power: Track, high: Flags) -> Flags:
    """Tell which samples have a line to a high sample within half a second: no other can be higher."""
    which, last = np.flatnonzero(high), len(power) - 1
    begins = np.searchsorted(power.time_us, power.time_us[np.maximum(which - 1, 0)] - _HALF_US)
    ends = np.searchsorted(power.time_us, power.time_us[np.minimum(which + 1, last)] + _HALF_US, "right")
    edges = np.bincount(begins, minlength=last + 2) - np.bincount(ends, minlength=last + 2)
    return np.asarray(np.cumsum(edges)[:-1] > 0, np.bool_)


def stretch(
    samples: Samples,
    place: str | None,
    inside: tuple[int, int],
    window: tuple[int, int],
    settings: ReportSettings,
    phases: tuple[str, ...] = (),
) -> Stretch:
    """Find the highest second of every power that a report may stand on, in a part of its window.

    Args:
        samples: all samples of the part, and of a few seconds beside it.
        place: whose power the report is about.
        inside: the part.
        window: the window.
        settings: say how far samples may lie apart.
        phases: the powers of phases to add up; those that this part tells, where none are named.
    """
    begin_us, end_us = inside
    since_us, until_us = max(window[0], begin_us - _BESIDE_US), min(window[1], end_us + _BESIDE_US)
    seconds = {}
    for names, series in _powers(samples, place or "", phases):
        power = track(series, since_us, until_us, guard(series, settings))
        kind, mean, at_us = seconds_around(power, begin_us, end_us)
        best = int(np.argmax(mean)) if len(mean) else 0
        known = len(mean) > 0 and bool(np.isfinite(mean[best]))
        seconds[names] = Second(float(mean[best]), int(at_us[best]), kind) if known else None
    return Stretch(samples.names(), seconds)


def highest_of(stretches: Sequence[Stretch], names: tuple[str, ...]) -> Second | str:
    """Give the highest second of a power that is made of these measurements, or a word why there is none."""
    found = []
    for one in stretches:
        if names in one.seconds:
            found.append(one.seconds[names])
        elif one.told.issuperset(names):
            return "in_steps"
    known = [second for second in found if second is not None]
    if known:
        return max(known, key=lambda second: (second.value, -second.at_us))
    return "too_many_gaps" if found else "in_steps" if not stretches else "no_data"


def lacks(one: Stretch, place: str, phases: tuple[str, ...]) -> bool:
    """Tell whether a part told a power that its highest second is not known of: its phases were others."""
    return any(
        bool(names) and names not in one.seconds and one.told.issuperset(names)
        for names in ((f"{place}_power_w",), (f"{place}_load_pct",), phases)
    )


def _powers(
    samples: Samples, place: str, phases: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Series]]:
    """Yield what real power can be made of, and its series."""
    for names in ((f"{place}_power_w",), (f"{place}_load_pct",), phases or phase_powers(samples, place)):
        parts = samples.together(names)
        if parts and len(parts[0]):
            value = np.sum([one.value for one in parts], axis=0) if len(parts) > 1 else parts[0].value
            yield names, Series(parts[0].time_us, value, parts[0].interval_ms)
