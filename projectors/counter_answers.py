"""What the counters answer: counts, statistics, health, durations, single occurrences; and their rules.

Pure. Source of the rules: the event counters specification, in schemas/occurrences.toml.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from projectors.counter_periods import CONFIRMED
from schemas.occurrences import TABLE, Occurrence


@dataclass(frozen=True, slots=True)
class Count:
    """How often one type of occurrence was counted.

    Attributes:
        total: ever; no reset changes it.
        since_reset: since the newest reset, or ever.
        flickers: beginnings that did not last long enough to be counted.
        last_hour, last_day: within the last hour and 24 hours.
        first_us, last_us: of the first and the newest one.
        open_since_us: since when it lasts, on the system where it lasts longest; None when it does not.
    """

    occurrence: Occurrence
    total: int
    since_reset: int
    flickers: int
    last_hour: int
    last_day: int
    first_us: int
    last_us: int
    open_since_us: int | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """One type of occurrence over some days.

    Attributes:
        days: how long the period is: as asked for, or as long as the system has been observed.
        total: how many up to the period's end.
        recent: how many in the period.
        daily_average: per day of the period; a period below one day counts as one.
        first_us, last_us: of the first and the last one of the period, as far as is known.
        trend: increasing, decreasing, stable or insufficient_data: its second half against its first.
    """

    occurrence: Occurrence
    days: float
    total: int
    recent: int
    daily_average: float
    trend: str
    first_us: int | None
    last_us: int | None


@dataclass(frozen=True, slots=True)
class Factor:
    """What one type of occurrence takes from the score."""

    occurrence: Occurrence
    recent: int
    points: int


@dataclass(frozen=True, slots=True)
class Health:
    """A score from 0 to 100, its grade, and what led to it, the heaviest first.

    Attributes:
        score: of a system; of the fleet, the mean of its systems.
        worst: the system with the lowest score, of the fleet only.
    """

    score: float
    grade: str
    factors: tuple[Factor, ...]
    worst: str | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """How long occurrences that have an end lasted, as far as they lie in a period.

    Attributes:
        number: how many ended in the period, or last at its end.
        total_s: all of them together, as far as they lie in it.
        longest_s: the longest, whole.
        open_since_us: the beginning of the one that lasts longest at the period's end; None when none does.
    """

    occurrence: Occurrence
    number: int
    total_s: float
    longest_s: float
    open_since_us: int | None


@dataclass(frozen=True, slots=True)
class Happened:
    """One occurrence."""

    system_id: str
    occurrence: Occurrence
    stage: str
    time_us: int
    position: int
    cause: str | None = None
    device: str | None = None
    measurement: str | None = None
    measured: float | None = None
    threshold: float | None = None
    duration_s: float | None = None
    detail: str | None = None


def trend(first: int, second: int) -> str:
    """Compare the second half of a period with its first."""
    if first + second < TABLE.trend.least:
        return "insufficient_data"
    band = TABLE.trend.band_pct / 100
    if second > first * (1 + band):
        return "increasing"
    return "decreasing" if second < first * (1 - band) else "stable"


def factors_of(recent: Mapping[str, int]) -> tuple[Factor, ...]:
    """Return what each type takes from the score, the heaviest first."""
    weights = TABLE.health.weights
    factors = [
        Factor(TABLE.get(type_), number, number * weights[TABLE.get(type_).severity])
        for type_, number in recent.items()
    ]
    heavy = (factor for factor in factors if factor.points)
    return tuple(sorted(heavy, key=lambda factor: (-factor.points, factor.occurrence.type)))


def health_of(recent: Mapping[str, int]) -> Health:
    """Score what occurred in the last days, by type."""
    factors = factors_of(recent)
    score = float(max(0, 100 - sum(factor.points for factor in factors)))
    return Health(score, TABLE.health.grade(score), factors)


def fleet_health(of_systems: Mapping[str, Health]) -> Health:
    """Score the fleet by the scores of its systems."""
    scores = {system: health.score for system, health in of_systems.items()}
    score = round(sum(scores.values()) / len(scores), 1) if scores else 100.0
    together: dict[str, int] = defaultdict(int)
    for health in of_systems.values():
        for factor in health.factors:
            together[factor.occurrence.type] += factor.recent
    worst = min(scores, key=lambda system: (scores[system], system), default=None)
    return Health(score, TABLE.health.grade(score), factors_of(together), worst)


def count_of(
    type_: str, rows: Sequence[tuple[Any, ...]], last_hour: int, last_day: int, opened: int | None
) -> Count:
    """Add up the rows of table `counters` that hold one type."""
    counted = [row for row in rows if row[3] == CONFIRMED]
    total = sum(row[4] for row in counted)
    return Count(
        occurrence=TABLE.get(type_),
        total=total,
        since_reset=total - sum(row[5] for row in counted),
        flickers=max(0, sum(row[4] for row in rows) - 2 * total),
        last_hour=last_hour,
        last_day=last_day,
        first_us=min(row[6] for row in counted or rows),
        last_us=max(row[7] for row in counted or rows),
        open_since_us=opened,
    )
