"""Put a backup in the journal's place, so that nothing of the old journal is left beside it.

Rules that must stay true here:
- what SQLite keeps beside a journal that was killed would be written into the new one: it leaves with the
  file that it belongs to;
- nothing is deleted: what was there is moved aside.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bus import instants
from bus.journal import Head
from bus.journal_sqlite import FILE, head_of
from bus.lockfile import hold
from bus.sealed import DIRECTORY
from bus.sealed_copy import beside, copy_sealed, sync
from schemas.errors import ConfigurationError


def restore(backup: Path, directory: Path) -> tuple[Head, Path | None]:
    """Let a copy of `backup` be the journal in `directory`; return its head, and where the old one is now.

    Raises:
        ConfigurationError: the journal is being written, or `backup` is no journal.
    """
    lock = hold(
        directory / "journal.lock",
        f"the journal in {directory} is written by process {{holder}}: stop the node first",
    )
    try:
        draft = directory / "journal.restoring"
        draft.unlink(missing_ok=True)
        head = _copy(backup, draft, directory)
        aside = _move_aside(directory)
        draft.rename(directory / FILE)
        sync(directory)
    finally:
        os.close(lock)
    return head, aside


def _copy(backup: Path, draft: Path, directory: Path) -> Head:
    try:
        with (
            closing(sqlite3.connect(f"{backup.resolve().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(draft)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            sealed = directory / DIRECTORY
            copy_sealed(target, source, beside(backup) if beside(backup).exists() else sealed, sealed)
            head = head_of(target)
    except (sqlite3.Error, TypeError) as error:
        draft.unlink(missing_ok=True)
        raise ConfigurationError(f"{backup} is not a whole journal: {error}") from error
    sync(draft)
    return head


def _move_aside(directory: Path) -> Path | None:
    found = [path for suffix in ("", "-wal", "-shm") if (path := directory / f"{FILE}{suffix}").exists()]
    if not found:
        return None
    aside = directory / f"replaced-{instants.now_us()}"
    aside.mkdir()
    for path in found:
        path.rename(aside / path.name)
    if (directory / DIRECTORY).exists():  # both may need them
        shutil.copytree(directory / DIRECTORY, aside / DIRECTORY, copy_function=os.link)
    return aside
