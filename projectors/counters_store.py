"""Counting in SQLite: what a batch of events adds to totals, days, history and spans.

Rules that must stay true here:
- what the tables hold at a position depends on the stream up to it, never on batches, restarts or the clock;
- an occurrence counts at its own time: a late one lands in its day, in its span, before or after a reset;
- totals and days are for ever; only single occurrences, and spans, are forgotten, by age and number.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

import orjson

from bus import system_ids
from bus.envelope import Event
from projectors.aliases import REGISTERED, Aliases
from projectors.counter_periods import DAY_US, count
from schemas.occurrences import PREFIX, TABLE

RESET: Final = "counters.reset"
OBSERVED: Final = ("device.connected",)
TYPES: Final = frozenset({*TABLE.occurrences, RESET, REGISTERED, *OBSERVED})
CONFIRMED: Final = "confirmed"
INDEXES_TO_COUNT: Final = ("spans_by_end",)
Point = tuple[int, int]
"""A time, and the position that tells it."""

Pair = tuple[str, str]
"""A system, and the type of occurrence that begins something."""

Span = tuple[Point, tuple[int | None, int | None]]
"""A beginning, and its end: two times None while it lasts."""

_BEGIN: Final = {type_: end for type_ in TABLE.occurrences if (end := TABLE.ended_by(type_)) is not None}
_order = itemgetter(0, 1, 2)
_DETAILS = ("cause", "device", "measurement", "measured", "threshold", "duration_s", "detail")
_FIRST: Point = (-(2**62), 0)
_LAST: Point = (2**62, 0)


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept.

    Attributes:
        days: occurrences older than this, against the newest `recordedat` of the stream, are forgotten.
        most: of each system, type and stage, no more than the newest so many are kept.
    """

    days: int = 365
    most: int = 10_000


@dataclass(slots=True)
class Counter:
    """One row of `counters`."""

    key: int
    system_id: str
    type: str
    stage: str
    total: int = 0
    before: int = 0
    first_us: int = 0
    last_us: int = 0
    reset_us: int | None = None

    def row(self) -> tuple[Any, ...]:
        """Return it as stored."""
        return (
            self.key,
            self.system_id,
            self.type,
            self.stage,
            self.total,
            self.before,
            self.first_us,
            self.last_us,
        )

    def add(self, time_us: int) -> None:
        """Count one that happened at a time."""
        self.first_us = min(self.first_us, time_us) if self.total else time_us
        self.last_us = max(self.last_us, time_us) if self.total else time_us
        self.total += 1
        self.before += self.reset_us is not None and time_us < self.reset_us


@dataclass(slots=True)
class Touched:
    """What a stretch of the stream changed and what is not written yet."""

    history: list[tuple[Any, ...]] = field(default_factory=list)
    days: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    counters: set[int] = field(default_factory=set)
    points: dict[Pair, list[tuple[Point, bool]]] = field(default_factory=lambda: defaultdict(list))


