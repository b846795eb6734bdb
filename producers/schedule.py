"""When the polls of a device are due: slots on a grid that never drifts.

Pure: instants come in as microseconds of a clock that never steps. Rules that must stay true here:
- slot `n` is due at `phase + n * interval`, whatever happened before;
- a slot that has passed is skipped and counted, never made up for by polls in a bunch;
- devices are spread over the interval, so that a hundred of them do not wake together.
"""

import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

_FIRST_WITHIN_US = 1_000_000
_FIRST_BACKOFF_US = 1_000_000
_LONGEST_BACKOFF_US = 60_000_000
_WINDOW_US = 15_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """The next poll: when it is due, and how many were missed since the last one."""

    number: int
    due_us: int
    missed: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """The grid of one poll."""

    interval_us: int
    phase_us: int

    def first(self, now_us: int) -> Slot:
        """Give the first slot: the one that runs already, within a second, or the next if that is sooner."""
        number = (now_us - self.phase_us) // self.interval_us
        next_us = self.phase_us + (number + 1) * self.interval_us
        soon_us = now_us + self.phase_us % _FIRST_WITHIN_US
        return Slot(number, soon_us, 0) if soon_us < next_us else Slot(number + 1, next_us, 0)

    def after(self, slot: Slot, now_us: int) -> Slot:
        """Give the slot that follows `slot`, or the first that is not over when time has run on.

        A slot is over when the next one is due: a poll that starts late in its own slot still counts.
        """
        number = max(slot.number + 1, (now_us - self.phase_us) // self.interval_us)
        return Slot(number, self.phase_us + number * self.interval_us, number - slot.number - 1)

    def is_late(self, slot: Slot, read_us: int) -> bool:
        """Tell whether a sample read at `read_us` lies more than half an interval behind its slot."""
        return (read_us - slot.due_us) * 2 > self.interval_us


@dataclass(slots=True)
class Jitter:
    """How long after their slots the reads of a poll began, in the last 15 to 30 s."""

    _now: "array[int]" = field(default_factory=lambda: array("q"))
    _before: "array[int]" = field(default_factory=lambda: array("q"))
    _turn_us: int = 0

    def note(self, slot: Slot, began_us: int) -> None:
        """Note one read."""
        if began_us >= self._turn_us:
            fresh = began_us < self._turn_us + _WINDOW_US
            self._before = self._now if fresh else array("q")
            self._now = array("q")
            self._turn_us = began_us + _WINDOW_US
        self._now.append(began_us - slot.due_us)

    def last(self) -> "array[int]":
        """Return what is remembered, in microseconds."""
        return self._before + self._now


def percentiles_ms(jitters: Iterable[Jitter]) -> dict[str, float]:
    """Tell half and all but a hundredth of the reads of some polls: how late they began at most."""
    late = sorted(late_us for jitter in jitters for late_us in jitter.last())
    if not late:
        return {}
    return {
        f"jitter_p{percent}_ms": round(late[(len(late) - 1) * percent // 100] / 1000, 3)
        for percent in (50, 99)
    }


def spread(name: str, interval_us: int) -> Schedule:
    """Make the grid of the poll called `name`, with a phase that is its own and always the same."""
    return Schedule(interval_us, zlib.crc32(name.encode()) * interval_us >> 32)


def backoff_us(failures: int, chance: float) -> int:
    """Say how long to leave a device alone after `failures` reads in a row failed.

    Args:
        failures: at least 1.
        chance: a random number from 0 to 1: the pause lies between half and all of its bound.
    """
    bound = min(_LONGEST_BACKOFF_US, _FIRST_BACKOFF_US << min(failures - 1, 16))
    return int(bound * (0.5 + chance / 2))
