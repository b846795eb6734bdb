"""What an event came to so far: energy, peak and coverage, from means and counts on a grid. Pure.

These are figures to look at while an event runs; reports work on the samples themselves.

Rules that must stay true here:
- nothing is added for a time without samples: a gap lowers the coverage, never raises the energy;
- a step is measured whole where no more is missing in it than reports join, and else for as long as its
  samples stand for; a device that is a tenth slower than it says leaves no gaps;
- what is measured twice is not added twice: a system behind another of the event is shown and not summed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

# What a technician asks first: what is delivered, then what comes in. The first four are what loads use.
PLACES: Final = (
    "ac_out", "ac", "load", "acload",
    "genset", "grid", "pvinverter", "ac_in", "pv", "dcgenset", "battery", "dc",
)  # fmt: skip
_USED: Final = frozenset(PLACES[:4])
_HOUR_S: Final = 3600.0
_SLOWER: Final = 1.1


@dataclass(frozen=True, slots=True)
class Measured:
    """Which series tells the power of a system: `kind` and `name` of samples, and how often one comes."""

    kind: str
    name: str
    interval_ms: int

    @property
    def metric(self) -> str:
        """The series' name."""
        return f"{self.kind}_{self.name}"

    @property
    def used(self) -> bool:
        """Whether this is what loads use, and may be summed."""
        return self.name.removesuffix("_power_w") in _USED


@dataclass(frozen=True, slots=True)
class Figures:
    """Energy in Wh, the highest reading in W, seconds with samples and seconds that there were."""

    energy_wh: float
    peak_w: float | None
    covered_s: float
    whole_s: float

    def __add__(self, other: "Figures") -> "Figures":
        """Put two windows together."""
        peaks = [peak for peak in (self.peak_w, other.peak_w) if peak is not None]
        return Figures(
            self.energy_wh + other.energy_wh,
            max(peaks, default=None),
            self.covered_s + other.covered_s,
            self.whole_s + other.whole_s,
        )

    @property
    def coverage_pct(self) -> float | None:
        """How much of the time was measured."""
        return None if self.whole_s <= 0 else min(100.0, 100 * self.covered_s / self.whole_s)


def measured(streams: Iterable[tuple[str, int, Mapping[str, Any]]]) -> Measured | None:
    """Choose what tells a system's power.

    Args:
        streams: kind, interval in ms and values of each of its newest samples.
    """
    known = list(streams)
    for place in PLACES:
        name = f"{place}_power_w"
        having = [(interval_ms, kind) for kind, interval_ms, values in known if values.get(name) is not None]
        if having:
            interval_ms, kind = min(having)
            return Measured(kind, name, interval_ms)
    return None


def figures(
    mean: Sequence[float | None],
    most: Sequence[float | None],
    count: Sequence[float | None],
    *,
    step_s: float,
    interval_s: float,
    whole_s: float,
) -> Figures:
    """Sum a grid up.

    Args:
        mean: W, of each step; None without samples.
        most: W, the highest of each step.
        count: samples of each step.
        step_s: length of a step; the last one may reach beyond the window, whose length is `whole_s`.
        interval_s: how long a sample stands for, as the device says.
        whole_s: length of the window.
    """
    energy_ws = covered_s = 0.0
    fullest = max((one for one in count if one), default=0.0)
    stands_s = interval_s if not fullest else min(max(interval_s, step_s / fullest), _SLOWER * interval_s)
    guard_s = _guard_s(interval_s)
    for index, value in enumerate(mean):
        if value is None:
            continue
        length_s = max(0.0, min(step_s, whole_s - index * step_s))
        told_s = min(length_s, (count[index] or 0.0) * stands_s)
        held_s = length_s if length_s - told_s <= guard_s else told_s
        energy_ws += max(0.0, value) * held_s
        covered_s += held_s
    peak = max((value for value in most if value is not None), default=None)
    return Figures(energy_ws / _HOUR_S, peak, covered_s, whole_s)


def _guard_s(interval_s: float) -> float:
    """Say how far two samples may lie apart to be joined, as reports do (`reporter.columns.gap_guard_us`)."""
    return min(max(3 * interval_s, 10.0), max(60.0, 1.5 * interval_s))


def coincident(columns: Iterable[Sequence[float | None]]) -> float | None:
    """Return the highest sum of means at one time, in W; None without any."""
    sums = [
        sum(value for value in at_once if value is not None)
        for at_once in zip(*columns, strict=True)
        if any(value is not None for value in at_once)
    ]
    return max(sums, default=None)


def counted(measures: Mapping[str, Measured | None], behind: Mapping[str, str]) -> frozenset[str]:
    """Choose the systems that are summed: what they measure is used, and no other system counts it already.

    Args:
        measures: what is measured, by system.
        behind: the system that each is fed by, where that was registered.
    """
    using = {system for system, one in measures.items() if one is not None and one.used}
    return frozenset(system for system in using if not _above(system, behind) & using)


def _above(system: str, behind: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    place = behind.get(system)
    while place is not None and place not in found and place != system:
        found.add(place)
        place = behind.get(place)
    return found
