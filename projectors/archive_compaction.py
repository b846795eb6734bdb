"""Keeping days in few files: which day is due, and doing it a step at a time between other work.

Rules that must stay true here:
- only rows that the checkpoint covers are touched; a day that fails is left as it is, and tried again later;
- a day that is over becomes one file once nothing has come for it for an hour of the stream's time.
"""

import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from bus import instants
from projectors import archive_merge, archive_parquet, archive_tree
from projectors.archive_merge import MOST_COLUMNS
from projectors.archive_store import ArchiveStore
from projectors.archive_tree import Partition, Piece
from schemas.errors import OvrError

log = logging.getLogger(__name__)

QUIET_US = 3600 * instants.SECOND_US


class Compaction:
    """Compacts the days of one archive.

    Attributes:
        done: how many times a day got fewer files.
    """

    def __init__(self, store: ArchiveStore) -> None:
        self.done = 0
        self._store = store
        self._touched: dict[Partition, int] = {}
        self._ready: deque[Partition] = deque()
        self._rows: dict[Path, int] = {}
        self._work: Iterator[None] | None = None
        self._at = Partition("", "", 0)

    def touch(self, partition: Partition, recorded_us: int) -> None:
        """Note that a day got a file, and when by the stream's time; 0 for one that was found so."""
        self._touched[partition] = recorded_us
        self._ready.append(partition)

    def look(self, horizon_us: int) -> None:
        """Note which days are over now."""
        self._ready.extend(one for one in self._touched if self._over(one, horizon_us))

    def step(self, horizon_us: int) -> bool:
        """Do one step, of some ten milliseconds; False when there is nothing to do.

        Args:
            horizon_us: the newest `recordedat` of what is archived.
        """
        while self._work is None:
            if not self._ready or not self._store.compacts:
                return False
            self._at = self._ready.popleft()
            if self._at in self._touched:
                self._work = self._compact(self._at, over=self._over(self._at, horizon_us))
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except (OvrError, OSError) as error:
            log.warning("%s stays as it is for now: %s", self._at, error)
            self._touched.pop(self._at, None)
            self._work = None
        return True

    def stop(self) -> None:
        """Leave what is under way."""
        self._work = None

    def _over(self, partition: Partition, horizon_us: int) -> bool:
        return horizon_us >= max(partition.until_us, self._touched[partition]) + QUIET_US

    def _compact(self, partition: Partition, *, over: bool) -> Iterator[None]:
        pieces = archive_tree.pieces(self._store.root / partition.path)
        count = archive_merge.due([self._count(piece) for piece in pieces], over=over)
        if over:
            del self._touched[partition]
        paths = [piece.path for piece in pieces[len(pieces) - count :]]
        if not paths:
            return
        if _columns(paths) > MOST_COLUMNS:
            log.warning("%s stays several files: it has too many measurements", partition)
            return
        first = min(piece.first for piece in pieces if piece.path in paths)
        last = max(piece.last for piece in pieces if piece.path in paths)
        made = self._store.aside() / "day"
        yield from archive_merge.merged(paths, made / archive_tree.file_name(first, last))
        self._store.replace(partition, made, paths)
        for path in paths:
            self._rows.pop(path, None)
        self._ready.append(partition)
        self.done += 1

    def _count(self, piece: Piece) -> int:
        rows = self._rows.get(piece.path)
        if rows is None:
            with archive_parquet.opened(piece.path) as file:
                rows = self._rows[piece.path] = file.metadata.num_rows
        return rows


def _columns(paths: list[Path]) -> int:
    schemas = []
    for path in paths:
        with archive_parquet.opened(path) as file:
            schemas.append(file.schema_arrow)
    return len(archive_merge.union(schemas).names)
