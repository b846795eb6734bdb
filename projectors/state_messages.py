"""The retained messages that say the current state: which are due, and what they say. Pure.

Rules that must stay true here:
- a first change is due at once, the next of the same topic half a second later, and the newest state
  is always said in the end;
- what no longer is (an alias, an event_id without windows) is cleared, also after a restart.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from bus.instants import text
from bus.topics import Topics
from projectors.projector import Retained
from projectors.state_fold import State
from projectors.state_system import Device, System
from projectors.windows import Window, Windows

_EVERY_S = 0.5


class Messages:
    """Knows what is to be said, of one state."""

    def __init__(self, topics: Topics, state: State) -> None:
        self._topics = topics
        self._state = state
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

    def touch_all(self) -> None:
        """Let everything be due, clearing included."""
        state = self._state
        self.touch(sorted(state.systems.keys() | state.aliases.known().keys()))
        self._due |= {("event", event_id): None for event_id in sorted(state.event_ids())}

    def due(self, now_s: float) -> Iterator[Retained]:
        """Yield what is due, as topic and payload; an empty payload clears the topic."""
        ready = [key for key in self._due if now_s - self._said_s.get(key, now_s - _EVERY_S) >= _EVERY_S]
        for key in ready:
            del self._due[key]
            self._said_s[key] = now_s
            yield self._system(key[1]) if key[0] == "system" else self._event(key[1])

    def _system(self, system_id: str) -> Retained:
        system = self._state.systems.get(system_id)
        said = b"" if system is None else orjson.dumps(system_state(system_id, system))
        return self._topics.state(system_id), said

    def _event(self, event_id: str) -> Retained:
        systems = {name: self._state.systems[name] for name in self._state.taking_part(event_id)}
        said = b"" if not systems else orjson.dumps(event_state(event_id, systems))
        return self._topics.state_event(event_id), said


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


def event_state(event_id: str, systems: dict[str, System]) -> dict[str, Any]:
    """Describe a user's event: all windows of that name."""
    parts = [
        {"system_id": system_id, **window_state(window)}
        for system_id, system in systems.items()
        for window in system.windows.windows
        if window.event_id == event_id
    ]
    active = any(part["ended_at"] is None for part in parts)
    return {
        "event_id": event_id,
        "active": active,
        "started_at": min(part["started_at"] for part in parts),
        "ended_at": None if active else max(part["ended_at"] for part in parts),
        "windows": parts,
    }


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


def _alarms(system: System) -> Iterator[dict[str, Any]]:
    for key, alarm in sorted(system.alarms.items()):
        raised = alarm.ordered()
        if raised:
            yield {"type": key[0], "since": text(raised[0].time_us), **raised[-1].data}
