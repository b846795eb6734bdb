"""How many occurrences lie in a period: whole days from their sums, the rest one by one.

A day that is not whole is counted from the history that is kept, so its counts are exact as far back as that
goes; counts of whole days always are.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Final

from bus.instants import SECOND_US

HOUR_US: Final = 3600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
Counts = dict[int, int]
"""How many, by key of the counter; keys without any are missing."""


def count(db: sqlite3.Connection, keys: Collection[int], since_us: int, until_us: int) -> int:
    """Count the occurrences of some counters with since <= time < until."""
    return sum(counts(db, since_us, until_us, keys).values())


def counts(
    db: sqlite3.Connection, since_us: int, until_us: int, keys: Collection[int] | None = None
) -> Counts:
    """Count the occurrences of each counter with since <= time < until; of all counters without `keys`."""
    found: Counts = defaultdict(int)
    for table, column, value, begin, end in _parts(since_us, until_us):
        where = "" if keys is None else f"key IN ({','.join('?' * len(keys))}) AND "
        rows = db.execute(
            f"SELECT key, {value} FROM {table} WHERE {where}{column} >= ? AND {column} < ? GROUP BY key",  # noqa: S608 - our tables
            (*(keys or ()), begin, end),
        )
        for key, number in rows:
            found[key] += number
    return dict(found)


def _parts(since_us: int, until_us: int) -> Iterator[tuple[str, str, str, int, int]]:
    """Cut a period into whole days and what is left at its ends."""
    first, last = -(-since_us // DAY_US), until_us // DAY_US
    if last <= first:
        if since_us < until_us:
            yield "history", "time_us", "count(*)", since_us, until_us
        return
    yield "days", "day", "sum(count)", first, last
    if since_us < first * DAY_US:
        yield "history", "time_us", "count(*)", since_us, first * DAY_US
    if last * DAY_US < until_us:
        yield "history", "time_us", "count(*)", last * DAY_US, until_us
