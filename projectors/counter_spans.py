"""Occurrences that have an end: beginnings and ends become spans, in whatever order they are recorded.

Rules that must stay true here:
- a beginning that opens something is paired with the first end after it; spans of one pairing never overlap;
- what comes in order of time needs no search, what comes late is paired anew among what is known around it;
  both lead to the same rows;
- a sum of spans is what the spans in the file add up to.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from projectors.counter_periods import BLOCK_US, EVER_US

Point = tuple[int, int]
"""A time, and the position that tells it."""

Span = tuple[Point, Point]
"""A beginning and its end."""

_FIRST: Final[Point] = (-EVER_US, 0)
_LAST: Final[Point] = (EVER_US, 0)


@dataclass(slots=True)
class Pairing:
    """Beginnings of one type on one system, and what ends them.

    Attributes:
        start: the key of the counter of beginnings; None before the first.
        end: the key of the counter of ends.
        upto: the newest point; what is not later comes late.
        begun: the beginning that nothing ended yet.
        ended: spans that ended since they were written.
        late: the first and the last point that came late since then.
    """

    start: int | None = None
    end: int | None = None
    upto: Point = _FIRST
    begun: Point | None = None
    changed: bool = False
    ended: list[Span] = field(default_factory=list)
    late: Span | None = None

    def take(self, point: Point, *, begins: bool) -> None:
        """Take in a beginning or an end."""
        if point <= self.upto:
            self.late = (
                (point, point) if self.late is None else (min(point, self.late[0]), max(point, self.late[1]))
            )
        elif begins and self.begun is None:
            self.upto = self.begun = point
        elif not begins and self.begun is not None:
            self.ended.append((self.begun, point))
            self.upto, self.begun = point, None
        else:
            self.upto = point
        self.changed = True


def write(db: sqlite3.Connection, pairings: Iterable[Pairing]) -> None:
    """Write what pairings took in; the history that they are part of is written before."""
    spans, sums, lasting, gone = [], [], [], []
    late = list[Pairing]()
    for one in pairings:
        one.changed = False
        if one.start is None:  # ends of nothing
            one.late = None
            continue
        for begun, ended in one.ended:
            spans.append((one.start, *ended, *begun))
            sums.append((one.start, block_of(ended[0]), ended[0] - begun[0], ended[0] - begun[0]))
        if one.ended:
            one.ended.clear()
        gone.append((one.start,))
        if one.begun is not None:
            lasting.append((one.start, *one.begun))
        if one.late is not None:
            late.append(one)
    db.executemany("INSERT INTO spans VALUES (?,?,?,?,?)", spans)
    db.executemany(
        "INSERT INTO span_sums VALUES (?,?,1,?,?) ON CONFLICT (key, n) DO UPDATE SET number = number + 1,"
        " total_us = total_us + excluded.total_us, longest_us = max(longest_us, excluded.longest_us)",
        sums,
    )
    db.executemany("DELETE FROM lasting WHERE key = ?", gone)
    db.executemany("INSERT INTO lasting VALUES (?,?,?)", lasting)
    for one in late:
        assert one.late is not None
        _pair_anew(db, one, *one.late)
        one.late = None


def pair_all_anew(db: sqlite3.Connection, pairing: Pairing) -> None:
    """Pair all that is known of a pairing."""
    if pairing.start is not None:
        _pair_anew(db, pairing, _FIRST, _LAST)


def _pair_anew(db: sqlite3.Connection, pairing: Pairing, first: Point, last: Point) -> None:
    """Pair anew from the last end before a point to the first end after another one."""
    key = pairing.start
    row = db.execute(
        "SELECT ended_us, ended_by FROM spans WHERE key = ? AND (ended_us, ended_by) < (?, ?)"
        " ORDER BY ended_us DESC, ended_by DESC LIMIT 1",
        (key, *first),
    ).fetchone()
    after: Point = row or _FIRST
    until = _first_end(db, pairing, last)
    spans = list(_paired(_points(db, pairing, after, until)))
    begun = spans.pop()[0] if spans and spans[-1][1] == _LAST else None
    between = (key, *after, *until)
    rows = db.execute(
        "DELETE FROM spans WHERE key = ? AND (ended_us, ended_by) > (?, ?) AND (ended_us, ended_by) <= (?, ?)"
        " RETURNING ended_us",
        between,
    )
    blocks = {block_of(ended_us) for (ended_us,) in rows.fetchall()} | {block_of(end[0]) for _, end in spans}
    db.executemany("INSERT INTO spans VALUES (?,?,?,?,?)", [(key, *end, *begin) for begin, end in spans])
    db.executemany("DELETE FROM span_sums WHERE key = ? AND n = ?", [(key, block) for block in blocks])
    db.executemany(
        "INSERT INTO span_sums"
        " SELECT key, ?, count(*), sum(ended_us - started_us), max(ended_us - started_us) FROM spans"
        " WHERE key = ? AND ended_us > ? AND ended_us <= ? GROUP BY key",
        [(block, key, block * BLOCK_US, (block + 1) * BLOCK_US) for block in blocks],
    )
    if until == _LAST:
        pairing.begun = begun
        db.execute("DELETE FROM lasting WHERE key = ?", (key,))
        if begun is not None:
            db.execute("INSERT INTO lasting VALUES (?,?,?)", (key, *begun))


def _first_end(db: sqlite3.Connection, pairing: Pairing, after: Point) -> Point:
    rows = db.execute(
        "SELECT * FROM (SELECT time_us, position FROM history WHERE key = ? AND (time_us, position) > (?, ?)"
        " ORDER BY time_us, position LIMIT 1) UNION ALL"
        " SELECT * FROM (SELECT ended_us, ended_by FROM spans WHERE key = ? AND (ended_us, ended_by) > (?, ?)"
        " ORDER BY ended_us, ended_by LIMIT 1)",
        (pairing.end, *after, pairing.start, *after),
    )
    return min(rows.fetchall(), default=_LAST)


def _points(
    db: sqlite3.Connection, pairing: Pairing, after: Point, until: Point
) -> list[tuple[int, int, bool]]:
    """Return beginnings (True) and ends after one point, up to another; spans know what history forgot."""
    between = (*after, *until)
    rows = db.execute(
        "SELECT time_us, position, 1 FROM history WHERE key = ?"
        " AND (time_us, position) > (?, ?) AND (time_us, position) <= (?, ?)"
        " UNION SELECT started_us, started_by, 1 FROM spans WHERE key = ?"
        " AND (ended_us, ended_by) > (?, ?) AND (started_us, started_by) <= (?, ?)"
        " UNION SELECT started_us, started_by, 1 FROM lasting WHERE key = ?"
        " AND (started_us, started_by) <= (?, ?)"
        " UNION SELECT time_us, position, 0 FROM history WHERE key = ?"
        " AND (time_us, position) > (?, ?) AND (time_us, position) <= (?, ?)"
        " UNION SELECT ended_us, ended_by, 0 FROM spans WHERE key = ?"
        " AND (ended_us, ended_by) > (?, ?) AND (ended_us, ended_by) <= (?, ?)"
        " ORDER BY 1, 2",
        (
            *(pairing.start, *between),
            *(pairing.start, *between),
            *(pairing.start, *until),
            *(pairing.end, *between),
            *(pairing.start, *between),
        ),
    )
    return [(time_us, position, begins == 1) for time_us, position, begins in rows]


def _paired(points: Iterable[tuple[int, int, bool]]) -> Iterator[Span]:
    """Pair each beginning that opens something with the first end after it; the last one may have none."""
    begun: Point | None = None
    for time_us, position, begins in points:
        if begins and begun is None:
            begun = (time_us, position)
        elif not begins and begun is not None:
            yield begun, (time_us, position)
            begun = None
    if begun is not None:
        yield begun, _LAST


def block_of(ended_us: int) -> int:
    """Number the block that an end falls into; one at its last instant is still inside."""
    return (ended_us - 1) // BLOCK_US
