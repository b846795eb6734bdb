"""One SQLite file that holds a read model, how far it has come, and what it could not apply.

Rules that must stay true here:
- effects, checkpoint and dead letters are one transaction;
- the file is in WAL mode with `synchronous=NORMAL`: a power cut may take the last transactions, whole, and
  the journal repeats them;
- what SQLite refuses because of the disk or another process is transient; anything else is a fault of ours.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.envelope import Recorded
from bus.journal import Head
from schemas.errors import ConfigurationError, TransientError

_BUILD_CACHE_KIB = 48 * 1024
_SORT_CACHE_KIB = 8 * 1024
BOOKKEEPING = frozenset({"checkpoint", "dead_letters"})
_TABLES = """
CREATE TABLE IF NOT EXISTS checkpoint (
    projector TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    journal TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    position INTEGER PRIMARY KEY,
    recorded_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT;
"""
_BUSY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_OUTERMOST = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_NESTED = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that could not be applied, and why."""

    recorded: Recorded
    error: str


class SqliteModel:
    """An open file.

    Attributes:
        db: for the projector's own tables.
    """

    def __init__(self, path: Path, name: str, version: int, tables: str) -> None:
        """Open `path`, creating the file and its tables where they are missing.

        Raises:
            ConfigurationError: it was made by another version of the projector.
        """
        self.path = path
        self.name = name
        self.version = version
        self._deferred: list[str] = []
        self._rest: Callable[[], object] = _nothing
        with transient(path):
            self.db = sqlite3.connect(path, isolation_level=None)
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000"):
                self.db.execute(f"PRAGMA {pragma}")
            self.db.executescript(_TABLES + tables)
        self._check_version()

    def place(self) -> Head | None:
        """Return how far the model has come; None when it is new."""
        row = self._row()
        return None if row is None else Head(row[1], row[2], row[3], row[4])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do all that is inside, or nothing; inside another one it is part of that."""
        begin, keep, undo = _NESTED if self.db.in_transaction else _OUTERMOST
        with transient(self.path):
            self.db.execute(begin)
            try:
                yield self.db
                self.db.execute(keep)
            except BaseException:
                if self.db.in_transaction:  # SQLite itself may have ended it, when the disk is full
                    for statement in undo:
                        self.db.execute(statement)
                raise

    def save_place(self, place: Head) -> None:
        """Note how far the model has come; inside the transaction that brought it there."""
        self.db.execute(
            "INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)",
            (self.name, self.version, place.journal, place.incarnation, place.position, place.hash),
        )

    def bury(self, letter: DeadLetter) -> None:
        """Keep an event that could not be applied; inside the transaction that passes it."""
        event = letter.recorded
        self.db.execute(
            "INSERT OR REPLACE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                event.position,
                event.recorded_us,
                event.source,
                event.id,
                event.type,
                event.subject,
                letter.error,
            ),
        )

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return what could not be applied, oldest first."""
        found = self.db.execute("SELECT * FROM dead_letters ORDER BY position")
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found]

    def count(self, table: str) -> int:
        """Count the rows of one of our tables."""
        (number,) = self.db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our tables
        return int(number)

    def fill(self, rest: Callable[[], object]) -> None:
        """Make one transaction of all until `finish`, for a build that is thrown away when it fails.

        Without a journal of SQLite's every page is written once or twice, and not with every save.

        Args:
            rest: called at the end, to write what still waits to be written.
        """
        self._rest = rest
        self.defer_indexes()
        with transient(self.path):
            self.db.execute("PRAGMA journal_mode = OFF")
            self.db.execute("PRAGMA synchronous = OFF")
            self.db.execute("BEGIN IMMEDIATE")

    def defer_indexes(self) -> None:
        """Drop the indexes until `finish`, for a build of the whole file.

        Filling a file first and sorting once costs half, and so does a cache that holds what is being filled.
        """
        found = self.db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        with transient(self.path):
            self.db.execute(f"PRAGMA cache_size = -{_BUILD_CACHE_KIB}")
            for name, sql in found.fetchall():
                self._deferred.append(sql)
                self.db.execute(f"DROP INDEX {name}")

    def finish(self) -> None:
        """Make a built file whole, and empty the write-ahead log, before it is served or copied."""
        with transient(self.path):
            self._rest()
            self.db.execute(f"PRAGMA cache_size = -{_SORT_CACHE_KIB}")
            while self._deferred:
                self.db.execute(self._deferred[-1])
                self._deferred.pop()
            if self.db.in_transaction:
                self.db.execute("COMMIT")
                self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def _row(self) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self.db.execute(
            "SELECT version, journal, incarnation, position, hash FROM checkpoint WHERE projector = ?",
            (self.name,),
        ).fetchone()
        return found

    def _check_version(self) -> None:
        row = self._row()
        if row is not None and row[0] != self.version:
            self.close()
            raise ConfigurationError(
                f"{self.path} was made by version {row[0]} of projector {self.name}, this is version"
                f" {self.version}: run `ovr rebuild {self.name}`"
            )


def _nothing() -> None:
    """Do nothing."""


@contextmanager
def transient(path: Path) -> Iterator[None]:
    """Turn SQLite's complaints into errors that say who must act.

    Raises:
        TransientError: the disk or another process is in the way.
        ConfigurationError: the file is damaged.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY:
            raise TransientError(f"{path} cannot be used now: {error}") from error
        if code in _DAMAGED:
            raise ConfigurationError(f"{path} is damaged ({error}): run `ovr rebuild state`") from error
        raise
