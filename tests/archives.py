"""Archives in tests: filled from a journal, and looked at as their users do."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from bus.journal import JournalReader
from projectors.archive import ArchiveProjector
from projectors.events import SAMPLE
from projectors.runner import Runner
from tests.streams import Said


def telling(
    subject: str,
    at_s: float,
    values: dict[str, float | None],
    *,
    kind: str = "victron",
    interval_ms: int = 500,
    **flags: bool,
) -> Said:
    """Take a sample of any readings."""
    data: dict[str, Any] = {"kind": kind, "interval_ms": interval_ms, "values": values, **flags}
    return Said(SAMPLE, subject, at_s, data)


def archive(journal: JournalReader, root: Path, *, upto: int | None = None, compacted: bool = False) -> None:
    """Bring an archive in a directory up to a position; with or without compaction."""
    root.mkdir(exist_ok=True, parents=True)
    projector = ArchiveProjector(root, every_s=0.0)
    runner = Runner(journal, projector, upto=upto, batch=7)
    runner.finish()
    if compacted:
        projector.finish()
    projector.close()


def rows(root: Path) -> list[dict[str, Any]]:
    """Read all rows with Arrow alone, in order of position; what is null is left out."""
    dataset = ds.dataset(root, partitioning="hive")
    schema = pa.unify_schemas([dataset.schema, *(pq.read_schema(file) for file in dataset.files)])
    table: pa.Table = ds.dataset(root, partitioning="hive", schema=schema).to_table()
    found = [{name: value for name, value in row.items() if value is not None} for row in table.to_pylist()]
    return sorted(found, key=lambda row: int(row["position"]))


def files(root: Path) -> list[str]:
    """List the files of an archive below its root."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.parquet"))
