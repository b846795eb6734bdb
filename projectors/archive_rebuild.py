"""Building the archive anew beside the one that serves.

Rules that must stay true here:
- what serves is not touched until the new one is whole and on disk;
- a rebuild archives every sample, or stops and says at which it stopped;
- samples that the journal has erased are taken over from the archive that serves: they are nowhere else.
"""

import logging
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from bus.journal import Head, check_place
from bus.journal_sqlite import SqliteJournalReader
from projectors import archive_parquet, archive_tree
from projectors.archive import ArchiveProjector
from projectors.archive_parquet import block_of
from projectors.archive_place import place_of
from projectors.archive_store import NAME, VERSION, ArchiveStore
from projectors.archive_tree import CHECKPOINT
from projectors.generations import Generations, remove
from projectors.rebuild import BATCH, made_by_older
from projectors.runner import Progress, Runner
from projectors.sample_blocks import within
from schemas.errors import TransientError

log = logging.getLogger(__name__)

_ROWS = 10_000


def must_rebuild(generations: Generations) -> bool:
    """Whether the archive that serves was made by an older version of the projector."""
    root = generations.current()
    return root is not None and made_by_older(root / CHECKPOINT, NAME, VERSION)


def rebuild_archive(data: Path, progress: Progress | None = None) -> Head:
    """Build the archive anew and let it serve; return how far it is.

    Raises:
        ConfigurationError: another rebuild runs.
        TransientError: there is no journal, or the disk is in the way.
        ProjectionError: a sample cannot be read; what serves is as it was.
    """
    generations = Generations(data / NAME, trees=True)
    with generations.only("rebuilding"), closing(SqliteJournalReader(data / "journal")) as reader:
        root = generations.create()
        try:
            place = build(reader, root, generations.current(), progress=progress)
        except BaseException:
            remove(root)
            raise
        generations.serve(root)
        generations.discard()
        for aside in generations.directory.glob("_[0-9]*"):
            if aside.name != f"_{root.name}":
                remove(aside)
    return place


def build(
    reader: SqliteJournalReader,
    root: Path,
    old: Path | None,
    *,
    upto: int | None = None,
    progress: Progress | None = None,
) -> Head:
    """Fill an empty directory up to a position or to the head; return how far it is.

    Args:
        reader: of the journal.
        root: the directory.
        old: an archive from which to take what the journal has erased.
        upto: go no further than this position.
        progress: told the position reached, and the one to reach.
    """
    erased = reader.erased_upto()
    if erased and old is not None:
        take_over(reader, old, root, erased)
    projector = ArchiveProjector(root, strict=True, every_s=float("inf"))
    runner = Runner(reader, projector, batch=BATCH, strict=True, upto=upto, progress=progress)
    try:
        while runner.turn():
            projector.compact()
        runner.finish()
        assert runner.place is not None
        projector.save(runner.place)
        projector.finish()
    finally:
        projector.close()
    if reader.erased_upto() != erased:
        raise TransientError("old samples were erased from the journal meanwhile: begin again")
    return runner.place


def take_over(reader: SqliteJournalReader, old: Path, root: Path, erased: int) -> None:
    """Copy what was recorded up to a position into an empty archive, and stand there.

    Args:
        reader: of the journal.
        old: the archive that has the rows.
        root: the empty one.
        erased: the position.
    """
    place = place_of(old)
    if place is None:
        return
    check_place(reader, place, "the archive", f"move {old.parent} away, and rebuild")
    if place.position < erased:
        log.warning("samples between %d and %d were erased and never archived", place.position, erased)
    with closing(ArchiveStore(root)) as store:
        for partition in archive_tree.partitions(old):
            with archive_tree.steady(old / partition.path) as pieces:
                for piece in pieces:
                    with archive_parquet.opened(piece.path) as file:
                        for batch in file.iter_batches(_ROWS):
                            block = within(block_of(batch), partition.since_us, partition.until_us, erased)
                            store.put(partition.system_id, partition.kind, block)
        store.commit(replace(place, position=erased, hash=reader.hash_at(erased) or place.hash))
