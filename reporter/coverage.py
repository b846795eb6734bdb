"""What of a window was measured, and where the gaps are. Pure.

Rules that must stay true here: a gap is what lies between two samples further apart than the guard, and an
uncovered end that is longer than it; the energy of a gap comes from a counter only, as what it counted
across less what was measured on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reporter.basis import cut
from reporter.energy import energy
from reporter.registers import Register
from reporter.track import US, Track


@dataclass(frozen=True, slots=True)
class Gap:
    """Tell of a stretch without measurements; `energy_wh` None: no counter tells."""

    from_us: int
    to_us: int
    energy_wh: float | None = None

    @property
    def seconds(self) -> float:
        """Give its length."""
        return (self.to_us - self.from_us) * US


def gaps(of: Track, guard_us: int) -> list[Gap]:
    """Give the gaps of a span, in order."""
    if not len(of):
        return [Gap(of.from_us, of.to_us)] if of.to_us > of.from_us else []
    found = []
    if of.time_us[0] - of.from_us > guard_us:
        found.append(Gap(of.from_us, int(of.time_us[0])))
    found += [
        Gap(int(of.time_us[index]), int(of.time_us[index + 1]))
        for index in np.flatnonzero(~of.joined).tolist()
    ]
    if of.to_us - of.time_us[-1] > guard_us:
        found.append(Gap(int(of.time_us[-1]), of.to_us))
    return found


def bridged(found: Sequence[Gap], power: Track, counted: Register | None) -> list[Gap]:
    """Add to gaps what the counters counted across them, where these are fine enough."""
    if counted is None or counted.coarse:
        return list(found)
    return [Gap(gap.from_us, gap.to_us, _across(gap, power, counted)) for gap in found]


def _across(gap: Gap, power: Track, counted: Register) -> float | None:
    before = _nearest(counted, gap.from_us, after=False)
    behind = _nearest(counted, gap.to_us, after=True)
    if before is None or behind is None:
        return None
    measured = 0.0
    for from_us, to_us in ((before, gap.from_us), (gap.to_us, behind)):
        beside = cut(power, from_us, to_us)
        if (to_us - from_us) * US - beside.covered_s > 1.0:
            return None
        measured += energy(beside).plus_wh if counted.direction == "import" else energy(beside).minus_wh
    return max(0.0, counted.between(before, behind) - measured)


def _nearest(counted: Register, at_us: int, *, after: bool) -> int | None:
    """Give the reading of all counters that is nearest to an instant on one side of it."""
    sides = []
    for counter in counted.counters:
        index = int(np.searchsorted(counter.time_us, at_us, "left" if after else "right")) - (not after)
        if not 0 <= index < len(counter.time_us):
            return None
        sides.append(int(counter.time_us[index]))
    return max(sides) if after else min(sides)
