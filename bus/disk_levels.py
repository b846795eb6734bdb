"""How short of room a disk is, and what is given up in which order. Pure.

Rules that must stay true here:
- what operators say is never given up, whatever the level;
- a level is entered at once and left only when there is clearly more room than it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

_CLEARLY: Final = 1.25
_SMALLEST_RESERVE: Final = 4_000_000
_RESERVE_PART: Final = 20


class Level(IntEnum):
    """What is done; each level does what those before it do as well."""

    GOOD = 0
    WARNING = 1
    TIDYING = 2
    ERASING = 3
    THINNING = 4
    REFUSING = 5


DOES: Final[Mapping[Level, str]] = {
    Level.WARNING: "make room: nothing is given up yet",
    Level.TIDYING: "old logs go, and the series keep less where that is configured",
    Level.ERASING: "readings of old samples are erased from the journal where that is configured",
    Level.THINNING: "of this machine's own samples one a minute is kept",
    Level.REFUSING: "samples are not recorded any more, only what operators say and what occurs",
}
_DEFAULT: Final[
    Mapping[Level, tuple[int, float]]
] = {  # free bytes, and never more than this part of the disk
    Level.WARNING: (2_000_000_000, 0.10),
    Level.TIDYING: (1_500_000_000, 0.08),
    Level.ERASING: (1_200_000_000, 0.06),
    Level.THINNING: (800_000_000, 0.04),
    Level.REFUSING: (400_000_000, 0.02),
}


@dataclass(frozen=True, slots=True)
class DiskLimits:
    """When what is done.

    Attributes:
        free: by level, it is entered when less than so many bytes are free; the default where left out.
        reserve_bytes: kept for what operators say, in a file that is given up when nothing else is left.
        short_days: at `ERASING`, samples recorded longer ago are erased; None: none are.
    """

    free: Mapping[Level, int] = field(default_factory=dict)
    reserve_bytes: int = 64_000_000
    short_days: float | None = None

    def of(self, total: int) -> Sequence[int]:
        """Return, for a disk of so many bytes, how much must be free not to enter each level from 1 on."""
        return [
            self.free.get(level, min(default, round(total * part)))
            for level, (default, part) in _DEFAULT.items()
        ]

    def reserve(self, total: int) -> int:
        """Return how large the reserve is on a disk of so many bytes; 0 where it is too small for one."""
        size = min(self.reserve_bytes, total // _RESERVE_PART)
        return size if size >= _SMALLEST_RESERVE else 0


def level_at(before: Level, free: int, needed: Sequence[int]) -> Level:
    """Tell the level.

    Args:
        before: the level until now.
        free: bytes.
        needed: as `DiskLimits.of` returns it.
    """
    return max(
        (
            level
            for level, limit in zip(list(Level)[1:], needed, strict=True)
            if free < limit or (level <= before and free < limit * _CLEARLY)
        ),
        default=Level.GOOD,
    )
