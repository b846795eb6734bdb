"""Samples as one file: of systems in spans of time, up to the journal's head, however much it is.

Rules that must stay true here:
- what the archive has not got yet is archived aside first, so that everything is read alike;
- rows are sorted by system, span, kind, day and time, and each is there once, with its position; samples are
  as they were recorded: two at one time are two rows;
- memory is bounded by a few row groups.
"""

import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from bus.journal import JournalReader, check_place
from projectors import archive_merge, archive_parquet, archive_tree
from projectors.archive_formats import Format, Sink
from projectors.archive_parquet import measurements, schema_of
from projectors.archive_place import place_of
from projectors.archive_reader import ArchiveReader
from projectors.archive_store import ArchiveStore
from projectors.archive_tree import ChangedError, Partition
from projectors.events import SAMPLE
from projectors.runner import Progress
from projectors.sample_blocks import Block, only, within
from projectors.sample_rows import GatheredSamples
from projectors.samples import recorded_names
from schemas.errors import InputError, TransientError

_CELLS = 2_000_000
_ATTEMPTS = 20


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A system in [since, until)."""

    system_id: str
    since_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        rows: how many samples.
        upto: the journal's position up to which they are all there is.
    """

    rows: int
    upto: int


@dataclass(frozen=True, slots=True)
class _Tree:
    """An archive, and up to where it counts: what it gets meanwhile is in the other one."""

    root: Path
    upto: int


@dataclass(frozen=True, slots=True)
class _Day:
    """The files of one kind in one day of a span, under all names of the system."""

    span: Span
    kind: str
    day: int
    sources: list[tuple["_Tree", Partition]]


def export(
    reader: JournalReader,
    archive: ArchiveReader,
    spans: Sequence[Span],
    stream: BinaryIO,
    form: Format,
    *,
    names: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the samples of systems in spans of time.

    Args:
        reader: of the journal.
        archive: may be empty, or far behind.
        spans: which; those of one system do not overlap.
        stream: where to; nothing is sought in it.
        form: what to write.
        names: only these measurements.
        progress: told how many rows are done, and how many there are at most.

    Raises:
        ConfigurationError: the archive is of another journal, or damaged.
        TransientError: the archive was replaced meanwhile, or the disk is in the way.
    """
    progress = progress or (lambda *_: None)
    upto = reader.head().position
    root = archive.root()
    with tempfile.TemporaryDirectory(prefix="ovr-export-") as directory:
        aside = Path(directory, "000001")
        aside.mkdir()
        recorded = {span.system_id: recorded_names(reader, span.system_id, upto) for span in spans}
        after = _checkpoint(reader, root)
        _archive_rest(reader, aside, frozenset[str]().union(*recorded.values()), after, upto)
        trees = [_Tree(aside, upto)] if root is None else [_Tree(root, min(after, upto)), _Tree(aside, upto)]
        days = [day for span in sorted(spans) for day in _days(trees, span, recorded[span.system_id])]
        columns, total = _look(days)
        if names is not None:
            columns &= set(names)
        kinds = sorted({day.kind for day in days})
        sink = Sink(form, stream, sorted(recorded), kinds, columns)
        rows = 0
        for day in days:
            for count in _rows(day, columns, sink):
                rows += count
                progress(min(rows, total), total)
        sink.close()
        if archive.root() != root:
            raise TransientError("the archive was rebuilt meanwhile: export again")
    return Exported(rows, upto)


def _checkpoint(reader: JournalReader, root: Path | None) -> int:
    place = None if root is None else place_of(root)
    if place is None:
        return 0
    check_place(reader, place, "the archive", "run `ovr rebuild archive`")
    return place.position


def _archive_rest(
    reader: JournalReader, aside: Path, subjects: Collection[str], after: int, upto: int
) -> None:
    """Archive what was recorded of some systems behind a position."""
    gathered = GatheredSamples()
    with closing(ArchiveStore(aside)) as store:
        for recorded in reader.read(after, upto=upto, subjects=subjects, types=[SAMPLE]):
            try:
                gathered.add(recorded)
            except InputError:
                continue  # the projector keeps it as a dead letter
            if gathered.cells >= _CELLS:
                _put(store, gathered)
        _put(store, gathered)


def _put(store: ArchiveStore, gathered: GatheredSamples) -> None:
    for system_id, kind, block in gathered.blocks():
        store.put(system_id, kind, block)


def _days(trees: Sequence[_Tree], span: Span, recorded: Sequence[str]) -> Iterator[_Day]:
    found: dict[tuple[str, int], list[tuple[_Tree, Partition]]] = defaultdict(list)
    for tree in trees:
        for name in recorded:
            for one in archive_tree.partitions(tree.root, name, span.since_us, span.until_us):
                found[one.kind, one.day].append((tree, one))
    for (kind, day), sources in sorted(found.items()):
        yield _Day(span, kind, day, sources)


def _look(days: Sequence[_Day]) -> tuple[set[str], int]:
    """Find out which measurements there are, and how many rows at most."""
    columns: set[str] = set()
    rows = 0
    for day in days:
        with ExitStack() as stack:
            for file, _ in _files(day, stack):
                columns.update(measurements(file.schema_arrow))
                for group in archive_parquet.groups(file, day.span.since_us, day.span.until_us):
                    rows += file.metadata.row_group(group).num_rows
    return columns, rows


def _rows(day: _Day, columns: Collection[str], sink: Sink) -> Iterator[int]:
    """Write a day; tell after each part how many rows it had."""
    at_once = archive_merge.rows_at_once(schema_of(columns))
    with ExitStack() as stack:
        files = _files(day, stack)
        step = archive_merge.share(at_once, len(files))
        sources = [_source(file, step, day.span, upto, columns) for file, upto in files]
        for block in archive_merge.batches(sources, at_once):
            sink.write(day.span.system_id, day.kind, block)
            yield len(block)


def _source(
    file: pq.ParquetFile, step: int, span: Span, upto: int, columns: Collection[str]
) -> Iterator[Block]:
    for block in archive_merge.blocks(file, step, span.since_us, span.until_us):
        yield within(only(block, columns), span.since_us, span.until_us, upto)


def _files(day: _Day, stack: ExitStack) -> list[tuple[pq.ParquetFile, int]]:
    """Open the files of a day, each with up to where it counts.

    Once open, they stay readable whatever compaction does.
    """
    return [(file, tree.upto) for tree, one in day.sources for file in _opened(tree.root / one.path, stack)]


def _opened(directory: Path, stack: ExitStack) -> list[pq.ParquetFile]:
    for _ in range(_ATTEMPTS):
        with ExitStack() as mine:
            try:
                with archive_tree.steady(directory) as pieces:
                    files = [mine.enter_context(archive_parquet.opened(piece.path)) for piece in pieces]
            except ChangedError:
                continue
            stack.push(mine.pop_all())
            return files
    raise TransientError(f"{directory} changes faster than it can be read: export again")
