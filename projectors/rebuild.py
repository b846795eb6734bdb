"""Rebuilding a SQLite read model from the journal, beside the one that serves.

Rules that must stay true here:
- what serves is not touched until the new one is whole, on disk and closed;
- a rebuild applies every event, or stops and says at which it stopped.
"""

import gc
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bus.journal import Head, JournalReader
from bus.journal_sqlite import SqliteJournalReader
from projectors.generations import Generations, remove
from projectors.kind import Kind, SqliteProjector
from projectors.runner import Progress, Runner

BATCH = 10_000


def must_rebuild(kind: Kind, generations: Generations) -> bool:
    """Whether the read model that serves was made by an older version of the projector."""
    path = generations.current()
    return path is not None and made_by_older(path, kind.name, kind.version)


def made_by_older(path: Path, name: str, version: int) -> bool:
    """Whether a file's checkpoint was written by an older version of a projector."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT version FROM checkpoint WHERE projector = ?", (name,)).fetchone()
        except sqlite3.DatabaseError:
            return False
    return row is not None and row[0] < version


def rebuild(kind: Kind, data: Path, progress: Progress | None = None) -> Head:
    """Build a read model anew beside the one that serves, and let it serve; return how far it is.

    Args:
        kind: which one.
        data: the data directory.
        progress: told the position reached, and the one to reach.

    Raises:
        ConfigurationError: another rebuild runs.
        TransientError: there is no journal, or the disk is in the way.
        ProjectionError: an event cannot be applied; what serves is as it was.
    """
    generations = Generations(data / kind.name)
    with generations.only("rebuilding"), closing(SqliteJournalReader(data / "journal")) as reader:
        path = generations.create()
        try:
            place = build(kind, reader, path, progress=progress)
        except BaseException:
            remove(path)
            raise
        generations.serve(path)
        generations.discard()
    return place


def build(
    kind: Kind,
    reader: JournalReader,
    path: Path,
    *,
    upto: int | None = None,
    progress: Progress | None = None,
) -> Head:
    """Build a read model in a file of its own, up to a position or to the head; return how far it is."""
    projector = kind.make(path, None)
    runner = Runner(reader, projector, batch=BATCH, leap_from=1, strict=True, upto=upto, progress=progress)
    return finished(runner, projector)


def finished(runner: Runner, projector: SqliteProjector) -> Head:
    """Run to the end, close the file, and return how far it is."""
    try:
        with _collecting_nothing():
            runner.finish()
        projector.model.finish()
    finally:
        projector.close()
    assert runner.place is not None
    return runner.place


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """Look for no cycles of references: folding makes none, and looking costs a seventh of a rebuild."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()
