"""Reading the journal that is one SQLite file; any number of processes may.

Rules that must stay true here:
- a reader holds no transaction between pages, so it can delay neither the writer nor its checkpoints;
- a file that was replaced is noticed, and the new one is read.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from bus import journal_verify
from bus.envelope import Recorded
from bus.journal import GENESIS, DeadLetter, Head, Verdict
from bus.journal_dead_letters import exhume
from bus.journal_rows import SAMPLE, Names, pack_id, unpack_body, unpack_id
from bus.sealed import DIRECTORY, Sealed
from bus.sealed_copy import beside, copy_sealed
from schemas.errors import ConfigurationError, TransientError

FILE = "journal.sqlite"
_PAGE = 1000
_COLUMNS = "position, source, id, type, subject, client, time_us, recorded_us, hash, body"


class SqliteJournalReader:
    """Reads a journal file, and follows it when another file takes its place."""

    def __init__(self, path: Path) -> None:
        """Open `path`, a journal's directory.

        Raises:
            TransientError: there is no journal yet.
        """
        self.path = path / FILE
        self._db = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            stat = self.path.stat()
            db = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
            db.execute("PRAGMA query_only = 1")
            db.execute("PRAGMA busy_timeout = 5000")
            db.execute("SELECT journal FROM identity").fetchone()
        except (FileNotFoundError, sqlite3.OperationalError) as error:
            raise TransientError(f"no journal at {self.path} yet: is the recorder running?") from error
        self._file = (stat.st_dev, stat.st_ino)
        self._names = Names(db)
        self._sealed = Sealed(self.path.parent / DIRECTORY, db)
        return db

    def _fresh(self) -> sqlite3.Connection:
        """Return the connection, to the file that is at the path now."""
        try:
            stat = self.path.stat()
        except FileNotFoundError as error:
            raise TransientError(f"the journal at {self.path} is gone") from error
        if (stat.st_dev, stat.st_ino) != self._file:
            self._sealed.forget()
            self._db.close()
            self._db = self._open()
        return self._db

    def head(self) -> Head:
        """Return the newest event's place."""
        return head_of(self._fresh())

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        upto: int | None = None,
        subjects: Collection[str] | None = None,
        types: Collection[str] | None = None,
        clients: Collection[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Iterator[Recorded]:
        """Yield events in order of position; see `JournalReader.read`.

        Raises:
            TransientError: the file was replaced meanwhile: what was read and what would follow do not belong
                together.
            ConfigurationError: sealed bodies are missing or damaged.
        """
        filters = self._filters(upto, subjects, types, clients, since_us, until_us)
        if filters is None or (limit is not None and limit < 1):
            return
        left, erased_upto = limit, 0
        for event in self._rows(*filters, after, limit):
            if event.body:
                yield event
                left = None if left is None else left - 1
                if left == 0:
                    return
                continue
            if event.position > erased_upto:
                erased_upto = self.erased_upto()
            if event.type != SAMPLE or event.position > erased_upto:
                raise ConfigurationError(
                    f"the body of position {event.position} is missing: restore a backup"
                )

    def _rows(self, where: str, values: Sequence[int], after: int, limit: int | None) -> Iterator[Recorded]:
        """Yield what the filters let through, erased events too: they have no body."""
        db = self._fresh()
        page = _PAGE if limit is None else min(_PAGE, limit)
        while True:
            if self._fresh() is not db:
                raise TransientError(f"the journal at {self.path} was replaced while it was read")
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM event {where} AND position > ? ORDER BY position LIMIT ?",  # noqa: S608 - our words only
                (*values, after, page),
            ).fetchall()
            yield from [self._recorded(row) for row in rows]
            if len(rows) < page:
                return
            after = rows[-1][0]

    def _filters(
        self,
        upto: int | None,
        subjects: Collection[str] | None,
        types: Collection[str] | None,
        clients: Collection[str] | None,
        since_us: int | None,
        until_us: int | None,
    ) -> tuple[str, list[int]] | None:
        """Write the filters as SQL; None when they ask for a name that the journal never met."""
        clauses, values = ["1"], list[int]()
        for column, names in (("subject", subjects), ("type", types), ("client", clients)):
            if names is not None:
                numbers = self._names.find(names)
                if not numbers:
                    return None
                clauses.append(f"{column} IN ({','.join('?' * len(numbers))})")
                values += numbers
        for clause, bound in (("position <= ?", upto), ("time_us >= ?", since_us), ("time_us < ?", until_us)):
            if bound is not None:
                clauses.append(clause)
                values.append(bound)
        index = ""
        if types is not None and SAMPLE not in types:
            index = "INDEXED BY event_rare "
            clauses.append("type <> 1")
        return f"{index}WHERE {' AND '.join(clauses)}", values

    def _recorded(self, row: Sequence[int | bytes | str]) -> Recorded:
        position, source, id_, type_, subject, client, time_us, recorded_us, hash_, body = row
        name = self._names.name
        return Recorded(
            position,  # type: ignore[arg-type]
            recorded_us,  # type: ignore[arg-type]
            name(client),  # type: ignore[arg-type]
            name(source),  # type: ignore[arg-type]
            unpack_id(id_),  # type: ignore[arg-type]
            name(type_),  # type: ignore[arg-type]
            name(subject),  # type: ignore[arg-type]
            time_us,  # type: ignore[arg-type]
            unpack_body(body) if body else self._sealed.body(position) or b"",  # type: ignore[arg-type]
            hash_,  # type: ignore[arg-type]
        )

    def newest_samples(self, upto: int) -> Iterator[Recorded]:
        """Yield the newest sample of each stream up to `upto`, in order of position."""
        db = self._fresh()
        rows = db.execute("SELECT position FROM newest ORDER BY position").fetchall()
        positions = [row[0] for row in rows]
        if positions and positions[-1] > upto:
            positions = sorted(self._newest_by_scan(upto))
        for position in positions:
            yield from self.read(position - 1, upto=position)

    def _newest_by_scan(self, upto: int) -> list[int]:
        rows = self._db.execute(
            "SELECT position FROM (SELECT position, row_number() OVER"
            " (PARTITION BY subject, stream ORDER BY time_us DESC, position DESC) AS place"
            " FROM event WHERE type = 1 AND position <= ?) WHERE place = 1",
            (upto,),
        )
        return [row[0] for row in rows]

    def newest_facts(
        self,
        before: int,
        *,
        types: Collection[str],
        subjects: Collection[str] | None = None,
        limit: int = 100,
        within: int = 20_000,
    ) -> tuple[list[Recorded], int | None]:
        """Return the newest events before a position, the newest first; never samples.

        Args:
            before: older than this position.
            types: only these.
            subjects: only of these systems.
            limit: at most so many.
            within: look through so many that are no samples, and no more.

        Returns:
            The events, and the position before which to look on; None when everything was looked through.
        """
        db = self._fresh()
        kinds = self._names.find(types)
        systems = None if subjects is None else self._names.find(subjects)
        of = "" if systems is None else f"AND subject IN ({','.join('?' * len(systems))})"
        found = db.execute(
            "SELECT position FROM (SELECT position, type, subject FROM event INDEXED BY event_rare"  # noqa: S608 - marks only
            " WHERE type <> 1 AND position < ? ORDER BY position DESC LIMIT ?)"
            f" WHERE type IN ({','.join('?' * len(kinds))}) {of} LIMIT ?",
            (before, within, *kinds, *(systems or ()), limit),
        ).fetchall()
        events = []
        for (position,) in found:
            row = db.execute(f"SELECT {_COLUMNS} FROM event WHERE position = ?", (position,)).fetchone()  # noqa: S608 - our words only
            events.append(self._recorded(row))
        if len(found) == limit:
            return events, found[-1][0]
        last = db.execute(
            "SELECT position FROM event INDEXED BY event_rare WHERE type <> 1 AND position < ?"
            " ORDER BY position DESC LIMIT 1 OFFSET ?",
            (before, within - 1),
        ).fetchone()
        return events, None if last is None else int(last[0])

    def find(self, source: str, event_id: str) -> Recorded | None:
        """Return the event that a source gave this id; None when it is not recorded."""
        db = self._fresh()
        row = db.execute(
            f"SELECT {_COLUMNS} FROM event WHERE id = ?"  # noqa: S608 - our words only
            " AND source = (SELECT name_id FROM name WHERE name = ?)",
            (pack_id(event_id), source),
        ).fetchone()
        return None if row is None else self._recorded(row)

    def position_of(self, source: str, event_id: str) -> int | None:
        """Return where the event is that a source gave this id; None when it is not recorded."""
        db = self._fresh()
        row = db.execute(
            "SELECT position FROM event WHERE id = ? AND source = (SELECT name_id FROM name WHERE name = ?)",
            (pack_id(event_id), source),
        ).fetchone()
        return None if row is None else int(row[0])

    def positions(self, types: Collection[str]) -> list[int]:
        """Return where all events of some types are, which are no samples."""
        db = self._fresh()
        kinds = self._names.find(types)
        if not kinds:
            return []
        rows = db.execute(
            "SELECT position FROM event INDEXED BY event_rare"  # noqa: S608 - marks only
            f" WHERE type <> 1 AND type IN ({','.join('?' * len(kinds))}) ORDER BY position",
            kinds,
        )
        return [row[0] for row in rows]

    def fact_types(self) -> set[str]:
        """Return the types of all events that are no samples."""
        rows = self._fresh().execute("SELECT DISTINCT type FROM event INDEXED BY event_rare WHERE type <> 1")
        return {self._names.name(type_) for (type_,) in rows.fetchall()}

    def hash_at(self, position: int) -> bytes | None:
        """Return the hash of one event; None when there is none."""
        row = self._fresh().execute("SELECT hash FROM event WHERE position = ?", (position,)).fetchone()
        return None if row is None else bytes(row[0])

    def stamp(self, position: int) -> tuple[bytes, int]:
        """Return the hash of an event and when it was recorded, whether or not its body was erased.

        Raises:
            TransientError: there is no such event: the journal was replaced.
        """
        row = (
            self._fresh()
            .execute("SELECT hash, recorded_us FROM event WHERE position = ?", (position,))
            .fetchone()
        )
        if row is None:
            raise TransientError(f"the journal at {self.path} has no position {position} any more")
        return bytes(row[0]), int(row[1])

    def erased_samples(self, after: int, upto: int) -> Iterator[Recorded]:
        """Yield the samples between two positions of which the bodies were erased; they come without."""
        for event in self._rows("WHERE type = 1 AND position <= ?", (upto,), after, None):
            if not event.body:
                yield event

    def verify(self) -> Verdict:
        """Recompute the hash chain and compare every column with its body."""
        highest = highest_of(self._fresh())
        everything = self._rows("WHERE 1", (), 0, None)
        return journal_verify.verify(everything, self.head(), highest, self.erased_upto())

    def erased_upto(self) -> int:
        """Return the position up to which samples may have been erased; 0 when all is there."""
        try:
            row = self._fresh().execute("SELECT max(last) FROM segment WHERE erased = 1").fetchone()
        except sqlite3.OperationalError:  # a journal of the format before
            return 0
        return row[0] or 0

    def dead_letters(self, limit: int = 100) -> list[tuple[DeadLetter, int]]:
        """Return the newest messages that could not be recorded, each with how often it came."""
        return exhume(self._fresh(), limit)

    def backup(self, target: Path) -> Head:
        """Copy the journal as it is now into a new file, online; return its head.

        Sealed files go into a directory beside it, see `bus.sealed_copy.beside`.

        Raises:
            ConfigurationError: the target exists, or a sealed file is missing.
        """
        if target.exists() or beside(target).exists():
            raise ConfigurationError(f"{target} exists: name a new file, or move it away")
        copy = sqlite3.connect(target)
        try:
            self._fresh().backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy_sealed(copy, self._db, self.path.parent / DIRECTORY, beside(target))
            return head_of(copy)
        finally:
            copy.close()

    def close(self) -> None:
        """Close the file."""
        self._sealed.forget()
        self._db.close()


def head_of(db: sqlite3.Connection) -> Head:
    """Read the head of an open journal."""
    journal, incarnation = db.execute("SELECT journal, incarnation FROM identity").fetchone()
    row = db.execute("SELECT position, hash FROM event ORDER BY position DESC LIMIT 1").fetchone()
    return Head(journal, incarnation, *(row or (0, GENESIS)))


def highest_of(db: sqlite3.Connection) -> int:
    """Read the greatest position ever given out; above the head when events were cut off the end."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
    return row[0] if row else 0
