"""Counting in SQLite: what a batch of events adds to totals, sums, history and spans.

Rules that must stay true here:
- what the tables hold at a position depends on the stream up to it, never on batches, restarts or the clock:
  what was taken in is written before anything that was written is read or forgotten;
- an occurrence counts at its own time: a late one lands in its day, in its span, before or after a reset;
- totals and sums are for ever; only single occurrences, and spans, are forgotten, by age and number;
- what another node told is counted under the system's name with the node's: what that node says of `all`, or
  of other names, concerns its own systems; a reset that names a system concerns it wherever it was.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

import orjson

from bus import system_ids
from bus.envelope import Recorded
from projectors import counter_resets, counter_spans
from projectors.aliases import REGISTERED, Aliases
from projectors.counter_periods import BLOCK_DAYS, BLOCK_US, CONFIRMED, DAY_US, EVER_US, counts
from projectors.counter_resets import Reset
from projectors.counter_spans import Pairing
from projectors.nodes import MARK, name_of, origin_of, plain
from schemas.occurrences import TABLE

RESET: Final = "counters.reset"
OBSERVED: Final = ("device.connected",)
RARE: Final = frozenset({RESET, REGISTERED, *OBSERVED})
TYPES: Final = RARE | TABLE.occurrences.keys()
Taken = tuple[Recorded, Mapping[str, Any]]
"""An event and its data, in the newest version of its schema."""

_ENDED: Final = frozenset(type_ for type_ in TABLE.occurrences if TABLE.ended_by(type_) is not None)
_DETAILS: Final = ("cause", "device", "measurement", "measured", "threshold", "duration_s", "detail")
_COUNTER: Final = (
    "INSERT INTO counters VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (key) DO UPDATE SET total = excluded.total,"
    " before = excluded.before, first_us = excluded.first_us, last_us = excluded.last_us"
)
_SUMS: Final = {"key": "sums", "type": "type_sums", "system_id": "system_sums"}
_by_key = attrgetter("key")


@dataclass(frozen=True, slots=True)
class Retention:
    """How much history is kept.

    Attributes:
        days: occurrences of so many days before the newest `recordedat` of the stream are kept; what is
            older is forgotten 32 days at a time.
        most: of each system, type and stage, no more than the newest so many are kept; a tenth of them is
            forgotten at a time.
    """

    days: int = 365
    most: int = 10_000

    def horizon_us(self, now_us: int) -> int:
        """Return the time before which nothing is kept."""
        return (now_us // DAY_US - self.days) // BLOCK_DAYS * BLOCK_US

    def trims(self, total: int) -> bool:
        """Tell whether the oldest are forgotten when so many, more than `most`, were counted."""
        return total % max(1, self.most // 10) == 0

    @property
    def after_trimming(self) -> int:
        """How many are kept then."""
        return self.most - max(1, self.most // 10) + 1


@dataclass(slots=True, eq=False)
class Counter:
    """One row of `counters`, and what is not written yet.

    Attributes:
        reset_us: the newest reset that concerns it.
        rows: of its history.
        begins: what it is the beginning of; None for what nothing ends, and for edges.
        ends: what it is the end of.
    """

    key: int
    system_id: str
    type: str
    stage: str
    total: int = 0
    before: int = 0
    first_us: int = EVER_US
    last_us: int = -EVER_US
    reset_us: int = -EVER_US
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    begins: Pairing | None = None
    ends: tuple[Pairing, ...] = ()

    def pairings(self) -> Iterator[Pairing]:
        """Yield what it begins and ends."""
        if self.begins is not None:
            yield self.begins
        yield from self.ends

    def row(self) -> tuple[Any, ...]:
        """Return it as stored."""
        return (
            *(self.key, self.system_id, self.type, self.stage),
            *(self.total, self.before, self.first_us, self.last_us),
        )


class CountersStore:
    """The counters in memory, small, and everything else in the file.

    Attributes:
        waiting: how many occurrences are taken in and not written.
    """

    def __init__(self, db: sqlite3.Connection, retention: Retention) -> None:
        """Load what the file holds."""
        self._db = db
        self._retention = retention
        self._load()

    def _load(self) -> None:
        db = self._db
        self._aliases = Aliases(dict(db.execute("SELECT alias, system_id FROM aliases").fetchall()))
        self._since = dict(db.execute("SELECT system_id, since_us FROM systems").fetchall())
        row = db.execute("SELECT recorded_us FROM stream").fetchone()
        self._recorded_us = self._written_us = row[0] if row else 0
        self._horizon_us = self._retention.horizon_us(self._recorded_us)
        self._resets = counter_resets.resets(db)
        used = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'counters'").fetchone()
        self._next = used[0] + 1 if used else 1
        self._counters: dict[tuple[str, str, str], Counter] = {}
        self._known: dict[tuple[str, str, str], Counter] = {}
        self._pairings: dict[tuple[str, str], Pairing] = defaultdict(Pairing)
        self._touched: list[Counter] = []
        self.waiting = 0
        for row in db.execute("SELECT * FROM counters").fetchall():
            self._add(Counter(*row))
        begun = {key: (time_us, position) for key, time_us, position in db.execute("SELECT * FROM lasting")}
        for pairing in self._pairings.values():
            pairing.begun = begun.get(pairing.start or 0)

    def apply(self, taken: Iterable[Taken]) -> None:
        """Take a stretch of the stream in; inside a transaction, and what waits is to be written."""
        for recorded, data in taken:
            if recorded.recorded_us > self._recorded_us:
                self._move(recorded.recorded_us)
            if recorded.type in RARE:
                self._rare(recorded, data)
                continue
            subject = name_of(recorded) if MARK in recorded.body else recorded.subject
            name = (subject, recorded.type, data["stage"])
            counter = self._known.get(name) or self._meet(*name)
            if counter is not None:
                self._count(counter, recorded.time_us, recorded.position, data)

    def _move(self, recorded_us: int) -> None:
        """Let the stream come so far, and forget what is too old then."""
        self._recorded_us = recorded_us
        horizon_us = self._retention.horizon_us(recorded_us)
        if horizon_us != self._horizon_us:
            self.write()
            self._horizon_us = horizon_us
            keys = [(one.key, horizon_us) for one in self._counters.values()]
            self._db.executemany("DELETE FROM history WHERE key = ? AND time_us < ?", keys)
            self._db.executemany("DELETE FROM spans WHERE key = ? AND ended_us <= ?", keys)
            self._db.execute("DELETE FROM span_sums WHERE n < ?", (horizon_us // BLOCK_US,))

    def _count(self, counter: Counter, time_us: int, position: int, data: Mapping[str, Any]) -> None:
        if not counter.rows:
            self._touched.append(counter)
        details = {name: data[name] for name in _DETAILS if name in data}
        counter.rows.append((counter.key, time_us, position, orjson.dumps(details).decode()))
        self.waiting += 1
        counter.total += 1
        if time_us < counter.reset_us:
            counter.before += 1
        if time_us >= self._horizon_us:
            if counter.begins is not None:
                counter.begins.take((time_us, position), begins=True)
            for pairing in counter.ends:
                pairing.take((time_us, position), begins=False)
        if counter.total > self._retention.most and self._retention.trims(counter.total):
            self.write()
            self._trim(counter)

    def _rare(self, recorded: Recorded, data: Mapping[str, Any]) -> None:
        if recorded.type == RESET:
            self.write()
            self._reset(recorded, data)
            return
        system_id = self._system(name_of(recorded))
        if system_id is not None:
            self._observe(system_id, recorded.time_us)
            if recorded.type == REGISTERED:
                self._join(system_id, data)

    def _system(self, subject: str) -> str | None:
        """Name the system that a subject is; None for what is about no single one."""
        if plain(subject)[0] == system_ids.ALL or subject.startswith("_"):
            return None
        return self._aliases.resolve(subject)

    def _observe(self, system_id: str, time_us: int) -> None:
        if time_us < self._since.get(system_id, EVER_US):
            self._since[system_id] = time_us
            self._db.execute("INSERT OR REPLACE INTO systems VALUES (?, ?)", (system_id, time_us))

    def _meet(self, subject: str, type_: str, stage: str) -> Counter | None:
        """Find the counter of an occurrence, or begin one."""
        system_id = self._system(subject)
        if system_id is None:
            return None
        found = self._counters.get((system_id, type_, stage)) or self._begin(system_id, type_, stage)
        self._known[subject, type_, stage] = found
        return found

    def _begin(self, system_id: str, type_: str, stage: str) -> Counter:
        counter = Counter(self._next, system_id, type_, stage)
        self._next += 1
        self._add(counter)
        return counter

    def _add(self, counter: Counter) -> None:
        """Keep a counter at hand, together with what it begins and ends."""
        self._counters[counter.system_id, counter.type, counter.stage] = counter
        if counter.stage != CONFIRMED:
            return
        counter.reset_us = self._reset_of(counter)
        if counter.type in _ENDED:
            counter.begins = self._pairings[counter.system_id, counter.type]
            counter.begins.start = counter.key
        counter.ends = tuple(
            self._pairings[counter.system_id, type_] for type_ in TABLE.get(counter.type).ends
        )
        for pairing in counter.ends:
            pairing.end = counter.key
        for pairing in counter.pairings():
            pairing.upto = max(pairing.upto, (counter.last_us, EVER_US))

    def write(self) -> None:
        """Write what waits; inside a transaction."""
        touched, self._touched = sorted(self._touched, key=_by_key), []
        self.waiting = 0
        history = list[tuple[Any, ...]]()
        days: dict[tuple[Counter, int], int] = defaultdict(int)
        for one in touched:
            rows, one.rows = one.rows, []
            times = [row[1] for row in rows]
            one.first_us, one.last_us = min(one.first_us, *times), max(one.last_us, *times)
            if one.first_us < self._since.get(one.system_id, EVER_US):
                self._observe(one.system_id, one.first_us)
            if one.stage == CONFIRMED:
                for time_us in times:
                    days[one, time_us // DAY_US] += 1
            history += [row for row in rows if row[1] >= self._horizon_us]
        db = self._db
        db.executemany("INSERT INTO history VALUES (?,?,?,?)", history)
        db.executemany(_COUNTER, [one.row() for one in touched])
        if self._recorded_us != self._written_us:
            self._written_us = self._recorded_us
            db.execute("INSERT OR REPLACE INTO stream VALUES (0, ?)", (self._recorded_us,))
        self._add_up(days)
        pairings = {id(one): one for counter in touched for one in counter.pairings() if one.changed}
        counter_spans.write(db, pairings.values())

    def _add_up(self, days: Mapping[tuple[Counter, int], int]) -> None:
        """Add to the sums what was confirmed, by counter and day."""
        found: dict[str, dict[tuple[int | str, int, int], int]] = {of: defaultdict(int) for of in _SUMS}
        for (one, day), number in days.items():
            for width, n in ((1, day), (BLOCK_DAYS, day // BLOCK_DAYS)):
                found["key"][one.key, width, n] += number
                found["type"][one.type, width, n] += number
                found["system_id"][one.system_id, width, n] += number
        for of, sums in found.items():
            rows = [(*where, number) for where, number in sorted(sums.items())]
            self._db.executemany(f"INSERT INTO {_SUMS[of]} VALUES (?,?,?,?) {_adding(of)}", rows)  # noqa: S608 - our tables

    def _trim(self, counter: Counter) -> None:
        """Keep only the newest occurrences of a counter."""
        self._db.execute(
            "DELETE FROM history WHERE key = ? AND (time_us, position) <="
            " (SELECT time_us, position FROM history WHERE key = ?"
            " ORDER BY time_us DESC, position DESC LIMIT 1 OFFSET ?)",
            (counter.key, counter.key, self._retention.after_trimming),
        )

    def _reset(self, recorded: Recorded, data: Mapping[str, Any]) -> None:
        system_id = self._aliases.resolve(name_of(recorded))  # `all` stands for nothing else
        where = origin_of(recorded)
        types = frozenset(data.get("types", ()))
        self._db.execute(
            "INSERT INTO resets VALUES (?,?,?,?,?,?)",
            (
                *(recorded.position, system_id, orjson.dumps(sorted(types)).decode()),
                *(recorded.time_us, recorded.client if where is None else where.client, data["reason"]),
            ),
        )
        self._resets.append(Reset(system_id, types, recorded.time_us))
        self._count_resets(self._counters.values())

    def _count_resets(self, counters: Iterable[Counter]) -> None:
        """Count anew what lies before the newest reset of counters."""
        for one in counters:
            reset_us = self._reset_of(one)
            if one.stage == CONFIRMED and reset_us != one.reset_us:
                one.reset_us = reset_us
                since = counts(self._db, reset_us, EVER_US, "c.key = ?", (one.key,))
                one.before = one.total - since[one.key]
                self._db.execute("UPDATE counters SET before = ? WHERE key = ?", (one.before, one.key))

    def _reset_of(self, counter: Counter) -> int:
        return counter_resets.newest_reset(self._resets, counter.system_id, counter.type)

    def _join(self, system_id: str, data: Mapping[str, Any]) -> None:
        """Give what was counted under names that turn out to be aliases to their system."""
        self.write()
        aliases = self._aliases.claim(system_id, data.get("aliases", ()))
        self._db.executemany("INSERT OR REPLACE INTO aliases VALUES (?, ?)", self._aliases.known().items())
        for alias in aliases:
            self._db.execute("DELETE FROM systems WHERE system_id = ?", (alias,))
            self._observe(system_id, self._since.pop(alias, EVER_US))
            self._db.execute("UPDATE resets SET system_id = ? WHERE system_id = ?", (system_id, alias))
            self._move_sums("system_id", system_id, alias)
            for gone in [one for one in self._counters.values() if one.system_id == alias]:
                into = self._counters.get((system_id, gone.type, gone.stage))
                self._merge(gone, into or self._begin(system_id, gone.type, gone.stage))
        if not aliases:
            return
        self._load()
        name = plain(system_id)[0]
        own = [one for one in self._counters.values() if plain(one.system_id)[0] == name]
        for one in own:
            one.reset_us = -EVER_US
            if one.begins is not None:
                counter_spans.pair_all_anew(self._db, one.begins)
        self._count_resets(own)

    def _merge(self, gone: Counter, into: Counter) -> None:
        into.total += gone.total
        into.first_us = min(gone.first_us, into.first_us)
        into.last_us = max(gone.last_us, into.last_us)
        keys = (into.key, gone.key)
        self._db.execute("DELETE FROM counters WHERE key = ?", (gone.key,))
        self._db.execute(_COUNTER, into.row())
        for table in ("history", "spans", "lasting"):
            self._db.execute(f"UPDATE {table} SET key = ? WHERE key = ?", keys)  # noqa: S608 - our tables
        self._move_sums("key", into.key, gone.key)
        self._db.execute("DELETE FROM span_sums WHERE key = ?", (gone.key,))
        if into.total > self._retention.most:
            self._trim(into)

    def _move_sums(self, of: str, into: int | str, gone: int | str) -> None:
        table = _SUMS[of]
        self._db.execute(
            f"INSERT INTO {table} SELECT ?, days, n, count FROM {table} WHERE {of} = ? {_adding(of)}",  # noqa: S608 - our tables
            (into, gone),
        )
        self._db.execute(f"DELETE FROM {table} WHERE {of} = ?", (gone,))  # noqa: S608 - our tables


def _adding(of: str) -> str:
    return f"ON CONFLICT ({of}, days, n) DO UPDATE SET count = count + excluded.count"
