"""Which alarms are active, folded from what devices tell of them.

Pure. Rules that must stay true here:
- a change is told once: another level is one, the same level told again is not, and neither is the first
  sight of an alarm that is not active;
- a code or a text alone is no change: some devices tell a whole register of bits as the code;
- silence clears nothing: an alarm is active until its device says otherwise, or nobody asks it any more;
- it has lasted since it was first raised, whatever its level since; when the clocks cannot tell how long
  that is (another boot, and nobody vouches for the wall clock), nobody invents it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from math import isfinite
from typing import Any

from producers.adapter import AlarmSeen
from producers.holding import ClockReading

LEVELS = frozenset({"warning", "alarm"})
DeviceKey = tuple[str, str]
_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that is raised, or raised anew, or cleared.

    Attributes:
        duration_s: how long a cleared one lasted, where that is known.
    """

    type: str
    alarm: str
    device: str
    phase: str
    level: str | None = None
    code: float | None = None
    text: str = ""
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Active:
    """An active alarm: which polled device told it, how bad it is, and the clocks when it was raised."""

    polled: str
    level: str
    since: ClockReading


class Alarms:
    """The active alarms of all devices of one process."""

    def __init__(self) -> None:
        self._active: dict[_Key, _Active] = {}

    def __len__(self) -> int:
        return len(self._active)

    def fold(
        self, polled: DeviceKey, seen: AlarmSeen, at_us: int, clocks: Callable[[], ClockReading]
    ) -> Change | None:
        """Take in what was seen of an alarm.

        Args:
            polled: the system, and the device whose read told it.
            seen: the state.
            at_us: when, by the monotonic clock.
            clocks: says all clocks of now; asked only when something has changed.
        """
        system_id, own = polled
        key = (system_id, seen.device or own, seen.alarm, seen.phase)
        known = self._active.get(key)
        if not seen.level:
            return self._clear(key, _at(clocks(), at_us)) if known else None
        level = seen.level if seen.level in LEVELS else "alarm"
        if known and known.level == level:
            return None
        since = known.since if known else _at(clocks(), at_us)
        self._active[key] = _Active(own, level, since)
        code = seen.code if seen.code is not None and isfinite(seen.code) else None
        return Change("alarm.raised", seen.alarm, key[1], seen.phase, level, code, seen.text)

    def drop(self, polled: DeviceKey, at: ClockReading) -> Iterator[Change]:
        """Clear the alarms that a device told: nobody asks it any more."""
        told = [key for key, known in self._active.items() if (key[0], known.polled) == polled]
        yield from (self._clear(key, at) for key in told)

    def polled(self) -> set[DeviceKey]:
        """Name the devices whose reads told the active alarms."""
        return {(key[0], known.polled) for key, known in self._active.items()}

    def dump(self) -> list[list[Any]]:
        """Write all that is active."""
        return [
            [*key, known.polled, known.level, *astuple(known.since)] for key, known in self._active.items()
        ]

    def load(self, rows: Iterable[Any]) -> None:
        """Go on from what `dump` wrote.

        Raises:
            ValueError: it is something else; what stood before it is loaded.
        """
        for row in rows:
            system_id, device, alarm, phase, polled, level, wall_us, monotonic_us, boot_id, synced = row
            names = (system_id, device, alarm, phase, polled, boot_id)
            fits = all(isinstance(name, str) for name in names) and level in LEVELS
            if not fits or not isinstance(wall_us, int) or not isinstance(monotonic_us, int):
                raise ValueError(f"{row!r:.200} is no active alarm")
            since = ClockReading(wall_us, monotonic_us, boot_id, bool(synced))
            self._active[system_id, device, alarm, phase] = _Active(polled, level, since)

    def _clear(self, key: _Key, at: ClockReading) -> Change:
        since = self._active.pop(key).since
        return Change("alarm.cleared", key[2], key[1], key[3], duration_s=_lasted_s(since, at))


def _at(clock: ClockReading, monotonic_us: int) -> ClockReading:
    """Tell what the clocks said at another monotonic time of the same boot."""
    ago_us = clock.monotonic_us - monotonic_us
    return replace(clock, monotonic_us=monotonic_us, wall_us=clock.wall_us - ago_us)


def _lasted_s(since: ClockReading, until: ClockReading) -> float | None:
    if since.boot_id == until.boot_id:
        return max(0, until.monotonic_us - since.monotonic_us) / 1e6
    known = since.synchronised and until.synchronised and until.wall_us >= since.wall_us
    return (until.wall_us - since.wall_us) / 1e6 if known else None
