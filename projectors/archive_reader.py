"""Reading the archive, while it grows, is compacted, or is replaced by a rebuilt one.

Rules that must stay true here:
- an answer is what the rows up to one place say: files that a compaction took away meanwhile are looked up
  anew, and rows beyond the place are left out;
- the place and the rows of an answer come from the same archive, though another may take its place meanwhile;
- systems are told by the ids that were recorded; `projectors.samples` knows which ids are one system.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bus.journal import Head
from projectors import archive_parquet, archive_tree
from projectors.archive_place import place_of
from projectors.archive_tree import EVER_US, ChangedError
from projectors.generations import serving
from projectors.sample_blocks import Block, by_interval, only, streams, within
from reporter.columns import Samples
from schemas.errors import TransientError

_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Archived:
    """What the archive holds of some systems.

    Attributes:
        place: up to where it holds everything; None when there is no archive.
        blocks: rows by kind, each block of one interval.
    """

    place: Head | None
    blocks: dict[str, list[Block]] = field(default_factory=dict)


class ArchiveReader:
    """Reads the archive in a directory, `archive` below the data directory; there may be none yet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def place(self) -> Head | None:
        """Return the checkpoint: the archive holds every sample up to there; None when there is none."""
        root = self.root()
        return None if root is None else place_of(root)

    def root(self) -> Path | None:
        """Return the directory of the archive that serves, without links; None before the first."""
        return serving(self.directory)

    def systems(self) -> list[str]:
        """List the ids under which samples were recorded."""
        root = self.root()
        return [] if root is None else archive_tree.systems(root)

    def samples(
        self,
        system_id: str,
        since_us: int,
        until_us: int,
        *,
        names: Collection[str] | None = None,
        upto: int | None = None,
    ) -> Samples:
        """Return what is archived of one recorded id in [since, until), and nothing around it.

        Args:
            system_id: as recorded.
            since_us: the beginning.
            until_us: the end, left out.
            names: only these measurements.
            upto: only what was recorded up to this position.

        Raises:
            ConfigurationError: a file is damaged.
        """
        found = self.blocks([system_id], since_us, until_us, names=names, upto=upto)
        return Samples(
            system_id,
            tuple(one for kind, blocks in sorted(found.blocks.items()) for one in streams(kind, blocks)),
        )

    def blocks(
        self,
        system_ids: Collection[str],
        since_us: int = -EVER_US,
        until_us: int = EVER_US,
        *,
        names: Collection[str] | None = None,
        upto: int | None = None,
    ) -> Archived:
        """Return rows of some recorded ids, and the place up to which they are all there is.

        Raises:
            TransientError: the archive changes faster than it can be read.
            ConfigurationError: a file is damaged.
        """
        for _ in range(_ATTEMPTS):
            root = self.root()
            place = None if root is None else place_of(root)
            if root is None or place is None:
                return Archived(None)
            bound = place.position if upto is None else min(upto, place.position)
            blocks: dict[str, list[Block]] = {}
            try:
                for system_id in sorted(set(system_ids)):
                    for kind, block in _rows(root, system_id, since_us, until_us, names, bound):
                        blocks.setdefault(kind, []).append(block)
            except ChangedError:
                continue
            if self.root() == root:
                return Archived(place, blocks)
        raise TransientError(f"the archive in {self.directory} changes faster than it can be read")


def _rows(
    root: Path, system_id: str, since_us: int, until_us: int, names: Collection[str] | None, upto: int
) -> Iterator[tuple[str, Block]]:
    for partition in archive_tree.partitions(root, system_id, since_us, until_us):
        with archive_tree.steady(root / partition.path) as pieces:
            for piece in pieces:
                if piece.first > upto:
                    continue
                for block in archive_parquet.read(piece.path, since_us, until_us, names):
                    for part in by_interval(within(only(block, names), since_us, until_us, upto)):
                        yield partition.kind, part
