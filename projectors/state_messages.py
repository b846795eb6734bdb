"""The retained messages that say the current state: which are due, and what they say. Pure.

Rules that must stay true here:
- a first change is due at once, the next of the same topic half a second later, and the newest state
  is always said in the end;
- a message is never longer than the broker takes: what was left out is counted in `left_out`;
- what no longer is (an alias, an event_id without windows) is cleared, also after a restart.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import orjson

from bus.instants import text
from bus.topics import Topics
from projectors.fleet import Fleet, Node, home
from projectors.nodes import HERE
from projectors.projector import Retained
from projectors.state_system import Device, System
from projectors.windows import Window, Windows

_EVERY_S = 0.5
_MOST_BYTES = 200_000  # the broker takes 256 KiB, and ends the connection of who sends much more

Parts = Sequence[tuple[str, str, Window]]
"""Windows, each with its node and its system."""


class Messages:
    """Knows what is to be said, of one state."""

    def __init__(self, topics: Topics, fleet: Fleet) -> None:
        self._topics = topics
        self._fleet = fleet
        self._due: dict[tuple[str, str], None] = {}
        self._said_s: dict[tuple[str, str], float] = {}

    def touch(self, names: Iterable[str]) -> None:
        """Let systems be due."""
        self._due |= {("system", name): None for name in names}

    def touch_events(self, before: Windows, after: Windows) -> None:
        """Let the event_ids be due that a system took part in, or does now."""
        if before.windows != after.windows:
            windows = set(before.windows) ^ set(after.windows)
            self._due |= {("event", window.event_id): None for window in windows}

    def touch_nodes(self, names: Iterable[str]) -> None:
        """Let nodes be due; what was recorded here is of none."""
        self._due |= {("node", name): None for name in names if name != HERE}

    def touch_all(self) -> None:
        """Let everything be due, clearing included."""
        self.touch_nodes(sorted(self._fleet.nodes))
        self.touch(sorted(self._fleet.names()))
        self._due |= {("event", event_id): None for event_id in sorted(self._fleet.event_ids())}

    def due(self, now_s: float) -> Iterator[Retained]:
        """Yield what is due, as topic and payload; an empty payload clears the topic."""
        ready = [key for key in self._due if now_s - self._said_s.get(key, now_s - _EVERY_S) >= _EVERY_S]
        parts = self._fleet.parts() if any(kind == "event" for kind, _ in ready) else {}
        for key in ready:
            kind, name = key
            del self._due[key]
            self._said_s[key] = now_s
            if kind == "node":
                yield self._node(name)
            else:
                yield self._system(name) if kind == "system" else self._event(name, parts.get(name, ()))

    def _system(self, system_id: str) -> Retained:
        of = self._fleet.of(system_id)
        said = b"" if not of else _fitting(fleet_state(system_id, of))
        return self._topics.state(system_id), said

    def _node(self, name: str) -> Retained:
        node = self._fleet.nodes.get(name)
        return self._topics.state_node(name), b"" if node is None else orjson.dumps(node_state(name, node))

    def _event(self, event_id: str, parts: Parts) -> Retained:
        said = b"" if not parts else _fitting(event_state(event_id, parts))
        return self._topics.state_event(event_id), said


def node_state(name: str, node: Node) -> dict[str, Any]:
    """Describe how far the events of a node are here."""

    def lane(recorded_us: int, position: int) -> dict[str, Any]:
        return {"position": position, "recorded_at": text(recorded_us) if recorded_us else None}

    restored = None
    if node.restored is not None:
        restored = {"time": text(node.restored.time_us), **node.restored.data}
    return {
        "node": name,
        "incarnation": node.incarnation,
        "facts": lane(*max(node.facts, node.samples)),
        "samples": lane(*node.samples),
        "systems": sorted(node.state.systems),
        "restored": restored,
    }


def fleet_state(system_id: str, of: Mapping[str, System]) -> dict[str, Any]:
    """Describe a system as it is where it is; of other nodes only what only they know of it.

    Args:
        system_id: the system.
        of: what each node knows of it; at least one.
    """
    at = home(of)
    said = system_state(system_id, of[at])
    if of.keys() == {HERE}:
        return said
    elsewhere = [system_state(system_id, of[name]) | {"node": name} for name in sorted(of.keys() - {at})]
    said["readings"] += (reading for other in elsewhere for reading in other["readings"])
    said["alarms"] += ({**alarm, "node": other["node"]} for other in elsewhere for alarm in other["alarms"])
    said["elsewhere"] = [{name: other[name] for name in ("node", "window")} for other in elsewhere]
    return said | {"node": at}


def system_state(system_id: str, system: System) -> dict[str, Any]:
    """Describe a system as it is."""
    registered = system.registration.data if system.registration else {}
    active = system.windows.active
    samples = sorted(system.samples.items(), key=lambda item: item[0])
    return {
        "system_id": system_id,
        "name": registered.get("name"),
        "kind": registered.get("kind"),
        "time": text(max((sample.time_us for _, sample in samples), default=0)) if samples else None,
        "window": window_state(active) if active else None,
        "location": _location(system),
        "readings": [
            {
                "kind": kind,
                "interval_ms": interval_ms,
                "time": text(sample.time_us),
                **{flag: True for flag in ("late", "partial", "unsynced") if sample.data.get(flag)},
                "values": sample.data["values"],
            }
            for (kind, interval_ms), sample in samples
        ],
        "devices": {name: _device(device) for name, device in sorted(system.devices.items())},
        "alarms": list(_alarms(system)),
    }


def event_state(event_id: str, parts: Parts) -> dict[str, Any]:
    """Describe a user's event: all windows of that name."""
    windows = [
        {"system_id": system_id, **({"node": node} if node else {}), **window_state(window)}
        for node, system_id, window in parts
    ]
    active = any(window["ended_at"] is None for window in windows)
    return {
        "event_id": event_id,
        "active": active,
        "started_at": min(window["started_at"] for window in windows),
        "ended_at": None if active else max(window["ended_at"] for window in windows),
        "windows": windows,
    }


