"""Checking a SQLite read model: rebuild beside it up to the same position, and compare row by row."""

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.envelope import Recorded
from bus.journal import Head, JournalReader, check_place
from bus.journal_sqlite import SqliteJournalReader
from projectors.generations import Generations, copy
from projectors.kind import Kind
from projectors.rebuild import BATCH, build, finished
from projectors.runner import EVER, Progress, Runner, settled
from projectors.sqlite_model import BOOKKEEPING
from schemas.errors import ConfigurationError

_SHOWN = 20
_CATCHING_UP_S = 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that only one of two models has.

    Attributes:
        table: where.
        side: `live` or `rebuilt`: which one has it.
        row: the row by column.
    """

    table: str
    side: str
    row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """What comparing the live model with a rebuild came to.

    Attributes:
        place: up to where both were made.
        rows: how many rows were compared, by table.
        different: how many rows only one of them has.
        differences: the first of those of each table.
        dead_letters: how many events the live model could not apply.
    """

    place: Head
    rows: dict[str, int]
    different: int
    differences: tuple[Difference, ...]
    dead_letters: int

    @property
    def equal(self) -> bool:
        """Whether the live model is what the journal says."""
        return self.different == 0


def verify(kind: Kind, data: Path, progress: Progress | None = None) -> Verification:
    """Rebuild beside the live read model up to where that is, and compare row by row.

    Raises:
        ConfigurationError: there is none, or it was made from another journal.
        ProjectionError: an event cannot be applied.
    """
    with (
        closing(SqliteJournalReader(data / "journal")) as reader,
        tempfile.TemporaryDirectory(prefix="ovr-verify-") as directory,
    ):
        live, rebuilt = Path(directory, "live.sqlite"), Path(directory, "rebuilt.sqlite")
        head = reader.head()
        leaps = kind.make(rebuilt, None).samples == "newest"
        samples = list(reader.newest_samples(EVER)) if leaps else []
        together = settled(reader, samples, head)
        place = _snapshot(kind, data, live, together.position)
        check_place(reader, place, f"the live {kind.name}", f"run `ovr rebuild {kind.name}`")
        if leaps and together.position <= place.position:
            _build_from(kind, reader, rebuilt, samples, together, place.position, progress)
        else:
            build(kind, reader, rebuilt, upto=place.position, progress=progress)
        return _compare(live, rebuilt, place)


def _build_from(
    kind: Kind,
    reader: JournalReader,
    path: Path,
    samples: list[Recorded],
    together: Head,
    upto: int,
    progress: Progress | None,
) -> None:
    """Build up to a position by way of an earlier one whose newest samples are known."""
    projector = kind.make(path, None)
    runner = Runner(reader, projector, batch=BATCH, leap_from=EVER, strict=True, upto=upto, progress=progress)
    if together.position:
        runner.leap(samples, together)
    finished(runner, projector)


def _snapshot(kind: Kind, data: Path, target: Path, wanted: int) -> Head:
    """Copy the live model, once it has come to a position if something still moves it; return its place."""
    generations = Generations(data / kind.name)
    path = generations.current()
    if path is None:
        raise ConfigurationError(
            f"there is no {kind.name} in {data}: run `ovr project {kind.name}` or `ovr rebuild {kind.name}`"
        )
    deadline = time.monotonic() + _CATCHING_UP_S
    while _position(path) < wanted and _is_projecting(generations) and time.monotonic() < deadline:
        time.sleep(0.05)
        path = generations.current() or path
    copy(path, target)
    with closing(kind.open_model(target)) as model:
        place = model.place()
    if place is None:
        raise ConfigurationError(f"the {kind.name} in {data} has only just begun: try again")
    return place


def _position(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT position FROM checkpoint").fetchone()
    return int(row[0]) if row else 0


def _is_projecting(generations: Generations) -> bool:
    try:
        with generations.only("projecting"):
            return False
    except ConfigurationError:
        return True


def _compare(live: Path, rebuilt: Path, place: Head) -> Verification:
    with closing(sqlite3.connect(live)) as db:
        db.execute("ATTACH ? AS rebuilt", (str(rebuilt),))
        (letters,) = db.execute("SELECT count(*) FROM main.dead_letters").fetchone()
        rows: dict[str, int] = {}
        different, shown = 0, list[Difference]()
        for table in _tables(db):
            (rows[table],) = db.execute(f"SELECT count(*) FROM main.{table}").fetchone()  # noqa: S608 - our tables
            for number, found in enumerate(_differences(db, table)):
                different += 1
                if number < _SHOWN:
                    shown.append(found)
    return Verification(place, rows, different, tuple(shown), letters)


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute(
        "SELECT name FROM rebuilt.sqlite_master"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return [name for (name,) in rows if name not in BOOKKEEPING]


def _differences(db: sqlite3.Connection, table: str) -> Iterator[Difference]:
    for side, here, there in (("live", "main", "rebuilt"), ("rebuilt", "rebuilt", "main")):
        cursor = db.execute(f"SELECT * FROM {here}.{table} EXCEPT SELECT * FROM {there}.{table}")  # noqa: S608 - our tables
        columns = [column[0] for column in cursor.description]
        for row in cursor:
            yield Difference(table, side, dict(zip(columns, row, strict=True)))
