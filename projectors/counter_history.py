"""Single occurrences of a period, the newest first: found by time, or by counter, whichever reads less."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import orjson

from projectors.counter_answers import Happened
from projectors.counter_periods import DAY_US
from projectors.nodes import plain
from schemas.occurrences import TABLE

_FURTHER: Final = 8
_MANY: Final = 0.02
"""Of a larger share than this, the newest are found faster among all by time than counter by counter."""

_BY_TIME: Final = "history AS h INDEXED BY history_by_time CROSS JOIN counters AS c USING (key)"
_BY_KEY: Final = "counters AS c CROSS JOIN history AS h USING (key)"


def newest(
    db: sqlite3.Connection, since_us: int, until_us: int, where: str, values: Sequence[Any], limit: int
) -> list[Happened]:
    """Return the newest occurrences with since <= time < until.

    Args:
        db: the file.
        since_us: the first microsecond of the period.
        until_us: the first after it.
        where: SQL that chooses among rows `c` of `counters`.
        values: for its marks.
        limit: so many at most.
    """
    first_us, last_us, chosen = db.execute(
        f"SELECT min(c.first_us), max(c.last_us), sum(c.total) FROM counters AS c WHERE {where}",  # noqa: S608 - our words
        values,
    ).fetchone()
    if chosen is None:
        return []
    (every,) = db.execute("SELECT sum(total) FROM counters").fetchone()
    begin_us, end_us = max(since_us, first_us), min(until_us, last_us + 1)
    tables, step_us = (_BY_TIME, end_us - begin_us) if chosen > every * _MANY else (_BY_KEY, DAY_US)
    found: list[Happened] = []
    while len(found) < limit and begin_us < end_us:
        from_us = max(begin_us, end_us - step_us)
        rows = db.execute(
            f"SELECT c.system_id, c.type, c.stage, h.time_us, h.position, h.details FROM {tables}"  # noqa: S608 - our words
            f" WHERE {where} AND h.time_us >= ? AND h.time_us < ?"
            " ORDER BY h.time_us DESC, h.position DESC LIMIT ?",
            (*values, from_us, end_us, limit - len(found)),
        )
        for system_id, type_, stage, time_us, position, details in rows:
            found.append(
                Happened(
                    plain(system_id)[0], TABLE.get(type_), stage, time_us, position, **orjson.loads(details)
                )
            )
        end_us, step_us = from_us, step_us * _FURTHER
    return found
