"""What the services of one GX told last, path by path, folded from its messages.

Pure. Rules that must stay true here:
- a value that is told again is no change; `null` is a value of its own: "none now";
- a path without a word since the connection began, and one that was cleared with an empty message, is absent:
  that is something else than `null`, and never zero;
- a service is there while any path of it is; alarms and comings and goings carry the time of their message;
- no message raises anything, and what a stranger publishes takes bounded memory.
"""

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from producers.adapter import AlarmSeen
from producers.victron.mapping import AlarmPath, GxMap, Reading, ServiceMap

ABSENT: Final = object()
"""In place of a value: nothing was told, or it was taken back."""

_MOST_SERVICES = 256
_MOST_STRANGE = 20_000
_MOST_ALARMS = 64
_LONGEST = 200
_HUGE = 65_536
_MOST_UNTOLD = 10_000
_ALARM = re.compile(r"/Alarms/(?:(L[123])/)?([A-Z][A-Za-z0-9]{1,30})", re.ASCII)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Leaf:
    """One path of a service."""

    __slots__ = ("alarms", "field", "path", "raw", "readings", "service")

    def __init__(
        self,
        service: "Service",
        path: str,
        readings: tuple[Reading, ...],
        alarms: tuple[AlarmPath, ...],
        field_: str,
    ) -> None:
        self.service = service
        self.path = path
        self.readings = readings
        self.alarms = alarms
        self.field = field_
        self.raw: Any = ABSENT


@dataclass(eq=False, slots=True)
class Service:
    """One service: a device behind the GX, or a function of its own.

    Attributes:
        told: how many of its leaves have a value or null.
        present: it is there, as far as anyone knows.
        since_us: when it came or left.
        generation: of the snapshot in which it was mentioned last.
        missed: snapshots in a row that did not mention it.
        number: of this instance among those of its type; 0 while it has none.
        system_id: whose readings it tells.
        news: its presence or description has changed since that was told.
    """

    type: str
    instance: int
    map: ServiceMap
    leaves: dict[str, Leaf] = field(default_factory=dict)
    told: int = 0
    present: bool = False
    since_us: int = 0
    generation: int = 0
    missed: int = 0
    number: int = 0
    system_id: str = ""
    news: bool = False

    @property
    def key(self) -> str:
        """Name it as topics do: `vebus/276`."""
        return f"{self.type}/{self.instance}"

    def value(self, path: str) -> Any:
        """Give what a path told last; None when that is nothing."""
        leaf = self.leaves.get(path)
        return None if leaf is None or leaf.raw is ABSENT else leaf.raw