class CountersStore:
    """The counters in memory, small, and everything else in the file."""

    def __init__(self, db: sqlite3.Connection, retention: Retention) -> None:
        """Load what the file holds."""
        self.db = db
        self.aliases = Aliases(dict(db.execute("SELECT alias, system_id FROM aliases").fetchall()))
        self._retention = retention
        self._touched = Touched()
        self._since = dict(db.execute("SELECT system_id, since_us FROM systems").fetchall())
        self._counters = {
            (row[1], row[2], row[3]): Counter(*row) for row in db.execute("SELECT * FROM counters").fetchall()
        }
        used = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'counters'").fetchone()
        self._next = used[0] + 1 if used else 1
        row = db.execute("SELECT recorded_us FROM stream").fetchone()
        self._recorded_us = row[0] if row else 0
        self._horizon_us = self._horizon()
        for one in self._counters.values():
            one.reset_us = self._reset_of(one)
        self._paired_upto: dict[Pair, Point] = {}
        self._open: dict[Pair, Point] = {}
        self._resume()

    def _resume(self) -> None:
        """Find out where the pairing of beginnings and ends stands."""
        by_key = {one.key: (one.system_id, one.type) for one in self._counters.values()}
        rows = self.db.execute("SELECT key, started_us, started_by FROM spans WHERE ended_us IS NULL")
        self._open = {by_key[key]: (time_us, position) for key, time_us, position in rows}
        for system_id, type_, stage in self._counters:
            end = self._counters.get((system_id, _BEGIN.get(type_, ""), CONFIRMED))
            if stage == CONFIRMED and type_ in _BEGIN:
                last_us = self._counters[system_id, type_, stage].last_us
                newest_us = max(last_us, end.last_us if end else last_us)
                self._paired_upto[system_id, type_] = (newest_us, _LAST[0])

    def apply(self, events: Iterable[Event]) -> None:
        """Take a stretch of the stream in; inside a transaction."""
        before_us = self._recorded_us
        for event in events:
            self._recorded_us = max(self._recorded_us, event.recorded_us)
            if self._horizon() != self._horizon_us:
                self._write()
                self._forget()
            if event.type.startswith(PREFIX):
                self._occurrence(event)
            elif event.type == RESET:
                self._write()
                self._reset(event)
            elif event.type == REGISTERED:
                self._write()
                self._observe(event)
                self._join(event)
            else:
                self._observe(event)
        self._write()
        if self._recorded_us != before_us:
            self.db.execute("INSERT OR REPLACE INTO stream VALUES (0, ?)", (self._recorded_us,))

    def _occurrence(self, event: Event) -> None:
        system_id = self._observe(event)
        if system_id is None:
            return
        data, touched = event.data, self._touched
        counter = self._counter(system_id, event.type, data["stage"])
        counter.add(event.time_us)
        touched.counters.add(counter.key)
        touched.days[counter.key, event.time_us // DAY_US] += 1
        if event.time_us >= self._horizon_us:
            details = (data.get(name) for name in _DETAILS)
            touched.history.append((counter.key, event.time_us, event.position, *details))
        if counter.stage == CONFIRMED:
            point = (event.time_us, event.position)
            if event.type in _BEGIN:
                touched.points[system_id, event.type].append((point, True))
            for ended in TABLE.get(event.type).ends:
                touched.points[system_id, ended].append((point, False))
        if counter.total > self._retention.most:
            self._write()  # what is forgotten here must not depend on how many events come together

    def _observe(self, event: Event) -> str | None:
        """Note the system that an event is about, and return it; None for what is about no single one."""
        if event.subject == system_ids.ALL or event.subject.startswith("_"):
            return None
        system_id = self.aliases.resolve(event.subject)
        if event.time_us < self._since.get(system_id, _LAST[0]):
            self._since[system_id] = event.time_us
            self.db.execute("INSERT OR REPLACE INTO systems VALUES (?, ?)", (system_id, event.time_us))
        return system_id

    def _counter(self, system_id: str, type_: str, stage: str) -> Counter:
        found = self._counters.get((system_id, type_, stage))
        if found is None:
            found = Counter(self._next, system_id, type_, stage)
            found.reset_us = self._reset_of(found)
            self._counters[system_id, type_, stage] = found
            self._next += 1
        return found

    def _write(self) -> None:
        """Write what is pending."""
        touched, self._touched = self._touched, Touched()
        by_key = {one.key: one for one in self._counters.values()} if touched.counters else {}
        self.db.executemany(
            "INSERT OR REPLACE INTO history VALUES (?,?,?,?,?,?,?,?,?,?)", sorted(touched.history, key=_order)
        )
        self.db.executemany(
            "INSERT INTO days VALUES (?,?,?)"
            " ON CONFLICT (key, day) DO UPDATE SET count = count + excluded.count",
            [(key, day, number) for (key, day), number in sorted(touched.days.items())],
        )
        self.db.executemany(
            "INSERT OR REPLACE INTO counters VALUES (?,?,?,?,?,?,?,?)",
            [by_key[key].row() for key in sorted(touched.counters)],
        )
        spans = [row for pair, points in touched.points.items() for row in self._span(pair, points)]
        self.db.executemany("INSERT OR REPLACE INTO spans VALUES (?,?,?,?,?)", spans)
        for key in sorted(touched.counters):
            self._cap(by_key[key])

    def _cap(self, counter: Counter) -> None:
        """Keep only the newest occurrences of a counter."""
        if counter.total <= self._retention.most:
            return
        self.db.execute(
            "DELETE FROM history WHERE key = ? AND (time_us, position) <="
            " (SELECT time_us, position FROM history WHERE key = ?"
            " ORDER BY time_us DESC, position DESC LIMIT 1 OFFSET ?)",
            (counter.key, counter.key, self._retention.most),
        )

    def _span(self, pair: Pair, points: list[tuple[Point, bool]]) -> Iterable[tuple[Any, ...]]:
        """Pair beginnings and ends around points that were added; return the rows to write."""
        start = self._counters.get((*pair, CONFIRMED))
        if start is None:
            return ()
        points.sort()
        if points[0][0] <= self._paired_upto.get(pair, _LAST):
            return self._pair_anew(pair, start, points[0][0], points[-1][0])
        begun = self._open.get(pair)  # they are later than all that is known: go on from the last span
        spans = list(_paired(points if begun is None else [(begun, True), *points]))
        self._note(pair, spans, points[-1][0])
        return [(start.key, *one, *end) for one, end in spans]

    def _note(self, pair: Pair, spans: Sequence[Span], upto: Point) -> None:
        """Remember where pairing stands after its last point."""
        self._paired_upto[pair] = upto
        self._open.pop(pair, None)
        if spans and spans[-1][1][0] is None:
            self._open[pair] = spans[-1][0]

    def _pair_anew(self, pair: Pair, start: Counter, first: Point, last: Point) -> Iterable[tuple[Any, ...]]:
        """Pair anew from the last end before the first point to the first end after the last one."""
        system_id, type_ = pair
        end = self._counters.get((system_id, _BEGIN[type_], CONFIRMED))
        after = self._last_end(start.key, first)
        until = self._next_end(end.key, last) if end else _LAST
        spans = list(_paired(self._points(start, end, after, until)))
        self.db.execute(
            "DELETE FROM spans WHERE key = ? AND (started_us, started_by) > (?, ?)"
            " AND (started_us, started_by) <= (?, ?)",
            (start.key, *after, *until),
        )
        if until == _LAST:
            newest = max(self._paired_upto.get(pair, _FIRST), last if last < _LAST else _FIRST)
            self._note(pair, spans, newest)
        return [(start.key, *begun, *ended) for begun, ended in spans]

    def _last_end(self, key: int, before: Point) -> Point:
        row = self.db.execute(
            "SELECT ended_us, ended_by FROM spans WHERE key = ? AND ended_us <= ?"
            " AND (ended_us, ended_by) < (?, ?) ORDER BY ended_us DESC, ended_by DESC LIMIT 1",
            (key, before[0], *before),
        ).fetchone()
        return (row[0], row[1]) if row else _FIRST

    def _next_end(self, key: int, after: Point) -> Point:
        row = self.db.execute(
            "SELECT time_us, position FROM history WHERE key = ? AND (time_us, position) > (?, ?)"
            " ORDER BY time_us, position LIMIT 1",
            (key, *after),
        ).fetchone()
        return (row[0], row[1]) if row else _LAST

    def _points(
        self, start: Counter, end: Counter | None, after: Point, until: Point
    ) -> list[tuple[Point, bool]]:
        """Return beginnings (True) and ends in order; one that history forgot is still in its span."""
        bounds = (*after, *until)
        between = "key = ? AND (time_us, position) > (?, ?) AND (time_us, position) <= (?, ?)"
        begun = self.db.execute(
            f"SELECT time_us, position FROM history WHERE {between}"  # noqa: S608 - our tables
            " UNION SELECT started_us, started_by FROM spans WHERE key = ?"
            " AND (started_us, started_by) > (?, ?) AND (started_us, started_by) <= (?, ?)",
            (start.key, *bounds, start.key, *bounds),
        ).fetchall()
        points = [((time_us, position), True) for time_us, position in begun]
        if end is not None:
            ended = self.db.execute(
                f"SELECT time_us, position FROM history WHERE {between}",  # noqa: S608 - our tables
                (end.key, *bounds),
            ).fetchall()
            points += [((time_us, position), False) for time_us, position in ended]
        return sorted(points)

    def _reset(self, event: Event) -> None:
        system_id = event.subject
        if system_id != system_ids.ALL:
            system_id = self.aliases.resolve(system_id)
        types = orjson.dumps(sorted(event.data.get("types", ()))).decode()
        self.db.execute(
            "INSERT OR REPLACE INTO resets VALUES (?,?,?,?,?,?)",
            (event.position, system_id, types, event.time_us, event.client, event.data["reason"]),
        )
        self._count_resets(
            one for one in self._counters.values() if system_id in {one.system_id, system_ids.ALL}
        )

    def _count_resets(self, counters: Iterable[Counter]) -> None:
        """Count anew what lies before the newest reset of counters."""
        for one in counters:
            reset_us = self._reset_of(one)
            if reset_us != one.reset_us and reset_us is not None:
                one.reset_us = reset_us
                one.before = one.total - count(self.db, [one.key], reset_us, _LAST[0])
                self.db.execute("UPDATE counters SET before = ? WHERE key = ?", (one.before, one.key))

    def _reset_of(self, counter: Counter) -> int | None:
        """Return the time of the newest reset that concerns a counter."""
        rows = self.db.execute(
            "SELECT time_us, types FROM resets WHERE system_id IN (?, ?)", (counter.system_id, system_ids.ALL)
        )
        times = [time_us for time_us, types in rows if types == "[]" or counter.type in orjson.loads(types)]
        return max(times, default=None)

    def _join(self, event: Event) -> None:
        """Give what was counted under names that turn out to be aliases to their system."""
        system_id = self.aliases.resolve(event.subject)
        for alias in self.aliases.learn(event):
            self.db.execute("DELETE FROM systems WHERE system_id = ?", (alias,))
            since_us = self._since.pop(alias, None)
            if since_us is not None and since_us < self._since.get(system_id, _LAST[0]):
                self._since[system_id] = since_us
                self.db.execute("INSERT OR REPLACE INTO systems VALUES (?, ?)", (system_id, since_us))
            self.db.execute("UPDATE resets SET system_id = ? WHERE system_id = ?", (system_id, alias))
            for counter in [one for one in self._counters.values() if one.system_id == alias]:
                self._merge(counter, self._counter(system_id, counter.type, counter.stage))
        self.db.executemany("INSERT OR REPLACE INTO aliases VALUES (?, ?)", self.aliases.known().items())
        own = [one for one in self._counters.values() if one.system_id == system_id]
        self._count_resets(own)
        for one in own:
            if one.stage == CONFIRMED and one.type in _BEGIN:
                rows = self._pair_anew((system_id, one.type), one, _FIRST, _LAST)
                self.db.executemany("INSERT OR REPLACE INTO spans VALUES (?,?,?,?,?)", rows)

    def _merge(self, gone: Counter, into: Counter) -> None:
        del self._counters[gone.system_id, gone.type, gone.stage]
        into.first_us = min(gone.first_us, into.first_us) if into.total else gone.first_us
        into.last_us = max(gone.last_us, into.last_us) if into.total else gone.last_us
        into.total += gone.total
        into.reset_us = None
        self.db.execute("UPDATE history SET key = ? WHERE key = ?", (into.key, gone.key))
        self.db.execute(
            "INSERT INTO days SELECT ?, day, count FROM days WHERE key = ?"
            " ON CONFLICT (key, day) DO UPDATE SET count = count + excluded.count",
            (into.key, gone.key),
        )
        self.db.execute("UPDATE spans SET key = ? WHERE key = ?", (into.key, gone.key))
        self.db.execute("DELETE FROM days WHERE key = ?", (gone.key,))
        self.db.execute("DELETE FROM counters WHERE key = ?", (gone.key,))
        self.db.execute("INSERT OR REPLACE INTO counters VALUES (?,?,?,?,?,?,?,?)", into.row())
        self._cap(into)

    def _forget(self) -> None:
        """Remove what is older than is kept: when a day of the stream begins."""
        self._horizon_us = self._horizon()
        keys = [(one.key, self._horizon_us) for one in self._counters.values()]
        self.db.executemany("DELETE FROM history WHERE key = ? AND time_us < ?", keys)
        self.db.executemany("DELETE FROM spans WHERE key = ? AND ended_us < ?", keys)

    def _horizon(self) -> int:
        return int(self._recorded_us // DAY_US - self._retention.days) * DAY_US


def _paired(points: Iterable[tuple[Point, bool]]) -> Iterator[Span]:
    """Pair each beginning that opens something with the first end after it."""
    begun: Point | None = None
    for point, begins in points:
        if begins and begun is None:
            begun = point
        elif not begins and begun is not None:
            yield begun, point
            begun = None
    if begun is not None:
        yield begun, (None, None)
