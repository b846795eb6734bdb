"""What one polled device comes to, told as events: its link, the parts behind it, its alarms and its samples.

Rules that must stay true here:
- what a read saw is told in order of time, and before the sample of that read;
- an alarm that nobody can see now, since its device is silent, stays as it was told last;
- what has a spec of its own is no part: its own polls say whether it answers.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from producers import facts
from producers.adapter import AlarmSeen, Description, DeviceSpec, Read, Seen
from producers.alarms import Alarms
from producers.clock import Clock
from producers.link import Link
from producers.parts import PartChange, Parts

Emit = Callable[[int, str, str, Mapping[str, Any]], None]
"""Take an event: monotonic time, type, subject, data."""


class Device:
    """One polled device, however many paces it is read at.

    Args:
        spec: of any of its polls.
        alarms: of all devices of this process.
        polled: the names of all polled devices of its system, kept up to date by whoever owns it.
    """

    def __init__(
        self, spec: DeviceSpec, alarms: Alarms, clock: Clock, emit: Emit, polled: Collection[tuple[str, str]]
    ) -> None:
        self.spec = spec
        self.link = Link(*spec.device_key)
        self.parts = Parts(spec.system_id)
        self._alarms = alarms
        self._clock = clock
        self._emit = emit
        self._polled = polled
        self._connected_us = 0

    def succeeded(self, spec: DeviceSpec, read: Read, read_us: int, *, late: bool) -> bool:
        """Tell what a read gave; True when it connected the device."""
        answered_us = self.link.seen_us
        connected = self.link.succeeded(spec.interval_ms, read_us)
        if connected:
            self._connected_us = read_us
            self._tell(read_us, "device.connected", facts.connected(spec))
        for at_us, seen in self._in_order(read.seen, read_us):
            if isinstance(seen, AlarmSeen):
                self._alarm(seen, at_us)
            elif (spec.system_id, seen.device) not in self._polled:
                self._parts_told(self.parts.fold(seen, at_us, answered_us), at_us)
        self._parts_told(self.parts.answering(read_us, self._connected_us), read_us)
        if read.values:
            data = facts.sample(spec, read.values, partial=bool(read.missing), late=late)
            self._tell(read_us, "sample.taken", data)
        return connected

    def failed(self, spec: DeviceSpec, reason: str, detail: str) -> bool:
        """Tell of a read that gave nothing; True when that disconnected the device."""
        if not self.link.failed(spec.interval_ms, detail, spec.patience):
            return False
        now_us, seen_us = self._clock.monotonic_us(), self.link.seen_us
        self._tell(now_us, "device.disconnected", facts.disconnected(spec, reason, detail, seen_us))
        self._parts_told(self.parts.silent(self.link.device, detail, seen_us), now_us)
        return True

    def described(self, description: Description) -> None:
        """Tell what the device is, when that is news."""
        if self.link.learned(description):
            now_us = self._clock.monotonic_us()
            self._tell(now_us, "device.described", facts.described(self.spec, description))

    def stopped(self, *, removed: bool) -> None:
        """Tell that nobody asks the device any more: for now, or because it is not ours any longer."""
        now_us, seen_us = self._clock.monotonic_us(), self.link.seen_us
        if removed:
            for change in self._alarms.drop(self.spec.device_key, self._clock.read()):
                self._tell(now_us, change.type, facts.alarm(change))
        self._parts_told(self.parts.stopped(seen_us), now_us)
        if self.link.stopped():
            self._tell(now_us, "device.disconnected", facts.disconnected(self.spec, "stopped", "", seen_us))

    def _in_order(self, seen: Sequence[Seen], read_us: int) -> list[tuple[int, Seen]]:
        if not seen:
            return []
        now_us = self._clock.monotonic_us()
        timed = [(read_us if one.at_us is None else min(one.at_us, now_us), one) for one in seen]
        return sorted(timed, key=_time)

    def _alarm(self, seen: AlarmSeen, at_us: int) -> None:
        change = self._alarms.fold(self.spec.device_key, seen, at_us, self._clock.read)
        if change is not None:
            self._tell(at_us, change.type, facts.alarm(change))

    def _parts_told(self, changes: Iterable[PartChange], at_us: int) -> None:
        for change in changes:
            self._tell(at_us, change.type, facts.part(self.spec, change))

    def _tell(self, at_us: int, type_: str, data: Mapping[str, Any]) -> None:
        self._emit(at_us, type_, self.spec.system_id, data)


def _time(timed: tuple[int, Seen]) -> int:
    return timed[0]
