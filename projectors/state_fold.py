"""Fold the stream into the current state of every system. Pure.

Rules that must stay true here:
- late events, any batches and events taken twice give the same state;
- what was folded under an alias is merged into its system, and gives what one name from the start would have.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from bus import system_ids
from bus.envelope import Event
from projectors import windows
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE
from projectors.nodes import client_of, origin
from projectors.state_system import Alarm, AlarmKey, Device, Stamped, Stream, System, alarm_key
from projectors.windows import Window, WindowFact, Windows, fact_of, fold_windows

NOTE, PHOTO = "note.added", "photo.added"
CONNECTED, DISCONNECTED, DESCRIBED = "device.connected", "device.disconnected", "device.described"
RAISED = {"alarm.raised": "alarm", "alert.raised": "alert"}
CLEARED = {"alarm.cleared": "alarm", "alert.cleared": "alert"}
ACKNOWLEDGED = {"alarm.acknowledged": "alarm", "alert.acknowledged": "alert"}
AUDITED = (
    windows.TYPES
    | ACKNOWLEDGED.keys()
    | {
        REGISTERED,
        NOTE,
        PHOTO,
        "counters.reset",
        "journal.restored",
        "map_provider.preferred",
        "photo.missing",
        "samples.dropped",
    }
)
TYPES = AUDITED | {CONNECTED, DISCONNECTED, DESCRIBED} | RAISED.keys() | CLEARED.keys()


@dataclass(slots=True)
class Changes:
    """What is folded and not yet written.

    Attributes:
        joined: names that turned out to be aliases.
        seen: systems that are new or newly registered.
        log: facts for the audit log, and with them notes and photos.
        stale: systems whose windows must be folded anew.
    """

    joined: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    log: list[Event] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    samples: set[tuple[str, Stream]] = field(default_factory=set)
    devices: set[tuple[str, str]] = field(default_factory=set)
    alarms: set[tuple[str, AlarmKey]] = field(default_factory=set)


class State:
    """The state of every system at one place of the stream.

    Attributes:
        shared: facts about the windows of all systems.
        changes: what is not yet written; whoever writes it puts a new one in its place.
        touched: names of systems that differ from what was last said of them; whoever says it clears this.
    """

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self.aliases = Aliases(aliases)
        self.systems: dict[str, System] = {}
        self.shared: dict[int, WindowFact] = {}
        self.changes = Changes()
        self.touched: set[str] = set()

    def take(self, event: Event) -> None:
        """Fold one event."""
        if event.type == SAMPLE:
            self._sample(event)
            return
        if event.type in AUDITED:
            self.changes.log.append(event)
        if event.subject == system_ids.ALL:
            self._all(event)
        elif not event.subject.startswith("_"):
            self._about(self.aliases.resolve(event.subject), event)

    def recall(self, event: Event) -> None:
        """Put back a fact of the audit log, under the system it belongs to."""
        is_window = event.type in windows.TYPES
        if event.subject == system_ids.ALL and is_window:
            self.shared[event.position] = fact_of(event)
            return
        system = self.systems.get(event.subject)
        if system is None:
            return
        system.told = True
        if is_window:
            self._fact(event.subject, system, event)
        elif event.type == REGISTERED:
            said = Stamped(event.time_us, event.position, event.data)
            system.registration = said if said.newer(system.registration) else system.registration

    def fold(self) -> list[tuple[str, Windows]]:
        """Fold the windows of systems with new facts; return what they were before."""
        before: list[tuple[str, Windows]] = []
        for system_id in sorted(self.changes.stale & self.systems.keys()):
            system = self.systems[system_id]
            before.append((system_id, system.windows))
            system.windows = fold_windows((*system.facts.values(), *self.shared.values()))
        return before

    def parts(self) -> dict[str, list[tuple[str, Window]]]:
        """Return the windows of every event_id, each with its system, by system and time."""
        parts: dict[str, list[tuple[str, Window]]] = defaultdict(list)
        for system_id, system in sorted(self.systems.items()):
            for window in system.windows.windows:
                parts[window.event_id].append((system_id, window))
        return parts

    def event_ids(self) -> set[str]:
        """Return every event_id that was ever named, whether it came to a window or not."""
        own = (fact for system in self.systems.values() for fact in system.facts.values())
        return {fact.event_id for fact in own if fact.event_id is not None}

    def _sample(self, event: Event) -> None:
        system_id = self.aliases.resolve(event.subject)
        system = self.systems.get(system_id) or self._system(system_id)
        stream = (event.data["kind"], event.data["interval_ms"])
        where = origin(event.extensions) if event.extensions else None
        brought = (where.position, where.recorded_us) if where is not None else (0, 0)
        sample = Stamped(event.time_us, event.position, event.data, *brought)
        if sample.newer(system.samples.get(stream)):
            system.samples[stream] = sample
            self.changes.samples.add((system_id, stream))
            self.touched.add(system_id)

    def _all(self, event: Event) -> None:
        if event.type in windows.TYPES:
            self.shared[event.position] = fact_of(event)
            self.changes.stale |= {name for name, system in self.systems.items() if system.facts}

    def _about(self, system_id: str, event: Event) -> None:
        system = self._system(system_id)
        system.told = True
        self.touched.add(system_id)
        said = Stamped(event.time_us, event.position, event.data)
        if event.type in windows.TYPES:
            self._fact(system_id, system, event)
        elif event.type == REGISTERED:
            self._register(system_id, system, event, said)
        elif event.type in {CONNECTED, DISCONNECTED, DESCRIBED}:
            self._device(system_id, system, event.type, said)
        elif event.type in RAISED or event.type in CLEARED:
            self._alarm(system_id, system, event.type, said)
        elif event.type in ACKNOWLEDGED:
            self._acknowledge(system_id, system, event)

    def _fact(self, system_id: str, system: System, event: Event) -> None:
        system.facts[event.position] = fact_of(event)
        if event.type == windows.LOCATED:
            system.places[event.position] = event.data
        self.changes.stale.add(system_id)

    def _register(self, system_id: str, system: System, event: Event, said: Stamped) -> None:
        if said.newer(system.registration):
            system.registration = said
        self.changes.seen.add(system_id)
        for alias in self.aliases.learn(event):
            self.changes.joined.append(alias)
            self.touched.add(alias)
            merged = self.systems.pop(alias, None)
            if merged is not None:
                system.absorb(merged)
                self._touch(system_id, system)

    def _device(self, system_id: str, system: System, type_: str, said: Stamped) -> None:
        name = said.data["device"]
        device = system.devices.setdefault(name, Device())
        if type_ == DESCRIBED:
            device.describe(said)
        else:
            device.connect(said, connected=type_ == CONNECTED)
        self.changes.devices.add((system_id, name))

    def _alarm(self, system_id: str, system: System, type_: str, said: Stamped) -> None:
        key = alarm_key(RAISED.get(type_) or CLEARED[type_], said.data)
        alarm = system.alarms.setdefault(key, Alarm())
        if type_ in RAISED:
            alarm.set(said)
        else:
            alarm.clear(said)
        self.changes.alarms.add((system_id, key))

    def _acknowledge(self, system_id: str, system: System, event: Event) -> None:
        key = alarm_key(ACKNOWLEDGED[event.type], event.data)
        said = {"by": event.extensions.get("operator") or client_of(event), "note": event.data.get("note")}
        system.alarms.setdefault(key, Alarm()).acknowledge(Stamped(event.time_us, event.position, said))
        self.changes.alarms.add((system_id, key))

    def _system(self, system_id: str) -> System:
        system = self.systems.get(system_id)
        if system is None:
            system = self.systems[system_id] = System()
            self.changes.seen.add(system_id)
        return system

    def _touch(self, system_id: str, system: System) -> None:
        """Mark all of a system as changed."""
        self.changes.stale.add(system_id)
        self.changes.samples |= {(system_id, stream) for stream in system.samples}
        self.changes.devices |= {(system_id, device) for device in system.devices}
        self.changes.alarms |= {(system_id, key) for key in system.alarms}
