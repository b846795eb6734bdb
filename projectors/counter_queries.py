"""Asking the counters: how many, since when, how often, how long, and how healthy a system is.

Nothing here reads a clock: `now_us` is a parameter, so any answer can be had again. Without a system the
answers are of the fleet, whose figures are sums. Only confirmed occurrences are counted.
Source of the rules: the event counters specification, in schemas/occurrences.toml.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from bus.instants import SECOND_US
from projectors.counter_answers import (
    Count,
    Durations,
    Happened,
    Health,
    Statistics,
    count_of,
    factors_of,
    health_of,
    trend,
)
from projectors.counter_periods import DAY_US, HOUR_US, count, counts
from projectors.counters import NAME
from projectors.counters_store import CONFIRMED
from projectors.generations import Generations
from schemas.errors import ConfigurationError
from schemas.occurrences import TABLE

_EVER_US = 2**62


class Counters:
    """The counters that serve, read only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @classmethod
    def open(cls, data: Path) -> "Counters":
        """Open the counters of a data directory.

        Raises:
            ConfigurationError: there are none.
        """
        path = Generations(data / NAME).current() if (data / NAME).is_dir() else None
        if path is None:
            raise ConfigurationError(
                f"there are no counters in {data}: run `ovr project counters` or `ovr rebuild counters`"
            )
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        db.execute("PRAGMA busy_timeout = 5000")
        return cls(db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def position(self) -> int:
        """Return up to where the journal is counted."""
        row = self._db.execute("SELECT position FROM checkpoint").fetchone()
        return int(row[0]) if row else 0

    def recorded_us(self) -> int:
        """Return the newest `recordedat` that was counted: the stream's own "now"; 0 before the first."""
        row = self._db.execute("SELECT recorded_us FROM stream").fetchone()
        return int(row[0]) if row else 0

    def occurred(self) -> int:
        """Return how many occurrences were told ever: it changes when anything a report says may have."""
        row = self._db.execute(
            "SELECT (SELECT coalesce(sum(total), 0) FROM counters) + (SELECT count(*) FROM resets)"
        ).fetchone()
        return int(row[0])

    def systems(self) -> dict[str, int]:
        """Return the systems, each with the earliest time at which anything was observed of it."""
        return dict(self._db.execute("SELECT system_id, since_us FROM systems ORDER BY system_id").fetchall())

    def show(self, now_us: int, system_id: str | None = None) -> list[Count]:
        """Count every type that ever occurred."""
        hours = counts(self._db, now_us - HOUR_US, now_us, self._some(system_id))
        days = counts(self._db, now_us - DAY_US, now_us, self._some(system_id))
        opened = self._open(system_id)
        rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self._rows(system_id):
            rows[row[2]].append(row)
        types = sorted(rows.items())
        return [count_of(type_, of_type, hours, days, opened.get(type_)) for type_, of_type in types]

    def rate(self, type_: str, now_us: int, window_us: int = HOUR_US, system_id: str | None = None) -> float:
        """Return how many an hour there were in a window up to now."""
        number = count(self._db, self._keys(type_, system_id), now_us - window_us, now_us)
        return number * HOUR_US / window_us

    def statistics(
        self,
        type_: str,
        now_us: int,
        days: int = TABLE.trend.days,
        *,
        since_us: int | None = None,
        system_id: str | None = None,
    ) -> Statistics:
        """Return the figures of one type over some days up to now, or from `since_us` on."""
        keys = self._keys(type_, system_id)
        asked_us = now_us - days * DAY_US if since_us is None else since_us
        begin_us = max(asked_us, min(self._since(system_id), now_us))
        middle_us = (begin_us + now_us) // 2
        first, second = (
            count(self._db, keys, begin_us, middle_us),
            count(self._db, keys, middle_us, now_us),
        )
        span = (now_us - begin_us) / DAY_US
        total = count(self._db, keys, -_EVER_US, now_us)
        first_us, last_us = self._ends(keys, begin_us, now_us)
        return Statistics(
            occurrence=TABLE.get(type_),
            days=span,
            total=total,
            recent=first + second,
            daily_average=round((first + second) / max(span, 1.0), 2),
            trend=trend(first, second),
            first_us=first_us,
            last_us=last_us,
        )

    def matrix(
        self, since_us: int, until_us: int, system_id: str | None = None
    ) -> dict[tuple[str, str], int]:
        """Return how many there were in a period, by system and type."""
        keys = {row[0]: (row[1], row[2]) for row in self._rows(system_id) if row[3] == CONFIRMED}
        found = counts(self._db, since_us, until_us, self._some(system_id))
        return {keys[key]: number for key, number in found.items() if key in keys and number}

    def by_day(self, since_us: int, until_us: int, system_id: str | None = None) -> dict[str, dict[int, int]]:
        """Return how many there were on each day (of the epoch, UTC) that the period touches, by type."""
        keys = {row[0]: row[2] for row in self._rows(system_id) if row[3] == CONFIRMED}
        where = "" if system_id is None else f"key IN ({_marks(keys)}) AND "
        rows = self._db.execute(
            f"SELECT key, day, count FROM days WHERE {where}day >= ? AND day < ?",  # noqa: S608 - marks only
            (*(() if system_id is None else keys), since_us // DAY_US, -(-until_us // DAY_US)),
        )
        found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for key, day, number in rows:
            if key in keys:
                found[keys[key]][day] += number
        return found

    def health(self, now_us: int, system_id: str | None = None) -> Health:
        """Score a system, or the fleet, by what was confirmed in the last days."""
        recent = self._recent(now_us, system_id)
        if system_id is not None:
            return health_of(recent[system_id])
        scores = {system: health_of(recent[system]).score for system in self.systems()}
        score = round(sum(scores.values()) / len(scores), 1) if scores else 100.0
        together: dict[str, int] = defaultdict(int)
        for of_system in recent.values():
            for type_, number in of_system.items():
                together[type_] += number
        worst = min(scores, key=lambda system: (scores[system], system), default=None)
        return Health(score, TABLE.health.grade(score), factors_of(together), worst)

    def each_health(self, now_us: int) -> dict[str, Health]:
        """Score every system."""
        recent = self._recent(now_us, None)
        return {system: health_of(recent[system]) for system in self.systems()}

    def durations(
        self, type_: str, now_us: int, since_us: int | None = None, system_id: str | None = None
    ) -> Durations:
        """Tell how long occurrences of a type lasted between `since_us` and now."""
        begin_us = 0 if since_us is None else since_us
        keys = self._keys(type_, system_id)
        rows = self._db.execute(
            "SELECT started_us, ended_us FROM spans WHERE key IN "  # noqa: S608 - marks only
            f"({_marks(keys)}) AND started_us < ? AND (ended_us IS NULL OR ended_us > ?)",
            (*keys, now_us, begin_us),
        ).fetchall()
        parts = [(begun, now_us if ended is None else min(now_us, ended)) for begun, ended in rows]
        return Durations(
            occurrence=TABLE.get(type_),
            number=len(parts),
            total_s=sum(ended - max(begun, begin_us) for begun, ended in parts) / SECOND_US,
            longest_s=max((ended - begun for begun, ended in parts), default=0) / SECOND_US,
            open_since_us=min(
                (begun for begun, ended in rows if ended is None or ended >= now_us), default=None
            ),
        )

    def history(
        self,
        *,
        system_id: str | None = None,
        types: Collection[str] | None = None,
        since_us: int = 0,
        until_us: int = _EVER_US,
        stages: Collection[str] = (CONFIRMED,),
        limit: int = 100,
    ) -> list[Happened]:
        """Return single occurrences with since <= time < until, the newest first."""
        keys = {
            row[0]: row
            for row in self._rows(system_id)
            if row[3] in stages and (types is None or row[2] in types)
        }
        everything = system_id is None and types is None
        where = "" if everything else f"key IN ({_marks(keys)}) AND "
        rows = self._db.execute(
            f"SELECT * FROM history WHERE {where}time_us >= ? AND time_us < ?"  # noqa: S608 - marks only
            " ORDER BY time_us DESC, position DESC",
            (*(() if everything else keys), since_us, until_us),
        )
        found: list[Happened] = []
        for key, time_us, position, *details in rows:
            if key in keys:
                _, system, type_, stage, *_ = keys[key]
                found.append(Happened(system, TABLE.get(type_), stage, time_us, position, *details))
            if len(found) >= limit:
                break
        return found

    def resets(self, system_id: str | None = None) -> list[dict[str, Any]]:
        """Return who began counting what anew, and why, the newest first."""
        rows = self._db.execute(
            "SELECT time_us, system_id, types, client, reason FROM resets"
            " ORDER BY time_us DESC, position DESC"
        )
        names = ("time_us", "system_id", "types", "client", "reason")
        every = (dict(zip(names, row, strict=True)) for row in rows)
        return [row for row in every if system_id is None or row["system_id"] in {system_id, "all"}]

    def _recent(self, now_us: int, system_id: str | None) -> dict[str, dict[str, int]]:
        """Count, by system and type, what the score is made of."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        begin_us = now_us - TABLE.health.days * DAY_US
        for (system, type_), number in self.matrix(begin_us, now_us, system_id).items():
            found[system][type_] = number
        return found

    def _rows(self, system_id: str | None) -> list[tuple[Any, ...]]:
        if system_id is None:
            return self._db.execute("SELECT * FROM counters").fetchall()
        return self._db.execute("SELECT * FROM counters WHERE system_id = ?", (system_id,)).fetchall()

    def _some(self, system_id: str | None) -> list[int] | None:
        return None if system_id is None else [row[0] for row in self._rows(system_id)]

    def _keys(self, type_: str, system_id: str | None) -> list[int]:
        return [row[0] for row in self._rows(system_id) if row[2] == type_ and row[3] == CONFIRMED]

    def _since(self, system_id: str | None) -> int:
        if system_id is None:
            row = self._db.execute("SELECT min(since_us) FROM systems").fetchone()
        else:
            row = self._db.execute(
                "SELECT since_us FROM systems WHERE system_id = ?", (system_id,)
            ).fetchone()
        return _EVER_US if row is None or row[0] is None else int(row[0])

    def _ends(self, keys: Sequence[int], since_us: int, until_us: int) -> tuple[int | None, int | None]:
        """Return the times of the first and the last occurrence of a period."""
        found = [
            self._db.execute(
                "SELECT min(time_us), max(time_us) FROM history"
                " WHERE key = ? AND time_us >= ? AND time_us < ?",
                (key, since_us, until_us),
            ).fetchone()
            for key in keys
        ]
        times = [time_us for row in found for time_us in row if time_us is not None]
        return min(times, default=None), max(times, default=None)

    def _open(self, system_id: str | None) -> dict[str, int]:
        """Return, by type, since when occurrences last that have not ended."""
        rows = self._db.execute(
            "SELECT type, min(started_us) FROM spans JOIN counters USING (key)"
            " WHERE ended_us IS NULL AND (? IS NULL OR system_id = ?) GROUP BY type",
            (system_id, system_id),
        )
        return dict(rows.fetchall())


def _marks(keys: Collection[int]) -> str:
    return ",".join("?" * len(keys))
