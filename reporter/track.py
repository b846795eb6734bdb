"""A measurement over a span as straight lines between its samples, and what can be read off them. Pure.

Rules that must stay true here:
- two samples are joined when they lie no further apart than the gap guard; what is not joined is not
covered, and nothing is said of it;
- a span's edge that lies between two joined samples is interpolated, so that split spans add up to the
whole;
- every mean is weighted by time, and never by the count of samples;
- sums are numpy's own and not those of a BLAS, whose last digits depend on how many cores there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reporter.columns import NOTHING, Flags, Floats, Instants, Series

US = 1e-6
_TENTH, _NEARLY_ALL = 0.1, 0.99
_OF_TIMES = ("step_s", "passed_s", "covered_s", "weight_s")
Moment = tuple[float, int]
"""A value, and when it was."""


@dataclass(frozen=True)
class Track:
    """Hold what is known of one measurement in [from, to].

    Attributes:
        joined: for each two neighbours, whether the line between them counts.
    """

    from_us: int
    to_us: int
    time_us: Instants
    value: Floats
    joined: Flags

    def __len__(self) -> int:
        return len(self.time_us)

    @cached_property
    def step_s(self) -> Floats:
        """Give the seconds between two neighbours; 0 where the line between them does not count."""
        return np.where(self.joined, np.diff(self.time_us) * US, 0.0)

    @cached_property
    def passed_s(self) -> Floats:
        """Give the covered seconds up to each sample."""
        return np.concatenate(([0.0], np.cumsum(self.step_s)))[: max(1, len(self.time_us))]

    @cached_property
    def running(self) -> "Running":
        """Give what tells the integral up to any instant."""
        return Running(self)

    @cached_property
    def covered_s(self) -> float:
        """Give the seconds that are covered."""
        return float(self.step_s.sum())

    @property
    def span_s(self) -> float:
        """Give the length of the span."""
        return (self.to_us - self.from_us) * US

    @property
    def coverage_pct(self) -> float:
        """Give the share of the span that is covered."""
        return min(100.0, 100.0 * self.covered_s / self.span_s) if self.span_s > 0 else 0.0

    @cached_property
    def weight_s(self) -> Floats:
        """Give the seconds that each sample stands for: half of the lines beside it."""
        weight = np.zeros(len(self.time_us))
        weight[:-1] += self.step_s / 2
        weight[1:] += self.step_s / 2
        return weight

    def integral(self) -> float:
        """Give the area below the lines, in the unit times seconds."""
        return float((self.weight_s * self.value).sum())

    def mean(self) -> float | None:
        """Give the mean over the covered time."""
        covered_s = self.covered_s
        return self.integral() / covered_s if covered_s > 0 else None

    def peak(self) -> Moment | None:
        """Give the highest value and when it first was."""
        return self._moment(int(np.argmax(self.value))) if len(self) else None

    def low(self) -> Moment | None:
        """Give the lowest value and when it first was."""
        return self._moment(int(np.argmin(self.value))) if len(self) else None

    def quantiles(self, shares: Sequence[float]) -> list[float | None]:
        """Give the values below which these shares (0 to 1) of the covered time lie."""
        return quantiles(self.value, self.weight_s, shares)

    def with_value(self, value: Floats) -> "Track":
        """Give another measurement at the same times; what follows from the times is shared."""
        other = Track(self.from_us, self.to_us, self.time_us, value, self.joined)
        vars(other).update({name: getattr(self, name) for name in _OF_TIMES})
        return other

    def _moment(self, index: int) -> Moment:
        return float(self.value[index]), int(self.time_us[index])


def track(series: Series, from_us: int, to_us: int, guard_us: int) -> Track:
    """Cut a series to a span; samples up to the guard beyond its edges say what was there."""
    time_us, value = series.time_us, series.value
    if to_us <= from_us:
        time_us, value = NOTHING.time_us, NOTHING.value
    first = int(np.searchsorted(time_us, from_us, "left"))
    last = int(np.searchsorted(time_us, to_us, "right"))
    begin = [from_us] if _crosses(time_us, first, from_us, guard_us) else []
    end = [to_us] if _crosses(time_us, last, to_us, guard_us) else []
    times, values = time_us[first:last], value[first:last]
    if begin or end:
        times = np.concatenate((np.array(begin, np.int64), times, np.array(end, np.int64)))
        before = [_between(time_us, value, first, at) for at in begin]
        behind = [_between(time_us, value, last, at) for at in end]
        values = np.concatenate((before, values, behind))
    return Track(from_us, to_us, times, values, np.diff(times) <= guard_us)


def alike(cut: Track, uncut: Instants, value: Floats) -> Track:
    """Cut another measurement at the times `uncut` exactly as `cut` was, which is quicker than anew."""
    first = int(np.searchsorted(uncut, cut.from_us, "left"))
    last = int(np.searchsorted(uncut, cut.to_us, "right"))
    values = value[first:last]
    if len(cut) > len(values):
        begin = [_between(uncut, value, first, cut.from_us)] if cut.time_us[0] != uncut[first] else []
        end = [_between(uncut, value, last, cut.to_us)] if cut.time_us[-1] != uncut[last - 1] else []
        values = np.concatenate((begin, values, end))
    return cut.with_value(values)


def quantiles(value: Floats, weight: Floats, shares: Sequence[float]) -> list[float | None]:
    """Give quantiles weighted by time, interpolated linearly.

    Where weights are even they are Hyndman and Fan's type 7.
    """
    counts = weight > 0
    if not counts.any():
        return [None] * len(shares)
    value, weight = value[counts], weight[counts]
    if _even(weight):
        value = np.sort(value)
        place = np.arange(len(value), dtype=np.float64)
    else:
        order = np.argsort(value, kind="stable")
        value, weight = value[order], weight[order]
        place = np.concatenate(([0.0], np.cumsum((weight[:-1] + weight[1:]) / 2)))
    found: list[float | None] = np.interp(np.asarray(shares) * place[-1], place, value).tolist()
    return found


def spans(which: Flags) -> tuple[Instants, Instants]:
    """Give where stretches of true begin, and the index behind their ends."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], which, [False])).astype(np.int8)))
    return edges[::2], edges[1::2]


