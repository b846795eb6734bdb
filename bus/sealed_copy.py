"""Copying sealed files: beside a backup, and from there into a journal's directory.

Rules that must stay true here:
- every file that the copied tables name is there, whole and synced, or an error says which is not;
- a file that is there already is not touched: sealed files never change.
"""

import os
import shutil
import sqlite3
from pathlib import Path

from schemas.errors import ConfigurationError


def beside(backup: Path) -> Path:
    """Name the directory of sealed files that belongs to a backup."""
    return backup.with_name(f"{backup.name}.sealed")


def copy_sealed(copy: sqlite3.Connection, live: sqlite3.Connection, source: Path, target: Path) -> None:
    """Copy what the tables in `copy` name.

    Args:
        copy: the copied tables; where an erasure has replaced a file meanwhile, they learn its new name.
        live: the tables they were copied from.
        source: directory of the sealed files.
        target: where they go.

    Raises:
        ConfigurationError: a file is missing.
    """
    for first, name, size in _files(copy):
        try:
            _copy(source / name, target / name, size)
        except FileNotFoundError:
            newer = live.execute(
                "SELECT last, file, bytes, cleared, erased FROM segment WHERE first = ?", (first,)
            ).fetchone()
            if newer is None or newer[1] == name:
                raise ConfigurationError(
                    f"{source / name} is missing: put it there again from a backup"
                ) from None
            _copy(source / newer[1], target / newer[1], newer[2])
            copy.execute("INSERT OR REPLACE INTO segment VALUES (?, ?, ?, ?, ?, ?)", (first, *newer))
            copy.commit()


def _files(db: sqlite3.Connection) -> list[tuple[int, str, int]]:
    try:
        return db.execute("SELECT first, file, bytes FROM segment ORDER BY first").fetchall()
    except sqlite3.OperationalError:  # a journal of the format before
        return []


def _copy(source: Path, target: Path, size: int) -> None:
    if target.exists() and target.stat().st_size == size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    sync(part)
    part.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Let a file, or the names in a directory, survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
