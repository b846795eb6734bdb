"""A journal as immutable parts, to be kept elsewhere: ranges of rows, small tables, sealed files.

Rules that must stay true here:
- nothing here delays the writer: a part is read in one statement, and no transaction outlives it;
- a part is told by the hash of its last event, which covers all before it: parts of an earlier backup are
  still right where that hash is the journal's;
- what is copied first is what later copies may be newer than: head and names, then rows, then sealed files;
- a journal that is put together again has the same positions, times and hashes.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bus.envelope import Recorded
from bus.journal import Head
from bus.journal_rows import unpack_body, unpack_id
from bus.journal_sqlite import head_of
from bus.sealing import KEPT
from schemas.errors import TransientError

EVENTS = 65_536
"""In one part: as many as in a sealed file."""

_COLUMNS = "position, source, id, type, subject, client, stream, time_us, recorded_us, hash, body"
_APART = ("event", "segment", "delivery")
"""Copied in parts, copied last, and not at all: the packets of a broker's session, which will be another."""


@dataclass(frozen=True, slots=True)
class Range:
    """Rows that are copied together.

    Attributes:
        first, last: positions.
        hash: of the event at `last`.
        sealed: their bodies are in sealed files.
    """

    first: int
    last: int
    hash: bytes
    sealed: bool


@dataclass(frozen=True, slots=True)
class SealedFile:
    """A sealed file of the journal, by its name below `sealed/`."""

    first: int
    name: str
    size: int


class JournalSource:
    """Copies a journal that others write."""

    def __init__(self, path: Path) -> None:
        """Open the journal file at `path`.

        Raises:
            TransientError: there is none.
        """
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
            self._db.execute("PRAGMA busy_timeout = 5000")
            self._db.execute("SELECT journal FROM identity").fetchone()
        except sqlite3.OperationalError as error:
            raise TransientError(f"no journal at {path} yet: is the recorder running?") from error

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    def tables(self, target: Path) -> Head:
        """Copy head, names and the other small tables, as they are at one instant; return the head."""
        with self._attached(target):
            self._db.execute("BEGIN")
            schema = self._db.execute(
                "SELECT type, name, sql FROM main.sqlite_schema WHERE sql <> '' AND name NOT GLOB 'sqlite_*'"
            ).fetchall()
            self._db.execute("CREATE TABLE copy.schema (type, name, sql)")
            self._db.executemany("INSERT INTO copy.schema VALUES (?, ?, ?)", schema)
            for type_, table, _ in schema:
                if type_ == "table" and table not in _APART:
                    self._copy(table)
            head = head_of(self._db)
            self._db.execute("CREATE TABLE copy.head (position, hash)")
            self._db.execute("INSERT INTO copy.head VALUES (?, ?)", (head.position, head.hash))
            self._db.execute("COMMIT")
        return head

    def ranges(self, head: Head) -> Iterator[Range]:
        """Yield the ranges that make up the journal up to a head."""
        cleared = self._cleared()
        for first in range(1, head.position + 1, EVENTS):
            last = min(first + EVENTS - 1, head.position)
            row = self._db.execute("SELECT hash FROM event WHERE position = ?", (last,)).fetchone()
            if row is None:
                raise TransientError("the journal was replaced while it was copied: begin again")
            yield Range(first, last, row[0], _covered(cleared, first, last))

    def part(self, one: Range, target: Path) -> None:
        """Copy the rows of a range into a new file.

        Raises:
            TransientError: the journal does not hold them any more.
        """
        with self._attached(target):
            self._copy("event", f"WHERE position BETWEEN {one.first:d} AND {one.last:d} ORDER BY position")
            rows = self._db.execute("SELECT count(*), max(position) FROM copy.event").fetchone()
            newest = self._db.execute(
                "SELECT hash FROM copy.event WHERE position = ?", (one.last,)
            ).fetchone()
        if rows != (one.last - one.first + 1, one.last) or newest != (one.hash,):
            raise TransientError("the journal was replaced while it was copied: begin again")

    def sealed(self, copied: Callable[[SealedFile], None], target: Path) -> None:
        """Let every sealed file be copied, then copy the table that names them.

        Args:
            copied: copies one; FileNotFoundError when it is gone.
            target: the new file of the table.

        Raises:
            FileNotFoundError: a file is missing that nothing has replaced.
        """
        rows = self._db.execute("SELECT * FROM segment ORDER BY first").fetchall()
        kept = [self._sealed(row, copied) for row in rows]
        with closing(sqlite3.connect(target)) as copy, copy:
            copy.execute("CREATE TABLE segment (first, last, file, bytes, cleared, erased)")
            copy.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?)", kept)

    def _sealed(self, row: tuple[int, ...], copied: Callable[[SealedFile], None]) -> tuple[int, ...]:
        first, _, name, size, *_ = row
        try:
            copied(SealedFile(first, str(name), size))
        except FileNotFoundError:
            newer = self._db.execute("SELECT * FROM segment WHERE first = ?", (first,)).fetchone()
            if newer is None or newer[2] == name:
                raise
            copied(SealedFile(first, newer[2], newer[3]))
            return tuple(newer)
        return row

    def journal(self) -> str:
        """Return the journal's identity."""
        (journal,) = self._db.execute("SELECT journal FROM identity").fetchone()
        return str(journal)

    def erased_upto(self) -> int:
        """Return the position up to which samples may have been erased; 0 when all is there."""
        row = self._db.execute("SELECT max(last) FROM segment WHERE erased = 1").fetchone()
        return row[0] or 0

    def hash_at(self, position: int) -> bytes | None:
        """Return the hash of one event; None when there is none."""
        row = self._db.execute("SELECT hash FROM event WHERE position = ?", (position,)).fetchone()
        return None if row is None else bytes(row[0])

    def _cleared(self) -> list[tuple[int, int]]:
        """List, in order, the ranges whose bodies have left the tables."""
        rows = self._db.execute(
            "SELECT first, cleared FROM segment WHERE cleared >= first ORDER BY first"
        ).fetchall()
        return [(first, cleared) for first, cleared in rows]

    def _copy(self, table: str, rows: str = "") -> None:
        """Copy rows of a table; columns without types, so that every value stays what it is."""
        columns = [name for _, name, *_ in self._db.execute(f"PRAGMA main.table_info({table})")]
        typed = list(columns)
        if table == "event":
            typed[columns.index("position")] += " INTEGER PRIMARY KEY"
        self._db.execute(f"CREATE TABLE copy.{table} ({', '.join(typed)})")
        self._db.execute(f"INSERT INTO copy.{table} SELECT * FROM main.{table} {rows}")  # noqa: S608 - our words only

    @contextmanager
    def _attached(self, target: Path) -> Iterator[None]:
        """Attach a new file as `copy`; a failed copy is thrown away by the caller."""
        self._db.execute("ATTACH ? AS copy", (str(target),))
        try:
            self._db.execute("PRAGMA copy.journal_mode = OFF")
            self._db.execute("PRAGMA copy.synchronous = OFF")
            yield
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._db.execute("DETACH copy")


