"""What the paths of a GX's services mean, as values. Pure; `mapping_file` reads them from data.

Rules that must stay true here:
- the first instance of a type has names without a number, the others carry theirs behind the place;
- a name that the vocabulary does not have is no reading, so an instance beyond its numbers has none; names of
  one's own (`x_`) are free.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from schemas.measurements import FREE_PREFIX, MEASUREMENTS

_LARGEST = 1e15  # larger is no measurement, and would lose its decimals anyway


class Pace(StrEnum):
    """How often a reading is told."""

    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one path tells.

    Attributes:
        name: of the first instance.
        scale: from the path's unit to the measurement's.
        decimals: what is kept of it.
        magnitude: the sign says nothing.
        rank: the lower, the sooner it counts, among the paths that tell one name.
    """

    name: str
    pace: Pace
    scale: float
    decimals: int
    magnitude: bool
    rank: int

    def value(self, raw: object) -> float | None:
        """Turn what the GX told into a value; None for all that is no number."""
        if not isinstance(raw, int | float) or not -_LARGEST < raw < _LARGEST:  # NaN too
            return None
        value = round(raw * self.scale, self.decimals)
        return abs(value) if self.magnitude else value + 0.0


@dataclass(frozen=True, slots=True)
class AlarmPath:
    """A path that tells an alarm.

    Attributes:
        fault: any number but 0 is the alarm's code.
    """

    word: str
    phase: str = ""
    fault: bool = False

    def level(self, raw: object) -> str | None:
        """Tell how bad a value is; None while the alarm is not active, or the device does not have it."""
        if not isinstance(raw, int | float) or not -_LARGEST < raw < _LARGEST or raw == 0:
            return None
        return "warning" if raw == 1 and not self.fault else "alarm"

    def code(self, raw: object) -> float | None:
        """Tell the device's own number for a fault."""
        return float(raw) if self.fault and isinstance(raw, int | float) and abs(raw) < _LARGEST else None


@dataclass(frozen=True)
class ServiceMap:
    """One type of service.

    Attributes:
        place: what the numbered names begin with; empty when there is one instance of it.
        first_by: paths of the system that say which instance is the first.
        exact: only these paths are subscribed to.
        part: a device of its own, which may come and go.
        alarm_names: what the readings of alarms begin with; without it, unknown alarms are not looked for.
    """

    type: str
    place: str = ""
    first_by: tuple[str, ...] = ()
    exact: bool = False
    part: bool = True
    alarm_names: str = ""
    readings: Mapping[str, tuple[Reading, ...]] = field(default_factory=dict)
    alarms: Mapping[str, tuple[AlarmPath, ...]] = field(default_factory=dict)

    @cached_property
    def most(self) -> int:
        """Count the instances that have names."""
        return max((int(head) for head in self._heads if head.isdecimal()), default=1)

    @cached_property
    def _heads(self) -> frozenset[str]:
        """Give what comes behind the place in the vocabulary."""
        own = (name for name in MEASUREMENTS if self.place and name.startswith(f"{self.place}_"))
        return frozenset(name[len(self.place) + 1 :].partition("_")[0] for name in own)

    def alarm_reading(self, alarm: AlarmPath) -> str | None:
        """Give the name of the reading of an alarm, if the vocabulary has one."""
        name = "_".join(filter(None, (self.alarm_names, alarm.phase, alarm.word, "code")))
        return name if self.alarm_names and not alarm.fault and name in MEASUREMENTS else None

    def named(self, name: str, number: int) -> str | None:
        """Give a reading's name for an instance; None when it has none."""
        if name.startswith(FREE_PREFIX):
            return name if number == 1 else f"{name}_{number}"
        numbered = ""
        if self.place and name.startswith(f"{self.place}_"):
            numbered = f"{self.place}_{number}{name[len(self.place) :]}"
        first = number == 1 and not all(head.isdecimal() for head in self._heads)
        found = name if first or (number == 1 and not numbered) else numbered
        return found if found in MEASUREMENTS else None


@dataclass(frozen=True, slots=True)
class GxMap:
    """All of it.

    Attributes:
        description: of every service: path to field.
        gx: of the GX itself: service/instance/path to field.
        sums: a total, and the names that it is the sum of.
    """

    services: Mapping[str, ServiceMap]
    description: Mapping[str, str]
    gx: Mapping[str, str]
    sums: Mapping[str, tuple[str, ...]]
    paces: Mapping[str, Pace]
