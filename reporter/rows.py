"""A document's tables as CSV: 15-minute blocks, energies by each method, systems of an event. Pure.

Rules that must stay true here: times are RFC 3339 in UTC, units stand in the heads, numbers are plain;
columns never change their meaning, further ones come last; no cell begins a formula.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from reporter.moments import instant
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

STEPS: Final = ("system_id", "from", "to", "mean_w", "counted")
BILLED: Final = ("system_id", "energy_wh", "source", "amount")
SYSTEMS: Final = (
    "rank",
    "system_id",
    "name",
    "kind",
    "counted",
    "why_not",
    "behind",
    "locations",
    "windows_count",
    "duration_s",
    "rated_w",
    "energy_wh",
    "energy_export_wh",
    "share_pct",
    "peak_w",
    "peak_w_at",
    "peak_1min_w",
    "peak_15min_w",
    "peak_15min_w_at",
    "peak_of_rating_pct",
    "mean_w",
    "load_factor_ratio",
    "power_factor_ratio",
    "soc_min_pct",
    "alarms_count",
    "occurrences_count",
    "coverage_pct",
    "grade",
    "provisional",
    "href",
)


def tables(document: Document) -> dict[str, str]:
    """Write the tables of a document: name of the file -> CSV."""
    if document["scope"] == "event":
        return {
            "systems.csv": table(SYSTEMS, list(_systems(document))),
            "blocks.csv": table(STEPS, list(_steps(document))),
            "energies.csv": table(BILLED, list((document.get("billing") or {}).get("systems") or ())),
        }
    return {
        "blocks.csv": table(BLOCKS, list(_blocks(document))),
        "energies.csv": table(ENERGIES, list(_energies(document))),
    }


def _systems(document: Document) -> Iterator[dict[str, Any]]:
    for one in document["systems"]:
        flat = {name: value_of(one.get(name)) for name in SYSTEMS if isinstance(one.get(name), Mapping)}
        at = {f"{name}_at": (one.get(name) or {}).get("at") for name in ("peak_15min_w", "peak_w")}
        yield {
            **one,
            **flat,
            **at,
            "locations": "; ".join(one["locations"]),
            "windows_count": len(one["windows"]),
            "coverage_pct": one["quality"]["coverage_pct"],
            "grade": one["quality"]["grade"],
        }


def _steps(document: Document) -> Iterator[dict[str, Any]]:
    """Give the means of every system in every step it took part in; absent is not measured."""
    profile = document["profile"]
    begin, step_s = instant(profile["from"]), profile["step_s"]
    names = [
        f"{begin + timedelta(seconds=n * step_s):%Y-%m-%dT%H:%M:%SZ}" for n in range(profile["steps"] + 1)
    ]
    for row in profile["systems"]:
        for first, last in row["present"]:
            for n in range(first, last + 1):
                yield {
                    "system_id": row["system_id"],
                    "from": names[n],
                    "to": names[n + 1],
                    "mean_w": row["mean_w"][n],
                    "counted": row["counted"],
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
