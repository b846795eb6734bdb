"""The UPS-style occurrences that are counted: category, severity, what ends them, from `occurrences.toml`.

Pure data with names. Rules that must stay true here: a type that is not in the table is counted all the same,
in the category `other`, so that totals add up.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from schemas.errors import ConfigurationError

PREFIX: Final = "ups."
SEVERITIES: Final = ("info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One type of occurrence.

    Attributes:
        type: of the event, such as `ups.ac_power_loss`.
        category: power, battery, system, safety or other.
        severity: info, warning, error or critical.
        counts: what is counted, in words.
        ends: the types that this one ends.
    """

    type: str
    category: str
    severity: str
    counts: str
    ends: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Give the specification's own name, such as `AC_POWER_LOSS`."""
        return self.type.removeprefix(PREFIX).upper()


@dataclass(frozen=True, slots=True)
class Threshold:
    """More than so many occurrences are an alert; None: no limit."""

    daily: int | None = None
    hourly: int | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """How health is scored: 100 less the weight of each recent occurrence, and the grades below it."""

    days: int
    weights: Mapping[str, int]
    grades: tuple[tuple[int, str], ...]

    def grade(self, score: float) -> str:
        """Name a score from 0 to 100."""
        return next(name for least, name in self.grades if score >= least)


@dataclass(frozen=True, slots=True)
class Trending:
    """When a change counts as a trend."""

    days: int
    least: int
    band_pct: float


@dataclass(frozen=True, slots=True)
class Table:
    """All of `occurrences.toml`."""

    categories: Mapping[str, str]
    occurrences: Mapping[str, Occurrence]
    thresholds: Mapping[str, Threshold]
    health: Scoring
    trend: Trending

    def get(self, type_: str) -> Occurrence:
        """Look a type up; one that is not in the table is in the category `other`."""
        known = self.occurrences.get(type_)
        return known or Occurrence(type_, "other", "info", type_.removeprefix(PREFIX).replace("_", " "))

    def rank(self, type_: str) -> int:
        """Number the category of a type, in the order of the table."""
        return list(self.categories).index(self.get(type_).category)

    def ended_by(self, type_: str) -> str | None:
        """Name the type that ends occurrences of `type_`; None when nothing does."""
        return next((one.type for one in self.occurrences.values() if type_ in one.ends), None)


def read(text: str) -> Table:
    """Read a table.

    Raises:
        ConfigurationError: it names a category, severity or type that is not there.
    """
    said = tomllib.loads(text)
    occurrences = {
        f"{PREFIX}{name}": _occurrence(name, row, said) for name, row in said["occurrences"].items()
    }
    thresholds = {f"{PREFIX}{name}": Threshold(**row) for name, row in said["thresholds"].items()}
    if missing := thresholds.keys() - occurrences.keys():
        raise ConfigurationError(f"occurrences.toml: there is no occurrence {min(missing)} to limit")
    health, trend = said["health"], said["trend"]
    return Table(
        categories=MappingProxyType(said["categories"]),
        occurrences=MappingProxyType(occurrences),
        thresholds=MappingProxyType(thresholds),
        health=Scoring(
            health["days"],
            MappingProxyType(health["weights"]),
            tuple((least, name) for least, name in health["grades"]),
        ),
        trend=Trending(trend["days"], trend["least"], trend["band_pct"]),
    )


def _occurrence(name: str, row: Mapping[str, Any], said: Mapping[str, Any]) -> Occurrence:
    if row["category"] not in said["categories"]:
        raise ConfigurationError(f"occurrences.toml: {name}: there is no category {row['category']}")
    if row["severity"] not in SEVERITIES:
        raise ConfigurationError(f"occurrences.toml: {name}: there is no severity {row['severity']}")
    ends = tuple(row.get("ends", ()))
    if missing := [other for other in ends if other not in said["occurrences"]]:
        raise ConfigurationError(f"occurrences.toml: {name} ends {missing[0]}, which is no occurrence")
    return Occurrence(
        f"{PREFIX}{name}",
        row["category"],
        row["severity"],
        row["counts"],
        tuple(f"{PREFIX}{other}" for other in ends),
    )


TABLE: Final[Table] = read((files("schemas") / "occurrences.toml").read_text(encoding="utf-8"))
