"""Which phases a system has and how they belong together, by ratios of its voltages. Pure.

Rules that must stay true here: what was registered goes over what was detected, and the evidence is told
beside; no nominal voltage decides a configuration; where voltages between phases were not measured, split
phase and two legs of a wye are not told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from reporter.columns import Samples

PHASES: Final = ("l1", "l2", "l3")
LINES: Final = ("l12", "l23", "l31")
_BY_COUNT: Final = ("single_phase", "two_phase", "three_phase_wye")
_LIVE_V: Final = 60.0
_LINE_ONLY_V: Final = 150.0
_SPLIT, _WYE, _SAME = 1.87, 1.6, 0.2
_HIGH_LEG_LINE_V: Final = (200.0, 280.0)


@dataclass(frozen=True, slots=True)
class Phasing:
    """Tell which phases there are and how they belong together."""

    configuration: str
    live: tuple[str, ...]
    source: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


def find_phasing(samples: Samples, place: str, names: frozenset[str], registered: int | None) -> Phasing:
    """Say which phases are live at a place and how they belong together; `registered`: how many there are."""
    neutral_v = _medians(samples, place, PHASES, names)
    line_v = _medians(samples, place, LINES, names)
    live = tuple(phase for phase, volts in neutral_v.items() if volts > _LIVE_V)
    source, found = "detected", configuration(neutral_v, line_v)
    if not live:
        live = tuple(phase for phase in PHASES if f"{place}_{phase}_power_w" in names)
        if live and found == "unknown":
            source, found = "powers", _BY_COUNT[len(live) - 1]
    evidence: dict[str, Any] = {
        "neutral_v": neutral_v,
        "line_v": line_v,
        "line_to_neutral_ratio": max(line_v.values()) / float(np.median(list(neutral_v.values())))
        if line_v and neutral_v
        else None,
        "detected": found,
    }
    if registered is not None and registered != len(live):
        source, found = "registered", _BY_COUNT[registered - 1]
        evidence["differs"] = True
    elif registered is not None:
        source = "registered"
    return Phasing(found, live, source, evidence)


def _medians(
    samples: Samples, place: str, positions: tuple[str, ...], names: frozenset[str]
) -> dict[str, float]:
    """Give the median voltages while there was voltage; a position that hardly ever had one is left out."""
    found = {}
    for position in positions:
        name = f"{place}_{position}_voltage_v"
        if name in names:
            volts = samples.series(name).value
            live = volts[volts > _LIVE_V]
            if len(live) * 20 > len(volts):
                found[position] = float(np.median(live))
    return found


def configuration(neutral_v: Mapping[str, float], line_v: Mapping[str, float]) -> str:
    """Say by the ratio of measured voltages how phases belong together (all in V, medians of live time)."""
    live = [volts for volts in neutral_v.values() if volts > _LIVE_V]
    lines = [volts for volts in line_v.values() if volts > 0]
    typical = float(np.median(live)) if live else 0.0
    ratio = float(np.max(lines)) / typical if lines and typical else None
    match len(live):
        case 0:
            return "three_phase_delta" if lines and max(lines) > _LINE_ONLY_V else "unknown"
        case 1:
            return "single_phase"
        case 2:
            return _of_two(ratio)
        case _:
            return _of_three(live, lines, ratio)


def _of_two(ratio: float | None) -> str:
    if ratio is None:
        return "two_phase"
    if ratio > _SPLIT:
        return "split_phase"
    if ratio > _WYE:
        return "two_legs_of_wye"
    return "parallel_single_phase" if ratio < _SAME else "two_phase"


def _of_three(live: list[float], lines: list[float], ratio: float | None) -> str:
    typical = float(np.median(live))
    if _WYE <= max(live) / typical <= _SPLIT:
        low, high = _HIGH_LEG_LINE_V
        if not lines or low <= float(np.median(lines)) <= high:
            return "high_leg_delta"
    if ratio is not None and ratio < _SAME:
        return "parallel_single_phase"
    return "three_phase_wye"
