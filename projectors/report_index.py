"""The index of reports: what was asked for, where it lies, and what became of it.

Rules that must stay true here:
- one row is one `report.requested` of the journal, named by its position;
- whoever asks (command line, HTTP) reads the file that the projector keeps; what it may write is a wish:
  make it again, send it to somebody.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import orjson

from projectors.sqlite_model import transient
from schemas.errors import ConfigurationError, InputError

NAME: Final = "reports"
FILE: Final = "index.sqlite"
TABLES: Final = resources.files("projectors").joinpath("report_index.sql").read_text()
_COLUMNS = (
    "r.position, r.source, r.id, r.scope, r.event_id, r.system_id, r.from_us, r.to_us, r.revision, r.reason,"
    " r.cut_position, r.requested_us, r.directory, CASE WHEN r.withdrawn THEN 'withdrawn' ELSE r.state END,"
    " r.attempts, r.error, r.sha256, r.totals, r.changed, r.made, r.told_us, r.told_sha256, p.state"
)
_TABLES_ASKED: Final = 3
_FROM = "FROM report r LEFT JOIN pdf p ON p.position = r.position AND p.folder = ''"


@dataclass(frozen=True, slots=True)
class Report:
    """One report.

    Attributes:
        position: of its request in the journal; names it.
        request_id: of the `report.requested`.
        scope: `system` or `event`.
        system_id: None for a whole event.
        from_us, to_us: the span, once it is made or where one was asked for.
        cut_position: the journal's position up to which it counts.
        requested_us: when it was asked for.
        directory: below the data directory, with data.json, report.html, report.pdf and more.
        state: requested, making, ready, failed, or withdrawn: what it is about never was.
        error: why it failed.
        sha256: of data.json.
        totals: main figures by name.
        changed: what is different from the revision before: figure, before and after.
        made: more of the document for lists: window, coverage, grade, provisional.
        generated_us: when the journal recorded that it was made.
        pdf: waiting, ready or failed; None before there is anything to print.
    """

    position: int
    source: str
    request_id: str
    scope: str
    event_id: str
    system_id: str | None
    from_us: int | None
    to_us: int | None
    revision: int
    reason: str
    cut_position: int
    requested_us: int
    directory: str
    state: str
    attempts: int
    error: str | None
    sha256: str | None
    totals: dict[str, float | None]
    changed: list[dict[str, Any]]
    made: dict[str, Any]
    generated_us: int | None
    generated_sha256: str | None
    pdf: str | None


class Reports:
    """Answers questions about the reports of a data directory."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.path = data / NAME / FILE

    def find(
        self,
        event_id: str | None = None,
        *,
        scope: str | None = None,
        system_id: str | None = None,
        newest: bool = False,
        limit: int = 1000,
    ) -> list[Report]:
        """List reports, the newest request first; none where there is no index yet.

        Args:
            event_id: only of this event.
            scope: only `system` or `event`.
            system_id: only of this system.
            newest: of each thing only the newest that is ready or, where none is, the newest.
            limit: at most so many.
        """
        if not self.there():
            return []
        asked = {"r.event_id": event_id, "r.scope": scope, "r.system_id": system_id}
        wanted = {name: value for name, value in asked.items() if value is not None}
        where = "".join(f" AND {name} = ?" for name in wanted)
        with self._open() as db:
            found = [
                _report(row)
                for row in db.execute(
                    f"SELECT {_COLUMNS} {_FROM} WHERE 1{where} ORDER BY r.position DESC",
                    tuple(wanted.values()),
                )
            ]
        return (_newest(found) if newest else found)[:limit]

    def there(self) -> bool:
        """Tell whether there is an index; while its process begins there may be half of one."""
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                found = db.execute(
                    "SELECT count(*) FROM sqlite_master WHERE name IN ('report', 'pdf', 'delivery')"
                )
                return bool(found.fetchone()[0] == _TABLES_ASKED)
        except sqlite3.OperationalError:
            return False

    def get(self, position: int) -> Report | None:
        """Return one report by the position of its request."""
        if not self.there():
            return None
        with self._open() as db:
            row = db.execute(f"SELECT {_COLUMNS} {_FROM} WHERE r.position = ?", (position,)).fetchone()
        return None if row is None else _report(row)

    def retry(self, positions: Iterable[int]) -> None:
        """Let reports be made again, whether they failed or not."""
        with self._open(write=True) as db:
            for position in positions:
                again(db, position)

    def send(self, position: int, recipients: Iterable[str]) -> None:
        """Let a report be mailed to these addresses, once more to those that got it before.

        Raises:
            InputError: there is no such report.
        """
        with self._open(write=True) as db:
            if db.execute("SELECT 1 FROM report WHERE position = ?", (position,)).fetchone() is None:
                raise InputError("report", "position", f"there is no report that was asked for at {position}")
            db.executemany(
                "INSERT OR REPLACE INTO delivery (position, channel, recipient) VALUES (?, 'mail', ?)",
                [(position, recipient) for recipient in recipients],
            )

    def directory(self, report: Report) -> Path:
        """Return where its files lie."""
        return self._data / report.directory

    def deliveries(self, position: int) -> list[dict[str, Any]]:
        """Tell who was sent a report, and what became of it."""
        with self._open() as db:
            found = db.execute(
                "SELECT channel, recipient, state, attempts, error FROM delivery WHERE position = ?"
                " ORDER BY channel, recipient",
                (position,),
            ).fetchall()
        names = ("channel", "recipient", "state", "attempts", "error")
        return [dict(zip(names, row, strict=True)) for row in found]

    @contextmanager
    def _open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the file.

        Raises:
            ConfigurationError: there is none.
        """
        if not self.there():
            raise ConfigurationError(f"there are no reports in {self._data}: does `projector-reports` run?")
        mode = "rw" if write else "ro"
        with transient(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode={mode}"
            with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as db:
                db.execute("PRAGMA busy_timeout = 5000")
                yield db


def again(db: sqlite3.Connection, position: int) -> None:
    """Let one report be made again."""
    db.execute(
        "UPDATE report SET state = 'requested', attempts = 0, error = NULL WHERE position = ?", (position,)
    )
    db.execute("UPDATE pdf SET state = 'waiting', attempts = 0, error = NULL WHERE position = ?", (position,))


def _newest(reports: Iterable[Report]) -> list[Report]:
    """Keep one report of each thing: of the newest revision that is ready, or of the newest."""
    best: dict[tuple[Any, ...], Report] = {}
    for report in reports:
        span = (report.from_us, report.to_us) if report.reason == "operator" else report.from_us
        key = (report.event_id, report.system_id, span)
        known = best.get(key)
        if known is None or (known.state != "ready" and report.state == "ready"):
            best[key] = report
    return list(best.values())


def _report(row: tuple[Any, ...]) -> Report:
    totals, changed, made = (orjson.loads(text) if text else None for text in row[17:20])
    values: tuple[Any, ...] = (*row[:17], totals or {}, changed or [], made or {}, *row[20:])
    return Report(*values)
