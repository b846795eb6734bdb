"""What to do while the clock cannot be trusted: hold events by monotonic time, stamp them when it can.

Pure: the clocks are parameters. Rules that must stay true here:
- held events come out in the order in which they went in;
- an event has its id from the start, so that one released twice (a crash in the middle) is recorded once;
- an event that is stamped from a clock nobody vouches for is flagged `unsynced`;
- what a killed process held is stamped by its successor: exactly when the machine has not been restarted in
  between (the boot id tells), else by the wall clock of then, flagged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson

HOLD_US = 60_000_000
_SANE_FROM_US = 1_735_689_600_000_000  # 2025-01-01: this software is not older
_SANE_UNTIL_US = 4_102_444_800_000_000  # 2100-01-01
_SMALL_STEP_US = 2_000_000


class Trust(Enum):
    """How far the wall clock is to be believed."""

    SYNCED = "synced"
    UNSYNCED = "unsynced"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """All clocks at one moment.

    Attributes:
        wall_us: since the Unix epoch, as the machine believes.
        monotonic_us: since boot, sleep included; it never steps.
        synchronised: somebody who knows the time has set the wall clock.
    """

    wall_us: int
    monotonic_us: int
    boot_id: str
    synchronised: bool


def trust(clock: ClockReading, started_us: int) -> Trust:
    """Decide whether events can be stamped now.

    A sane clock is waited for until 60 s after boot, since that is when time services set it; a clock in the
    wrong century until 60 s after the process began at `started_us` (monotonic), since it is surely wrong.
    """
    sane = _SANE_FROM_US <= clock.wall_us < _SANE_UNTIL_US
    if sane and clock.synchronised:
        return Trust.SYNCED
    waited_us = clock.monotonic_us - (0 if sane else started_us)
    return Trust.UNSYNCED if waited_us >= HOLD_US else Trust.WAIT


@dataclass(frozen=True, slots=True)
class Held:
    """An event without its time: when it happened by the monotonic clock, and what the wall clock said."""

    id: str
    boot_id: str
    monotonic_us: int
    wall_us: int
    type: str
    subject: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stamped:
    """An event with its time.

    Attributes:
        unsynced: nobody vouches for the time.
        exact: the event is of this boot, so its distance from now is known.
    """

    time_us: int
    unsynced: bool
    exact: bool
    held: Held


_LINE = ("kind", "interval_ms", "device", "alarm", "phase")


class Stamper:
    """Gives the events of one process their times, and keeps in order what follows on one another.

    That is each line of samples, the facts about each device, and each alarm.

    Small steps back of the wall clock (up to 2 s, as time services make them) are absorbed: the times of a
    line stand still for a moment rather than turn round. A larger step means that the earlier times were
    wrong.
    """

    def __init__(self) -> None:
        self._last_us: dict[tuple[object, ...], int] = {}

    def stamp(self, held: Held, clock: ClockReading, *, synced: bool) -> Stamped:
        """Turn the monotonic time of `held` into wall time by the clocks of now."""
        exact = held.boot_id == clock.boot_id
        time_us = clock.wall_us - (clock.monotonic_us - held.monotonic_us) if exact else held.wall_us
        line = held.subject, *map(held.data.get, _LINE)
        last_us = self._last_us.get(line, time_us - 1)
        if last_us - _SMALL_STEP_US < time_us <= last_us:
            time_us = last_us + 1
        self._last_us[line] = time_us
        return Stamped(time_us, not (synced and exact), exact, held)


def dump(held: Sequence[Held]) -> bytes:
    """Write held events as JSON lines."""
    return b"".join(orjson.dumps([getattr(item, name) for name in Held.__slots__]) + b"\n" for item in held)


def load(lines: bytes) -> Iterator[Held]:
    """Read what `dump` wrote; a line that was cut off by a crash is left out."""
    for line in lines.splitlines():
        try:
            yield Held(*orjson.loads(line))
        except (orjson.JSONDecodeError, TypeError):
            continue
