"""Compare the series that serve with a rebuild, sample by sample, while they go on growing.

Rules that must stay true here:
- every sample up to the checkpoint must be there, and every sample there must follow from the journal;
- what time alone explains is no fault: a difference counts when it stays after both sides went on;
- what VictoriaMetrics scraped has the label `job`, which nothing of ours has: it is no series of the journal;
- what stands at a time from which the journal has erased readings cannot be compared, and is kept;
- memory, here and in VictoriaMetrics, is bounded by one stretch, however long the series go back.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from bus import instants
from bus.journal import Head
from bus.journal_sqlite import SqliteJournalReader
from projectors.lines import EVENT_METRIC, selector
from projectors.series import VERSION
from projectors.series_projector import POSITION_METRIC, Settings
from projectors.series_rebuild import SERIES, Build, built, remove
from projectors.series_store import SeriesStore
from projectors.victoria import Victoria
from schemas.errors import ConfigurationError, TransientError
from schemas.limits import AHEAD_US

_AT_ONCE = 200_000
_MOST_KEPT = 1_000_000
_SHORTEST_MS = 60_000
_MOST_FAULTS = 1000
_DIGITS = 1e-12
_MANTISSA = 1e-17
_BLOCKS_MS = 14 * 86_400_000
"""How far a block of VictoriaMetrics may reach beyond a stretch."""
_LOOKS = 8
_PAUSE_S = 0.25
_DAY_MS = 86_400_000
_FIRST_YEAR = 1970
_VALUES = b',"values":'

Labels = tuple[tuple[str, str], ...]
Points = tuple[NDArray[np.int64], NDArray[np.float64]]
Samples = dict[Labels, Points]
Stretch = tuple[str, int, int]
_NOTHING: Points = (np.empty(0, np.int64), np.empty(0))


@dataclass(slots=True)
class Comparison:
    """What comparing found.

    Attributes:
        upto: every sample up to this place had to be there.
        compared: samples looked at.
        faults: in words: what is missing, and what follows from nothing.
        kept: samples of a time from which the journal has erased readings: nothing to be compared with.
    """

    upto: Head | None
    compared: int = 0
    faults: list[str] = field(default_factory=list)
    kept: int = 0


def verify_series(
    data: Path,
    url: str,
    *,
    settings: Settings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Rebuild the series beside those at `url`, and compare.

    Args:
        data: the data directory.
        url: of the VictoriaMetrics that serves; the rebuild keeps as much of the past as it does.
        settings: what is written for older dashboards.
        progress: called with the position reached and the one where the rebuild ends.

    Raises:
        ConfigurationError: there are no series yet.
        ProjectionError: an event cannot be applied.
        TransientError: VictoriaMetrics or the journal is away.
    """
    place, whole = _place(data), False
    found = Comparison(place)
    live = Victoria(url)
    try:
        with built(data, ".verify", settings, live.retention()) as build:
            while not whole and not found.faults:
                build.advance(place.position, progress)
                live.flush()
                missing, whole = _missing(live, build.victoria, found)
                build.advance()
                for stretch, samples in missing.items():
                    _judge(stretch, samples, build.victoria, live, "is missing", found)
                if not whole and not found.faults:  # a fact since then explains so much: go on behind it
                    before, place = place, _place(data)
                    if place == before:
                        raise TransientError("the series do not go on: is their projector running?")
                    found.upto = place
            _judge_surplus(live, build, found, erased_ms(data))
    finally:
        live.close()
        remove(data, ".verify")
    return found


def erased_ms(data: Path) -> int:
    """Return up to which time samples may lie whose readings the journal has erased; -1 for none."""
    with closing(SqliteJournalReader(data / "journal")) as reader:
        erased = reader.erased_upto()
        return (reader.stamp(erased)[1] + AHEAD_US) // 1000 if erased else -1


def _place(data: Path) -> Head:
    store = SeriesStore(data / SERIES, VERSION)
    place = store.newest()
    store.close()
    if place is None:
        raise ConfigurationError("the series have no checkpoint yet: wait half a minute, and verify again")
    return place.head


def _missing(live: Victoria, rebuilt: Victoria, found: Comparison) -> tuple[dict[Stretch, Samples], bool]:
    """Find what the rebuild has and the live series lack; tell whether that is all."""
    missing: dict[Stretch, Samples] = {}
    kept = 0
    for stretch in _stretches(rebuilt):
        compared, lacking = _differences(rebuilt, live, stretch)
        found.compared += compared
        if lacking:
            missing[stretch] = lacking
            kept += sum(len(times) for times, _ in lacking.values())
        if kept > _MOST_KEPT:
            return missing, False
    return missing, True


def _judge_surplus(live: Victoria, build: Build, found: Comparison, erased_to_ms: int) -> None:
    """Tell what is there and follows from nothing that was recorded."""
    for stretch in _stretches(live):
        compared, surplus = _differences(live, build.victoria, stretch)
        found.compared += compared
        surplus, kept = _not_erased(surplus, erased_to_ms)
        found.kept += kept
        if surplus:
            build.advance()
            _judge(stretch, surplus, live, build.victoria, "should not be there", found)


def _judge(
    stretch: Stretch, samples: Samples, having: Victoria, lacking: Victoria, what: str, found: Comparison
) -> None:
    """Note what stays in one and not in the other; later facts and what is under way explain the rest."""
    for _ in range(_LOOKS):
        lacking.flush()
        having.flush()
        _, still = _differences(having, lacking, stretch)
        samples = _both(samples, still)
        if not samples:
            return
        time.sleep(_PAUSE_S)
    for labels, (times_ms, values) in samples.items():
        series = selector("", **dict(labels))
        for time_ms, value in zip(times_ms.tolist(), values.tolist(), strict=True):
            if len(found.faults) >= _MOST_FAULTS:
                return
            found.faults.append(f"{instants.text(time_ms * 1000)} {series} = {value} {what}")


