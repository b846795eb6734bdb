"""What the journal knew at a cut, as far as reports are about it: read once, asked per system and event.

Rules that must stay true here:
- all of it follows from the journal up to the cut; only what was told of earlier revisions may lie between
  the cut and the request;
- rare types are read and samples are not, and of frequent ones only what can lie in the span; whether a
  node's samples have come is seen from the first that were recorded there after the end;
- a system of another node is named with its node.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bus import instants, system_ids
from bus.envelope import Event
from bus.intake import SITE
from bus.journal import JournalReader
from projectors import windows
from projectors.aliases import REGISTERED, Aliases
from projectors.events import EventReader
from projectors.nodes import HERE, SAMPLES_LANE, client_of, name_of, node_of, origin, origin_of, plain
from projectors.report_fold import DROPPED
from projectors.report_lines import WAIT_US
from projectors.report_requests import GENERATED, REQUESTED
from projectors.windows import Window, WindowFact, Windows, fact_of, fold_windows
from schemas.errors import InputError
from schemas.occurrences import TABLE
from schemas.registry import Registry

DESCRIBED: Final = "device.described"
RESTORED: Final = "journal.restored"
ALARMS: Final = frozenset({"alarm.raised", "alarm.cleared"})
REMARKS: Final = frozenset({"note.added", "photo.added"})
_TOLD: Final = frozenset({REQUESTED, GENERATED})
_FEW: Final = frozenset({REGISTERED, DESCRIBED, RESTORED, *windows.TYPES, *_TOLD})
_ROUND_US: Final = 600 * instants.SECOND_US
_STEP: Final = 1000


@dataclass(slots=True)
class Known:
    """What was known of one system.

    Attributes:
        facts: about its windows, by position.
        registration: the newest.
        described: the newest description of each device, by its name.
    """

    facts: dict[int, WindowFact] = field(default_factory=dict)
    windows: Windows = field(default_factory=Windows)
    registration: Event | None = None
    described: dict[str, Event] = field(default_factory=dict)

    def absorb(self, other: "Known") -> None:
        """Take in what was noted under another name."""
        self.facts |= other.facts
        if other.registration is not None and (
            self.registration is None or _newer(other.registration, self.registration)
        ):
            self.registration = other.registration
        for device, event in other.described.items():
            if device not in self.described or _newer(event, self.described[device]):
                self.described[device] = event


class Past:
    """The journal at a cut.

    Attributes:
        cut: the position.
        systems: what was known of each.
        said: facts about windows and places, by position, with who said them.
        requests, told: earlier requests for reports, and what was told of them.
    """

    def __init__(
        self, reader: JournalReader, registry: Registry, cut: int, before: int | None = None
    ) -> None:
        """Read what is rare.

        Args:
            reader: of the journal.
            registry: of event types.
            cut: the position up to which all counts.
            before: position of the request; None for one that is not recorded.
        """
        self.cut = cut
        self.aliases = Aliases()
        self.systems: dict[str, Known] = {}
        self.said: dict[int, Event] = {}
        self.requests: dict[str, Event] = {}
        self.told: list[Event] = []
        self._reader = reader
        self._events = EventReader(registry)
        self._restored: list[Event] = []
        shared: dict[str, dict[int, WindowFact]] = defaultdict(dict)
        for event in self._read(None, *_FEW):
            if event.type in _TOLD or event.type == RESTORED:
                self._note_ours(event, before)
            elif event.position <= cut:
                self._note_fact(event, shared)
        for name, known in self.systems.items():
            if known.facts:
                known.windows = fold_windows((*known.facts.values(), *shared[plain(name)[1]].values()))

    def _note_ours(self, event: Event, before: int | None) -> None:
        """Take in what our own reports, and our own journal, went through."""
        if node_of(event) != HERE:
            return
        if event.type == RESTORED:
            self._restored.append(event)
        elif before is not None and event.position >= before:
            return
        elif event.type == REQUESTED:
            self.requests[event.id] = event
        else:
            self.told.append(event)

    def _note_fact(self, event: Event, shared: dict[str, dict[int, WindowFact]]) -> None:
        if event.type in windows.TYPES:
            self.said[event.position] = event
            every = shared[node_of(event)] if event.subject == system_ids.ALL else None
            facts = self.known(name_of(event)).facts if every is None else every
            facts[event.position] = fact_of(event)
        elif event.type == REGISTERED:
            self._learn(event)
        else:
            devices = self.known(name_of(event)).described
            earlier = devices.get(event.data["device"])
            if earlier is None or _newer(event, earlier):
                devices[event.data["device"]] = event

    def _learn(self, event: Event) -> None:
        """Take in a registration; what was noted under a name that turns out to be an alias moves along."""
        name = name_of(event)
        for alias in self.aliases.claim(name, event.data.get("aliases", ())):
            merged = self.systems.pop(alias, None)
            if merged is not None:
                self.known(name).absorb(merged)
        known = self.known(name)
        if known.registration is None or _newer(event, known.registration):
            known.registration = event

    def known(self, name: str) -> Known:
        """Return what was known of a system, under whichever of its names."""
        return self.systems.setdefault(self.aliases.resolve(name), Known())

    def recorded_names(self, system_id: str) -> list[str]:
        """List the names under which samples of a system were recorded, its own first."""
        known = self.aliases.known().items()
        others = {plain(name)[0] for name, owner in known if plain(owner)[0] == system_id}
        return [system_id, *sorted(others - {system_id})]

    def members(self, event_id: str) -> list[tuple[str, Window]]:
        """Return the windows of an event, each with its system, by system and time."""
        return [
            (system_id, window)
            for system_id, known in sorted(self.systems.items())
            for window in known.windows.windows
            if window.event_id == event_id
        ]

    def who(self, position: int | None) -> str | None:
        """Return whom the broker authenticated for the fact at a position."""
        event = None if position is None else self.said.get(position)
        return None if event is None else client_of(event)

    def behind(self, node: str, window: Window) -> bool:
        """Tell whether samples of a node may be missing in a window that ended; ours never are."""
        if not node or window.ended_us is None:
            return False
        ended = self.said.get(window.ended_by or 0)
        where = None if ended is None else origin(ended.extensions)
        if ended is None or where is None:
            return False
        due_us = max(where.recorded_us, window.ended_us) + WAIT_US
        found = self._reader.read(ended.position, upto=self.cut, types=SAMPLES_LANE, since_us=window.ended_us)
        return not any(
            one.client == ended.client
            and (there := origin_of(one)) is not None
            and there.node == node
            and there.recorded_us >= due_us
            for one in found
        )

    def now_us(self) -> int:
        """Return when the cut was recorded; 0 for the beginning."""
        found = next(self._reader.read(self.cut - 1, limit=1), None) if self.cut else None
        return 0 if found is None else found.recorded_us

    def incarnation(self) -> str:
        """Return the journal's incarnation at the cut, whatever it is now."""
        for event in reversed(self._restored):
            if event.position <= self.cut:
                return str(event.data["incarnation"])
        if self._restored:
            return str(self._restored[0].data["previous_incarnation"])
        return self._reader.head().incarnation

    def happened(
        self,
        from_us: int,
        to_us: int,
        started_by: int | None,
        subjects: Collection[str],
        *,
        remarks_of_all: bool,
    ) -> Mapping[str, list[Event]]:
        """Return by system what happened in a span, remarks, and all alarms that may reach into it.

        Args:
            from_us: the beginning.
            to_us: the end.
            started_by: position of a fact that was recorded at the beginning, where there is one.
            subjects: only of these names, under which systems were recorded, and of the site.
            remarks_of_all: the remarks of all others too.
        """
        found: dict[str, list[Event]] = defaultdict(list)
        after = 0 if started_by is None else self._before(started_by, from_us)
        of: dict[str, Any] = {"subjects": {*subjects, SITE}}
        span: dict[str, Any] = {"after": after, "since_us": from_us, "until_us": to_us}
        for event in (
            *self._read(self.cut, *TABLE.occurrences, **of, **span),
            *self._read(self.cut, DROPPED, *ALARMS, **of),
            *self._read(self.cut, *REMARKS, **({} if remarks_of_all else of)),
        ):
            found[self.aliases.resolve(name_of(event))].append(event)
        return found

    def _before(self, started_by: int, from_us: int) -> int:
        """Return a position behind which all lies that happened from an instant on.

        What happened then cannot have been recorded long before, so it is enough to go back from a fact that
        was recorded soon after it happened; from one that came late nothing follows.
        """
        event = self.said.get(started_by)
        if event is None or not 0 <= event.recorded_us - from_us <= _ROUND_US:
            return 0
        step, position = _STEP, started_by
        while position > 0:
            position = max(0, position - step)
            one = next(self._reader.read(position, limit=1), None)
            if one is None or one.recorded_us < from_us - _ROUND_US:
                return position
            step *= 2
        return 0

    def _read(self, upto: int | None, *types: str, after: int = 0, **span: Any) -> Iterator[Event]:
        for recorded in self._reader.read(after, upto=upto, types=types, **span):
            try:
                yield self._events.event(recorded)
            except InputError:
                continue  # of a newer version than we know; the projector keeps it as a dead letter


def _newer(event: Event, other: Event) -> bool:
    return (event.time_us, event.position) > (other.time_us, other.position)
