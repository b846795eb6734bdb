"""Rebuilding the state from the journal, beside the one that serves.

Rules that must stay true here:
- what serves is not touched until the new one is whole, on disk and closed;
- a rebuild applies every event, or stops and says at which it stopped.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from bus.journal import Head, JournalReader
from bus.journal_sqlite import SqliteJournalReader
from projectors.generations import Generations, remove
from projectors.runner import Progress, Runner
from projectors.state import NAME, VERSION, StateProjector
from schemas.registry import Registry

BATCH = 10_000


def must_rebuild(generations: Generations) -> bool:
    """Whether the state that serves was made by an older version of the projector."""
    path = generations.current()
    if path is None or not path.exists():
        return False
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT version FROM checkpoint WHERE projector = ?", (NAME,)).fetchone()
        except sqlite3.DatabaseError:
            return False
    return row is not None and row[0] < VERSION


def rebuild_state(data: Path, progress: Progress | None = None) -> Head:
    """Build the state anew beside the one that serves, and let it serve; return how far it is.

    Args:
        data: the data directory.
        progress: told the position reached, and the one to reach.

    Raises:
        ConfigurationError: another rebuild runs.
        TransientError: there is no journal, or the disk is in the way.
        ProjectionError: an event cannot be applied; what serves is as it was.
    """
    generations = Generations(data / NAME)
    with generations.only("rebuilding"), closing(SqliteJournalReader(data / "journal")) as reader:
        path = generations.create()
        try:
            place = build_state(reader, path, progress=progress)
        except BaseException:
            remove(path)
            raise
        generations.serve(path)
        generations.discard()
    return place


def build_state(
    reader: JournalReader, path: Path, *, upto: int | None = None, progress: Progress | None = None
) -> Head:
    """Build the state in a file of its own, up to a position or to the head; return how far it is."""
    projector = StateProjector(path, Registry.load())
    runner = Runner(reader, projector, batch=BATCH, leap_from=1, strict=True, upto=upto, progress=progress)
    return finished(runner, projector)


def finished(runner: Runner, projector: StateProjector) -> Head:
    """Run to the end, close the file, and return how far it is."""
    try:
        runner.finish()
        projector.model.finish()
    finally:
        projector.close()
    assert runner.place is not None
    return runner.place
