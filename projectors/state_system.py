"""What is known of one system, each part the newest by (time, position). Pure.

Rules that must stay true here:
- any order of arrival gives the same, and taking something twice changes nothing; but of an alarm that was
  raised very often, a clearing that comes late may find that the raise it leaves as the first was forgotten;
- what was folded under another name is absorbed, and gives what one name from the start would have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from projectors.windows import WindowFact, Windows

Stream = tuple[str, int]
AlarmKey = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Stamped:
    """Data with its place in time and in the stream.

    Attributes:
        node_position, node_recorded_us: where and when a node recorded it that is not ours; 0 for ours.
    """

    time_us: int
    position: int
    data: Mapping[str, Any]
    node_position: int = 0
    node_recorded_us: int = 0

    def newer(self, other: "Stamped | None") -> bool:
        """Tell whether this counts rather than the other."""
        return other is None or (self.time_us, self.position) > (other.time_us, other.position)


@dataclass(slots=True)
class Device:
    """What is known of one device: whether it answers, and what it says about itself."""

    connection: Stamped | None = None
    connected: bool | None = None
    description: Stamped | None = None

    def connect(self, said: Stamped, *, connected: bool) -> None:
        """Take in that it answers, or no longer does."""
        if said.newer(self.connection):
            self.connection, self.connected = said, connected

    def describe(self, said: Stamped) -> None:
        """Take in a description."""
        if said.newer(self.description):
            self.description = said

    def absorb(self, other: "Device") -> None:
        """Take in all that was said of the same device under another system's name."""
        if other.connection is not None:
            self.connect(other.connection, connected=bool(other.connected))
        if other.description is not None:
            self.describe(other.description)


MOST_RAISED: Final = 100


@dataclass(slots=True)
class Alarm:
    """One alarm: when it was cleared last, and when it was raised since; active if it was.

    Attributes:
        raised: of many more than `MOST_RAISED`, only the oldest and the newest.
        seen: who acknowledged it last; that holds until it is raised again, be it at another level.
    """

    raised: dict[int, Stamped] = field(default_factory=dict)
    cleared: Stamped | None = None
    seen: Stamped | None = None

    def set(self, said: Stamped) -> None:
        """Take in that it was raised."""
        if said.newer(self.cleared):
            self.raised[said.position] = said
        while len(self.raised) > MOST_RAISED:
            del self.raised[self.ordered()[1].position]

    def clear(self, said: Stamped) -> None:
        """Take in that it was cleared."""
        if said.newer(self.cleared):
            self.cleared = said
            self.raised = {p: raised for p, raised in self.raised.items() if raised.newer(said)}

    def acknowledge(self, said: Stamped) -> None:
        """Take in that an operator takes care of it."""
        if said.newer(self.seen):
            self.seen = said

    def acknowledged(self) -> Stamped | None:
        """Return who takes care of it as it is now; None when nobody does, or it is not active."""
        raised = self.ordered()
        return self.seen if raised and self.seen is not None and self.seen.newer(raised[-1]) else None

    def absorb(self, other: "Alarm") -> None:
        """Take in what was said of the same alarm under another system's name."""
        if other.seen is not None:
            self.acknowledge(other.seen)
        if other.cleared is not None:
            self.clear(other.cleared)
        for raised in other.raised.values():
            self.set(raised)

    def ordered(self) -> list[Stamped]:
        """Return when it was raised since it was cleared, oldest first."""
        return sorted(self.raised.values(), key=lambda said: (said.time_us, said.position))


@dataclass(slots=True)
class System:
    """All that is known of one system.

    Attributes:
        facts: its own facts about windows, by position.
        places: what `location.set` said, by position.
        windows: what the facts came to when they were folded last.
        told: anything but samples was told of it.
    """

    facts: dict[int, WindowFact] = field(default_factory=dict)
    places: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    registration: Stamped | None = None
    samples: dict[Stream, Stamped] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    alarms: dict[AlarmKey, Alarm] = field(default_factory=dict)
    windows: Windows = field(default_factory=Windows)
    told: bool = False

    def absorb(self, other: "System") -> None:
        """Take in all that was folded under another name."""
        self.told = self.told or other.told
        self.facts |= other.facts
        self.places |= other.places
        if other.registration is not None and other.registration.newer(self.registration):
            self.registration = other.registration
        for stream, sample in other.samples.items():
            if sample.newer(self.samples.get(stream)):
                self.samples[stream] = sample
        for name, device in other.devices.items():
            self.devices.setdefault(name, Device()).absorb(device)
        for key, alarm in other.alarms.items():
            self.alarms.setdefault(key, Alarm()).absorb(alarm)


def alarm_key(family: str, data: Mapping[str, Any]) -> AlarmKey:
    """Tell one alarm or alert from another; the parts that were left out are empty."""
    if family == "alarm":
        return family, data["alarm"], data.get("device", ""), data.get("phase", "")
    return family, data["alert"], data.get("counted", ""), data.get("period", "")
