"""Long spans in steps: measurements as their means over seconds, so that memory stays small. Pure.

Rules that must stay true here:
- energies and means are those of all samples: a step's mean weighs as much as the lines that it stands for;
- a gap begins and ends where it did, to the sample, and is never joined: no step is longer than a gap may be;
- counters and codes are not averaged: of each step a reading is kept as it was;
- which step is taken follows from the length of the window and the settings alone.
"""

from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Final

import numpy as np

from reporter.columns import Columns, Flags, Floats, Instants, Series
from reporter.track import US, Track, alike, track

_DAY_S: Final = 86_400
_STEPS: Final = ((1.25, 0), (2.5, 1), (5, 2), (12, 5))
"""Up to so many days, steps of so many seconds: 220,000 rows at most at 2 Hz; 0: samples as they are."""
_LONGEST_S: Final = 10
"""Rows so far apart are joined whatever the interval of their stream: 8,640 a day in every longer window."""
_HELD: Final = frozenset({"wh", "vah", "varh", "ah", "l", "m3", "code", "count", "s"})


def step_s(span_us: int, max_gap_s: float | None = None) -> int:
    """Say in which steps a window of this length is read; 0: as it was sampled.

    No step is longer than a gap may be (`max_gap_s`, where it is set; a second always may).
    """
    days = span_us * US / _DAY_S
    wanted = next((step for upto, step in _STEPS if days <= upto), _LONGEST_S)
    most = _LONGEST_S if max_gap_s is None else max(1, int(max_gap_s))
    return max(step for step in (*(one for _, one in _STEPS), _LONGEST_S) if step <= min(wanted, most))


def is_held(name: str) -> bool:
    """Tell whether a measurement is a counter or a code, of which there is no mean."""
    return name.rsplit("_", 1)[-1] in _HELD


