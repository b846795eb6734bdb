"""How many occurrences lie in a period: blocks of 32 days, and days, from their sums; the rest one by one.

A day that is not whole is counted from the history that is kept, so its counts are exact as far back as that
goes; counts of whole days always are.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal

from bus.instants import SECOND_US

HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
BLOCK_DAYS: Final = 32
BLOCK_US: Final = BLOCK_DAYS * DAY_US
CONFIRMED: Final = "confirmed"
EVER_US: Final = 2**62
_WIDTHS: Final = (BLOCK_DAYS, 1)
_ONE_BY_ONE: Final = 0

By = Literal["type", "system_id"]
FleetCounts = dict[By, dict[str, int]]


def counts(
    db: sqlite3.Connection,
    since_us: int,
    until_us: int,
    where: str,
    values: Sequence[Any] = (),
    *,
    many: bool = False,
) -> dict[int, int]:
    """Count what was confirmed with since <= time < until, by key of the counter.

    Args:
        db: the file.
        since_us: the first microsecond of the period.
        until_us: the first after it.
        where: SQL that chooses among the confirmed rows of `counters`.
        values: for its marks.
        many: whether it chooses many of them: what is counted one by one is then found by time.
    """
    found: dict[int, int] = defaultdict(int)
    for days, begin, end in _cut(since_us, until_us):
        tables, given = "counters AS c CROSS JOIN sums AS s", [days, begin, end]
        value, in_it = "sum(s.count)", "s.days = ? AND s.n >= ? AND s.n < ?"
        if days == _ONE_BY_ONE:
            tables = "counters AS c CROSS JOIN history AS s"
            if many:
                tables = "history AS s INDEXED BY history_by_time CROSS JOIN counters AS c"
            value, in_it, given = "count(*)", "s.time_us >= ? AND s.time_us < ?", [begin, end]
        rows = db.execute(
            f"SELECT c.key, {value} FROM {tables} ON s.key = c.key"  # noqa: S608 - our words
            f" WHERE c.stage = '{CONFIRMED}' AND {where} AND {in_it} GROUP BY c.key",
            (*values, *given),
        )
        for key, number in rows:
            found[key] += number
    return found


def one_by_one(db: sqlite3.Connection, begin_us: int, end_us: int) -> FleetCounts:
    """Count what was confirmed anywhere with begin <= time < end, by type and by system."""
    rows = db.execute(
        "SELECT c.type, c.system_id, count(*) FROM history AS h INDEXED BY history_by_time"  # noqa: S608 - our words
        " CROSS JOIN counters AS c USING (key)"
        f" WHERE c.stage = '{CONFIRMED}' AND h.time_us >= ? AND h.time_us < ? GROUP BY h.key",
        (begin_us, end_us),
    )
    found: FleetCounts = {"type": defaultdict(int), "system_id": defaultdict(int)}
    by_type, by_system = found["type"], found["system_id"]
    for type_, system_id, number in rows:
        by_type[type_] += number
        by_system[system_id] += number
    return found


def fleet_counts(
    db: sqlite3.Connection, since_us: int, until_us: int, by: By, few: Callable[[int, int], FleetCounts]
) -> dict[str, int]:
    """Count what was confirmed anywhere with since <= time < until, by type or by system.

    Args:
        db: the file.
        since_us: the first microsecond of the period.
        until_us: the first after it.
        by: what for.
        few: counts parts of days, as `one_by_one` does.
    """
    table = {"type": "type_sums", "system_id": "system_sums"}[by]
    found: dict[str, int] = defaultdict(int)
    for days, begin, end in _cut(since_us, until_us):
        if days == _ONE_BY_ONE:
            rows: Iterable[tuple[str, int]] = few(begin, end)[by].items()
        else:
            rows = db.execute(
                f"SELECT {by}, sum(count) FROM {table} WHERE days = ? AND n >= ? AND n < ? GROUP BY {by}",  # noqa: S608 - our words
                (days, begin, end),
            )
        for name, number in rows:
            found[name] += number
    return found


def _cut(since_us: int, until_us: int, widths: Sequence[int] = _WIDTHS) -> Iterator[tuple[int, int, int]]:
    """Cut a period into whole blocks, whole days, and the rest; yield width, begin and end of each part."""
    if since_us >= until_us:
        return
    if not widths:
        yield _ONE_BY_ONE, since_us, until_us
        return
    width_us = widths[0] * DAY_US
    first, last = -(-since_us // width_us), until_us // width_us
    if first >= last:
        yield from _cut(since_us, until_us, widths[1:])
        return
    yield widths[0], first, last
    yield from _cut(since_us, first * width_us, widths[1:])
    yield from _cut(last * width_us, until_us, widths[1:])
