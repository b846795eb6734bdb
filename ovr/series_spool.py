"""Readings of many series, sorted into samples on disk: exports come series by series.

Rules that must stay true here:
- memory is bounded by the readings of one system, kind and day, however large the export is;
- the same readings give the same samples, in whatever order they came;
- how often a series was sampled follows from the readings up to the begin of each ten minutes, not from later
  ones: an export that goes on for longer gives the samples of the shorter one, and more. Only for the first
  reading of a series the second one tells.
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ovr.old_series import Place, Readings

_DAY_MS: Final = 86_400_000
_HEAD: Final = struct.Struct("<HI")
_INTERVALS: Final = np.array(
    (100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 300_000), np.int64
)
_ALONE_MS: Final = 60_000
_PACE_MS: Final = 600_000
"""How often a series is sampled is judged anew so often."""
_PACE_STEPS: Final = 9
"""By the last readings until then, also of days before: a longer export has them as well."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A sample: all readings of one system and kind at one time."""

    system: str
    kind: str
    interval_ms: int
    time_ms: int
    values: dict[str, float]


class SeriesSpool:
    """Takes readings in any order; gives samples by day."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._buckets: dict[tuple[int, str, str], Path] = {}
        self.readings = 0

    def add(self, place: Place, readings: Readings) -> None:
        """Take readings of one series.

        Raises:
            OSError: the disk is full or fails.
        """
        times = np.asarray(readings.times_ms, np.int64)
        values = np.asarray(readings.values, np.float64)
        self.readings += len(times)
        days = times // _DAY_MS
        for day in np.unique(days):
            mine = days == day
            name = place.measurement.encode()
            with self._bucket(int(day), place.system, place.kind).open("ab") as file:
                file.write(_HEAD.pack(len(name), int(mine.sum())))
                file.write(name + times[mine].tobytes() + values[mine].tobytes())

    def moments(self) -> Iterator[Moment]:
        """Yield all samples, day by day; in a day system by system, by time."""
        last: dict[tuple[str, str, str], NDArray[np.int64]] = {}
        for (_, system, kind), path in sorted(self._buckets.items()):
            loaded = _load(path)
            paces = {}
            for name, (times, _values) in loaded.items():
                before = last.get((system, kind, name), times[:0])
                paces[name] = _paces(times, before)
                last[system, kind, name] = np.append(before, times[-_PACE_STEPS:])[-_PACE_STEPS:]
            for interval_ms, series in sorted(_by_interval(loaded, paces).items()):
                yield from _moments(system, kind, interval_ms, series)
            os.unlink(path)  # noqa: PTH108 - one call

    def _bucket(self, day: int, system: str, kind: str) -> Path:
        key = (day, system, kind)
        if key not in self._buckets:
            digest = blake2b(repr(key).encode(), digest_size=16).hexdigest()
            self._buckets[key] = self._directory / digest
        return self._buckets[key]


_Series = dict[str, tuple[NDArray[Any], NDArray[Any]]]


def _load(path: Path) -> _Series:
    """Read the series of a bucket, sorted by time; of two values at one time the smaller one."""
    found: dict[str, list[tuple[NDArray[Any], NDArray[Any]]]] = {}
    content = path.read_bytes()
    at = 0
    while at < len(content):
        length, count = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        name = content[at : at + length].decode()
        at += length
        times = np.frombuffer(content, np.int64, count, at)
        values = np.frombuffer(content, np.float64, count, at + 8 * count)
        at += 16 * count
        found.setdefault(name, []).append((times, values))
    series: _Series = {}
    for name, pieces in found.items():
        times = np.concatenate([piece[0] for piece in pieces])
        values = np.concatenate([piece[1] for piece in pieces])
        order = np.lexsort((values, times))
        unique, first = np.unique(times[order], return_index=True)
        series[name] = unique, values[order][first]
    return series


def _by_interval(series: _Series, paces: Mapping[str, NDArray[np.int64]]) -> dict[int, _Series]:
    groups: dict[int, _Series] = {}
    for name, (times, values) in series.items():
        for interval_ms in np.unique(paces[name]).tolist():
            mine = paces[name] == interval_ms
            groups.setdefault(interval_ms, {})[name] = times[mine], values[mine]
    return groups


def _paces(times: NDArray[Any], before: NDArray[Any]) -> NDArray[np.int64]:
    """Tell of every reading how often its series was sampled: the usual step, as the nearest of devices."""
    steps = np.diff(np.concatenate((before, times)))
    if not len(steps):  # a step needs two
        return np.full(len(times), _ALONE_MS, np.int64)
    steps = np.append(steps[:1], steps)  # of each, the step that led to it
    begins = np.flatnonzero(np.append(True, np.diff(times // _PACE_MS) > 0)).tolist()
    paces = np.empty(len(times), np.int64)
    for begin, end in pairwise([*begins, len(times)]):
        upto = len(before) + begin + 1
        usual = np.median(steps[max(0, upto - _PACE_STEPS) : upto])
        paces[begin:end] = _INTERVALS[np.abs(_INTERVALS - usual).argmin()]
    return paces


def _moments(system: str, kind: str, interval_ms: int, series: _Series) -> Iterator[Moment]:
    names = sorted(series)
    times = np.unique(np.concatenate([series[name][0] for name in names]))
    table = np.full((len(times), len(names)), np.nan)
    for column, name in enumerate(names):
        table[np.searchsorted(times, series[name][0]), column] = series[name][1]
    for time_ms, row in zip(times.tolist(), table, strict=True):
        there = np.flatnonzero(~np.isnan(row))
        values = {names[n]: float(row[n]) for n in there}
        yield Moment(system, kind, interval_ms, time_ms, values)