def _not_erased(samples: Samples, erased_to_ms: int) -> tuple[Samples, int]:
    """Leave out what may follow from readings that were erased; tell how much that is."""
    left, kept = Samples(), 0
    for labels, (times, values) in samples.items():
        of_facts = dict(labels)["__name__"] == EVENT_METRIC  # operators' facts are never erased
        old = times <= (-1 if of_facts else erased_to_ms)
        kept += int(old.sum())
        if not old.all():
            left[labels] = times[~old], values[~old]
    return left, kept


def _both(samples: Samples, others: Samples) -> Samples:
    """Return the samples whose times are among the others'."""
    both: Samples = {}
    for labels, (times, values) in samples.items():
        there = np.isin(times, others.get(labels, _NOTHING)[0])
        if there.any():
            both[labels] = times[there], values[there]
    return both


def _stretches(victoria: Victoria) -> Iterator[Stretch]:
    """Cut everything there into stretches of a bounded number of samples, day by day."""
    victoria.forget_results()
    for day_ms in _days(victoria):
        last_ms = day_ms + _DAY_MS - 1
        for name in victoria.names(since_ms=day_ms, until_ms=last_ms):
            if name != POSITION_METRIC:
                yield from _cut(victoria, (selector(__name__=name, job=""), day_ms, last_ms))


def _days(victoria: Victoria) -> Iterator[int]:
    """Yield the beginnings of the days of each month that holds anything."""
    soon = datetime.fromtimestamp(_soon_ms() / 1000, UTC)
    months = range((soon.year - _FIRST_YEAR) * 12 + soon.month + 1)
    starts = [_month_ms(month) for month in months]
    for since_ms, end_ms in pairwise(starts):
        if victoria.names(since_ms=since_ms, until_ms=end_ms - 1):
            yield from range(since_ms, end_ms, _DAY_MS)


def _month_ms(month: int) -> int:
    return int(datetime(_FIRST_YEAR + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1000


def _cut(victoria: Victoria, whole: Stretch) -> Iterator[Stretch]:
    waiting = [whole]
    while waiting:
        series, since_ms, until_ms = waiting.pop()
        span_ms = until_ms - since_ms
        counted = victoria.query(f"sum(count_over_time({series}[{span_ms + 1}ms]))", until_ms)
        count = float(counted[0]["value"][1]) if counted else 0.0
        if count and (span_ms <= _SHORTEST_MS or count <= _AT_ONCE):
            yield series, since_ms, until_ms
        elif count:
            middle_ms = since_ms + span_ms // 2
            waiting += [(series, middle_ms + 1, until_ms), (series, since_ms, middle_ms)]


def _differences(having: Victoria, lacking: Victoria, stretch: Stretch) -> tuple[int, Samples]:
    """Count the samples that one has in a stretch, and return those that have no equal in the other."""
    there, others = _texts(having, stretch), _texts(lacking, stretch)
    compared = 0
    found: Samples = {}
    for labels, text in there.items():
        compared += (text.count(b",") + 1) // 2
        other = others.get(labels)
        if text != other:  # nearly always they are equal, byte by byte
            points = _without(_points(text), _points(other), having, labels, stretch)
            if len(points[0]):
                found[labels] = points
    return compared, found


def _texts(victoria: Victoria, stretch: Stretch) -> dict[Labels, bytes]:
    """Return the samples of each series of a stretch as they were exported."""
    series, since_ms, until_ms = stretch
    found: dict[Labels, bytes] = {}
    for line in victoria.export_lines(series, since_ms=since_ms, until_ms=until_ms):
        head, _, text = line.partition(_VALUES)  # no label holds these bytes: its quotes are escaped
        metric: dict[str, str] = orjson.loads(head + b"}")["metric"]
        found[tuple(sorted(metric.items()))] = text
    return found


def _points(text: bytes | None) -> Points:
    if text is None:
        return _NOTHING
    said: dict[str, Any] = orjson.loads(b'{"values":' + text)
    return np.array(said["timestamps"], np.int64), np.array(said["values"], np.float64)


def _without(samples: Points, others: Points, having: Victoria, labels: Labels, stretch: Stretch) -> Points:
    """Return the samples that have no equal among the others.

    VictoriaMetrics keeps decimal mantissas that share an exponent in a block, and blocks may differ.
    """
    (times, values), (other_times, other_values) = samples, others
    if not len(other_times):
        return samples
    at = np.minimum(np.searchsorted(other_times, times), len(other_times) - 1)
    there = other_times[at] == times
    off, allowed = np.abs(values - other_values[at]), _DIGITS * np.abs(values)
    equal = there & (off <= allowed)
    if (there & ~equal).any():
        equal = there & (off <= allowed + _MANTISSA * _largest(having, labels, stretch))
    return times[~equal], values[~equal]


def _largest(victoria: Victoria, labels: Labels, stretch: Stretch) -> float:
    """Return the largest magnitude that may share a block with the samples of a stretch."""
    _, since_ms, until_ms = stretch
    series, end_ms = selector("", **dict(labels)), until_ms + _BLOCKS_MS
    window = f"{series}[{end_ms - since_ms + _BLOCKS_MS}ms]"
    found = victoria.query(f"union(max(max_over_time({window})), -min(min_over_time({window})))", end_ms)
    return max((abs(float(one["value"][1])) for one in found), default=0.0)


def _soon_ms() -> int:
    return instants.now_us() // 1000 + 2 * _DAY_MS
