"""Rows as Parquet files, and back.

Rules that must stay true here:
- a file is written beside its name, brought to disk, and only then renamed;
- columns are what `docs/archive.md` says: time, position, recorded_at, interval_ms, flags, then measurements
  by name, null where a row does not tell one.
"""

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from projectors.archive_tree import PART
from projectors.arrow_numpy import from_numpy, to_numpy
from projectors.sample_blocks import Block
from reporter.columns import FLAGS
from schemas.errors import ConfigurationError, TransientError

TIME = pa.timestamp("us", tz="UTC")
FIXED = pa.schema(
    [
        pa.field("time", TIME, nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("recorded_at", TIME, nullable=False),
        pa.field("interval_ms", pa.int32(), nullable=False),
        *(pa.field(name, pa.bool_(), nullable=False) for name in FLAGS),
    ]
)
ROW_GROUP = 1 << 15
_RISING = ("time", "position", "recorded_at")
_DELTAS = dict.fromkeys(_RISING, "DELTA_BINARY_PACKED")


def lean() -> None:
    """Let Arrow give memory back when it is done with it: its own pools keep twice what a day takes."""
    pa.set_memory_pool(pa.system_memory_pool())


def schema_of(names: Collection[str]) -> pa.Schema:
    """Return the schema of rows with these measurements."""
    return pa.schema([*FIXED, *(pa.field(name, pa.float64()) for name in sorted(names))])


def measurements(schema: pa.Schema) -> list[str]:
    """List the measurements of a file."""
    return [name for name in schema.names if name not in FIXED.names]


def table_of(block: Block, schema: pa.Schema | None = None) -> pa.Table:
    """Return rows as an Arrow table, with the columns of a schema or with those they have."""
    schema = schema_of(block.values) if schema is None else schema
    rows = len(block)
    columns = {
        "time": from_numpy(block.time_us, TIME),
        "position": from_numpy(block.position),
        "recorded_at": from_numpy(block.recorded_us, TIME),
        "interval_ms": from_numpy(block.interval_ms),
    }
    for name in schema.names:
        if name in columns:
            continue
        if name in FLAGS:
            flag = block.flags.get(name)
            columns[name] = from_numpy(np.zeros(rows, np.bool_) if flag is None else flag)
        elif name in block.values:
            columns[name] = from_numpy(block.values[name])
        else:
            columns[name] = pa.nulls(rows, pa.float64())
    return pa.table([columns[name] for name in schema.names], schema=schema)


def block_of(table: pa.Table | pa.RecordBatch) -> Block:
    """Undo `table_of`."""
    numbers = {
        name: to_numpy(table.column(name))
        for name in table.schema.names
        if name in FIXED.names or table.column(name).null_count < table.num_rows
    }
    return Block(
        numbers.pop("time"),
        numbers.pop("position"),
        numbers.pop("recorded_at"),
        numbers.pop("interval_ms"),
        {name: flag for name in FLAGS if (flag := numbers.pop(name)).any()},
        numbers,
    )


class Writer:
    """Writes one file, a row group at a time; nobody sees it before `finish`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Begin.

        Raises:
            TransientError: the disk is in the way.
        """
        self.path = path
        self._part = path.with_name(f".{path.name}{PART}")
        with disk(path):
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb")
            self._parquet = pq.ParquetWriter(
                self._file,
                schema,
                compression="zstd",
                compression_level=3,
                use_dictionary=[name for name in schema.names if name not in _RISING],
                column_encoding=_DELTAS,
                write_statistics=list(_RISING),
                store_schema=False,
            )

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        with disk(self.path):
            self._parquet.write_table(table, row_group_size=ROW_GROUP)

    def finish(self) -> None:
        """Bring the file to disk under its name; `sync` its directory, and it is there for good."""
        with disk(self.path):
            self._parquet.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)

    def abandon(self) -> None:
        """Let go of an unfinished file, however full the disk is."""
        for end in (self._parquet.close, self._file.close, self._part.unlink):
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):
                end()


def write(path: Path, block: Block) -> None:
    """Write rows as one file.

    Raises:
        TransientError: the disk is in the way.
    """
    table = table_of(block)
    writer = Writer(path, table.schema)
    try:
        writer.write(table)
        writer.finish()
    except BaseException:
        writer.abandon()
        raise


def read(path: Path, since_us: int, until_us: int, names: Collection[str] | None = None) -> Iterator[Block]:
    """Yield the rows of each row group that touches [since, until); the caller leaves out what is outside.

    Raises:
        FileNotFoundError: the file is gone.
        ConfigurationError: it is damaged.
    """
    with opened(path) as file:
        wanted = None
        if names is not None:
            wanted = [*FIXED.names, *sorted(set(names).intersection(measurements(file.schema_arrow)))]
        for group in groups(file, since_us, until_us):
            yield block_of(file.read_row_group(group, columns=wanted))


def groups(file: pq.ParquetFile, since_us: int, until_us: int) -> list[int]:
    """List the row groups of a file that touch [since, until)."""
    return [
        number
        for number in range(file.num_row_groups)
        if _touches(file.metadata.row_group(number).column(0).statistics, since_us, until_us)
    ]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file.

    Raises:
        FileNotFoundError: it is gone.
        ConfigurationError: it is damaged, while it is open.
    """
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ConfigurationError(f"{path} is damaged ({error}): run `ovr rebuild archive`") from error


def sync(directories: Collection[Path]) -> None:
    """Bring the names in directories to disk, or the content of files.

    Raises:
        TransientError: the disk is in the way.
    """
    for directory in sorted(directories):
        with disk(directory):
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into an error that is tried again.

    Raises:
        TransientError: it does.
    """
    try:
        yield
    except OSError as error:
        raise TransientError(f"{path} cannot be written now: {error}") from error


def _touches(statistics: pq.Statistics | None, since_us: int, until_us: int) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    return bool(statistics.min_raw < until_us and statistics.max_raw >= since_us)