def kept(of: Columns, step: int) -> Columns:
    """Keep of counters and codes the first reading of each step, and the last of all."""
    names = [name for name in of.values if is_held(name)]
    told = np.zeros(len(of.time_us), np.bool_)
    for name in names:
        told |= np.isfinite(of.values[name])
    rows = np.flatnonzero(told)
    first = np.append(True, np.diff(of.time_us[rows] // (step * 1_000_000)) > 0)[: len(rows)]
    first[-1:] = True
    rows = rows[first]
    values = {name: of.values[name][rows] for name in names}
    return Columns(of.kind, of.interval_ms, of.time_us[rows], of.position[rows], values)


def strung(parts: list[Columns]) -> Columns:
    """String stretches of one stream together; one may begin where the one before it ends.

    The list is emptied, so that columns are let go of one by one: nothing is in memory twice.
    """
    times = [part.time_us.copy() for part in parts]
    for before, after in pairwise(times):
        if len(before) and len(after) and after[0] <= before[-1]:
            after[0] = before[-1] + 1  # an edge that both tell of: a microsecond of no weight
    ends = np.cumsum([len(time_us) for time_us in times]).tolist()
    begins = [end - len(time_us) for end, time_us in zip(ends, times, strict=True)]
    first, position = parts[0], np.concatenate([part.position for part in parts])
    flags = {flag: np.zeros(ends[-1], np.bool_) for part in parts for flag in part.flags}
    for part, begin, end in zip(parts, begins, ends, strict=True):
        for flag, which in part.flags.items():
            flags[flag][begin:end] = which
    pools = [dict(part.values) for part in parts]
    parts.clear()
    values = {}
    for name in sorted(frozenset[str]().union(*pools)):
        values[name] = whole = np.full(ends[-1], np.nan)
        for pool, begin, end in zip(pools, begins, ends, strict=True):
            column = pool.pop(name, None)
            if column is not None:
                whole[begin:end] = column
    return Columns(first.kind, first.interval_ms, np.concatenate(times), position, values, flags)


def means(of: Columns, from_us: int, to_us: int, step: int, guard_us: Callable[[Series], int]) -> Columns:
    """Give the means of a stream in a span: one row a step, and one at each end of what is joined.

    Where the interval of the stream is not known, one is told at which no more is joined than a step: by the
    distance of these rows, gaps would be.

    Args:
        of: the stream, with what lies around the span.
        from_us: begin of the span: a whole step, or the begin of the window.
        to_us: its end.
        step: seconds.
        guard_us: says how far two samples of a series may lie apart.
    """
    known: dict[bytes, _Steps] = {}
    steps_of: dict[str, _Steps] = {}
    for name in of.values:
        if is_held(name):
            continue
        series = of.series(name)
        key = sha256(series.time_us.tobytes()).digest() if len(series) < len(of.time_us) else b""
        if key not in known:
            known[key] = _Steps(track(series, from_us, to_us, guard_us(series)), step * 1_000_000)
        steps_of[name] = known[key]
    times = np.unique(np.concatenate([of.time_us[:0], *(steps.time_us for steps in known.values())]))
    values = {}
    for name, steps in steps_of.items():
        values[name] = whole = np.full(len(times), np.nan)
        whole[np.searchsorted(times, steps.time_us)] = steps.means(of.series(name))
    return Columns(
        of.kind,
        of.interval_ms or step * 1000 // 3,
        times,
        np.zeros(len(times), np.int64),
        values,
        {flag: _near(times, of.time_us[which]) for flag, which in of.flags.items()},
    )


class _Steps:
    """The instants that stand for the samples of a span: both ends of what is joined, and even steps between.

    Each stands for the time up to half of the way to its neighbours.
    """

    def __init__(self, of: Track, step_us: int) -> None:
        self._of = of
        torn = ~of.joined
        starts = np.flatnonzero(np.append(True, torn)[: len(of)])
        ends = np.flatnonzero(np.append(torn, True)[-len(of) :]) if len(of) else starts
        at_us = np.concatenate((of.time_us[starts], of.time_us[ends[ends > starts]], self._even(step_us)))
        self.time_us: Instants = np.sort(at_us)
        run = np.searchsorted(of.time_us[starts], self.time_us, "right")
        same = np.diff(run) == 0
        between = np.where(same, (self.time_us[1:] + self.time_us[:-1]) // 2, self.time_us[:-1])
        self._upto = np.append(between, self.time_us[-1:])
        self._since = np.append(self.time_us[:1], np.where(same, between, self.time_us[1:]))
        apart_s = np.where(same, np.diff(self.time_us) * (US / 2), 0.0)
        self._weight_s = np.append(apart_s, 0.0)[: len(at_us)] + np.append(0.0, apart_s)[: len(at_us)]

    def means(self, series: Series) -> Floats:
        """Give the mean of what each instant stands for, of a series at the times that these were made of."""
        of = alike(self._of, series.time_us, series.value)
        upto, since = of.running.at(self._upto)[0], of.running.at(self._since)[0]
        lone = np.interp(self.time_us, of.time_us, of.value) if len(of) else np.empty(0)
        np.divide(upto - since, self._weight_s, out=lone, where=self._weight_s > 0)
        return lone

    def _even(self, step_us: int) -> Instants:
        """Give the whole steps that lie inside of what is joined."""
        of = self._of
        if len(of) < 2:  # noqa: PLR2004 - it takes two to be joined
            return of.time_us[:0]
        every = np.arange(-(-of.time_us[0] // step_us) * step_us, of.time_us[-1], step_us, dtype=np.int64)
        line = np.searchsorted(of.time_us, every, "right") - 1
        begins = (of.time_us[line] == every) & np.append(True, ~of.joined)[line]
        return np.asarray(every[of.joined[line] & ~begins], np.int64)


def _near(time_us: Instants, marked_us: Instants) -> Flags:
    """Tell which instants are nearest to a marked one."""
    near = np.zeros(len(time_us), np.bool_)
    if len(time_us):
        near[np.searchsorted((time_us[1:] + time_us[:-1]) // 2, marked_us)] = True
    return near
