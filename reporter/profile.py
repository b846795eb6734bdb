"""The power of one system minute by minute: all that an event's report keeps of its samples. Pure.

Rules that must stay true here: minutes are those of UTC, so that profiles of any windows fit together; a
mean is that of the covered part of its minute; what was not covered is not zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Self

import numpy as np

from reporter.columns import Floats
from reporter.track import US, Running, Track

MINUTE_US: Final = 60_000_000
MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Hold the minutes of one window [from, to).

    Attributes:
        first_minute: minutes since the epoch of the first one, which the window may begin in the middle of.
        mean_w: mean power of the covered part of each minute; NaN where nothing is covered.
        covered_s: seconds of each minute that are covered.
    """

    system_id: str
    from_us: int
    to_us: int
    first_minute: int
    mean_w: Floats
    covered_s: Floats

    @property
    def present_s(self) -> Floats:
        """Give the seconds of each minute that are in the window."""
        begin_us = (self.first_minute + np.arange(len(self.mean_w))) * MINUTE_US
        inside = np.minimum(begin_us + MINUTE_US, self.to_us) - np.maximum(begin_us, self.from_us)
        return np.asarray(np.maximum(inside, 0) * US, np.float64)

    def stored(self) -> dict[str, Any]:
        """Give the profile as JSON keeps it; `of_stored` gives it back, to the last digit."""
        return {
            "system_id": self.system_id,
            "from_us": self.from_us,
            "to_us": self.to_us,
            "first_minute": self.first_minute,
            "mean_w": [value if isfinite(value) else None for value in self.mean_w.tolist()],
            "covered_s": self.covered_s.tolist(),
        }

    @classmethod
    def of_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `stored` gave; KeyError, TypeError or ValueError where it is something else."""
        return cls(
            system_id=str(stored["system_id"]),
            from_us=int(stored["from_us"]),
            to_us=int(stored["to_us"]),
            first_minute=int(stored["first_minute"]),
            mean_w=np.array(stored["mean_w"], dtype=np.float64),
            covered_s=np.array(stored["covered_s"], dtype=np.float64),
        )


def profile(system_id: str, power: Track) -> Profile:
    """Reduce the power of a window to minutes."""
    first = power.from_us // MINUTE_US
    last = max(first, -(-power.to_us // MINUTE_US))
    edge_us = np.clip(np.arange(first, last + 1) * MINUTE_US, power.from_us, power.to_us)
    area, covered = Running(power).at(edge_us)
    covered_s, area = np.diff(covered), np.diff(area)
    mean_w = np.full(len(area), np.nan)
    np.divide(area, covered_s, out=mean_w, where=covered_s > 0)
    return Profile(system_id, power.from_us, power.to_us, int(first), mean_w, covered_s)


@dataclass(frozen=True, slots=True)
class Stretches:
    """Hold one system on a grid of even steps: what was measured, and for how long it took part.

    Attributes:
        area_ws: energy of the covered parts, in watt seconds.
        covered_s, present_s: seconds of each step that are covered, and that it took part.
    """

    area_ws: Floats
    covered_s: Floats
    present_s: Floats

    def __add__(self, other: "Stretches") -> "Stretches":
        return Stretches(
            self.area_ws + other.area_ws, self.covered_s + other.covered_s, self.present_s + other.present_s
        )

    @property
    def mean_w(self) -> Floats:
        """Give the mean of the covered part of each step; NaN where nothing is."""
        made = np.full(len(self.area_ws), np.nan)
        np.divide(self.area_ws, self.covered_s, out=made, where=self.covered_s > 0)
        return made


def on_grid(of: Profile, first_minute: int, minutes: int, steps: int) -> Stretches:
    """Lay a profile on a grid of `steps` steps of so many minutes, which begins at a minute."""
    minute = of.first_minute + np.arange(len(of.mean_w)) - first_minute
    step = minute // minutes
    here = (step >= 0) & (step < steps)
    step = step[here]
    area = np.where(of.covered_s > 0, of.mean_w, 0.0) * of.covered_s
    return Stretches(
        area_ws=np.bincount(step, area[here], steps).astype(np.float64),
        covered_s=np.bincount(step, of.covered_s[here], steps).astype(np.float64),
        present_s=np.bincount(step, of.present_s[here], steps).astype(np.float64),
    )
