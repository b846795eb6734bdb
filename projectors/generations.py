"""The generations of a read model, files or directories, and `current`, a link to the one that serves.

Rules that must stay true here:
- a file gets its name once and is never renamed: SQLite keeps a -wal beside it under that name;
- no descriptor of ours is opened on a file that SQLite may have open here: closing it would drop SQLite's
  locks, and whoever closes the file elsewhere next would delete the -wal that is written to here;
- the link is replaced in one step, after the new file is whole on disk, so a reader finds either;
- a name is never used again while a process may have it open.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from schemas.errors import ConfigurationError

_LINK = "current"
_SUFFIX = ".sqlite"


class Generations:
    """The generations of one read model in a directory: files, or directories as `trees`."""

    def __init__(self, directory: Path, *, trees: bool = False) -> None:
        self.directory = directory
        self._trees = trees
        directory.mkdir(parents=True, exist_ok=True)

    def current(self) -> Path | None:
        """Return the generation that serves, without links in its path; None before the first."""
        return serving(self.directory)

    def create(self) -> Path:
        """Make an empty file, or directory, for a new generation."""
        while True:
            numbers = [int(path.stem) for path in self._all() if path.stem.isdecimal()]
            path = self.directory.resolve() / f"{max(numbers, default=0) + 1:06d}{self._suffix}"
            with contextlib.suppress(FileExistsError):
                path.mkdir() if self._trees else path.touch(exist_ok=False)
                return path

    def serve(self, path: Path) -> None:
        """Make a finished generation the one that serves."""
        _sync(path) if self._trees else _settle(path)
        link = self.directory / f".{_LINK}.new"
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
        link.replace(self.directory / _LINK)
        _sync(self.directory)

    def discard(self) -> None:
        """Remove every generation that does not serve; readers that have one open keep what they have."""
        current = self.current()
        for path in self._all():
            if current is not None and path.name != current.name:
                remove(path)

    @property
    def _suffix(self) -> str:
        return "" if self._trees else _SUFFIX

    def _all(self) -> list[Path]:
        current = self.current()
        found = self.directory.glob("[0-9]*") if self._trees else self.directory.glob(f"*{_SUFFIX}")
        return [*found, *([current] if current else [])]

    @contextlib.contextmanager
    def only(self, what: str) -> Iterator[None]:
        """Make sure that no other process does `what` here meanwhile.

        Raises:
            ConfigurationError: another process does.
        """
        with (self.directory / f"{what}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigurationError(
                    f"another process does {what} on {self.directory}: wait for it, or stop it"
                ) from error
            yield


def serving(directory: Path) -> Path | None:
    """Return the generation that serves in a directory, without links in its path; None before the first."""
    try:
        name = (directory / _LINK).readlink()
    except FileNotFoundError:
        return None
    return directory.resolve() / name


def remove(path: Path) -> None:
    """Remove a directory, or a SQLite file with what SQLite keeps beside it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Copy a SQLite file as it is at one instant, while others use it."""
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as serving,
        contextlib.closing(sqlite3.connect(target)) as snapshot,
    ):
        serving.execute("PRAGMA busy_timeout = 5000")
        serving.backup(snapshot)


def _settle(path: Path) -> None:
    """Bring what was written to a SQLite file to the disk."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
