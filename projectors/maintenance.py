"""What maintenance is due, and what comes next: intervals held against counters. Pure."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS
from schemas.occurrences import TABLE

_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of work.

    Attributes:
        reading: a measurement that counts seconds of running; None when occurrences count.
        counts: a type of occurrence; None when running hours count.
        every: the interval, in hours or occurrences.
    """

    name: str
    text: str
    every: float
    reading: str | None = None
    counts: str | None = None

    @property
    def unit(self) -> str:
        """Give the unit of the interval."""
        return "h" if self.reading else "times"


@dataclass(frozen=True, slots=True)
class Due:
    """How far one piece of work on one system is.

    Attributes:
        used: hours, or occurrences, since it was last done.
        left: until it is due; negative when it is overdue.
    """

    system_id: str
    item: Item
    used: float
    left: float

    @property
    def state(self) -> str:
        """Say due, soon (the last tenth of the interval) or ok."""
        if self.left <= 0:
            return "due"
        return "soon" if self.left <= self.item.every / 10 else "ok"


def items(site: Mapping[str, Any] | None = None) -> tuple[Item, ...]:
    """Read the items that come with the program, and those of a site.

    Raises:
        ConfigurationError: an item does not fit; the message names it and the key.
    """
    text = (files("schemas") / "maintenance.toml").read_text(encoding="utf-8")
    said = tomllib.loads(text)["items"] | dict(site or {})
    return tuple(_item(name, row) for name, row in sorted(said.items()))


def due(
    found: Iterable[Item],
    readings: Mapping[str, Mapping[str, float | None]],
    counted: Mapping[tuple[str, str], int],
    done: Mapping[str, Mapping[str, float]] | None = None,
) -> list[Due]:
    """Hold items against what was counted, the most urgent first.

    Args:
        found: the items.
        readings: by system, the newest value of each measurement.
        counted: by system and type, occurrences since a reset last named the type.
        done: by system and item, hours on the counter when it was last done.
    """
    rows = [row for item in found for row in _of_item(item, readings, counted, done or {})]
    return sorted(rows, key=lambda row: (row.left / row.item.every, row.system_id, row.item.name))


def _of_item(
    item: Item,
    readings: Mapping[str, Mapping[str, float | None]],
    counted: Mapping[tuple[str, str], int],
    done: Mapping[str, Mapping[str, float]],
) -> Iterator[Due]:
    if item.reading is None:
        for (system_id, type_), number in counted.items():
            if type_ == item.counts:
                yield Due(system_id, item, number, item.every - number)
        return
    for system_id, values in readings.items():
        seconds = values.get(item.reading)
        if seconds is not None:
            used = round(seconds / _SECONDS_AN_HOUR - done.get(system_id, {}).get(item.name, 0.0), 2)
            yield Due(system_id, item, used, round(item.every - used, 2))


def _item(name: str, row: Any) -> Item:
    where = f"maintenance.items.{name}"
    if not isinstance(row, Mapping) or not isinstance(row.get("text"), str):
        raise ConfigurationError(f"{where}: say in `text` what is to be done")
    if unknown := row.keys() - {"text", "reading", "every_h", "counts", "every"}:
        raise ConfigurationError(f"{where}: there is no key {min(unknown)}")
    if ("reading" in row) == ("counts" in row):
        raise ConfigurationError(f"{where}: give `reading` and `every_h`, or `counts` and `every`")
    key = "every_h" if "reading" in row else "every"
    every = row.get(key)
    if isinstance(every, bool) or not isinstance(every, int | float) or every <= 0:
        raise ConfigurationError(f"{where}: {key} must be a number above 0")
    reading, counts = row.get("reading"), row.get("counts")
    if reading is not None and (reading not in MEASUREMENTS or not reading.endswith("_s")):
        raise ConfigurationError(f"{where}: {reading} is no measurement in seconds")
    if counts is not None and counts not in TABLE.occurrences:
        raise ConfigurationError(f"{where}: there is no occurrence {counts}")
    return Item(name, row["text"], float(every), reading, counts)
