"""The idle ends of a window, found and taken off; what was taken off is listed with its energy. Pure.

Rules that must stay true here: idle is a power (either way) below max(2 % of the peak, 50 W) for 60 s or
more, up to an end of the window; what was not measured is not called idle, so that a gap ends the search.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from reporter.basis import cut
from reporter.energy import energy
from reporter.track import US, Track

OF_PEAK: Final = 0.02
LEAST_W: Final = 50.0
LEAST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Removed:
    """Tell of an idle end: at the start or at the end of the window; `energy_wh` is the net of it."""

    from_us: int
    to_us: int
    energy_wh: float
    place: str


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Tell what is left, and what was taken off; nothing is where all of it is idle."""

    from_us: int
    to_us: int
    removed: tuple[Removed, ...]
    threshold_w: float
    idle_throughout: bool = False


def trim(power: Track, guard_us: int) -> Trimmed:
    """Take the idle ends off a window."""
    whole = Trimmed(power.from_us, power.to_us, (), LEAST_W)
    if not len(power):
        return whole
    load = np.abs(power.value)
    threshold_w = max(OF_PEAK * float(load.max()), LEAST_W)
    busy = np.flatnonzero(load >= threshold_w)
    if not len(busy):
        return Trimmed(power.from_us, power.to_us, (), threshold_w, idle_throughout=True)
    torn = np.flatnonzero(~power.joined)
    first, last = int(busy[0]) - 1, int(busy[-1]) + 1
    if len(torn):
        first, last = min(first, int(torn[0])), max(last, int(torn[-1]) + 1)
    from_us, to_us = power.from_us, power.to_us
    removed = []
    if first >= 0 and power.time_us[0] - power.from_us <= guard_us:
        begin_us = int(power.time_us[first])
        if (begin_us - power.from_us) * US >= LEAST_S:
            removed.append(_removed(power, power.from_us, begin_us, "start"))
            from_us = begin_us
    if last < len(power) and power.to_us - power.time_us[-1] <= guard_us:
        end_us = int(power.time_us[last])
        if (power.to_us - end_us) * US >= LEAST_S:
            removed.append(_removed(power, end_us, power.to_us, "end"))
            to_us = end_us
    return Trimmed(from_us, to_us, tuple(removed), threshold_w)


def _removed(power: Track, from_us: int, to_us: int, place: str) -> Removed:
    return Removed(from_us, to_us, energy(cut(power, from_us, to_us)).net_wh, place)