def _fitting(said: dict[str, Any]) -> bytes:
    """Write a state; what makes it too long for a message is left out, the oldest first, and counted."""
    body = orjson.dumps(said)
    for name, age in _BY_AGE.items():
        while len(body) > _MOST_BYTES and said.get(name):
            left_out = said.setdefault("left_out", {})
            newest_last = sorted(said[name].items() if name == "devices" else said[name], key=age)
            dropped = len(newest_last) // 2 + 1
            left_out[name] = left_out.get(name, 0) + dropped
            said[name] = type(said[name])(newest_last[dropped:])
            body = orjson.dumps(said)
    return body


def window_state(window: Window) -> dict[str, Any]:
    """Describe a window."""
    return {
        "event_id": window.event_id,
        "started_at": text(window.started_us),
        "ended_at": None if window.ended_us is None else text(window.ended_us),
        "location": window.location,
    }


def _location(system: System) -> dict[str, Any] | None:
    by = system.windows.located_by
    if by is None:
        return None
    place = system.places.get(by, {})
    return {
        "name": system.windows.location,
        "since": text(system.windows.outcomes[by].time_us),
        **{name: place[name] for name in ("lat", "lon", "accuracy_m") if name in place},
    }


def _device(device: Device) -> dict[str, Any]:
    said = dict(device.description.data) if device.description else {}
    if device.connection is not None:
        said |= {name: value for name, value in device.connection.data.items() if name not in said}
    said.pop("device", None)
    since = text(device.connection.time_us) if device.connection else None
    return {"connected": device.connected, "since": since, **said}


def _window_age(window: Mapping[str, Any]) -> tuple[bool, str]:
    return window["ended_at"] is None, window["ended_at"] or window["started_at"]


_BY_AGE: Mapping[str, Callable[[Any], Any]] = {
    "windows": _window_age,
    "readings": itemgetter("time"),
    "alarms": itemgetter("since"),
    "devices": lambda device: device[1]["since"] or "",
}


def _alarms(system: System) -> Iterator[dict[str, Any]]:
    for key, alarm in sorted(system.alarms.items()):
        raised = alarm.ordered()
        if raised:
            said = {"type": key[0], "since": text(raised[0].time_us), **raised[-1].data}
            seen = alarm.acknowledged()
            yield said if seen is None else {**said, "acknowledged": {"at": text(seen.time_us), **seen.data}}
