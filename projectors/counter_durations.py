"""How long occurrences that have an end lasted: whole blocks of 32 days from their sums, the rest one by one.

Rules that must stay true here: spans of one key lie one after the other, so at most one of them reaches over
an instant; each part of a period counts once.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus.instants import SECOND_US
from projectors.counter_answers import Durations
from projectors.counter_periods import BLOCK_US, CONFIRMED, EVER_US
from schemas.occurrences import TABLE


@dataclass(slots=True)
class _Lasted:
    number: int = 0
    total_us: int = 0
    longest_us: int = 0
    open_since_us: int | None = None

    def add(self, number: int, total_us: int, longest_us: int) -> None:
        self.number += number
        self.total_us += total_us
        self.longest_us = max(self.longest_us, longest_us)


def durations(
    db: sqlite3.Connection, since_us: int, until_us: int, where: str, values: Sequence[Any]
) -> dict[str, Durations]:
    """Add up by type, as far as it lies in a period, what ended in it and what lasts at its end.

    Args:
        db: the file.
        since_us: where the period begins.
        until_us: where it ends.
        where: SQL that chooses among rows `c` of `counters`.
        values: for its marks.
    """
    chosen = f"c.stage = '{CONFIRMED}' AND {where}"
    found: dict[str, _Lasted] = defaultdict(_Lasted)
    for type_, *ended in _ended(db, since_us, until_us, chosen, values):
        found[type_].add(*ended)
    for type_, started_us, ended_us in reaching_over(db, since_us, chosen, values):
        if ended_us <= until_us:
            found[type_].total_us -= since_us - started_us
    for type_, started_us, _ in reaching_over(db, until_us, chosen, values):
        lasted = found[type_]
        lasted.add(1, until_us - max(since_us, started_us), until_us - started_us)
        if lasted.open_since_us is None or started_us < lasted.open_since_us:
            lasted.open_since_us = started_us
    return {
        type_: Durations(
            occurrence=TABLE.get(type_),
            number=lasted.number,
            total_s=lasted.total_us / SECOND_US,
            longest_s=lasted.longest_us / SECOND_US,
            open_since_us=lasted.open_since_us,
        )
        for type_, lasted in found.items()
    }


def _ended(
    db: sqlite3.Connection, since_us: int, until_us: int, chosen: str, values: Sequence[Any]
) -> Iterator[tuple[str, int, int, int]]:
    """Yield type, number, whole length together and of the longest, of what ended in parts of a period."""
    first, last = -(-since_us // BLOCK_US), until_us // BLOCK_US
    parts = [(since_us, until_us)]
    if first < last:
        parts = [(since_us, first * BLOCK_US), (last * BLOCK_US, until_us)]
        yield from db.execute(
            "SELECT c.type, sum(s.number), sum(s.total_us), max(s.longest_us)"  # noqa: S608 - our words
            " FROM counters AS c CROSS JOIN span_sums AS s USING (key)"
            f" WHERE {chosen} AND s.n >= ? AND s.n < ? GROUP BY c.type",
            (*values, first, last),
        )
    for begin_us, end_us in parts:
        yield from db.execute(
            "SELECT c.type, count(*), sum(s.ended_us - s.started_us), max(s.ended_us - s.started_us)"  # noqa: S608 - our words
            " FROM counters AS c CROSS JOIN spans AS s USING (key)"
            f" WHERE {chosen} AND s.ended_us > ? AND s.ended_us <= ? GROUP BY c.type",
            (*values, begin_us, end_us),
        )


def reaching_over(
    db: sqlite3.Connection, time_us: int, chosen: str, values: Sequence[Any]
) -> list[tuple[str, int, int]]:
    """Return what lasted at an instant: its type, when it began, and when it ended.

    Args:
        db: the file.
        time_us: the instant.
        chosen: SQL that chooses among rows `c` of `counters`.
        values: for its marks.
    """
    return db.execute(
        "SELECT c.type, s.started_us, s.ended_us FROM counters AS c CROSS JOIN spans AS s USING (key)"  # noqa: S608 - our words
        f" WHERE {chosen} AND s.started_us < ? AND s.ended_us ="
        " (SELECT min(ended_us) FROM spans WHERE key = c.key AND ended_us > ?)"
        " UNION ALL SELECT c.type, l.started_us, ? FROM counters AS c JOIN lasting AS l USING (key)"
        f" WHERE {chosen} AND l.started_us < ?",
        (*values, time_us, time_us, EVER_US, *values, time_us),
    ).fetchall()
