"""Writing the journal that is one SQLite file: WAL, `synchronous=FULL`, one locked writer.

Rules that must stay true here:
- a position is computed and inserted in one `BEGIN IMMEDIATE` transaction, so commit order is position order;
- what is remembered of the file (head, names) is only what was committed;
- the writer stops when its file is replaced under it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path

from bus import ids
from bus.envelope import Recorded
from bus.journal import DeadLetter, Duplicate, Entry, Head, Held, chain
from bus.journal_dead_letters import bury
from bus.journal_held import note_held, read_held
from bus.journal_rows import Names, pack_body, pack_id
from bus.journal_sqlite import FILE, SqliteJournalReader, head_of, highest_of
from bus.lockfile import hold
from bus.sealed import DIRECTORY, Sealed
from bus.sealing import Keeping, Sealing
from schemas.errors import ConfigurationError, TransientError

_UNSEALED, _FORMAT = 1, 2


class SqliteJournal(SqliteJournalReader):
    """A journal file and the right to append to it."""

    def __init__(self, path: Path, keeping: Keeping | None = None) -> None:
        """Open or create the journal in the directory `path`.

        Args:
            path: the directory.
            keeping: what `tidy` seals and erases.

        Raises:
            ConfigurationError: another process writes it, its format is not ours, or it is damaged.
            TransientError: the disk is full or failing.
        """
        self._forgetting = False
        self._keeping = keeping or Keeping()
        self._lock: int | None = hold(
            path / "journal.lock",
            f"the journal in {path} is written by process {{holder}}: stop that one first",
        )
        try:
            if not (path / FILE).exists():
                _create(path / FILE)
            super().__init__(path)
        except (sqlite3.OperationalError, OSError) as error:
            self._unlock()
            raise TransientError(f"the journal in {path} cannot be opened now: {error}") from error
        except sqlite3.DatabaseError as error:
            self._unlock()
            raise ConfigurationError(
                f"{path / FILE} is damaged ({error}): put a backup there, see `ovr journal backup --help`"
            ) from error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None)
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "busy_timeout = 5000",
            "temp_store = MEMORY",
            "secure_delete = OFF",  # or pages that sealing frees are written once more, as zeros
        ):
            db.execute(f"PRAGMA {pragma}")
        db.execute("PRAGMA journal_size_limit = 67108864")
        (format_,) = db.execute("SELECT format FROM identity").fetchone()
        if format_ == _UNSEALED:
            db.executescript(f"BEGIN IMMEDIATE; {_tables('journal_segments.sql')} COMMIT;")
        elif format_ != _FORMAT:
            raise ConfigurationError(f"{self.path} has format {format_}, this version reads format {_FORMAT}")
        db.executescript(_tables("journal_uplinks.sql"))
        stat = self.path.stat()
        self._file = (stat.st_dev, stat.st_ino)
        self._names = Names(db)
        self._sealed = Sealed(self.path.parent / DIRECTORY, db)
        self._sealing = Sealing(self.path.parent / DIRECTORY, db, self._keeping)
        self._place = head_of(db)
        self._highest = highest_of(db)

    def _fresh(self) -> sqlite3.Connection:
        try:
            stat = self.path.stat()
            same = (stat.st_dev, stat.st_ino) == self._file
        except FileNotFoundError:
            same = False
        if not same:
            raise ConfigurationError(
                f"{self.path} was replaced or removed under the recorder: start it again"
            )
        return self._db

    def head(self) -> Head:
        """Return the newest event's place."""
        return self._place

    def append(
        self,
        entries: Sequence[Entry],
        *,
        recorded_us: int,
        dead_letters: Sequence[DeadLetter] = (),
        deliveries: Mapping[int, bytes] | None = None,
        held: Sequence[Held] = (),
    ) -> list[Recorded | Duplicate]:
        """Record a batch durably; see `Journal.append`."""
        answers: list[Recorded | Duplicate] = []
        with self._transaction() as db:
            if self._forgetting:
                db.execute("DELETE FROM delivery")
            position, previous = self._place.position, self._place.hash
            for entry in entries:
                answer = self._insert(entry, position + 1, recorded_us, previous)
                if isinstance(answer, Recorded):
                    position, previous = answer.position, answer.hash
                answers.append(answer)
            self._forget_attempts(answers, position)
            self._note_newest(entries, answers)
            bury(db, dead_letters)
            if deliveries:
                db.executemany("INSERT OR REPLACE INTO delivery VALUES (?, ?)", deliveries.items())
            if held:
                note_held(db, held)
        self._place = Head(self._place.journal, self._place.incarnation, position, previous)
        self._highest = max(self._highest, position)
        self._forgetting = False
        return answers

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._fresh()
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._names.forget()
            raise TransientError(f"the journal at {self.path} cannot be written: {error}") from error

    def _insert(self, entry: Entry, position: int, recorded_us: int, previous: bytes) -> Recorded | Duplicate:
        intern = self._names.intern
        source, packed_id = intern(entry.source), pack_id(entry.id)
        digest = chain(previous, position, recorded_us, entry.client, entry.body)
        inserted = self._db.execute(
            "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (source, id) DO NOTHING",
            (
                position,
                source,
                packed_id,
                intern(entry.type),
                intern(entry.subject),
                intern(entry.client),
                entry.stream and intern(entry.stream),
                entry.time_us,
                recorded_us,
                digest,
                pack_body(entry.body),
            ),
        ).rowcount
        if inserted:
            return Recorded(
                position,
                recorded_us,
                entry.client,
                entry.source,
                entry.id,
                entry.type,
                entry.subject,
                entry.time_us,
                entry.body,
                digest,
            )
        (known,) = self._db.execute(
            "SELECT position FROM event WHERE source = ? AND id = ?", (source, packed_id)
        ).fetchone()
        return Duplicate(known)

    def _forget_attempts(self, answers: Sequence[Recorded | Duplicate], position: int) -> None:
        """Let SQLite count the positions given out, not those it tried for duplicates."""
        if any(isinstance(answer, Duplicate) for answer in answers):
            highest = max(position, self._highest)
            self._db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", (highest,))

    def _note_newest(self, entries: Sequence[Entry], answers: Sequence[Recorded | Duplicate]) -> None:
        newest: dict[tuple[str, str], tuple[int, int]] = {}
        for entry, answer in zip(entries, answers, strict=True):
            if entry.stream is not None and isinstance(answer, Recorded):
                key = (entry.subject, entry.stream)
                newest[key] = max(newest.get(key, (entry.time_us, 0)), (entry.time_us, answer.position))
        self._db.executemany(
            "INSERT INTO newest VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET time_us = excluded.time_us, position = excluded.position WHERE excluded.time_us >= time_us",
            [(self._names.intern(s), self._names.intern(t), *place) for (s, t), place in newest.items()],
        )

    def tidy(self, now_us: int, *, short: bool = False) -> bool:
        """Do one slice of sealing and erasing; False when nothing is left to do now.

        Args:
            now_us: the recorder's clock.
            short: there is little room: erase what may be erased then.

        Raises:
            TransientError: the disk refuses.
            ConfigurationError: a sealed file does not give back what was written to it.
        """
        self._fresh()
        try:
            return self._sealing.turn(now_us, short=short)
        except (OSError, sqlite3.Error) as error:
            raise TransientError(f"old events cannot be sealed now: {error}") from error

    def highest_ever(self) -> int:
        """Return the greatest position ever given out; above the head when events were cut off the end."""
        return self._highest

    def begin_incarnation(
        self, name: str | None = None, fact: Entry | None = None, *, recorded_us: int = 0
    ) -> str:
        """Start a new life after a restore; return its name.

        Args:
            name: its name; a new one unless it is given.
            fact: what tells of it, the first event of this life: both are in the journal, or neither.
            recorded_us: the recorder's clock.

        Raises:
            TransientError: the disk is full or failing; the old life goes on.
        """
        incarnation = name or ids.token()
        with self._transaction() as db:
            db.execute("UPDATE identity SET incarnation = ?", (incarnation,))
            db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", (self._place.position,))
            if fact is not None:
                self._insert(fact, self._place.position + 1, recorded_us, self._place.hash)
        self._place = head_of(self._db)
        self._highest = self._place.position
        return incarnation

    def deliveries(self) -> dict[int, bytes]:
        """Return the digests of plain messages recorded in the broker's session, by packet identifier."""
        return dict(self._fresh().execute("SELECT packet, digest FROM delivery").fetchall())

    def forget_deliveries(self) -> None:
        """Forget them: the broker has begun a new session and counts packets anew.

        A full disk does not let us now: it is done with the next batch.
        """
        self._forgetting = True
        with contextlib.suppress(sqlite3.OperationalError):
            self._fresh().execute("DELETE FROM delivery")
            self._forgetting = False

    def held(self) -> list[Held]:
        """Return how far the lanes of all nodes are recorded here."""
        return read_held(self._fresh())

    def close(self) -> None:
        """Close the file and let another writer have it."""
        super().close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _create(path: Path) -> None:
    """Build an empty journal beside its place and move it there whole."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    db = sqlite3.connect(draft)
    with db:
        db.executescript(_tables("journal_schema.sql"))
        db.execute("INSERT INTO identity VALUES (1, ?, ?, ?)", (ids.uuid7(), ids.token(), _UNSEALED))
        db.executescript(_tables("journal_segments.sql"))
    db.close()
    draft.rename(path)
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def _tables(name: str) -> str:
    return (resources.files("bus") / name).read_text(encoding="utf-8")
