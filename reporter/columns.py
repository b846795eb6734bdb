"""Samples as columns: what every figure is computed from. Pure.

Rules that must stay true here: rows are sorted by time and there is one row a time; what a device did not
tell is NaN and never a number; nothing is filled in.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Instants = NDArray[np.int64]
Flags = NDArray[np.bool_]

FLAGS = ("late", "partial", "unsynced")


@dataclass(frozen=True, slots=True)
class Series:
    """Hold one measurement: finite values only, times strictly rising."""

    time_us: Instants
    value: Floats
    interval_ms: int = 0

    def __len__(self) -> int:
        return len(self.time_us)


NOTHING = Series(np.empty(0, np.int64), np.empty(0, np.float64))


@dataclass(frozen=True, slots=True)
class Columns:
    """Hold the samples of one system and one stream, a column a measurement.

    A stream is a kind at an interval (0: not known). A flag that is missing is false in every row.
    """

    kind: str
    interval_ms: int
    time_us: Instants
    position: Instants
    values: Mapping[str, Floats]
    flags: Mapping[str, Flags] = field(default_factory=dict)

    @classmethod
    def ordered(
        cls,
        kind: str,
        interval_ms: int,
        time_us: Instants,
        position: Instants,
        values: Mapping[str, Floats],
        flags: Mapping[str, Flags] | None = None,
    ) -> Self:
        """Sort rows by time, and make one of those at one time.

        That one has of each measurement the value of the latest position that tells it, and the flags of the
        rows that it has a value of, and of the last.
        """
        flags = flags or {}
        if not _one_row_a_time(time_us):
            order = np.lexsort((position, time_us))
            time_us, position = time_us[order], position[order]
            values = {name: column[order] for name, column in values.items()}
            flags = {name: column[order] for name, column in flags.items()}
        if not _one_row_a_time(time_us):
            time_us, position, values, flags = _merged(time_us, position, values, flags)
        return cls(kind, interval_ms, time_us, position, values, flags)

    def within(self, since_us: int, until_us: int) -> Self:
        """Give the rows of [since, until)."""
        rows = slice(*np.searchsorted(self.time_us, (since_us, until_us)).tolist())
        return type(self)(
            self.kind,
            self.interval_ms,
            self.time_us[rows],
            self.position[rows],
            {name: column[rows] for name, column in self.values.items()},
            {name: flag[rows] for name, flag in self.flags.items()},
        )

    def series(self, name: str) -> Series:
        """Give what there is of one measurement."""
        column = self.values.get(name)
        if column is None:
            return NOTHING
        told = np.isfinite(column)
        if told.all():
            return Series(self.time_us, column, self.interval_ms)
        return Series(self.time_us[told], column[told], self.interval_ms)


@dataclass(frozen=True, slots=True)
class Second:
    """Hold the highest second of a power: when it was, and whether it is a mean or a reading."""

    value: float
    at_us: int
    kind: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Hold what was found in a part of a long window while its samples were in hand.

    Attributes:
        told: the measurements that had a value there.
        seconds: by what a power is made of, its highest second; None where there was no whole one.
    """

    told: frozenset[str]
    seconds: Mapping[tuple[str, ...], Second | None]


