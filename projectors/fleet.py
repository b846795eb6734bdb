"""The state of every node: ours, and those whose events uplinks brought here. Pure.

Rules that must stay true here:
- each node's facts are folded apart: what one says of `all`, or of other names, concerns its own systems, and
  in which order the nodes' events lie between each other changes nothing;
- of each stream of samples of a system the newest is kept, whichever node it came from;
- how far a node's samples have come follows from what is kept, so that a rebuild need not read the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bus.envelope import Event
from projectors.aliases import REGISTERED
from projectors.events import SAMPLE
from projectors.nodes import HERE, PROGRESSED, RESTORED, Origin, origin
from projectors.state_fold import State
from projectors.state_system import Stamped, Stream, System
from projectors.windows import Window

Place = tuple[int, int]
"""When a node recorded something, and at which position of its journal."""


@dataclass(slots=True)
class Node:
    """One node.

    Attributes:
        state: of its systems.
        incarnation: of its journal, as its newest fact says.
        facts: the newest place of what is no sample.
        progressed: the newest place up to which its uplink said that all is here.
        brought_us: when the newest fact was recorded here.
        restored: the newest `journal.restored` that it told.
    """

    state: State = field(default_factory=State)
    incarnation: str = ""
    facts: Place = (0, 0)
    progressed: Place = (0, 0)
    brought_us: int = 0
    restored: Stamped | None = None

    @property
    def samples(self) -> Place:
        """Up to where its samples are here."""
        kept = (
            (sample.node_recorded_us, sample.node_position)
            for system in self.state.systems.values()
            for sample in system.samples.values()
        )
        return max(self.progressed, max(kept, default=(0, 0)))

    def note(self, event: Event, where: Origin) -> None:
        """Take in where a fact stands in its journal."""
        place = (where.recorded_us, where.position)
        if place >= self.facts:
            self.facts, self.incarnation = place, where.incarnation
        if event.type == PROGRESSED:
            self.progressed = max(self.progressed, place)
        elif event.type == RESTORED:
            said = Stamped(event.time_us, event.position, event.data)
            self.restored = said if said.newer(self.restored) else self.restored
        self.brought_us = max(self.brought_us, event.recorded_us)


class Fleet:
    """All nodes at one place of the stream; what was recorded here is the node without a name.

    Attributes:
        changed: nodes of which something new was taken, or nothing is kept; whoever writes them clears this.
        displaced: streams, and systems of which nothing is left, that are now another node's; likewise.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {HERE: Node()}
        self.changed: set[str] = set()
        self.displaced: set[tuple[str, str]] = set()

    @property
    def here(self) -> State:
        """The state of what was recorded here."""
        return self.nodes[HERE].state

    def node(self, name: str) -> Node:
        """Return a node, known from now on."""
        return self.nodes.setdefault(name, Node())

    def take(self, event: Event) -> None:
        """Fold one event."""
        where = origin(event.extensions) if event.extensions else None
        if where is None and len(self.nodes) == 1:
            self.here.take(event)
            return
        name = HERE if where is None else where.node
        node = self.node(name)
        self.changed.add(name)
        if event.type == SAMPLE:
            self._sample(name, node.state, event)
            self._forget_empty(name)
            return
        if where is not None:
            node.note(event, where)
        node.state.take(event)
        if event.type == REGISTERED:  # which may give a system what was sampled under another name
            self._contest(name, node.state, node.state.aliases.resolve(event.subject))

    def systems(self) -> dict[str, dict[str, System]]:
        """Return all systems, each by the nodes that told of it."""
        found: dict[str, dict[str, System]] = {}
        for name, node in self.nodes.items():
            for system_id, system in node.state.systems.items():
                found.setdefault(system_id, {})[name] = system
        return found

    def of(self, system_id: str) -> dict[str, System]:
        """Return what each node knows of a system."""
        return {
            name: node.state.systems[system_id]
            for name, node in self.nodes.items()
            if system_id in node.state.systems
        }

    def parts(self) -> dict[str, list[tuple[str, str, Window]]]:
        """Return the windows of every event_id, each with its node and system, by system and time."""
        found: dict[str, list[tuple[str, str, Window]]] = {}
        for name, node in self.nodes.items():
            for event_id, windows in node.state.parts().items():
                found.setdefault(event_id, []).extend((name, *one) for one in windows)
        for windows_of in found.values():
            windows_of.sort(key=_by_system)
        return found

    def names(self) -> set[str]:
        """Return every name that a system has or had."""
        states = [node.state for node in self.nodes.values()]
        return {name for state in states for name in (*state.systems, *state.aliases.known())}

    def event_ids(self) -> set[str]:
        """Return every event_id that was ever named, whether it came to a window or not."""
        return {event_id for node in self.nodes.values() for event_id in node.state.event_ids()}

    def touched(self) -> set[str]:
        """Return the systems that changed since this was asked last."""
        found: set[str] = set()
        for node in self.nodes.values():
            found |= node.state.touched
            node.state.touched.clear()
        return found

    def _sample(self, name: str, state: State, event: Event) -> None:
        """Take in a sample, unless another node sent a newer one of its stream."""
        system_id = state.aliases.resolve(event.subject)
        stream = (event.data["kind"], event.data["interval_ms"])
        sample = Stamped(event.time_us, event.position, event.data)
        for other, system in self._others(name, system_id):
            if not sample.newer(system.samples.get(stream)):
                return
            self._displace(other, system_id, stream)
        state.take(event)

    def _contest(self, name: str, state: State, system_id: str) -> None:
        """Decide about the streams of a system that just got another name's samples."""
        system = state.systems.get(system_id)
        if system is None:
            return
        for stream, sample in list(system.samples.items()):
            for other, theirs in self._others(name, system_id):
                if stream in theirs.samples:
                    loser = other if sample.newer(theirs.samples[stream]) else name
                    self._displace(loser, system_id, stream)

    def _others(self, name: str, system_id: str) -> list[tuple[str, System]]:
        return [
            (other, system)
            for other, node in self.nodes.items()
            if other != name and (system := node.state.systems.get(system_id)) is not None
        ]

    def _displace(self, name: str, system_id: str, stream: Stream) -> None:
        """Forget a stream's sample at a node, and the system there when nothing else was told of it."""
        state = self.nodes[name].state
        system = state.systems[system_id]
        if system.samples.pop(stream, None) is None:
            return
        self.changed.add(name)
        state.changes.samples.discard((system_id, stream))
        if not system.told and not system.samples:
            del state.systems[system_id]
            self.displaced.add((system_id, name))
            self._forget_empty(name)

    def _forget_empty(self, name: str) -> None:
        """Forget a node of which nothing is kept but that another node's samples are newer."""
        node = self.nodes[name]
        if name != HERE and node.facts == (0, 0) and not node.state.systems:
            del self.nodes[name]


def _by_system(part: tuple[str, str, Window]) -> tuple[str, int, str, int]:
    name, system_id, window = part
    return system_id, window.started_us, name, window.started_by


def home(of: Mapping[str, System]) -> str:
    """Name the node that a system is at: its newest sample's, or where none has any, the last to place it."""
    return max(of, key=lambda name: (*_evidence(of[name]), name))


def _evidence(system: System) -> tuple[int, int]:
    windows = system.windows
    started = windows.active.started_us if windows.active is not None else 0
    located = windows.outcomes[windows.located_by].time_us if windows.located_by is not None else 0
    sampled = max((sample.time_us for sample in system.samples.values()), default=-1)
    return sampled, max(started, located)
