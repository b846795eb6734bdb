"""The peaks of an event: all systems together, and each for itself. Pure.

Rules that must stay true here:
- a block counts only where every system that took part in it is covered for 90 % of its time there; how
many were dropped is told, and what was measured in them at least, where that is higher;
- both peaks are of the same blocks, so that the diversity factor is never below 1;
- what a system took part in for a part of a block only, it contributes to that block by that part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reporter.columns import Flags, Floats
from reporter.demand import offset_us
from reporter.event_members import Member
from reporter.facts import Document
from reporter.figures import figure, instant
from reporter.profile import MINUTE_US, Stretches, on_grid
from reporter.seconds import enough


@dataclass(frozen=True, slots=True)
class Grid:
    """Say how an event is cut into steps: from the first minute on, so many minutes each."""

    first_minute: int
    minutes: int
    steps: int

    @property
    def seconds(self) -> int:
        """Give the length of a step."""
        return self.minutes * 60

    def begin_us(self, step: int) -> int:
        """Give the begin of a step."""
        return (self.first_minute + step * self.minutes) * MINUTE_US

    def lay(self, member: Member) -> Stretches:
        """Lay all windows of a member on the steps."""
        laid = [on_grid(part.profile, self.first_minute, self.minutes, self.steps) for part in member.parts]
        return sum(laid[1:], laid[0])


def grid(from_us: int, to_us: int, minutes: int, zone: str) -> Grid:
    """Cut a span into steps that begin at whole multiples of their length in local time."""
    shift = offset_us(zone, from_us) // MINUTE_US
    first = (from_us // MINUTE_US + shift) // minutes * minutes - shift
    last = -(-to_us // MINUTE_US)
    return Grid(int(first), minutes, max(1, -(-(last - int(first)) // minutes)))


@dataclass(frozen=True, slots=True)
class Loads:
    """Hold what every system contributed to every block: watts, a row a system; NaN is never in it."""

    system_ids: tuple[str, ...]
    watts: NDArray[np.float64]
    usable: Flags
    dropped: Flags

    @property
    def total(self) -> Floats:
        """Give all systems together, by block."""
        return np.asarray(self.watts.sum(axis=0), np.float64)


def loads(counted: Sequence[Member], cut: Grid) -> Loads:
    """Lay all systems on the blocks."""
    watts = np.zeros((len(counted), cut.steps))
    valid, taking_part = np.ones(cut.steps, np.bool_), np.zeros(cut.steps, np.bool_)
    for row, member in enumerate(counted):
        laid = cut.lay(member)
        present = laid.present_s > 0
        valid &= ~present | enough(laid.covered_s, laid.present_s)
        taking_part |= present
        watts[row] = np.nan_to_num(laid.mean_w) * laid.present_s / cut.seconds
    return Loads(tuple(one.system_id for one in counted), watts, valid & taking_part, ~valid & taking_part)


def peaks(counted: Sequence[Member], from_us: int, to_us: int, minutes: int, zone: str) -> Document:
    """Tell coincident and non-coincident peak, diversity and coincidence by blocks of so many minutes."""
    cut = grid(from_us, to_us, minutes, zone)
    of = loads(counted, cut)
    blocks, dropped = int(of.usable.sum() + of.dropped.sum()), int(of.dropped.sum())
    coverage_pct = 100.0 * (blocks - dropped) / blocks if blocks else 0.0
    made: Document = {
        "seconds": cut.seconds,
        "blocks": blocks,
        "blocks_dropped": dropped,
        "systems": len(counted),
    }
    if not of.usable.any():
        nothing = figure(None, coverage_pct, why="no_common_blocks" if blocks else "no_data")
        names = ("coincident_w", "non_coincident_w", "diversity_ratio", "coincidence_ratio")
        return made | {
            **{name: dict(nothing) for name in (*names, "load_factor_ratio")},
            "to": None,
            "dropped_at_least_w": _highest(of.total, of.dropped),
            "contributions": [],
        }
    total = np.where(of.usable, of.total, -np.inf)
    best = int(np.argmax(total))
    coincident = float(total[best])
    own = np.where(of.usable, of.watts, -np.inf).max(axis=1)
    non_coincident = float(own.sum())
    diverse = coincident > 0
    at_least = _highest(of.total, of.dropped)
    return made | {
        "coincident_w": figure(coincident, coverage_pct, cut.begin_us(best)),
        "to": instant(cut.begin_us(best + 1)),
        "non_coincident_w": figure(non_coincident, coverage_pct),
        "diversity_ratio": figure(
            non_coincident / coincident if diverse else None, coverage_pct, why="no_load"
        ),
        "coincidence_ratio": figure(
            coincident / non_coincident if diverse else None, coverage_pct, why="no_load"
        ),
        "load_factor_ratio": figure(
            float(of.total[of.usable].mean()) / coincident if diverse else None, coverage_pct, why="no_load"
        ),
        "dropped_at_least_w": at_least if at_least is not None and at_least > coincident else None,
        "contributions": _contributions(of, best, coincident),
    }


def _contributions(of: Loads, best: int, coincident: float) -> list[Document]:
    at_peak = of.watts[:, best]
    return [
        {
            "system_id": of.system_ids[row],
            "power_w": float(at_peak[row]),
            "share_pct": 100.0 * float(at_peak[row]) / coincident if coincident > 0 else None,
        }
        for row in np.argsort(-at_peak, kind="stable").tolist()
    ]


def _highest(total: Floats, where: Flags) -> float | None:
    return float(total[where].max()) if where.any() else None
