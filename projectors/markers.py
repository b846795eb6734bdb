"""Turn the windows of one system into points of `ovr_event_active`, and plan how they are written. Pure.

Rules that must stay true here:
- a series is one (event_id, location) of one system; an unknown location is the empty text, and no label;
- its points stand at each start (1), at each end (0), and every 30 s from a start while active, up to the
  horizon: the newest `recordedat` of the stream. Where two fall on one millisecond, 1 wins;
- no span is repeated for longer than a year: a clock that leaps ahead makes no endless work;
- a span within one millisecond is invisible at this resolution and leaves no point;
- nothing that was written is ever contradicted by an append: what removes or changes a point is a rewrite,
  because VictoriaMetrics cannot update a sample.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby

REPEAT_MS = 30_000
LONGEST_MS = 366 * 86_400_000
_BEFORE_ALL = -1

Key = tuple[str, str]
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Stay:
    """A system's part in an event_id at one location, from then until then; None is still there."""

    event_id: str
    location: str
    start_us: int
    end_us: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """Whole milliseconds in which a series is 1; None is open."""

    start_ms: int
    end_ms: int | None

    def repeats(self, after_ms: int, horizon_ms: int) -> Iterator[int]:
        """Yield the repetitions after `after_ms`, up to the horizon."""
        first = max((after_ms - self.start_ms) // REPEAT_MS, 0) + 1
        yield from range(self.start_ms + first * REPEAT_MS, self._last(horizon_ms) + 1, REPEAT_MS)

    def newest(self, horizon_ms: int) -> int:
        """Tell when its newest point of value 1 stands."""
        return self.start_ms + max((self._last(horizon_ms) - self.start_ms) // REPEAT_MS, 0) * REPEAT_MS

    def _last(self, horizon_ms: int) -> int:
        last = min(horizon_ms, self.start_ms + LONGEST_MS)
        return last if self.end_ms is None else min(last, self.end_ms - 1)


Spans = Mapping[Key, tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write, given what is written.

    Attributes:
        append: points that no written point contradicts, by series; to be read once.
        rewrite: event_ids of which every series is deleted first, and then written whole.
    """

    append: Mapping[Key, Iterable[Point]]
    rewrite: frozenset[str]


def spans(stays: Iterable[Stay]) -> dict[Key, tuple[Span, ...]]:
    """Sort the stays of one system into series, each with spans that may touch but not overlap."""
    found: dict[Key, list[Span]] = {}
    for stay in sorted(stays, key=_by_start):
        end_ms = None if stay.end_us is None else stay.end_us // 1000
        span = Span(stay.start_us // 1000, end_ms)
        if end_ms is None or end_ms > span.start_ms:
            _add(found.setdefault((stay.event_id, stay.location), []), span)
    return {key: tuple(of_key) for key, of_key in found.items()}


def points(series: Iterable[Span], horizon_ms: int) -> Iterator[Point]:
    """Yield all points of one series by time, one for each millisecond that has any."""
    return _decided(_points_of(span, _BEFORE_ALL, horizon_ms) for span in series)


def plan(old: Spans, old_horizon_ms: int, new: Spans, new_horizon_ms: int) -> Plan:
    """Compare what is written (`old`, up to its horizon) with what is true, at a horizon no earlier."""
    rewrite = frozenset(
        key[0] for key, before in old.items() if not _extends(before, old_horizon_ms, new.get(key, ()))
    )
    return Plan(
        {
            key: _added(old.get(key, ()), old_horizon_ms, series, new_horizon_ms)
            for key, series in new.items()
            if key[0] not in rewrite and (series != old.get(key) or _grows(series, old_horizon_ms))
        },
        rewrite,
    )


def next_repeat_ms(of: Spans, horizon_ms: int) -> int | None:
    """Tell at which horizon the next repetition is due; None when nothing is active any more."""
    due = (
        span.newest(horizon_ms) + REPEAT_MS
        for series in of.values()
        for span in series
        if (span.end_ms is None or span.end_ms > horizon_ms) and horizon_ms < span.start_ms + LONGEST_MS
    )
    return min(due, default=None)


def beyond(of: Spans, written_ms: int, horizon_ms: int) -> set[str]:
    """Name the event_ids of which repetitions up to an earlier horizon stand behind a new one."""
    return {
        key[0]
        for key, series in of.items()
        if any(span.newest(written_ms) > max(horizon_ms, span.start_ms) for span in series)
    }


def _points_of(span: Span, after_ms: int, horizon_ms: int) -> Iterator[Point]:
    """Yield a span's points, or only the repetitions after `after_ms` when it is given, and its end."""
    if after_ms == _BEFORE_ALL:
        yield span.start_ms, 1
    for time_ms in span.repeats(after_ms, horizon_ms):
        yield time_ms, 1
    if span.end_ms is not None:
        yield span.end_ms, 0


def _decided(parts: Iterable[Iterator[Point]]) -> Iterator[Point]:
    merged = merge(*parts, key=_ones_first)
    for _, at_one_time in groupby(merged, key=_time):
        yield next(at_one_time)


def _added(old: Iterable[Span], old_ms: int, new: Sequence[Span], new_ms: int) -> Iterator[Point]:
    """Yield the points of `new` that `old` lacks; `new` extends `old`."""
    finished = {span for span in old if span.end_ms is not None and span.end_ms <= old_ms}
    written = {span.start_ms for span in old}
    touched = written.intersection(span.start_ms for span in new)
    parts = (
        _points_of(span, old_ms if span.start_ms in written else _BEFORE_ALL, new_ms)
        for span in new
        if span not in finished
    )
    for time_ms, value in _decided(parts):
        yield time_ms, 1 if time_ms in touched else value


def _extends(old: Sequence[Span], old_ms: int, new: Iterable[Span]) -> bool:
    """Tell whether every written point is still true."""
    heirs = {span.start_ms: span for span in new}
    opened = heirs.keys() - {span.start_ms for span in old}
    return all(
        span.start_ms in heirs
        and _continues(span, old_ms, heirs[span.start_ms])
        and span.end_ms not in opened
        for span in old
    )


def _continues(old: Span, old_ms: int, new: Span) -> bool:
    if old.end_ms is not None:
        return new.end_ms == old.end_ms
    return new.end_ms is None or new.end_ms > old.newest(old_ms)


def _grows(series: Iterable[Span], since_ms: int) -> bool:
    return any(span.end_ms is None or span.end_ms > since_ms for span in series)


def _add(disjoint: list[Span], span: Span) -> None:
    """Add a span that starts no earlier than those before it; what overlaps becomes one."""
    last = disjoint[-1] if disjoint else None
    if last is None or (last.end_ms is not None and last.end_ms <= span.start_ms):
        disjoint.append(span)
    elif last.end_ms is not None and (span.end_ms is None or span.end_ms > last.end_ms):
        disjoint[-1] = Span(last.start_ms, span.end_ms)


def _by_start(stay: Stay) -> int:
    return stay.start_us


def _ones_first(point: Point) -> Point:
    return point[0], -point[1]


def _time(point: Point) -> int:
    return point[0]