def build(draft: Path, tables: Path, segments: Path, parts: Iterable[Path]) -> Head:
    """Put a journal together in a new file; return its head."""
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        schema = _schema(tables)
        small = [name for type_, name, _ in schema if type_ == "table" and name not in _APART]
        for wanted in ("table", "index"):  # indexes are quicker made when the rows are there
            for type_, _, sql in schema:
                if type_ == wanted:
                    db.execute(sql)
            if wanted == "table":
                _take(db, tables, small)
                for part in parts:
                    _take(db, part, ["event"])
                _take(db, segments, ["segment"])
        _settle_segments(db)
        return head_of(db)


def _schema(tables: Path) -> list[tuple[str, str, str]]:
    with _immutable(tables) as db:
        return db.execute("SELECT type, name, sql FROM schema").fetchall()


def _take(db: sqlite3.Connection, source: Path, tables: Iterable[str]) -> None:
    db.execute("ATTACH ? AS copy", (str(source),))
    db.execute("BEGIN")
    for table in tables:
        columns = ", ".join(name for _, name, *_ in db.execute(f"PRAGMA copy.table_info({table})"))
        db.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM copy.{table} ORDER BY 1")  # noqa: S608 - names of tables and columns
    db.execute("COMMIT")
    db.execute("DETACH copy")


@contextmanager
def _immutable(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        yield db


def _settle_segments(db: sqlite3.Connection) -> None:
    """Let sealed files end at the head, and be cleared again where bodies came along in the tables."""
    (head,) = db.execute("SELECT ifnull(max(position), 0) FROM event").fetchone()
    db.execute("DELETE FROM segment WHERE first > ?", (head,))
    db.execute("UPDATE segment SET last = min(last, ?), cleared = min(cleared, ?)", (head, head))
    db.execute(
        "UPDATE segment SET cleared = first - 1 WHERE EXISTS"
        " (SELECT 1 FROM event WHERE position BETWEEN first AND cleared AND body <> x''"
        " AND type IS NOT (SELECT name_id FROM name WHERE name = ?))",  # IS NOT: nobody may be registered
        (KEPT,),
    )


def names_of(tables: Path) -> dict[int, str]:
    """Read the names that rows of parts use."""
    with _immutable(tables) as db:
        return dict(db.execute("SELECT name_id, name FROM name").fetchall())


def segments_of(segments: Path) -> list[tuple[int, int, str]]:
    """Read which sealed files there are: first and last position, and name; in order."""
    with _immutable(segments) as db:
        return db.execute("SELECT first, last, file FROM segment ORDER BY first").fetchall()


def rows_of(
    part: Path, names: Mapping[int, str], sealed: Callable[[int], bytes | None]
) -> Iterator[Recorded]:
    """Yield the events of a part; those that were erased have no body.

    Args:
        part: the file.
        names: what numbers stand for.
        sealed: gives the body of an event that is in a sealed file; None when it was erased.
    """
    with _immutable(part) as db:
        for row in db.execute(f"SELECT {_COLUMNS} FROM event ORDER BY position"):  # noqa: S608 - our words only
            position, source, id_, type_, subject, client, _, time_us, recorded_us, hash_, body = row
            yield Recorded(
                position,
                recorded_us,
                names[client],
                names[source],
                unpack_id(id_),
                names[type_],
                names[subject],
                time_us,
                unpack_body(body) if body else sealed(position) or b"",
                hash_,
            )


def _covered(cleared: list[tuple[int, int]], first: int, last: int) -> bool:
    """Tell whether ranges, in order, cover one without a gap."""
    at = first
    for begin, end in cleared:
        if begin <= at <= end:
            at = end + 1
    return at > last
