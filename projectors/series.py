"""Fold the stream into what VictoriaMetrics should hold: lines, and series to delete and write anew. Pure.

Rules that must stay true here:
- whether a fact appends or rewrites depends on its place in the stream alone, never on batches; so going on
  from any earlier place, over whatever a later life had written, ends with the same content;
- the horizon is the newest `recordedat` seen; for systems of other nodes, the newest of theirs that was
  brought here; no clock is read. A clock that had leapt ahead and is set back takes the horizon with it;
- what cannot be written is told and left out; it never stops the stream.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from bus.envelope import Event, Recorded
from projectors import lines, markers, windows
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE, EventReader
from projectors.lines import EVENT_METRIC, Compatibility, selector
from projectors.markers import Key, Point, Spans, Stay
from projectors.nodes import HERE, MARK, name_of, origin_of, plain, qualified
from projectors.series_counters import COUNTED, SET_BACK_US, CounterSeries
from projectors.series_samples import SampleWriter
from schemas.errors import InputError
from schemas.limits import AHEAD_US
from schemas.registry import Registry

VERSION = 2
FACTS = windows.TYPES | {REGISTERED} | COUNTED
TYPES = FACTS | {SAMPLE}

Refused = tuple[Recorded, InputError]


@dataclass(slots=True)
class Effects:
    """What a batch of events comes to, in the order in which it must be done.

    Attributes:
        written: lines to write first.
        deleted: selectors of series to delete then.
        rewritten: lines to write after that.
        moved: subjects whose samples are to be written again, from the journal, after the deletion.
        urgent: an operator's fact, or a series that begins, is among them: make it searchable soon.
        refused: events that could not be applied, with the reason.
    """

    written: list[Iterable[bytes]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    rewritten: list[Iterable[bytes]] = field(default_factory=list)
    moved: set[str] = field(default_factory=set)
    urgent: bool = False
    refused: list[Refused] = field(default_factory=list)


class SeriesFold:
    """What is known at one place of the stream, and what VictoriaMetrics holds because of it.

    Attributes:
        horizon_us: the newest `recordedat` seen.
        clocks: by node, when it recorded the newest event of it that was seen.
        counted: how many occurrences and alerts it took in since it began, or since it told what it counted.
    """

    def __init__(self, registry: Registry, compatibility: Compatibility | None = None) -> None:
        self.horizon_us = self.counted = 0
        self.clocks: dict[str, int] = {}
        self._registry = registry
        self._events = EventReader(registry)
        self._compatibility = compatibility or Compatibility()
        self._samples = self.writer()
        self._aliases = Aliases()
        self._counters = CounterSeries()
        self._facts: dict[str, list[windows.WindowFact]] = defaultdict(list)
        self._written: dict[str, _Written] = {}
        self._due: dict[str, int] = {}
        self._taken: list[bytes] = []
        self._shapes: set[tuple[bytes, int]] = set()
        self._append: dict[tuple[str, str], list[Iterable[bytes]]] = defaultdict(list)
        self._rewrite: set[tuple[str, str]] = set()
        self._effects = Effects()

    def restore(
        self,
        facts: Iterable[Recorded],
        samples: Iterable[Recorded],
        horizon_us: int,
        counted: Mapping[str, Any] | None = None,
        clocks: Mapping[str, int] | None = None,
    ) -> None:
        """Stand at a place of the stream without writing anything.

        Args:
            facts: all `FACTS` up to that place, but `COUNTED` only from where `counted` was told.
            samples: the last samples up to that place, at least those of its last millisecond.
            horizon_us: the newest `recordedat` up to it.
            counted: what `tell_counted` returned at that place or before it.
            clocks: what they were at that place.
        """
        if counted is not None:
            self._counters = CounterSeries.load(counted)
        for recorded in facts:
            with contextlib.suppress(InputError):
                event = self._events.event(recorded)
                if event.type in COUNTED:
                    self._count(event)
                else:
                    self._learn(event)
        for recorded in samples:
            self._sample(recorded)
        self._taken.extend(self._counters.move(horizon_us))
        self._taken, self._effects = [], Effects()
        self.horizon_us, self.clocks = horizon_us, dict(clocks or {})
        for system_id in {plain(self._aliases.resolve(name))[0] for name in self._facts} - {windows.ALL}:
            self._note(system_id, self._spans(system_id))

    def take(self, recorded: Recorded) -> None:
        """Apply one event."""
        if recorded.recorded_us < self.horizon_us - SET_BACK_US:
            self._set_back(recorded.recorded_us)
        self._taken.extend(self._counters.move(max(self.horizon_us, recorded.recorded_us)))
        if recorded.type == SAMPLE:
            self._sample(recorded)
        elif recorded.type in FACTS:
            self._fact(recorded)
        self.horizon_us = max(self.horizon_us, recorded.recorded_us)
        where = origin_of(recorded) if MARK in recorded.body else None
        if where is not None:
            known_us = min(where.recorded_us, recorded.recorded_us + AHEAD_US)
            self.clocks[where.node] = max(self.clocks.get(where.node, 0), known_us)

    def _set_back(self, recorded_us: int) -> None:
        """Let the horizon be earlier, and take away what was written beyond it."""
        self.horizon_us = recorded_us
        self.clocks = {node: min(clock_us, recorded_us + AHEAD_US) for node, clock_us in self.clocks.items()}
        for system_id, written in list(self._written.items()):
            beyond = markers.beyond(written.spans, written.horizon_ms, self._horizon_ms(system_id))
            self._rewrite.update((system_id, event_id) for event_id in beyond)
            self._note(system_id, written.spans)

    def effects(self) -> Effects:
        """Say what all that was taken since the last time comes to."""
        for system_id in [one for one, due in self._due.items() if due <= self._horizon_ms(one)]:
            self._write(system_id, self._written[system_id].spans)
        self._finish_rewrites()
        effects, self._effects = self._effects, Effects()
        effects.written = [self._taken, *chain.from_iterable(self._append.values())]
        self._taken = []
        self._append.clear()
        return effects

    def tell_counted(self) -> dict[str, Any]:
        """Return what was counted up to here, as JSON holds it, to be restored without its facts."""
        self.counted = 0
        return self._counters.tell()

    def system(self, said: Recorded | Event) -> str:
        """Name the system that an event is about, as far as is known now."""
        if isinstance(said, Recorded) and MARK not in said.body:
            return self._aliases.resolve(said.subject)
        return plain(self._aliases.resolve(name_of(said)))[0]

    def writer(self) -> SampleWriter:
        """Make a writer for samples that are read once more."""
        return SampleWriter(self._registry, self._compatibility)

    def _sample(self, recorded: Recorded) -> None:
        try:
            line = self._samples.line(recorded, self.system(recorded))
        except InputError as error:
            self._effects.refused.append((recorded, error))
            return
        if line is None:
            return
        self._taken.append(line)
        shape = (line[: line.index(b" ")], line.count(b"="))
        if shape not in self._shapes:
            # Series that begin are searchable after ten seconds only, unless VictoriaMetrics is told to.
            self._shapes.add(shape)
            self._effects.urgent = True

    def _fact(self, recorded: Recorded) -> None:
        try:
            event = self._events.event(recorded)
        except InputError as error:
            self._effects.refused.append((recorded, error))
            return
        if event.type in COUNTED:
            self._count(event)
            return
        self._effects.urgent = True
        before = dict(self._aliases.known())
        joined = self._learn(event)
        for name in joined:
            self._clear(plain(name)[0])
        moved = (*joined, *(name for name, owner in before.items() if owner in joined))
        self._effects.moved.update(plain(name)[0] for name in moved)
        for system_id in self._systems(name_of(event)):
            self._write(system_id, self._spans(system_id))

    def _clear(self, system_id: str) -> None:
        """Let all of a system be deleted, and what another node says of one of that name be written anew."""
        self._effects.deleted.append(selector(system_id=system_id))
        self._written.pop(system_id, None)
        self._due.pop(system_id, None)
        spans = self._spans(system_id)
        if spans:
            self._note(system_id, spans)
            self._rewrite.update((system_id, event_id) for event_id, _ in spans)

    def _learn(self, event: Event) -> list[str]:
        """Take in a fact; return the systems that turn out to be other names of another."""
        if event.type == REGISTERED:
            joined = self._aliases.claim(name_of(event), event.data.get("aliases", ()))
            self._counters.join([plain(name)[0] for name in joined], self.system(event))
            return joined
        self._facts[name_of(event)].append(windows.fact_of(event))
        return []

    def _count(self, event: Event) -> None:
        self._taken.extend(self._counters.move(event.recorded_us))
        self._counters.take(event, self.system(event))
        self.counted += 1

    def _systems(self, name: str) -> set[str]:
        """Name the systems that facts about a name are about: of `all`, those of the node that says it."""
        subject, node = plain(name)
        named = {name}
        if subject == windows.ALL:
            named = {one for one in self._facts if one != name and plain(one)[1] == node}
        return {plain(self._aliases.resolve(one))[0] for one in named}

    def _of_nodes(self, system_id: str) -> dict[str, list[str]]:
        """Return, by the nodes that told of a system, the names under which they did."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self._facts:
            resolved, node = plain(self._aliases.resolve(name))
            if resolved == system_id:
                found[node].append(name)
        return found

    def _spans(self, system_id: str) -> Spans:
        stays: list[Stay] = []
        for node, names in self._of_nodes(system_id).items():
            every = self._facts.get(qualified(windows.ALL, node), ())
            facts = [*every, *(fact for name in names for fact in self._facts[name])]
            stays += (
                Stay(window.event_id, segment.location or "", segment.from_us, segment.to_us)
                for window in windows.fold_windows(facts).windows
                for segment in window.segments
            )
        return markers.spans(stays)

    def _horizon_ms(self, system_id: str) -> int:
        """Return up to where the windows of a system are known."""
        if not self.clocks:
            return self.horizon_us // 1000
        nodes = self._of_nodes(system_id) or {HERE: []}
        return max(self.horizon_us if node == HERE else self.clocks.get(node, 0) for node in nodes) // 1000

    def _write(self, system_id: str, spans: Spans) -> None:
        """Bring a system's series up to the horizon, and then to what is true."""
        horizon_ms = self._horizon_ms(system_id)
        old = self._written.get(system_id) or _Written({}, horizon_ms)
        grown = markers.plan(old.spans, old.horizon_ms, old.spans, horizon_ms)
        changed = markers.plan(old.spans, horizon_ms, spans, horizon_ms)
        for plan in (grown, changed):
            for key, points in plan.append.items():
                self._append[system_id, key[0]].append(_lines(system_id, key, points))
        self._rewrite.update((system_id, event_id) for event_id in changed.rewrite)
        self._note(system_id, spans)

    def _finish_rewrites(self) -> None:
        for system_id, event_id in sorted(self._rewrite):
            self._append.pop((system_id, event_id), None)
            self._effects.deleted.append(selector(EVENT_METRIC, system_id=system_id, event_id=event_id))
            written = self._written.get(system_id) or _Written({}, 0)
            self._effects.rewritten += (
                _lines(system_id, key, markers.points(series, written.horizon_ms))
                for key, series in written.spans.items()
                if key[0] == event_id
            )
        self._rewrite.clear()

    def _note(self, system_id: str, spans: Spans) -> None:
        horizon_ms = self._horizon_ms(system_id)
        self._written[system_id] = _Written(spans, horizon_ms)
        self._due.pop(system_id, None)
        if (due := markers.next_repeat_ms(spans, horizon_ms)) is not None:
            self._due[system_id] = due


@dataclass(frozen=True, slots=True)
class _Written:
    """What VictoriaMetrics holds of one system's `ovr_event`."""

    spans: Spans
    horizon_ms: int


def _lines(system_id: str, key: Key, points: Iterable[Point]) -> Iterator[bytes]:
    event_id, location = key
    tags = {"event_id": event_id, "system_id": system_id, "location": location}
    head = lines.series("ovr_event", tags)
    return (lines.point(head, "active", value, time_ms) for time_ms, value in points)
