"""One GX as its messages tell it: its services, their numbers, its watch, and the readings of each system.

Pure: time comes with every call, and what is to be published is given back. Rules that must stay true here:
- there are readings only while the watch says that what was told is still so;
- a service is told as a part once it is known whole: with a snapshot, or a moment after it came;
- a service that was given to another system tells nothing to this one.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from producers.adapter import Description, DeviceError, PartSeen, Read, Seen
from producers.victron.describing import description_of, description_of_gx
from producers.victron.mapping import GxMap, Pace
from producers.victron.mirror import Mirror, Service
from producers.victron.numbers import Numbers
from producers.victron.readings import Plans
from producers.victron.vigil import Request, Vigil

CLOCK_OFFSET = "device_clock_offset_s"

_SETTLED_US = 2_000_000
_DOUBT_US = 10_000_000
_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Assigned:
    """A service that is a system of its own."""

    type: str
    instance: int
    system_id: str


class GxSession:
    """Everything known of one GX.

    Args:
        portal_id: names it in topics.
        system_id: of what is not assigned.
        word: see `Vigil`.
    """

    def __init__(
        self,
        portal_id: str,
        system_id: str,
        map_: GxMap,
        word: str,
        assigned: Sequence[Assigned] = (),
        numbers: Mapping[str, Any] | None = None,
    ) -> None:
        self.portal_id = portal_id
        self.system_id = system_id
        self.vigil = Vigil(word)
        self.mirror = Mirror(portal_id, map_)
        self.numbers = Numbers(numbers)
        self.messages = 0
        self.head = f"N/{portal_id}/"
        self._map = map_
        self._assigned = {(one.type, one.instance): one.system_id for one in assigned}
        self._plans = Plans(map_)
        self._about = {f"N/{portal_id}/{path}": field for path, field in map_.gx.items()}
        self._said: dict[str, Any] = {}
        self._beat_topic = f"N/{portal_id}/heartbeat"
        self._end_topic = f"N/{portal_id}/full_publish_completed"
        self._serial_topic = f"N/{portal_id}/system/0/Serial"
        self._beat: tuple[float, int] | None = None
        self._seen: dict[str, deque[Seen]] = {}
        self._doubts: dict[Service, int] = {}
        self._parts: dict[Service, PartSeen] = {}

    def filters(self) -> list[str]:
        """Give what to subscribe to: what is mapped, and nothing of the hundreds of settings beside it."""
        head = f"N/{self.portal_id}"
        found = [self._beat_topic, self._end_topic, *self._about]
        for service in self._map.services.values():
            if service.exact:
                found += [f"{head}/{service.type}/+{path}" for path in service.readings]
            else:
                found.append(f"{head}/{service.type}/#")
        return found

    def open(self, now_us: int) -> None:
        """Note that the connection stands."""
        self.mirror.forget()
        self.mirror.generation += 1
        self._doubts.clear()
        self.vigil.open(now_us)

    def take(self, topic: str, payload: bytes, now_us: int, *, retained: bool = False) -> None:
        """Take in a message.

        Args:
            topic: all of it.
            payload: any bytes.
            now_us: the monotonic time of its arrival.
            retained: it was kept by the broker, and nobody knows since when.
        """
        self.messages += 1
        vigil = self.vigil
        if retained:
            if topic != self._serial_topic and payload and (topic in self._about or self.mirror.wants(topic)):
                vigil.pending[topic[len(self.portal_id) + 3 :]] = None
            return
        vigil.heard_us = now_us
        if vigil.pending:
            vigil.pending.pop(topic[len(self.portal_id) + 3 :], None)
        if topic == self._beat_topic:
            vigil.beat()
            self._beaten(payload, now_us)
        elif topic == self._end_topic:
            vigil.completed(payload, now_us)
            self._look(now_us)  # at once: what comes later belongs to no snapshot
        elif topic in self._about:
            self._said[self._about[topic]] = _value(payload)
        else:
            self.mirror.take(topic, payload, now_us)

    def tick(self, now_us: int) -> list[Request]:
        """Let time pass, and give what is to be published; to be called about twice a second."""
        requests = self.vigil.tick(now_us)
        self.mirror.generation += self.vigil.begun()
        self._look(now_us)
        return requests + self._emptied(now_us)

    def read(self, system_id: str, pace: Pace, now_us: int, wall_us: int) -> Read:
        """Give the readings of a system now, and what was seen of it since the last call.

        Raises:
            DeviceError: nobody knows them.
        """
        self._look(now_us)
        if not self.vigil.ready:
            raise DeviceError(self.vigil.detail, reason=self.vigil.reason)
        services = [service for service in self.mirror.services.values() if service.system_id == system_id]
        if system_id != self.system_id and not any(service.present for service in services):
            names = ", ".join(f"{type_}/{number}" for type_, number in self._of(system_id))
            raise DeviceError(f"{names} is not on the GX's bus", reason="left")
        values = self._plans.of(system_id, pace, services, self.mirror.version).values()
        if pace is Pace.SLOW and system_id == self.system_id and self._beat is not None:
            values[CLOCK_OFFSET] = self._offset_s(now_us, wall_us)
        return Read(values, self._take_seen(system_id) if pace is Pace.FAST else ())

    def describe(self, system_id: str) -> Description | None:
        """Tell what a system is; None when it has not told yet."""
        if system_id == self.system_id:
            return description_of_gx(self._said, self.portal_id) if self.vigil.ready else None
        mains = [self.mirror.services.get(key) for key in self._of(system_id)]
        return next((description_of(service) for service in mains if service and service.present), None)

    def status(self) -> dict[str, Any]:
        """Tell what is going on."""
        services = self.mirror.services.values()
        unplaced = [s.key for s in services if s.present and not s.number and s.map.part]
        return {
            "portal_id": self.portal_id,
            "ready": self.vigil.ready,
            "trouble": self.vigil.detail,
            "old_protocol": self.vigil.legacy,
            "messages": self.messages,
            "unreadable": self.mirror.strange,
            "services": sum(service.present for service in services),
            "unplaced": sorted(unplaced),
        }

    def _of(self, system_id: str) -> list[tuple[str, int]]:
        return [key for key, owner in self._assigned.items() if owner == system_id]

    def _look(self, now_us: int) -> None:
        """See whether a snapshot is whole, and what has come, left or said what it is."""
        whole = self.vigil.whole()
        if whole:
            self.mirror.sweep(patience=whole, now_us=now_us)
        if not (whole or self.vigil.ready):
            return
        ripe = [
            service
            for service in self.mirror.services.values()
            if service.news and (whole or not service.present or now_us - service.since_us >= _SETTLED_US)
        ]
        for service in sorted(ripe, key=self._in_order):
            self._tell(service)

    def _in_order(self, service: Service) -> tuple[str, bool, int]:
        first = self.mirror.first_of(service.map) if service.map.first_by else None
        return service.type, service.instance != first, service.instance

    def _tell(self, service: Service) -> None:
        service.news = False
        key = service.type, service.instance
        if service.present and not service.number:
            self._number(service, key)
        if not service.map.part or service.system_id != self.system_id:
            return
        detail = "" if service.present else "it is not on the GX's bus any more"
        about = description_of(service) if service.present else None
        part = PartSeen(service.key, service.present, detail=detail, description=about)
        if part != self._parts.get(service):
            self._parts[service] = part
            self._saw(replace(part, at_us=service.since_us))

    def _number(self, service: Service, key: tuple[str, int]) -> None:
        service.system_id = self._assigned.get(key, self.system_id)
        if key in self._assigned:
            alike = [one for one in self._of(service.system_id) if one[0] == service.type]
            service.number = alike.index(key) + 1
        else:
            serial = service.value("/Serial")
            service.number = self.numbers.give(
                service.type,
                service.instance,
                serial.strip() if isinstance(serial, str) else "",
                most=service.map.most,
                there=lambda instance: self._is_there(service.type, instance),
            )
        self.mirror.version += 1

    def _is_there(self, type_: str, instance: int) -> bool:
        service = self.mirror.services.get((type_, instance))
        return service is not None and service.present

    def _emptied(self, now_us: int) -> list[Request]:
        """See to services that took everything back: they left, or an old GX was not kept alive."""
        emptied, self.mirror.emptied = self.mirror.emptied, []
        for service in emptied:
            self._doubts.setdefault(service, now_us)
        wait_us = _DOUBT_US if self.vigil.legacy else 0
        for service, since_us in list(self._doubts.items()):
            if service.told or not service.present:
                del self._doubts[service]
            elif now_us - since_us >= wait_us:
                del self._doubts[service]
                self.mirror.gone(service, service.since_us)
        self._look(now_us)
        return [("keepalive", b"")] if emptied and self.vigil.legacy else []

    def _saw(self, seen: Seen, system_id: str = "") -> None:
        self._seen.setdefault(system_id or self.system_id, deque(maxlen=_MOST_SEEN)).append(seen)

    def _take_seen(self, system_id: str) -> list[Seen]:
        for service, alarm in self.mirror.alarms():
            owner = self._assigned.get((service.type, service.instance), self.system_id)
            self._saw(alarm, owner)
        return list(self._seen.pop(system_id, ()))

    def _beaten(self, payload: bytes, now_us: int) -> None:
        value = _value(payload)
        if isinstance(value, int | float) and abs(value) < 1e12:  # noqa: PLR2004 - seconds: any year
            self._beat = float(value), now_us

    def _offset_s(self, now_us: int, wall_us: int) -> float:
        """Compare the GX's clock with ours; it tells whole seconds, so half a second is unknown."""
        seconds, at_us = self._beat or (0.0, 0)
        return round(seconds + 0.5 - (wall_us - (now_us - at_us)) / 1e6, 1)


def _value(payload: bytes) -> Any:
    try:
        return orjson.loads(payload)["value"]
    except (ValueError, TypeError, KeyError):
        return None
