"""Opening the older event service's database: which tables there are, and the events that their rows say.

Rules that must stay true here:
- the database is only read, and may be written meanwhile;
- every row ends as an event, as one that another table says too, or in the account of problems.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from bus.envelope import Envelope
from ovr.old_rows import Kind, NotUnderstoodError, Table, events, recognise
from schemas.errors import ConfigurationError, InputError

_SAME_US = 2_000_000
_ORDER = (Kind.LOG, Kind.WINDOWS, Kind.NOTES, Kind.LOCATIONS, Kind.TILES)
_MOST_EXAMPLES = 5


@dataclass(slots=True)
class TableAccount:
    """What came of one table.

    Attributes:
        kind: what it is taken for; None when it was not recognised.
        columns: of it; those without a role when it was recognised.
        events: by type, how many.
        again: rows that another table says too.
        problems: by reason, how many rows, and the first of them.
    """

    name: str
    rows: int
    kind: Kind | None
    columns: tuple[str, ...]
    events: Counter[str] = field(default_factory=Counter)
    again: int = 0
    problems: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def problem(self, reason: str, row: int) -> None:
        """Count a row that was not understood."""
        count, examples = self.problems.get(reason, (0, []))
        if len(examples) < _MOST_EXAMPLES:
            examples = [*examples, row]
        self.problems[reason] = (count + 1, examples)


def read(
    path: Path,
    source: str,
    check: Callable[[Envelope], None],
    accounts: list[TableAccount],
    zone: tzinfo = UTC,
) -> Iterator[Envelope]:
    """Yield the events of a database, and account for its tables.

    Args:
        path: the database.
        source: of the events.
        check: refuses what the recorder would refuse, by an InputError.
        accounts: filled while it is read.
        zone: of times that name none.

    Raises:
        ConfigurationError: it is no database that can be read.
    """
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
            db.execute("PRAGMA query_only = 1")
            db.text_factory = lambda text: text.decode(errors="replace")
            yield from _read(db, source, check, accounts, zone)
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path} cannot be read as a database: {error}") from error


def _read(
    db: sqlite3.Connection,
    source: str,
    check: Callable[[Envelope], None],
    accounts: list[TableAccount],
    zone: tzinfo,
) -> Iterator[Envelope]:
    said: set[tuple[str, str, str, int]] = set()
    for table in _tables(db, accounts):
        account = next(one for one in accounts if one.name == table.name)
        rows = db.execute(f"SELECT * FROM {_quoted(table.name)}")  # noqa: S608 - quoted
        names = [column[0] for column in rows.description]
        for number, values in enumerate(rows, start=1):
            try:
                found = events(table, dict(zip(names, values, strict=True)), source, zone)
                for event in found:
                    check(event)
            except NotUnderstoodError as error:
                account.problem(str(error), number)
                continue
            except InputError as error:
                account.problem(f"{error.field}: {error.hint}", number)
                continue
            for event in found:
                if table.kind is Kind.LOG:
                    said.add(_meaning(event))
                elif any(_meaning(event, shift) in said for shift in (-1, 0, 1)):
                    account.again += 1
                    continue
                account.events[event.type] += 1
                yield event


def _meaning(event: Envelope, shift: int = 0) -> tuple[str, str, str, int]:
    """Return what is the same when two tables say the same, give or take some seconds."""
    data = event.data
    about = str(data.get("text") or data.get("event_id") or data.get("name"))
    return event.type, event.subject, about, event.time_us // _SAME_US + shift


def _tables(db: sqlite3.Connection, accounts: list[TableAccount]) -> list[Table]:
    """List the tables that were recognised, the log first; all get an account."""
    found = []
    names = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
    for (name,) in names.fetchall():
        columns = [column for _, column, *_ in db.execute(f"PRAGMA table_info({_quoted(name)})")]
        (rows,) = db.execute(f"SELECT count(*) FROM {_quoted(name)}").fetchone()  # noqa: S608 - quoted
        table = recognise(name, columns)
        left = tuple(columns) if table is None else table.ignored
        accounts.append(TableAccount(name, rows, None if table is None else table.kind, left))
        if table is not None:
            found.append(table)
    return sorted(found, key=lambda table: _ORDER.index(table.kind))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
