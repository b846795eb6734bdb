"""The rows of table `counters` as they were at an instant: what is later is taken off.

Rule that must stay true here: what is counted is exact as far back as `counter_periods` is; what was not
confirmed, and when the last one was, as far back as single occurrences are kept.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from projectors.counter_periods import CONFIRMED, EVER_US, counts
from projectors.counter_resets import NEVER_US, Reset, newest_reset, resets

Row = tuple[Any, ...]


def then(
    db: sqlite3.Connection, rows: Sequence[Row], now_us: int, where: str, values: Sequence[Any]
) -> list[Row]:
    """Return rows as they were; what had not occurred yet is left out.

    Args:
        db: the file.
        rows: as they are.
        now_us: the instant.
        where: SQL that chose them among rows `c` of `counters`.
        values: for its marks.
    """
    every = resets(db)
    undone = [one for one in every if one.time_us > now_us]
    if not undone and all(row[7] < now_us for row in rows):
        return list(rows)
    later = counts(db, now_us, EVER_US, where, values, many=not values)
    found = (_without(db, row, now_us, later) for row in rows)
    before = [one for one in every if one.time_us <= now_us]
    return [_reset(db, row, now_us, before, undone) for row in found if row is not None]


def _without(db: sqlite3.Connection, row: Row, now_us: int, later: Mapping[int, int]) -> Row | None:
    """Take what is later off."""
    key, system_id, type_, stage, total, before, first_us, last_us = row
    if last_us < now_us:
        return row
    if stage == CONFIRMED:
        total -= later.get(key, 0)
    else:
        total -= _kept(db, "count(*)", "time_us >= ?", key, now_us)
    if first_us >= now_us or total <= 0:
        return None
    last_us = _kept(db, "max(time_us)", "time_us < ?", key, now_us) or first_us
    return key, system_id, type_, stage, total, before, first_us, last_us


def _kept(db: sqlite3.Connection, what: str, which: str, key: int, now_us: int) -> Any:
    return db.execute(f"SELECT {what} FROM history WHERE key = ? AND {which}", (key, now_us)).fetchone()[0]  # noqa: S608 - our words


def _reset(
    db: sqlite3.Connection, row: Row, now_us: int, before: Sequence[Reset], undone: Sequence[Reset]
) -> Row:
    """Let resets that are later not have been."""
    key, system_id, type_, stage, total, _, *ends = row
    if stage != CONFIRMED or newest_reset(undone, system_id, type_) == NEVER_US:
        return row
    reset_us = newest_reset(before, system_id, type_)
    since = total
    if reset_us != NEVER_US:
        since = counts(db, reset_us, now_us, "c.key = ?", (key,))[key]
    return key, system_id, type_, stage, total, total - since, *ends
