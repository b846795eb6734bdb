"""Which files belong into a backup, and under which names.

Rules that must stay true here:
- what SQLite keeps beside a file, locks, and files that are not finished are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ovr.node import Node
from projectors import archive_tree
from projectors.archive_tree import ChangedError
from schemas.errors import TransientError

CONFIGURATION = "configuration"
"""Where what was configured outside the data directory goes."""

_LEFT_OUT = ("-wal", "-shm", "-journal", ".lock", ".part", ".new")
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A file to copy.

    Attributes:
        path: its name in the backup.
        source: where it is.
        must: an error when it is gone; else it was temporary.
    """

    path: str
    source: Path
    must: bool = False


def beneath(data: Path, path: Path) -> Iterator[Found]:
    """Yield a file, or all files of a directory, by name."""
    if path.is_dir() and not path.is_symlink():
        for one in sorted(path.rglob("*")):
            if one.is_file() and not one.is_symlink() and _wanted(one.relative_to(path)):
                yield Found(one.relative_to(data).as_posix(), one)
    elif path.is_file() and _wanted(Path(path.name)):
        yield Found(path.relative_to(data).as_posix(), path)


def configuration(node: Node) -> Iterator[Found]:
    """Yield the configuration where it is not in the data directory."""
    source = node.source
    if source is not None and not source.resolve().is_relative_to(node.layout.data.resolve()):
        yield Found(f"{CONFIGURATION}/{source.name}", source)


def archived(root: Path, upto: int) -> Iterator[Found]:
    """Yield the archive's files with rows up to a position; each day's as they are at one moment.

    Raises:
        TransientError: a day's files change too often.
    """
    for partition in archive_tree.partitions(root):
        for piece in _steady(root / partition.path):
            if piece.first <= upto:
                name = (Path("archive/current") / partition.path / piece.path.name).as_posix()
                yield Found(name, piece.path, must=True)


def _steady(directory: Path) -> list[archive_tree.Piece]:
    for _ in range(_TRIES):
        try:
            with archive_tree.steady(directory) as pieces:
                return pieces
        except ChangedError:
            continue
    raise TransientError(f"{directory} changes too often to be copied: try again")


def _wanted(path: Path) -> bool:
    return not path.name.endswith(_LEFT_OUT) and not any(part.startswith(".") for part in path.parts)
