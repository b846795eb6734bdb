"""What an export is written as: Parquet, CSV or Arrow, batch by batch.

Rules that must stay true here: columns are those of the archive behind `system_id` and `kind`, the same in
every format; times in CSV are RFC 3339 in UTC.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from projectors.archive_parquet import FIXED, schema_of, table_of
from projectors.arrow_numpy import from_numpy
from projectors.sample_blocks import Block

_WORD = pa.dictionary(pa.int32(), pa.string())
_RFC_3339 = "%Y-%m-%dT%H:%M:%SZ"


class Format(StrEnum):
    """What an export is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    ARROW = "arrow"


class Sink:
    """Takes the rows of one export."""

    def __init__(
        self,
        form: Format,
        stream: BinaryIO,
        systems: Sequence[str],
        kinds: Sequence[str],
        measurements: Collection[str],
    ) -> None:
        """Begin; `systems` and `kinds` are all that may come."""
        self._form = form
        self._systems, self._kinds = list(systems), list(kinds)
        self._words = [pa.array(names, pa.string()) for names in (self._systems, self._kinds)]
        self._schema = schema_of(measurements)
        self._writer = _writer(form, stream, self._full_schema())

    def write(self, system_id: str, kind: str, block: Block) -> None:
        """Add rows of one system and kind."""
        table = table_of(block, self._schema)
        numbers = self._systems.index(system_id), self._kinds.index(kind)
        for column, (name, number) in enumerate(zip(("system_id", "kind"), numbers, strict=True)):
            indices = from_numpy(np.full(len(block), number, np.int32))
            words = pa.DictionaryArray.from_arrays(indices, self._words[column])
            table = table.add_column(column, pa.field(name, _WORD, nullable=False), words)
        if self._form is Format.CSV:
            table = _in_words(table)
        self._writer.write_table(table)

    def close(self) -> None:
        """Write what stands at the end."""
        self._writer.close()

    def _full_schema(self) -> pa.Schema:
        words = [pa.field(name, _WORD, nullable=False) for name in ("system_id", "kind")]
        return pa.schema([*words, *self._schema])


def _writer(form: Format, stream: BinaryIO, schema: pa.Schema) -> Any:
    if form is Format.PARQUET:
        return pq.ParquetWriter(stream, schema, compression="zstd", compression_level=3)
    if form is Format.ARROW:
        return pa.ipc.new_file(stream, schema, options=pa.ipc.IpcWriteOptions(compression="zstd"))
    options = pa.csv.WriteOptions(quoting_style="none")
    return pa.csv.CSVWriter(stream, _in_words(schema.empty_table()).schema, write_options=options)


def _in_words(table: pa.Table) -> pa.Table:
    """Write words and times as text."""
    for number, field in enumerate(table.schema):
        if field.type == _WORD:
            table = table.set_column(number, field.name, table.column(number).cast(pa.string()))
        elif field.name in FIXED.names and pa.types.is_timestamp(field.type):
            table = table.set_column(number, field.name, pc.strftime(table.column(number), _RFC_3339))
    return table
