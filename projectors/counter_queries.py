"""Asking the counters: how many, since when, how often, how long, and how healthy a system is.

Nothing here reads a clock: `now_us` is a parameter, so any answer can be had again. Without a system the
answers are of the fleet, whose figures are sums. Only confirmed occurrences are counted.
Source of the rules: the event counters specification, in schemas/occurrences.toml.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bus.system_ids import ALL
from projectors.counter_answers import (
    Count,
    Durations,
    Happened,
    Health,
    Statistics,
    count_of,
    fleet_health,
    health_of,
    trend,
)
from projectors.counter_durations import durations, reaching_over
from projectors.counter_history import newest
from projectors.counter_periods import (
    CONFIRMED,
    DAY_US,
    EVER_US,
    HOUR_US,
    By,
    FleetCounts,
    counts,
    fleet_counts,
    one_by_one,
)
from projectors.counter_resets import NEVER_US, newest_reset, resets
from projectors.counter_then import then
from projectors.counters import NAME
from projectors.generations import Generations
from projectors.nodes import HERE, NAMED, names_of, plain, qualified
from schemas.errors import ConfigurationError
from schemas.occurrences import TABLE

_NAMED = NAMED.format(column="system_id")
_NAMES = ("system", "after", "before")
_NAMED_SO = "(c.system_id = :system OR (c.system_id > :after AND c.system_id < :before))"
_CACHE_KIB = 16_384
_ENDED = [type_ for type_ in TABLE.occurrences if TABLE.ended_by(type_) is not None]
_HEAVY = [type_ for type_, one in TABLE.occurrences.items() if TABLE.health.weights[one.severity]]


class Counters:
    """The counters that serve, read only."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._parts: dict[tuple[int, int], FleetCounts] | None = None

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
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return cls(db)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let everything that is asked inside be answered at one position."""
        self._db.execute("BEGIN")
        self._parts = {}
        try:
            yield
        finally:
            self._parts = None
            self._db.execute("COMMIT")

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
        found: dict[str, int] = {}
        for name, since_us in self._db.execute("SELECT system_id, since_us FROM systems ORDER BY system_id"):
            system_id = plain(name)[0]
            found[system_id] = min(since_us, found.get(system_id, since_us))
        return found

    def named(self, name: str) -> str:
        """Name the system that a name is an alias of; else the name is its own."""
        row = self._db.execute("SELECT system_id FROM aliases WHERE alias = ?", (name,)).fetchone()
        return plain(row[0])[0] if row else name

    def since_named_reset(self, types: Collection[str]) -> dict[tuple[str, str], int]:
        """Count these types on every system since a reset last named them; one of everything is no such."""
        found = {(system_id, type_): 0 for system_id in self.systems() for type_ in types}
        naming = [one for one in resets(self._db) if one.types]
        for key, name, type_, stage, total, *_ in self._rows(None):
            if stage != CONFIRMED or type_ not in types:
                continue
            reset_us = newest_reset(naming, name, type_)
            whole = reset_us == NEVER_US
            number = total if whole else counts(self._db, reset_us, EVER_US, "c.key = ?", (key,))[key]
            found[plain(name)[0], type_] += number
        return found

    def show(self, now_us: int, system_id: str | None = None) -> list[Count]:
        """Count every type that occurred up to now."""
        rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for row in then(self._db, self._rows(system_id), now_us, *_of(system_id)):
            rows[row[2]].append(row)
        hours = self._by_type(now_us - HOUR_US, now_us, system_id)
        days = self._by_type(now_us - DAY_US, now_us, system_id)
        opened = self._open(now_us, system_id)
        return [
            count_of(type_, of_type, hours[type_], days[type_], opened.get(type_))
            for type_, of_type in sorted(rows.items())
        ]

    def rate(self, type_: str, now_us: int, window_us: int = HOUR_US, system_id: str | None = None) -> float:
        """Return how many an hour there were in a window up to now."""
        return self._by_type(now_us - window_us, now_us, system_id)[type_] * HOUR_US / window_us

    def statistics(
        self,
        now_us: int,
        days: float = TABLE.trend.days,
        *,
        since_us: int | None = None,
        system_id: str | None = None,
    ) -> list[Statistics]:
        """Return the figures of all types that occurred over some days up to now, or from `since_us` on."""
        asked_us = now_us - round(days * DAY_US) if since_us is None else since_us
        begin_us = max(asked_us, min(self._since(system_id), now_us))
        middle_us = (begin_us + now_us) // 2
        first = self._by_type(begin_us, middle_us, system_id)
        second = self._by_type(middle_us, now_us, system_id)
        later = self._by_type(now_us, EVER_US, system_id)
        totals = self._totals(system_id)
        span = (now_us - begin_us) / DAY_US
        ends = self._ends(begin_us, now_us, system_id)
        return [
            Statistics(
                occurrence=TABLE.get(type_),
                days=span,
                total=total - later[type_],
                recent=first[type_] + second[type_],
                daily_average=round((first[type_] + second[type_]) / max(span, 1.0), 2),
                trend=trend(first[type_], second[type_]),
                first_us=ends[type_][0],
                last_us=ends[type_][1],
            )
            for type_, total in totals.items()
        ]

    def by_type(self, since_us: int, until_us: int, system_id: str | None = None) -> dict[str, int]:
        """Return how many there were in a period, by type; what there was none of is left out."""
        return dict(self._by_type(since_us, until_us, system_id))

    def by_system(self, since_us: int, until_us: int) -> dict[str, int]:
        """Return how many there were in a period, by system; those without any are left out."""
        found: dict[str, int] = defaultdict(int)
        for name, number in self._fleet(since_us, until_us, "system_id").items():
            found[plain(name)[0]] += number
        return dict(found)

    def by_day(self, since_us: int, until_us: int, system_id: str | None = None) -> dict[str, dict[int, int]]:
        """Return how many there were on each day (of the epoch, UTC) that the period touches, by type."""
        days = (since_us // DAY_US, -(-until_us // DAY_US))
        if system_id is None:
            rows = self._db.execute(
                "SELECT type, n, count FROM type_sums WHERE days = 1 AND n >= ? AND n < ?", days
            )
        else:
            rows = self._db.execute(
                "SELECT type, n, count FROM counters CROSS JOIN sums USING (key)"  # noqa: S608 - our words
                f" WHERE {_NAMED} AND days = 1 AND n >= ? AND n < ?",
                (*names_of(system_id), *days),
            )
        found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for type_, day, number in rows:
            found[type_][day] += number
        return {type_: dict(of_days) for type_, of_days in found.items()}

    def health(self, now_us: int, system_id: str | None = None) -> Health:
        """Score a system, or the fleet, by what was confirmed in the last days."""
        if system_id is not None:
            return health_of(self._recent(now_us, system_id)[system_id])
        return fleet_health(self.each_health(now_us))

    def each_health(self, now_us: int) -> dict[str, Health]:
        """Score every system."""
        recent = self._recent(now_us, None)
        return {system: health_of(recent[system]) for system in self.systems()}

    def durations(
        self, now_us: int, since_us: int | None = None, system_id: str | None = None
    ) -> dict[str, Durations]:
        """Tell how long occurrences of each type that lasted between `since_us` and now did so."""
        where, values = _of(system_id)
        where = f"{where} AND c.type IN ({','.join('?' * len(_ENDED))})"
        begin_us = -EVER_US if since_us is None else since_us
        return durations(self._db, begin_us, now_us, where, (*values, *_ENDED))

    def history(
        self,
        *,
        system_id: str | None = None,
        types: Collection[str] | None = None,
        since_us: int = 0,
        until_us: int = EVER_US,
        stages: Collection[str] = (CONFIRMED,),
        limit: int = 100,
    ) -> list[Happened]:
        """Return single occurrences with since <= time < until, the newest first."""
        where, values = _of(system_id)
        for column, chosen in (("stage", stages), ("type", types)):
            if chosen is not None:
                where += f" AND c.{column} IN ({','.join('?' * len(chosen))})"
                values += tuple(chosen)
        return newest(self._db, since_us, until_us, where, values, limit)

    def resets(self, system_id: str | None = None) -> list[dict[str, Any]]:
        """Return who began counting what anew, and why, the newest first."""
        rows = self._db.execute(
            "SELECT time_us, system_id, types, client, reason FROM resets"
            " ORDER BY time_us DESC, position DESC"
        )
        names = ("time_us", "system_id", "types", "client", "reason")
        every = [dict(zip(names, row, strict=True)) for row in rows]
        about = None if system_id is None else self._concerning(system_id)
        chosen = [row for row in every if about is None or row["system_id"] in about]
        return [row | _whose(row["system_id"]) for row in chosen]

    def _concerning(self, system_id: str) -> set[str]:
        """Return all names under which a system may be reset."""
        found = self._db.execute(
            f"SELECT system_id FROM systems WHERE {_NAMED}",  # noqa: S608 - our words
            names_of(system_id),
        )
        nodes = {plain(name)[1] for (name,) in found} or {HERE}
        return {qualified(name, node) for node in nodes for name in (system_id, ALL)}

    def _recent(self, now_us: int, system_id: str | None) -> dict[str, dict[str, int]]:
        """Count, by system and type, what the score is made of."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        begin_us = now_us - TABLE.health.days * DAY_US
        where, values = _of(system_id)
        where = f"{where} AND c.type IN ({','.join('?' * len(_HEAVY))})"
        recent = self._counts(begin_us, now_us, where, (*values, *_HEAVY), many=system_id is None)
        for (system, type_), number in recent.items():
            found[system][type_] = found[system].get(type_, 0) + number
        return found

    def _rows(self, system_id: str | None) -> list[tuple[Any, ...]]:
        if system_id is None:
            return self._db.execute("SELECT * FROM counters").fetchall()
        where, values = _of(system_id)
        return self._db.execute(f"SELECT c.* FROM counters AS c WHERE {where}", values).fetchall()  # noqa: S608 - our words

    def _by_type(self, since_us: int, until_us: int, system_id: str | None) -> dict[str, int]:
        if system_id is None:
            return self._fleet(since_us, until_us, "type")
        found = self._counts(since_us, until_us, *_of(system_id))
        return defaultdict(int, {type_: number for (_, type_), number in found.items()})

    def _fleet(self, since_us: int, until_us: int, by: By) -> dict[str, int]:
        return fleet_counts(self._db, since_us, until_us, by, self._part)

    def _part(self, begin_us: int, end_us: int) -> FleetCounts:
        """Count a part of a day; once only while everything stands still."""
        if self._parts is None:
            return one_by_one(self._db, begin_us, end_us)
        if (begin_us, end_us) not in self._parts:
            self._parts[begin_us, end_us] = one_by_one(self._db, begin_us, end_us)
        return self._parts[begin_us, end_us]

    def _counts(
        self, since_us: int, until_us: int, where: str, values: tuple[str, ...], *, many: bool = False
    ) -> dict[tuple[str, str], int]:
        """Count by system and type."""
        found = counts(self._db, since_us, until_us, where, values, many=many)
        rows = self._db.execute(f"SELECT c.key, c.system_id, c.type FROM counters AS c WHERE {where}", values)  # noqa: S608 - our words
        together: dict[tuple[str, str], int] = defaultdict(int)
        for key, name, type_ in rows:
            if key in found:
                together[plain(name)[0], type_] += found[key]
        return together

    def _totals(self, system_id: str | None) -> dict[str, int]:
        """Return how many there were ever, by type in order of its category."""
        where, values = _of(system_id)
        rows = self._db.execute(
            "SELECT c.type, sum(c.total) FROM counters AS c"  # noqa: S608 - our words
            f" WHERE c.stage = '{CONFIRMED}' AND {where} GROUP BY c.type",
            values,
        )
        return dict(sorted(rows, key=lambda row: (TABLE.rank(row[0]), row[0])))

    def _since(self, system_id: str | None) -> int:
        if system_id is None:
            row = self._db.execute("SELECT min(since_us) FROM systems").fetchone()
        else:
            row = self._db.execute(
                f"SELECT min(since_us) FROM systems WHERE {_NAMED}",  # noqa: S608 - our words
                names_of(system_id),
            ).fetchone()
        return EVER_US if row is None or row[0] is None else int(row[0])

    def _ends(
        self, since_us: int, until_us: int, system_id: str | None
    ) -> dict[str, tuple[int | None, int | None]]:
        """Return the times of the first and the last occurrence of a period, as far as is known, by type."""
        where = "1" if system_id is None else _NAMED_SO
        inside = "FROM history AS h WHERE h.key = c.key AND h.time_us >= :since AND h.time_us < :until"
        rows = self._db.execute(
            "SELECT c.type,"  # noqa: S608 - our words
            " min(CASE WHEN c.first_us >= :since AND c.first_us < :until THEN c.first_us"
            f" ELSE (SELECT min(h.time_us) {inside}) END),"
            " max(CASE WHEN c.last_us >= :since AND c.last_us < :until THEN c.last_us"
            f" ELSE (SELECT max(h.time_us) {inside}) END)"
            f" FROM counters AS c WHERE c.stage = '{CONFIRMED}' AND {where} GROUP BY c.type",
            {
                "since": since_us,
                "until": until_us,
                **dict(zip(_NAMES, names_of(system_id or ""), strict=True)),
            },
        )
        return {type_: (first_us, last_us) for type_, first_us, last_us in rows}

    def _open(self, now_us: int, system_id: str | None) -> dict[str, int]:
        """Return, by type, since when occurrences last that have not ended."""
        where, values = _of(system_id)
        where = f"c.stage = '{CONFIRMED}' AND {where} AND c.type IN ({','.join('?' * len(_ENDED))})"
        found: dict[str, int] = {}
        for type_, started_us, _ in reaching_over(self._db, now_us, where, (*values, *_ENDED)):
            found[type_] = min(started_us, found.get(type_, started_us))
        return found


def _of(system_id: str | None) -> tuple[str, tuple[str, ...]]:
    """Return SQL that chooses counters of a system, or all, with its values."""
    if system_id is None:
        return "1", ()
    return NAMED.format(column="c.system_id"), names_of(system_id)


def _whose(name: str) -> dict[str, str]:
    """Tell the system, and the node where that is not ours, of a qualified name."""
    system_id, node = plain(name)
    return {"system_id": system_id, "node": node} if node else {"system_id": system_id}
