"""Laying the files of a report down: whole directories, in one step each.

Rules that must stay true here:
- whoever looks finds a directory as it was or as it is, never half of it;
- when this returns, the files are on the disk;
- what a making that was killed left behind is removed at the next start, and nothing else is.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bus.ids import token
from projectors.exchange import exchange
from schemas.errors import TransientError

_PART: Final = ".part-"
_OLD: Final = ".old-"
_FEW: Final = 64


@contextmanager
def laid_down(root: Path, target: Path) -> Iterator[Path]:
    """Yield an empty directory; when the block ends well it is at `target`.

    Args:
        root: the directory of all reports, on the same file system.
        target: below it.

    Raises:
        TransientError: the disk is full or fails.
    """
    part = root / f"{_PART}{os.getpid()}-{token()}"
    try:
        part.mkdir(parents=True)
        yield part
        _sync(part)
        _swap(root, part, target)
    except OSError as error:
        raise TransientError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def put(path: Path, content: bytes) -> None:
    """Put one file beside others that are there already, in one step.

    Raises:
        TransientError: the disk is full or fails.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_one(path.parent)
    except OSError as error:
        raise TransientError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def tidy(root: Path) -> None:
    """Remove what was left behind half done; nobody else may be making reports here."""
    if root.is_dir():
        for path in (*root.glob(f"{_PART}*"), *root.glob(f"{_OLD}*")):
            _remove(path)


def _swap(root: Path, part: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    old = root / f"{_OLD}{os.getpid()}-{token()}"
    try:
        exchange(part, target)  # what was there is then removed like a part that was not finished
    except OSError:  # there is none yet, or the file system knows no such thing
        with suppress(FileNotFoundError):
            target.rename(old)
        part.rename(target)
    _sync_one(target.parent)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    """Bring a tree to the disk: file by file, or the whole disk where that is less work."""
    paths = [directory, *directory.rglob("*")]
    if len(paths) > _FEW:
        os.sync()
        return
    for path in paths:
        _sync_one(path)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