class Running:
    """Tell the integral and the covered seconds of a track from its begin up to any instant.

    It holds what it needs of the track, and not the track that may hold it: two that held each other would
    keep their memory until somebody collects garbage.
    """

    def __init__(self, of: Track) -> None:
        self._time_us, self._value, self._step_s = of.time_us, of.value, of.step_s
        parts = of.step_s * (of.value[:-1] + of.value[1:]) / 2
        self._integral = np.concatenate(([0.0], np.cumsum(parts)))
        self._covered = of.passed_s

    def at(self, time_us: Instants) -> tuple[Floats, Floats]:
        """Give both at these instants, in the unit times seconds and in seconds."""
        value, step_s = self._value, self._step_s
        if len(step_s) == 0:
            return np.zeros(len(time_us)), np.zeros(len(time_us))
        line = np.clip(np.searchsorted(self._time_us, time_us, "right") - 1, 0, len(step_s) - 1)
        length = step_s[line]
        into = np.clip((time_us - self._time_us[line]) * US, 0.0, length)
        share = np.divide(into, length, out=np.zeros(len(into)), where=length > 0)
        rise = value[line + 1] - value[line]
        return self._integral[line] + into * (value[line] + rise * share / 2), self._covered[line] + into


def _crosses(time_us: Instants, index: int, at_us: int, guard_us: int) -> bool:
    if not 0 < index < len(time_us):
        return False
    before, after = int(time_us[index - 1]), int(time_us[index])
    return before < at_us < after and after - before <= guard_us


def _between(time_us: Instants, value: Floats, index: int, at_us: int) -> float:
    before, after = int(time_us[index - 1]), int(time_us[index])
    return float(value[index - 1] + (value[index] - value[index - 1]) * ((at_us - before) / (after - before)))


def _even(weight: Floats) -> bool:
    typical = float(weight.mean())
    return float(np.mean(np.abs(weight - typical) <= _TENTH * typical)) > _NEARLY_ALL
