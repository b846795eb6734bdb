"""A document's tables as CSV: 15-minute blocks, energies by each method, systems of an event. Pure.

Rules that must stay true here: times are RFC 3339 in UTC, units stand in the heads, numbers are plain;
columns never change their meaning, further ones come last; no cell begins a formula.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from reporter.tables import table
from reporter.voice import Document, value_of

BLOCKS: Final = (
    "system_id",
    "from",
    "to",
    "energy_wh",
    "mean_w",
    "min_w",
    "max_w",
    "apparent_va",
    "power_factor_ratio",
    "coverage_pct",
    "valid",
)
ENERGIES: Final = (
    "system_id",
    "method",
    "unit",
    "import_wh",
    "export_wh",
    "difference_pct",
    "coverage_pct",
    "grade",
    "chosen",
    "why",
    "names",
)


def tables(document: Document) -> dict[str, str]:
    """Write the tables of a document: name of the file -> CSV."""
    return {
        "blocks.csv": table(BLOCKS, list(_blocks(document))),
        "energies.csv": table(ENERGIES, list(_energies(document))),
    }


def _blocks(document: Document) -> Iterator[dict[str, Any]]:
    for one in document["demand"]["blocks"]:
        yield {**one, "system_id": document["system_id"]}


def _energies(document: Document) -> Iterator[dict[str, Any]]:
    energy: Mapping[str, Any] = document["energy"]
    for one in energy["methods"]:
        yield {
            **one,
            "system_id": document["system_id"],
            "import_wh": value_of(one.get("import_wh")),
            "export_wh": value_of(one.get("export_wh")),
            "chosen": one["method"] == energy["chosen"],
            "names": " ".join(one.get("names") or ()),
        }
