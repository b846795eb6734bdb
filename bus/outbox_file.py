"""The file under an outbox: one SQLite table of items in order, locked to one process.

Rules that must stay true here:
- counts follow commits: a transaction that fails leaves them as they were;
- a file that SQLite cannot read is moved aside and named in the log, never deleted;
- foreign errors leave here as ours: `DamageError` for the caller to move the file aside, `TransientError` for
  a disk that is full or failing, `ConfigurationError` for what a person must change.
"""

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bus import instants
from bus.lockfile import hold
from bus.outbox_items import ROW_BYTES, Dropped, Item
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    n INTEGER PRIMARY KEY, sample INTEGER NOT NULL, subject TEXT NOT NULL, type TEXT NOT NULL,
    time_us INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS numbered (one INTEGER PRIMARY KEY CHECK (one = 1), upto INTEGER NOT NULL);
INSERT OR IGNORE INTO numbered VALUES (1, 0);
"""
_SUMS = f"""
SELECT count(*), ifnull(sum(length(body) + {ROW_BYTES}), 0), ifnull(sum(sample), 0), ifnull(max(n), 0)
FROM item
"""  # noqa: S608 - a number of ours
_SHRINK_ABOVE_PAGES = 1_000
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamageError(TransientError):
    """SQLite cannot read the file; move it aside and go on with an empty one."""


class OutboxFile:
    """The older tier of an outbox.

    Attributes:
        count, size, samples: what it holds that is not confirmed: items, bytes, and how many are samples.
        last: the newest place stored in it.
        numbered: the place up to which items may have been numbered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = self.size = self.samples = self.last = self.numbered = 0
        self._synchronous = ""
        taken = f"the outbox {path} is in use by process {{holder}}: stop it, or give this one another name"
        self._lock_file = hold(path.with_name(path.name + ".lock"), taken)
        try:
            try:
                self._database = self._open()
            except DamageError as error:
                self._database = self._replace(error)
        except BaseException:
            os.close(self._lock_file)
            raise

    def page(self, after: int, limit: int, size_limit: int) -> list[Item]:
        """Read the items that follow place `after`, at least one if there is one."""
        query = "SELECT n, sample, subject, type, time_us, body FROM item WHERE n > ? ORDER BY n LIMIT ?"
        page: list[Item] = []
        with _translated(self.path):
            for n, sample, *rest in self._database.execute(query, (after, limit)):
                page.append(Item(n, bool(sample), *rest))
                size_limit -= page[-1].size
                if size_limit <= 0:
                    break
        return page

    @contextmanager
    def transaction(self, *, durable: bool) -> Iterator[None]:
        """Write all that happens inside, or nothing; when `durable`, it is on the disk at the end."""
        before = (self.count, self.size, self.samples, self.last, self.numbered)
        wanted = "FULL" if durable else "NORMAL"
        with _translated(self.path):
            if wanted != self._synchronous:
                self._database.execute(f"PRAGMA synchronous={wanted}")
                self._synchronous = wanted
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                self.count, self.size, self.samples, self.last, self.numbered = before
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def add(self, items: Sequence[Item]) -> None:
        """Store items; inside a transaction."""
        self._database.executemany(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
            ((item.n, item.sample, item.subject, item.type, item.time_us, item.body) for item in items),
        )
        for item in items:
            self.last = max(self.last, item.n)
            self._count(1, item.size, sample=item.sample)

    def confirm(self, items: Iterable[Item]) -> None:
        """Count items as gone; `forget` removes their rows later."""
        for item in items:
            self._count(-1, -item.size, sample=item.sample)

    def forget(self, upto: int) -> None:
        """Remove the rows of confirmed items; inside a transaction."""
        self._database.execute("DELETE FROM item WHERE n <= ?", (upto,))

    def note_numbered(self, upto: int) -> None:
        """Note up to which place items may have been numbered; inside a transaction."""
        if upto > self.numbered:
            self._database.execute("UPDATE numbered SET upto = ?", (upto,))
            self.numbered = upto

    def oldest_samples(self, after: int) -> Iterator[Dropped]:
        """Read which samples follow place `after`, oldest first; inside a transaction."""
        query = f"""
            SELECT n, subject, time_us, length(body) + {ROW_BYTES} FROM item WHERE n > ? AND sample ORDER BY n
        """  # noqa: S608 - a number of ours
        for row in self._database.execute(query, (after,)):
            yield Dropped(*row)

    def body(self, n: int) -> bytes:
        """Read the body at a place that is known to be there."""
        (body,) = self._database.execute("SELECT body FROM item WHERE n = ?", (n,)).fetchone()
        return bytes(body)

    def drop(self, samples: Sequence[Dropped]) -> None:
        """Remove samples; inside a transaction."""
        self._database.executemany("DELETE FROM item WHERE n = ?", ((sample.n,) for sample in samples))
        for sample in samples:
            self._count(-1, -sample.size, sample=True)

    def remove_account(self, n: int) -> None:
        """Remove an account that a newer one includes; inside a transaction."""
        size = len(self.body(n)) + ROW_BYTES
        self._database.execute("DELETE FROM item WHERE n = ?", (n,))
        self._count(-1, -size, sample=False)

    def shrink(self) -> None:
        """Give the space of removed rows back to the disk, when much is free and nothing is stored."""
        with _translated(self.path):
            (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
            if self.count == 0 and free > _SHRINK_ABOVE_PAGES:
                self._database.execute("PRAGMA incremental_vacuum").fetchall()

    def move_aside(self, error: DamageError) -> None:
        """Keep the damaged file under another name and begin an empty one."""
        self._database.close()
        self._database = self._replace(error)

    def close(self) -> None:
        """Close and unlock."""
        self._database.close()
        os.close(self._lock_file)

    def _count(self, items: int, size: int, *, sample: bool) -> None:
        self.count += items
        self.size += size
        self.samples += items * sample

    def _open(self) -> sqlite3.Connection:
        with _translated(self.path):
            database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(database)
            except BaseException:
                database.close()
                raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in {0, _FORMAT}:
            raise ConfigurationError(
                f"{self.path} has format {version}, and this version of ovr knows {_FORMAT}: "
                "run the version that wrote it until its outbox is empty, or move the file away"
            )
        for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "journal_size_limit=16777216"):
            database.execute(f"PRAGMA {pragma}").fetchall()
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version={_FORMAT}")
        (self.count, self.size, self.samples, self.last) = database.execute(_SUMS).fetchone()
        (self.numbered,) = database.execute("SELECT upto FROM numbered").fetchone()
        self._synchronous = ""

    def _replace(self, error: DamageError) -> sqlite3.Connection:
        self.count = self.size = self.samples = 0
        aside = f"{self.path}.damaged-{instants.now_us()}"
        for suffix in ("", "-wal", "-shm"):
            moved = Path(f"{self.path}{suffix}")
            if moved.exists():
                moved.rename(f"{aside}{suffix}")
        log.error(
            "%s; it was moved to %s and an empty one begun. What waited in it has not been confirmed: "
            "`sqlite3 %s .recover` may bring it back",
            *(error, aside, aside),
        )
        return self._open()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code in _DAMAGE:
            raise DamageError(f"the outbox {path} is damaged: {error}") from error
        if code == sqlite3.SQLITE_FULL:
            raise TransientError(f"the disk of the outbox {path} is full: free some space") from error
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
            raise ConfigurationError(
                f"the outbox {path} cannot be written: {error}; check its owner"
            ) from error
        raise TransientError(f"the outbox {path} cannot be used now: {error}") from error
