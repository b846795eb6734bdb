"""Making few files of many: which, and how their rows become one file sorted by time.

Rules that must stay true here:
- every row of the files read is in the file written, once;
- memory holds a few row groups, however large a day is, and time passes in short steps.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from projectors import archive_parquet
from projectors.archive_parquet import Writer, block_of, measurements, schema_of, table_of
from projectors.archive_tree import EVER_US
from projectors.sample_blocks import Block, joined

MOST_COLUMNS = 2048
_FAN = 8
_CELLS = 1_000_000
_FEWEST_ROWS = 1024


def due(rows: Sequence[int], *, over: bool) -> int:
    """Say how many of the newest files of a day to make one of; 0 for none.

    A file's level is how often eight divides its rows. Newest files of some level and below become one when
    that reaches the next level: so a row is written once a level, and there are at most seven files of each.
    When the day is over, they become one.

    Args:
        rows: how many rows the files have, the newest last.
        over: nothing more is expected for the day.
    """
    if over:
        return len(rows) if len(rows) > 1 else 0
    levels = [_level(count) for count in rows]
    for level in sorted(set(levels)):
        run = next((n for n, one in enumerate(reversed(levels)) if one > level), len(levels))
        if run > 1 and sum(rows[len(rows) - run :]) >= _FAN ** (level + 1):
            return run
    return 0


def merged(paths: Sequence[Path], path: Path) -> Iterator[None]:
    """Write the rows of files into one; yields between steps, and has done nothing for others before its end.

    Raises:
        FileNotFoundError: a file is gone.
        ConfigurationError: a file is damaged.
        TransientError: the disk is in the way.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(archive_parquet.opened(one)) for one in paths]
        schema = union([file.schema_arrow for file in files])
        rows = rows_at_once(schema)
        writer = Writer(path, schema)
        try:
            step = share(rows, len(files))
            for block in batches([blocks(file, step) for file in files], rows):
                writer.write(table_of(block, schema))
                yield
            writer.finish()
        except BaseException:
            writer.abandon()
            raise


def union(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Return the schema that has the columns of all."""
    return schema_of(frozenset[str]().union(*(measurements(schema) for schema in schemas)))


def rows_at_once(schema: pa.Schema) -> int:
    """Return how many rows of a schema are handled together."""
    return max(_FEWEST_ROWS, min(archive_parquet.ROW_GROUP, _CELLS // len(schema.names)))


def blocks(
    file: pq.ParquetFile, rows: int, since_us: int = -EVER_US, until_us: int = EVER_US
) -> Iterator[Block]:
    """Yield the rows of a file, so many at a time; what cannot lie in [since, until) is not read."""
    touched = archive_parquet.groups(file, since_us, until_us)
    return map(block_of, file.iter_batches(rows, row_groups=touched))


def batches(sources: Sequence[Iterator[Block]], rows: int) -> Iterator[Block]:
    """Yield the rows of sources that are sorted by time, together sorted by time, about so many at a time."""
    held: list[Block] = []
    for block in _in_order(sources):
        held.append(block)
        if sum(map(len, held)) >= rows:
            yield joined(held)
            held = []
    if held:
        yield joined(held)


def share(rows: int, sources: int) -> int:
    """Say how many rows to take at a time from each of some sources, for so many together."""
    return max(_FEWEST_ROWS // 4, rows // (4 * max(1, sources)))


def _in_order(sources: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Merge sources: nothing can come before the earliest end of what is at hand that is not at hand."""
    at_hand = {number: block for number, source in enumerate(sources) if (block := _next(source)) is not None}
    while at_hand:
        until_us = min(int(block.time_us[-1]) for block in at_hand.values())
        taken = []
        for number, block in list(at_hand.items()):
            cut = int(np.searchsorted(block.time_us, until_us, side="right"))
            if cut:
                taken.append(block.rows(slice(cut)))
            left = block.rows(slice(cut, None)) if cut < len(block) else _next(sources[number])
            if left is None:
                del at_hand[number]
            else:
                at_hand[number] = left
        yield joined(taken).ordered()


def _next(source: Iterator[Block]) -> Block | None:
    return next((block for block in source if len(block)), None)


def _level(rows: int) -> int:
    return max(0, rows.bit_length() - 1) // (_FAN.bit_length() - 1)