@dataclass(frozen=True, slots=True)
class Samples:
    """Hold all streams of one system in a span, with what lies up to 60 s around it.

    Attributes:
        step_s: the steps that rows are means of; 0 where they are samples as they were taken.
        stretches: what the samples told before they were means.
        known: the series that were asked for: they are asked for often.
    """

    system_id: str
    streams: tuple[Columns, ...] = ()
    step_s: int = 0
    stretches: tuple[Stretch, ...] = ()
    known: dict[str, Series] = field(default_factory=dict, repr=False, compare=False)

    def names(self) -> frozenset[str]:
        """Give the measurements that have at least one value."""
        return frozenset(
            name for stream in self.streams for name, told in stream.values.items() if np.isfinite(told).any()
        )

    def series(self, name: str) -> Series:
        """Give one measurement from the stream that has most values of it.

        Other streams speak only where that one is silent for longer than its gap guard: an interval that
        was changed in the middle of a window loses nothing, and two streams side by side never alternate.
        """
        if name not in self.known:
            told = sorted(self._told(name), key=lambda series: (-len(series), series.interval_ms))
            main = told[0] if told else NOTHING
            for other in told[1:]:
                main = _filled(main, other)
            self.known[name] = main
        return self.known[name]

    def together(self, names: Sequence[str]) -> tuple[Series, ...]:
        """Give several measurements at the times at which all of them were told."""
        told = [self.series(name) for name in names]
        if not told or all(np.array_equal(one.time_us, told[0].time_us) for one in told[1:]):
            return tuple(told)
        common = told[0].time_us
        for one in told[1:]:
            common = np.intersect1d(common, one.time_us, assume_unique=True)
        interval_ms = max(one.interval_ms for one in told)
        return tuple(
            Series(common, one.value[np.searchsorted(one.time_us, common)], interval_ms) for one in told
        )

    def flagged(self, flag: str) -> Instants:
        """Give the times of the samples that carry a flag, sorted."""
        times = [stream.time_us[stream.flags[flag]] for stream in self.streams if flag in stream.flags]
        return np.unique(np.concatenate(times)) if times else NOTHING.time_us

    def only(self, names: Collection[str]) -> Self:
        """Give the same samples with fewer measurements."""
        wanted = frozenset(names)
        return type(self)(
            self.system_id,
            tuple(
                Columns(
                    stream.kind,
                    stream.interval_ms,
                    stream.time_us,
                    stream.position,
                    {name: column for name, column in stream.values.items() if name in wanted},
                    stream.flags,
                )
                for stream in self.streams
            ),
            self.step_s,
            self.stretches,
        )

    def _told(self, name: str) -> Iterator[Series]:
        for stream in self.streams:
            series = stream.series(name)
            if len(series):
                yield series


def gap_guard_us(interval_ms: int, time_us: Instants) -> int:
    """Say how far two samples may lie apart to be joined: 3 intervals, at least 10 s, at most 60 s.

    A device that is asked less than every 40 s may be half an interval late. Where the interval is not
    known, the median distance of the samples stands for it.
    """
    interval_us = interval_ms * 1000
    if interval_us <= 0 and len(time_us) > 1:
        interval_us = int(np.median(np.diff(time_us)))
    return min(max(3 * interval_us, 10_000_000), max(60_000_000, interval_us + interval_us // 2))


def _one_row_a_time(time_us: Instants) -> bool:
    return bool((np.diff(time_us) > 0).all())


def _merged(
    time_us: Instants, position: Instants, values: Mapping[str, Floats], flags: Mapping[str, Flags]
) -> tuple[Instants, Instants, dict[str, Floats], dict[str, Flags]]:
    """Make one row of those at one time; they are sorted by (time, position)."""
    first = np.flatnonzero(np.append(True, np.diff(time_us) > 0))
    last = np.append(first[1:], len(time_us)) - 1
    used = np.zeros(len(time_us), np.bool_)
    used[last] = True
    rows, one = np.arange(len(time_us)), {}
    for name, column in values.items():
        told = np.maximum.reduceat(np.where(np.isfinite(column), rows, -1), first)
        chosen = np.where(told < 0, last, told)
        one[name] = column[chosen]
        used[chosen] = True
    kept = {name: np.logical_or.reduceat(flag & used, first) for name, flag in flags.items()}
    return time_us[last], position[last], one, kept


def _filled(main: Series, other: Series) -> Series:
    guard = gap_guard_us(main.interval_ms, main.time_us)
    nearest = np.searchsorted(main.time_us, other.time_us)
    edges = np.concatenate(([np.iinfo(np.int64).min // 2], main.time_us, [np.iinfo(np.int64).max // 2]))
    silent = edges[nearest + 1] - edges[nearest] > guard
    silent &= ~np.isin(other.time_us, main.time_us)
    if not silent.any():
        return main
    time_us = np.concatenate((main.time_us, other.time_us[silent]))
    order = np.argsort(time_us, kind="stable")
    value = np.concatenate((main.value, other.value[silent]))
    return Series(time_us[order], value[order], max(main.interval_ms, other.interval_ms))
