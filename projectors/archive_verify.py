"""Comparing the archive with the journal: how many rows each day has, and a hash over their content.

Rules that must stay true here:
- a hash is a sum over all numbers, each mixed with its column's name and its row's position: it does not
  depend on files, their order, or the order of rows in them;
- rows are compared up to the checkpoint, while more may come and files may be compacted.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bus.journal import Head, check_place
from bus.journal_sqlite import SqliteJournalReader
from projectors import archive_parquet, archive_tree
from projectors.archive_parquet import block_of
from projectors.archive_place import place_of
from projectors.archive_reader import ArchiveReader
from projectors.archive_tree import DAY_US, ChangedError, Partition
from projectors.events import SAMPLE
from projectors.runner import Progress
from projectors.sample_blocks import Block
from projectors.sample_rows import GatheredSamples
from reporter.columns import Floats
from schemas.errors import ConfigurationError, InputError, TransientError

_WORD = 1 << 64
_CELLS = 2_000_000
_ROWS = 20_000
_ATTEMPTS = 20
_TELL_EVERY = 1000
Words = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows there are, and the sum over their content."""

    rows: int = 0
    hash: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.rows + other.rows, (self.hash + other.hash) % _WORD)

    def __str__(self) -> str:
        return f"{self.rows:,} rows, content {self.hash:016x}"


@dataclass(frozen=True, slots=True)
class ArchiveComparison:
    """What comparing came to.

    Attributes:
        place: up to where.
        tally: of the whole archive.
        faults: in words: which day differs, and how.
        unreadable: samples that could not be archived, and are not.
        kept: rows of samples that the journal has erased, which nothing can be compared with.
    """

    place: Head
    tally: Tally
    faults: tuple[str, ...]
    unreadable: int
    kept: int


def verify_archive(data: Path, progress: Progress | None = None) -> ArchiveComparison:
    """Compare the archive that serves with the journal.

    Raises:
        ConfigurationError: there is none, it was made from another journal, or a file is damaged.
        TransientError: it was replaced meanwhile.
    """
    archive = ArchiveReader(data / "archive")
    root = archive.root()
    if root is None:
        raise ConfigurationError(
            f"there is no archive in {data}: run `ovr project archive` or `ovr rebuild archive`"
        )
    with closing(SqliteJournalReader(data / "journal")) as reader:
        place = place_of(root) or replace(reader.head(), position=0)
        check_place(reader, place, "the archive", "run `ovr rebuild archive`")
        erased = reader.erased_upto()
        recorded, unreadable = _recorded(reader, erased, place.position, progress)
    faults: list[str] = []
    archived: dict[Partition, Tally] = {}
    kept = 0
    for partition in archive_tree.partitions(root):
        archived[partition], old = _archived(root, partition, erased, place.position, faults)
        kept += old
    if archive.root() != root:
        raise TransientError("the archive was rebuilt meanwhile: verify again")
    for partition in sorted(recorded.keys() | archived.keys()):
        wanted, found = recorded.get(partition, Tally()), archived.get(partition, Tally())
        if wanted != found:
            faults.append(f"{partition.path}: {found}; the journal has {wanted}")
    return ArchiveComparison(place, sum(archived.values(), Tally()), tuple(faults), unreadable, kept)


def tally(block: Block) -> Tally:
    """Count rows, and sum their content."""
    position = block.position.view(np.uint64)
    total = _sum("time", block.time_us.view(np.uint64), position)
    total += _sum("recorded_at", block.recorded_us.view(np.uint64), position)
    total += _sum("interval_ms", block.interval_ms.astype(np.uint64), position)
    for name, flag in block.flags.items():
        total += _sum(name, np.ones(int(flag.sum()), np.uint64), position[flag])
    for name, column in block.values.items():
        told = ~np.isnan(column)
        whole = bool(told.all())
        total += _sum(name, _bits(column if whole else column[told]), position if whole else position[told])
    return Tally(len(block), total % _WORD)


def _recorded(
    reader: SqliteJournalReader, after: int, upto: int, progress: Progress | None
) -> tuple[dict[Partition, Tally], int]:
    """Sum up what the journal holds."""
    found: dict[Partition, Tally] = defaultdict(Tally)
    gathered = GatheredSamples()
    unreadable = 0
    for count, recorded in enumerate(reader.read(after, upto=upto, types=[SAMPLE])):
        try:
            gathered.add(recorded)
        except InputError:
            unreadable += 1
        if gathered.cells >= _CELLS:
            _add(found, gathered)
        if progress is not None and count % _TELL_EVERY == 0:
            progress(recorded.position, upto)
    _add(found, gathered)
    if progress is not None:
        progress(upto, upto)
    return found, unreadable


def _add(found: dict[Partition, Tally], gathered: GatheredSamples) -> None:
    for system_id, kind, block in gathered.blocks():
        days = block.time_us // DAY_US
        for day in np.unique(days):
            found[Partition(system_id, kind, int(day))] += tally(block.rows(days == day))


def _archived(
    root: Path, partition: Partition, after: int, upto: int, faults: list[str]
) -> tuple[Tally, int]:
    """Sum up one day of the archive; tell how many rows are too old to be compared."""
    for _ in range(_ATTEMPTS):
        found, old = Tally(), 0
        misplaced: list[str] = []
        try:
            for block in _blocks(root, partition, misplaced):
                old += int((block.position <= after).sum())
                found += tally(block.rows((block.position > after) & (block.position <= upto)))
        except ChangedError:
            continue
        faults += misplaced
        return found, old
    raise TransientError("the archive changes faster than it can be read: verify again")


def _blocks(root: Path, partition: Partition, misplaced: list[str]) -> Iterator[Block]:
    with archive_tree.steady(root / partition.path) as pieces:
        for piece in pieces:
            with archive_parquet.opened(piece.path) as file:
                for batch in file.iter_batches(_ROWS):
                    block = block_of(batch)
                    inside = (block.time_us // DAY_US == partition.day) & (block.position >= piece.first)
                    if not (inside & (block.position <= piece.last)).all():
                        misplaced.append(f"{piece.path} holds rows that its name does not say")
                    yield block


def _sum(name: str, numbers: Words, position: Words) -> int:
    mixed = numbers * np.uint64(0x9E3779B97F4A7C15) + (position ^ np.uint64(_seed(name)))
    mixed ^= mixed >> np.uint64(30)  # the finisher of splitmix64
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return int(mixed.sum(dtype=np.uint64))


def _bits(column: Floats) -> Words:
    return np.ascontiguousarray(column).view(np.uint64)


@lru_cache(maxsize=4096)
def _seed(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")
