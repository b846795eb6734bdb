"""The table of metrics, and how what is told becomes samples of them. Pure, but for reading the table.

Rules that must stay true here:
- only what the table names is told; a text is never a value, and never a label unless the table says so;
- a figure is a finite number: what is absent, or something else, is left out, and nothing stands in for it.
"""

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from bus.measuring import Histogram, Told

TYPES: Final = ("counter", "gauge", "histogram")
_MOST_LABELS: Final = 256
_LONGEST_LABEL: Final = 200


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of bus/metrics.toml, which explains the attributes."""

    name: str
    type: str
    help: str
    by: str
    source: str
    field: str
    label: str | None
    beside: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric."""

    metric: Metric
    labels: Mapping[str, str]
    value: float | Histogram


@cache
def table() -> tuple[Metric, ...]:
    """Read the table."""
    said = tomllib.loads(resources.files("bus").joinpath("metrics.toml").read_text(encoding="utf-8"))
    return tuple(
        Metric(
            name,
            row["type"],
            row["help"],
            row["by"],
            row.get("source", "health"),
            row.get("field", name.rpartition("_")[2]),
            row.get("label"),
            row.get("beside"),
        )
        for name, row in said.items()
    )


def samples(told: Iterable[Told], metrics: Iterable[Metric] | None = None) -> Iterator[Sample]:
    """Yield what was told as samples, metric by metric."""
    everything = list(told)
    for metric in table() if metrics is None else metrics:
        for one in everything:
            if one.source == metric.source and (metric.beside is None or metric.beside in one.figures):
                yield from _of(metric, one)


def _of(metric: Metric, told: Told) -> Iterator[Sample]:
    if metric.type == "histogram":
        histogram = told.histograms.get(metric.field)
        if histogram is not None:
            yield Sample(metric, told.labels, histogram)
        return
    found = _field(told.figures, metric.field)
    if metric.label is None:
        if (value := _number(found)) is not None:
            yield Sample(metric, told.labels, value)
    elif isinstance(found, Mapping):
        words = sorted(word for word in dict(found) if isinstance(word, str) and len(word) <= _LONGEST_LABEL)
        for word in words[:_MOST_LABELS]:
            if (value := _number(found[word])) is not None:
                yield Sample(metric, {**told.labels, metric.label: word}, value)


def _field(figures: Mapping[str, Any], name: str) -> Any:
    if name in figures:
        return figures[name]
    outer, dot, inner = name.partition(".")
    found = figures.get(outer) if dot else None
    return found.get(inner) if isinstance(found, Mapping) else None


def _number(value: Any) -> float | None:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