class Mirror:
    """The services of one GX.

    Attributes:
        version: rises when a leaf is new, so that who has made plans makes them anew.
        strange: messages that could not be read.
        generation: of the snapshot that is being taken.
        emptied: services whose last path was cleared; for whoever looks after them to take.
    """

    def __init__(self, portal_id: str, map_: GxMap) -> None:
        self.services: dict[tuple[str, int], Service] = {}
        self.version = 0
        self.strange = 0
        self.generation = 0
        self._head = f"N/{portal_id}/"
        self._map = map_
        self._leaves: dict[str, Leaf | None] = {}
        self._first_by = {path for each in map_.services.values() for path in each.first_by}
        self.emptied: list[Service] = []
        self._alarms: deque[tuple[Service, AlarmSeen]] = deque(maxlen=_MOST_UNTOLD)

    def take(self, topic: str, payload: bytes, now_us: int) -> None:
        """Take in a message."""
        try:
            leaf = self._leaves[topic]
        except KeyError:
            leaf = self._learn(topic)
        if leaf is None:
            return
        service = leaf.service
        if not payload:
            if leaf.raw is not ABSENT:
                self._clear(leaf, now_us)
            return
        service.generation = self.generation
        try:
            raw = orjson.loads(payload[:_HUGE])["value"]
        except (ValueError, TypeError, KeyError):
            self.strange += 1
            return
        if raw == leaf.raw and raw.__class__ is leaf.raw.__class__:
            return
        self._set(leaf, raw, now_us)

    def wants(self, topic: str) -> bool:
        """Tell whether a topic means something here."""
        if topic not in self._leaves:
            self._learn(topic)
        return self._leaves.get(topic) is not None

    def alarms(self) -> list[tuple[Service, AlarmSeen]]:
        """Take the alarms that were told since the last call."""
        told = list(self._alarms)
        self._alarms.clear()
        return told

    def forget(self) -> None:
        """Let all values be absent: the connection was lost, and nobody knows what has changed since."""
        for service in self.services.values():
            service.told = 0
            for leaf in service.leaves.values():
                leaf.raw = ABSENT

    def sweep(self, *, patience: int, now_us: int) -> None:
        """Let the services be gone that a complete snapshot did not mention.

        Args:
            patience: how many snapshots in a row must have missed them.
            now_us: when that is found out.
        """
        for service in self.services.values():
            service.missed = 0 if service.generation == self.generation else service.missed + 1
            if service.present and service.missed >= patience:
                self.gone(service, now_us)

    def gone(self, service: Service, now_us: int) -> None:
        """Let a service be gone, with all that it told."""
        service.present, service.since_us, service.news, service.told = False, now_us, True, 0
        for leaf in service.leaves.values():
            leaf.raw = ABSENT

    def first_of(self, map_: ServiceMap) -> int | None:
        """Tell which instance of a type the GX itself takes for the first."""
        system = self.services.get(("system", 0))
        for path in map_.first_by:
            said = system.value(path) if system else None
            if isinstance(said, int):
                return said
            head, _, instance = said.rpartition("/") if isinstance(said, str) else ("", "", "")
            if instance.isascii() and instance.isdecimal() and map_.type in head.split("."):
                return int(instance)
        return None

    def _set(self, leaf: Leaf, raw: Any, now_us: int) -> None:
        service = leaf.service
        if leaf.raw is ABSENT:
            service.told += 1
            if not service.present:
                service.present, service.since_us, service.news = True, now_us, True
        if isinstance(raw, str):
            raw = raw[:_LONGEST]
        elif not isinstance(raw, int | float):
            raw = None
        service.news = service.news or bool(leaf.field and raw != leaf.raw)
        leaf.raw = raw
        for alarm in leaf.alarms:
            level = alarm.level(raw)
            code = alarm.code(raw) if level else None
            seen = AlarmSeen(alarm.word, level, service.key, alarm.phase, code, at_us=now_us)
            self._alarms.append((service, seen))

    def _clear(self, leaf: Leaf, now_us: int) -> None:
        service = leaf.service
        leaf.raw = ABSENT
        service.told -= 1
        if service.told == 0 and service.present:
            service.since_us = now_us
            self.emptied.append(service)

    def _learn(self, topic: str) -> Leaf | None:
        leaf = self._leaf(topic)
        if leaf is not None:
            self.version += 1
        elif len(self._leaves) >= _MOST_STRANGE:
            self._leaves = {known: found for known, found in self._leaves.items() if found is not None}
        self._leaves[topic] = leaf
        return leaf

    def _leaf(self, topic: str) -> Leaf | None:
        parts = topic.removeprefix(self._head).split("/", 2)
        if not topic.startswith(self._head) or len(parts) < 3:  # noqa: PLR2004 - type, instance, path
            return None
        type_, number, rest = parts
        map_ = self._map.services.get(type_)
        if map_ is None or len(number) > 9 or not (number.isascii() and number.isdecimal()):  # noqa: PLR2004
            return None
        path = f"/{rest}"
        key = (type_, int(number))
        known = self.services.get(key)
        readings, alarms = map_.readings.get(path, ()), map_.alarms.get(path, ())
        if not alarms and map_.alarm_names:
            alarms = self._unlisted(path, known)
        field_ = self._map.description.get(path, "") if map_.part else ""
        named = type_ == "system" and path in self._first_by
        if not (readings or alarms or field_ or named):
            return None
        if known is None:
            if len(self.services) >= _MOST_SERVICES:
                return None
            known = self.services[key] = Service(type_, key[1], map_)
        leaf = known.leaves[path] = Leaf(known, path, readings, alarms, field_)
        return leaf

    def _unlisted(self, path: str, service: Service | None) -> tuple[AlarmPath, ...]:
        """Take an alarm that the mapping does not list for one that is called as its path is."""
        found = _ALARM.fullmatch(path)
        many = (
            service is not None and sum(bool(leaf.alarms) for leaf in service.leaves.values()) >= _MOST_ALARMS
        )
        if found is None or many:
            return ()
        word = _WORDS.sub("_", found[2]).lower()
        return (AlarmPath(word, (found[1] or "").lower()),)
