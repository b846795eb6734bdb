"""The demand that a meter tells: what flowed lately, as a thermal meter follows it. Pure."""

from collections.abc import Mapping
from math import exp

from producers.simulator.electricity import Phases, total_w

TAU_S = 300.0
Demand = tuple[float, ...]
"""Active, reactive and apparent power, and the currents of three phases."""


def measured(phases: Phases) -> Demand:
    """Give what flows now."""
    return (
        total_w(phases),
        sum(phase.reactive_var for phase in phases),
        sum(phase.apparent_va for phase in phases),
        *(phase.current_a for phase in phases),
    )


def followed(before: Mapping[str, Demand], feeds: Mapping[str, Phases], seconds: float) -> dict[str, Demand]:
    """Move the demands of all meters on; one that begins to measure has that of the moment."""
    part = exp(-seconds / TAU_S)
    after = {}
    for name, phases in feeds.items():
        now = measured(phases)
        known = before.get(name, now)
        after[name] = tuple(new + (old - new) * part for new, old in zip(now, known, strict=True))
    return after
