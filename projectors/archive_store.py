"""One archive being written: files, and the checkpoint behind them.

Rules that must stay true here:
- the checkpoint moves after the files are on disk, and is on disk itself before anything relies on it;
- what a kill left is found at the next start: unfinished files, and files beyond the checkpoint, whose rows
  come again, are deleted;
- rows of one day that were compacted take the place of the files they came from in one step.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bus.journal import Head
from projectors import archive_parquet, archive_tree
from projectors.archive_tree import CHECKPOINT, DAY_US, Partition
from projectors.exchange import exchange
from projectors.sample_blocks import Block
from projectors.sqlite_model import DeadLetter, SqliteModel
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

NAME, VERSION = "archive", 1


class ArchiveStore:
    """An archive's directory, of which there is one writer.

    Attributes:
        root: the directory.
        model: keeps the checkpoint, and what could not be read.
        compacts: whether this file system can exchange two directories; if not, days stay many files.
    """

    def __init__(self, root: Path) -> None:
        """Open it.

        Raises:
            ConfigurationError: another version of the projector made it.
            TransientError: the disk is in the way.
        """
        self.root = root
        self.compacts = False
        self._unsynced: set[Path] = set()
        self.model = SqliteModel(root / CHECKPOINT, NAME, VERSION, "")
        self.model.db.execute("PRAGMA synchronous = FULL")
        archive_parquet.sync([root])

    def clean(self) -> list[Partition]:
        """Delete what no checkpoint covers; return the partitions of several files.

        Raises:
            ConfigurationError: a file begins before the checkpoint and ends behind it: others put it there.
        """
        place = self.model.place()
        position = 0 if place is None else place.position
        self.compacts = self._can_exchange()
        several = []
        for partition in archive_tree.partitions(self.root):
            directory = self.root / partition.path
            pieces, parts = archive_tree.contents(directory)
            with archive_parquet.disk(directory):
                for part in parts:
                    part.unlink()
                kept = [piece for piece in pieces if not self._deleted(piece, position)]
            if len(kept) > 1:
                several.append(partition)
        archive_parquet.sync(self._unsynced)
        self._unsynced.clear()
        return several

    def put(self, system_id: str, kind: str, block: Block) -> dict[Partition, int]:
        """Write rows into the files of their days; return how many went where. They count after `commit`.

        Raises:
            TransientError: the disk is in the way.
        """
        days = block.time_us // DAY_US
        written: dict[Partition, int] = {}
        for day in np.unique(days):
            partition = Partition(system_id, kind, int(day))
            mine = days == day
            part = block if mine.all() else block.rows(mine)
            directory = self.root / partition.path
            self._to_sync(directory)
            name = archive_tree.file_name(int(part.position.min()), int(part.position.max()))
            archive_parquet.write(directory / name, part)
            written[partition] = len(part)
        return written

    def commit(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Let everything that was put count, up to a place.

        Raises:
            TransientError: the disk is in the way.
        """
        archive_parquet.sync(self._unsynced)
        self._unsynced.clear()
        with self.model.transaction():
            for letter in letters:
                self.model.bury(letter)
            self.model.save_place(place)

    def aside(self) -> Path:
        """Return an empty directory beside the archive, to make another day's directory in.

        Raises:
            TransientError: the disk is in the way.
        """
        with archive_parquet.disk(self._aside):
            shutil.rmtree(self._aside, ignore_errors=True)
            self._aside.mkdir()
        return self._aside

    def replace(self, partition: Partition, made: Path, gone: Iterable[Path]) -> None:
        """Let a directory made aside, with all files of a day but those `gone`, take the day's place.

        Raises:
            TransientError: the disk is in the way.
        """
        directory = self.root / partition.path
        left_out = {path.name for path in gone}
        with archive_parquet.disk(directory):
            for piece in archive_tree.pieces(directory):
                if piece.path.name not in left_out:
                    _link(piece.path, made / piece.path.name)
            archive_parquet.sync([made])
            exchange(directory, made)
        archive_parquet.sync([directory.parent])
        shutil.rmtree(self._aside, ignore_errors=True)

    def close(self) -> None:
        """Close it; what is not committed does not count."""
        self.model.close()
        shutil.rmtree(self._aside, ignore_errors=True)

    @property
    def _aside(self) -> Path:
        return self.root.with_name(f"_{self.root.name}")

    def _can_exchange(self) -> bool:
        one, other = self.aside() / "one", self._aside / "other"
        with archive_parquet.disk(self._aside):
            one.mkdir()
            other.mkdir()
        try:
            exchange(one, other)
        except OSError as error:
            log.warning("%s: files of a day cannot be made one here: %s", self.root, error)
            return False
        finally:
            shutil.rmtree(self._aside, ignore_errors=True)
        return True

    def _deleted(self, piece: archive_tree.Piece, position: int) -> bool:
        if piece.last <= position:
            return False
        if piece.first <= position:
            raise ConfigurationError(
                f"{piece.path} reaches beyond the archive's checkpoint, position {position}:"
                " run `ovr rebuild archive`"
            )
        piece.path.unlink()
        self._unsynced.add(piece.path.parent)
        return True

    def _to_sync(self, directory: Path) -> None:
        """Remember which directories get a new name."""
        self._unsynced.add(directory)
        while not directory.exists():
            directory = directory.parent
            self._unsynced.add(directory)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system has no such thing, a second file."""
    with contextlib.suppress(OSError):
        target.hardlink_to(source)
        return
    shutil.copyfile(source, target)
    archive_parquet.sync([target])
