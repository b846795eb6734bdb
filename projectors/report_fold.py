"""When which report is to be made: the decisions of the reports projector. Pure.

Rules that must stay true here:
- time is the stream's, the greatest `recordedat` seen; the same stream leads to the same requests at the same
  positions, whatever the batches and restarts;
- a window is asked for once it ended and samples from behind its end have come, or 5 s have passed;
- an event is asked for once none of its windows is active or waits;
- what comes late asks for a new revision once nothing late has come for 60 s, twice as long for each one
  before; so does, once, the sample that ends the line over a window's end, where a report went without it;
- what nodes brought is judged by what their samples have come to: a window waits by its node's clock, an
  event with such windows gets a provisional report after a minute, and one more when all have caught up;
- what is decided at or before `silent_upto` is remembered and not asked for: it was decided before, or it
  lies in a past of which nobody wants reports unasked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from bus import instants, system_ids
from bus.envelope import Event, Recorded
from projectors import windows
from projectors.aliases import REGISTERED, Aliases
from projectors.nodes import HERE, SAMPLES_LANE, name_of, origin, origin_of, plain, qualified
from projectors.report_lanes import SILENT_US, Key, Lanes
from projectors.report_lines import (
    BEHIND_US,
    CAUGHT_UP,
    CORRECTED,
    EVENT,
    EVENT_ENDED,
    LATE_DATA,
    NODES_BEHIND,
    SYSTEM,
    Gone,
    Line,
    Request,
    spec_of,
)
from projectors.report_part import Part
from projectors.windows import Window, WindowFact, fact_of

DROPPED: Final = "samples.dropped"
ALIASES, SHARED, SPANS = "_aliases", "_shared", "_spans"
EVENT_KEY: Final = "event "
_EVER: Final = 2**62


@dataclass(slots=True)
class ReportFold:
    """All that decides about reports.

    Attributes:
        now_us: the stream's clock.
        silent_upto: nothing is asked for up to this position.
        lanes: how far the samples of other nodes have come.
        parts: by system, qualified by its node where that is not ours.
        events: the lines of whole events.
        shared: facts about all systems of a node, by node.
        spans: how often single spans were asked for, by what they are.
        touched: keys of the state that changed; whoever writes it clears this.
        gone: reports on what never was; whoever notes it clears this.
    """

    now_us: int = 0
    silent_upto: int = 0
    lanes: Lanes = field(default_factory=Lanes)
    parts: dict[str, Part] = field(default_factory=dict)
    events: dict[str, Line] = field(default_factory=dict)
    shared: dict[str, dict[int, WindowFact]] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)
    aliases: Aliases = field(default_factory=Aliases)
    touched: set[str] = field(default_factory=set)
    merged: set[str] = field(default_factory=set)
    gone: list[Gone] = field(default_factory=list)
    _members: dict[str, set[tuple[str, int]]] = field(default_factory=dict)
    _stale: set[str] = field(default_factory=set)
    _due: dict[Key, int] = field(default_factory=dict)
    _next_us: int = _EVER

    def sample(self, said: Recorded) -> list[Request]:
        """Take in a sample; only of systems that take part in something it is looked at."""
        self.now_us = max(self.now_us, said.recorded_us)
        where = origin_of(said)
        if where is not None:
            self._came(where.node, where.recorded_us)
        system_id = self.aliases.resolve(said.subject if where is None else name_of(said))
        part = self.parts.get(system_id)
        if part is not None:
            for number, line in part.reported(said.time_us):
                self._touch(system_id, number, line, LATE_DATA, said.position)
            if part.tracked or part.open_ended:
                self._newest(system_id, part, said)
            if part.tracked and where is None:
                self._heard(system_id, part, said)
        return self._decide(said) if self._next_us <= self.now_us else []

    def fact(self, event: Event) -> list[Request]:
        """Take in anything else that reports are about."""
        self.now_us = max(self.now_us, event.recorded_us)
        self._lane(event)
        if event.subject == system_ids.ALL:
            if event.type in windows.TYPES:
                self._all(event)
        elif event.type in windows.TYPES:
            self._window(event)
        elif event.type == REGISTERED:
            self._register(event)
        else:
            self._late(event)
        return self._decide(event)

    @property
    def expecting(self) -> bool:
        """Whether a window is open, or waits to be reported: a report may be due in any moment."""
        return any(part.tracked for part in self.parts.values())

    def tick(self, said: Recorded | Event) -> list[Request]:
        """Let time pass up to an event that says nothing else here."""
        self.now_us = max(self.now_us, said.recorded_us)
        return self._decide(said)

    def named(self, system_id: str) -> list[str]:
        """Return the names of the parts of a system, ours first."""
        return sorted(name for name in self.parts if plain(name)[0] == system_id)

    def members(self, event_id: str) -> list[tuple[str, Window]]:
        """Return the windows of an event, each with its system."""
        found = sorted(self._members.get(event_id, ()))
        return [(system_id, self.parts[system_id].windows[number]) for system_id, number in found]

    def _newest(self, system_id: str, part: Part, said: Recorded) -> None:
        part.newest_us = max(part.newest_us, said.time_us)
        self.touched.add(system_id)
        if part.open_ended:
            for number, line in part.reached(said.time_us):
                self._touch(system_id, number, line, LATE_DATA, said.position)

    def _heard(self, system_id: str, part: Part, said: Recorded) -> None:
        data = orjson.loads(said.body)["data"]
        part.heard(data["kind"], int(data.get("interval_ms", 0)), said.time_us)
        self.touched.add(system_id)
        for number in part.waiting:
            if part.passed(number):
                self._plan((SYSTEM, system_id, number), part.lines[number], self.now_us)

    def _lane(self, event: Event) -> None:
        """Take in how far the samples of a node have come, where an event says so."""
        where = origin(event.extensions)
        if where is not None and event.type in SAMPLES_LANE:
            self._came(where.node, where.recorded_us)

    def _came(self, node: str, recorded_us: int) -> None:
        """Let what waited for a node's samples be due once they have come so far."""
        for key in self.lanes.came(node, recorded_us):
            self._due[key] = self._next_us = self.now_us

    def _all(self, event: Event) -> None:
        node = plain(name_of(event))[1]
        self.shared.setdefault(node, {})[event.position] = fact_of(event)
        self.touched.add(qualified(SHARED, node))
        for system_id, part in self.parts.items():
            if part.facts and plain(system_id)[1] == node:
                self._refold(system_id, part, event)

    def _window(self, event: Event) -> None:
        system_id = self.aliases.resolve(name_of(event))
        part = self.parts.setdefault(system_id, Part())
        part.facts[event.position] = fact_of(event)
        self._refold(system_id, part, event)

    def _register(self, event: Event) -> None:
        joined = self.aliases.claim(name_of(event), event.data.get("aliases", ()))
        system_id = self.aliases.resolve(name_of(event))
        for alias in joined:
            self.touched.add(ALIASES)
            other = self.parts.pop(alias, None)
            if other is None:
                continue
            self.merged.add(alias)
            for number, window in other.windows.items():
                self._members[window.event_id].discard((alias, number))
                self._due.pop((SYSTEM, alias, number), None)
            part = self.parts.setdefault(system_id, Part())
            part.absorb(other)
            self._refold(system_id, part, event)

    def _late(self, event: Event) -> None:
        """Look whether something that happened, or was lost, lies in what was reported."""
        if event.subject.startswith("_"):
            if event.type == DROPPED:
                node = plain(name_of(event))[1]
                for system_id in [name for name in self.parts if plain(name)[1] == node]:
                    self._lost(system_id, event)
            return
        system_id = self.aliases.resolve(name_of(event))
        part = self.parts.get(system_id)
        if part is None:
            return
        if event.type == DROPPED:
            self._lost(system_id, event)
        for number, line in part.reported(event.time_us):
            self._touch(system_id, number, line, LATE_DATA, event.position)

    def _lost(self, system_id: str, event: Event) -> None:
        first_us, last_us = instants.parse(event.data["from"]), instants.parse(event.data["to"])
        for number, line in self.parts[system_id].lines.items():
            if line.spec is not None and first_us < line.spec[1] and line.spec[0] <= last_us:
                self._touch(system_id, number, line, LATE_DATA, event.position)

    def _refold(self, system_id: str, part: Part, event: Event) -> None:
        before, position = part.windows, event.position
        part.refold(self.shared_with(system_id))
        where = origin(event.extensions)
        node_us = self.now_us if where is None else where.recorded_us
        for number, window in before.items():
            self._members[window.event_id].discard((system_id, number))
        for number, window in part.windows.items():
            self._members.setdefault(window.event_id, set()).add((system_id, number))
        for number, line in part.compare(self.now_us, node_us, position):
            known = part.windows.get(number) or before.get(number)
            if known is None:
                continue
            if number not in part.windows and line.spec is not None:
                self.gone.append(Gone(known.event_id, plain(system_id)[0], line.spec[0]))
            self._touch_event(known.event_id, CORRECTED, position)
        for number, line in part.lines.items():
            self._plan((SYSTEM, system_id, number), line, line.due_us)
        part.note()
        for number in part.waiting:
            if part.passed(number):
                self._plan((SYSTEM, system_id, number), part.lines[number], self.now_us)
        self.touched.add(system_id)
        changed = {
            number for number in before | part.windows if before.get(number) != part.windows.get(number)
        }
        self._stale |= {(before.get(number) or part.windows[number]).event_id for number in changed}

    def shared_with(self, system_id: str) -> Iterable[WindowFact]:
        """Return the facts about all systems that are about this one too."""
        return self.shared.get(plain(system_id)[1], {}).values()

    def _touch(self, system_id: str, number: int, line: Line, reason: str, position: int) -> None:
        line.touch(reason, self.now_us, position)
        self._plan((SYSTEM, system_id, number), line, line.due_us)
        self.touched.add(system_id)
        window = self.parts[system_id].windows.get(number)
        if window is not None:
            self._touch_event(window.event_id, reason, position)

    def _touch_event(self, event_id: str, reason: str, position: int) -> None:
        line = self.events.get(event_id)
        if line is not None and line.spec is not None:
            line.touch(reason, self.now_us, position)
            self._plan((EVENT, event_id, 0), line, line.due_us)

    def _plan(self, key: Key, line: Line, due_us: int | None) -> None:
        line.due_us = due_us
        self.touched.add(key[1] if key[0] == SYSTEM else event_key(key[1]))
        node = plain(key[1])[1] if key[0] == SYSTEM else HERE
        self._due.pop(key, None)
        self.lanes.drop(node, key)
        if due_us is None:
            return
        if node and line.waiting:
            if not self.lanes.hold(node, key, due_us):
                self._due[key] = self._next_us = self.now_us
        else:
            self._due[key] = due_us
            self._next_us = min(self._next_us, due_us)

    def _decide(self, said: Recorded | Event) -> list[Request]:
        """Return what is due, systems before the events that they are part of."""
        asked: list[Request] = []
        if self._next_us <= self.now_us:
            due = sorted(key for key, due_us in self._due.items() if due_us <= self.now_us)
            for key in due:
                if key[0] == SYSTEM:
                    asked += self._ask_system(key, said)
            for key in due:
                if key[0] == EVENT and self.events[key[1]].reason == NODES_BEHIND:
                    asked += self._ask_early(key[1], said)
                elif key[0] == EVENT:
                    asked += self._ask_event(key[1], self.events[key[1]].reason, said)
            self._next_us = min(self._due.values(), default=_EVER)
        for event_id in sorted(self._stale):
            asked += self._judge_event(event_id, said)
        self._stale.clear()
        return asked

    def _ask_system(self, key: Key, said: Recorded | Event) -> Iterator[Request]:
        _, system_id, number = key
        part = self.parts[system_id]
        window, line = part.windows.get(number), part.lines[number]
        reason = line.reason
        self._plan(key, line, None)
        if window is None or window.ended_us is None:
            return
        self._stale.add(window.event_id)
        line.settle(said.position, spec_of(window), part.newest_us)
        part.note()
        if said.position > self.silent_upto:
            line.revision += 1
            yield Request(
                SYSTEM,
                window.event_id,
                plain(system_id)[0],
                number,
                line.revision,
                said.position,
                reason,
                window.started_us,
                window.ended_us,
                f"{said.source} {said.id}",
                self.now_us,
            )

    def _judge_event(self, event_id: str, said: Recorded | Event) -> Iterator[Request]:
        line = self.events.setdefault(event_id, Line())
        self.touched.add(event_key(event_id))
        found = self.members(event_id)
        lasts, behind = self._missing(found)
        if lasts or behind:
            early = line.early and not lasts
            line.reopen()
            line.early = early
            self._due.pop((EVENT, event_id, 0), None)
            if behind and not early and any(window.ended_us is not None for _, window in found):
                line.reason = NODES_BEHIND
                self._plan((EVENT, event_id, 0), line, self.now_us + (SILENT_US if lasts else BEHIND_US))
        elif line.spec is None and any(self.parts[one].lines[w.started_by].spec for one, w in found):
            yield from self._ask_event(event_id, CAUGHT_UP if line.early else EVENT_ENDED, said)
        elif not found and line.spec is not None:
            self.gone.append(Gone(event_id, None, line.spec[0]))
            line.reopen()
            self._due.pop((EVENT, event_id, 0), None)

    def _missing(self, found: Iterable[tuple[str, Window]]) -> tuple[bool, bool]:
        """Tell whether windows last or wait to be reported, and whether some of nodes that may be behind."""
        lasts = behind = False
        for system_id, window in found:
            node = plain(system_id)[1]
            if window.active:
                silent = bool(node) and self.lanes.silent(node, self.now_us)
                lasts, behind = lasts or not silent, behind or bool(node)
            elif self.parts[system_id].lines[window.started_by].waiting:
                lasts, behind = lasts or not node, behind or bool(node)
        return lasts, behind

    def _ask_early(self, event_id: str, said: Recorded | Event) -> Iterator[Request]:
        """Ask for a provisional report, unless what is not here yet came meanwhile, or goes on."""
        line = self.events[event_id]
        self._plan((EVENT, event_id, 0), line, None)
        lasts, behind = self._missing(self.members(event_id))
        if lasts or not behind:
            self._stale.add(event_id)
            return
        yield from self._request(event_id, NODES_BEHIND, said)
        line.early = True

    def _ask_event(self, event_id: str, reason: str, said: Recorded | Event) -> Iterator[Request]:
        line = self.events[event_id]
        self._plan((EVENT, event_id, 0), line, None)
        span = self._span(event_id)
        if span is not None:
            line.settle(said.position, [*span])
            yield from self._request(event_id, reason, said)

    def _span(self, event_id: str) -> tuple[int, int] | None:
        ended = [window for _, window in self.members(event_id) if window.ended_us is not None]
        if not ended:
            return None
        return min(w.started_us for w in ended), max(w.ended_us or 0 for w in ended)

    def _request(self, event_id: str, reason: str, said: Recorded | Event) -> Iterator[Request]:
        line, span = self.events[event_id], self._span(event_id)
        if span is not None and said.position > self.silent_upto:
            line.revision += 1
            yield Request(
                EVENT,
                event_id,
                None,
                None,
                line.revision,
                said.position,
                reason,
                *span,
                f"{said.source} {said.id}",
                self.now_us,
            )

    def restore(self) -> None:
        """Work out what follows from the parts and lines, after they were read."""
        for system_id, part in self.parts.items():
            part.refold(self.shared_with(system_id))
            for number, window in part.windows.items():
                self._members.setdefault(window.event_id, set()).add((system_id, number))
            for number, line in part.lines.items():
                self._plan((SYSTEM, system_id, number), line, line.due_us)
            part.note()
        for event_id, line in self.events.items():
            self._plan((EVENT, event_id, 0), line, line.due_us)
        self.touched.clear()


def event_key(event_id: str) -> str:
    """Return the key of an event's line in the state; no system's name holds a blank."""
    return EVENT_KEY + event_id
