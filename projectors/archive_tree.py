"""Where the archive's rows lie: one directory a system, kind and day, files that name their positions.

    archive/current/system_id=rig_01/kind=victron/day=2026-11-21/1200-3518.parquet

Rules that must stay true here:
- a file has its name once it is whole and on disk; what begins with `.` or `_` is no part of the archive,
  here and for DuckDB, Polars and Arrow;
- a directory of a day may be exchanged for another with the same rows: who reads one holds it, and looks
  afterwards whether it still is the one;
- names are made of ids that were recorded: whatever those are, a name stays one name.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from bus import instants
from schemas.errors import OvrError

DAY_US = 86_400 * instants.SECOND_US
EVER_US = 2**62
CHECKPOINT = "_archive.sqlite"
PART = ".part"
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FILE = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """The rows of one system and kind in one day of UTC.

    Attributes:
        day: days since 1970.
    """

    system_id: str
    kind: str
    day: int

    @property
    def path(self) -> Path:
        """Where its files are, below the archive's root."""
        return Path(
            f"system_id={_safe(self.system_id)}", f"kind={_safe(self.kind)}", f"day={day_text(self.day)}"
        )

    @property
    def since_us(self) -> int:
        """When the day begins."""
        return self.day * DAY_US

    @property
    def until_us(self) -> int:
        """When the day ends."""
        return (self.day + 1) * DAY_US


@dataclass(frozen=True, slots=True, order=True)
class Piece:
    """One file.

    Attributes:
        first: the lowest position of its rows.
        last: the highest.
    """

    first: int
    last: int
    path: Path


def file_name(first: int, last: int) -> str:
    """Name a file by the positions of its rows."""
    return f"{first}-{last}.parquet"


class ChangedError(OvrError):
    """Files were taken away while they were read: look again."""


def pieces(directory: Path) -> list[Piece]:
    """List the files of a partition in order of position; none when it is not there."""
    return _pieces(directory, _names(directory))


def contents(directory: Path) -> tuple[list[Piece], list[Path]]:
    """List the files of a partition, and those that were never finished."""
    names = _names(directory)
    parts = [directory / name for name in names if name.startswith(".") and name.endswith(PART)]
    return _pieces(directory, names), parts


@contextmanager
def steady(directory: Path) -> Iterator[list[Piece]]:
    """List the files of a partition that is there, to be read inside the block.

    Raises:
        ChangedError: when the block ends, or a file is gone, and others took their place.
    """
    try:
        held = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError as error:
        raise ChangedError(f"{directory} is gone") from error
    try:
        yield _pieces(directory, os.listdir(held))  # noqa: PTH208 - the directory we hold
        same = directory.stat().st_ino == os.fstat(held).st_ino
    except FileNotFoundError as error:
        raise ChangedError(f"{error.filename} is gone") from error
    finally:
        os.close(held)
    if not same:
        raise ChangedError(f"{directory} was exchanged")


def systems(root: Path) -> list[str]:
    """List the systems that have a directory."""
    return sorted(_keys(root, "system_id"))


def partitions(
    root: Path, system_id: str | None = None, since_us: int = -EVER_US, until_us: int = EVER_US
) -> Iterator[Partition]:
    """Yield the partitions of all systems, or of one, whose day touches [since, until); in order."""
    for system in systems(root) if system_id is None else [system_id]:
        of_system = root / f"system_id={_safe(system)}"
        for kind in sorted(_keys(of_system, "kind")):
            for text in sorted(_keys(of_system / f"kind={_safe(kind)}", "day")):
                if not _DAY.fullmatch(text):
                    continue
                one = Partition(system, kind, day_of_text(text))
                if since_us < one.until_us and one.since_us < until_us:
                    yield one


def day_text(day: int) -> str:
    """Write a day as `YYYY-MM-DD`."""
    return instants.text(day * DAY_US)[:10]


def day_of_text(text: str) -> int:
    """Undo `day_text`."""
    return instants.parse(f"{text}T00:00:00Z") // DAY_US


def _keys(directory: Path, key: str) -> Iterator[str]:
    for name in _names(directory):
        before, equals, value = name.partition("=")
        if before == key and equals:
            yield unquote(value)


def _pieces(directory: Path, names: Iterable[str]) -> list[Piece]:
    found = ((name, _FILE.fullmatch(name)) for name in names)
    return sorted(Piece(int(match[1]), int(match[2]), directory / name) for name, match in found if match)


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []


def _safe(name: str) -> str:
    """Write an id as one name of a directory, as Hive does."""
    return quote(name, safe="")
