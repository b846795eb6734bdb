"""When which report is to be made: the decisions of the reports projector. Pure.

Rules that must stay true here:
- time is the stream's, the greatest `recordedat` seen; the same stream leads to the same requests at the same
  positions, whatever the batches and restarts;
- a window is asked for once it ended and samples from behind its end have come, or 5 s have passed;
- an event is asked for once none of its windows is active or waits;
- what comes late asks for a new revision once nothing late has come for 60 s;
- what is decided at or before `silent_upto` is remembered and not asked for: it was decided before, or it
  lies in a past of which nobody wants reports unasked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import orjson

from bus import instants, system_ids
from bus.envelope import Event, Recorded
from projectors import windows
from projectors.aliases import REGISTERED, Aliases
from projectors.report_lines import (
    CORRECTED,
    EVENT,
    EVENT_ENDED,
    LATE_DATA,
    SYSTEM,
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
Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Gone:
    """A reported window, or a whole event, that never was."""

    event_id: str
    system_id: str | None
    from_us: int


@dataclass(slots=True)
class ReportFold:
    """All that decides about reports.

    Attributes:
        now_us: the stream's clock.
        silent_upto: nothing is asked for up to this position.
        parts: by system.
        events: the lines of whole events.
        spans: how often single spans were asked for, by what they are.
        touched: keys of the state that changed; whoever writes it clears this.
        gone: reports on what never was; whoever notes it clears this.
    """

    now_us: int = 0
    silent_upto: int = 0
    parts: dict[str, Part] = field(default_factory=dict)
    events: dict[str, Line] = field(default_factory=dict)
    shared: dict[int, WindowFact] = field(default_factory=dict)
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
        system_id = self.aliases.resolve(said.subject)
        part = self.parts.get(system_id)
        if part is not None:
            for number, line in part.reported(said.time_us):
                self._touch(system_id, number, line, LATE_DATA, said.position)
            if part.tracked:
                self._heard(system_id, part, said)
        return self._decide(said) if self._next_us <= self.now_us else []

    def fact(self, event: Event) -> list[Request]:
        """Take in anything else that reports are about."""
        self.now_us = max(self.now_us, event.recorded_us)
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

    def members(self, event_id: str) -> list[tuple[str, Window]]:
        """Return the windows of an event, each with its system."""
        found = sorted(self._members.get(event_id, ()))
        return [(system_id, self.parts[system_id].windows[number]) for system_id, number in found]

    def _heard(self, system_id: str, part: Part, said: Recorded) -> None:
        data = orjson.loads(said.body)["data"]
        part.heard(data["kind"], int(data.get("interval_ms", 0)), said.time_us)
        self.touched.add(system_id)
        for number in part.waiting:
            if part.passed(number):
                self._plan((SYSTEM, system_id, number), part.lines[number], self.now_us)

    def _all(self, event: Event) -> None:
        self.shared[event.position] = fact_of(event)
        self.touched.add(SHARED)
        for system_id, part in self.parts.items():
            if part.facts:
                self._refold(system_id, part, event.position)

    def _window(self, event: Event) -> None:
        system_id = self.aliases.resolve(event.subject)
        part = self.parts.setdefault(system_id, Part())
        part.facts[event.position] = fact_of(event)
        self._refold(system_id, part, event.position)

    def _register(self, event: Event) -> None:
        joined = self.aliases.learn(event)
        system_id = self.aliases.resolve(event.subject)
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
            self._refold(system_id, part, event.position)

    def _late(self, event: Event) -> None:
        """Look whether something that happened, or was lost, lies in what was reported."""
        if event.subject.startswith("_"):
            if event.type == DROPPED:
                for system_id in self.parts:
                    self._lost(system_id, event)
            return
        system_id = self.aliases.resolve(event.subject)
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

    def _refold(self, system_id: str, part: Part, position: int) -> None:
        before = part.windows
        part.refold(self.shared.values())
        for number, window in before.items():
            self._members[window.event_id].discard((system_id, number))
        for number, window in part.windows.items():
            self._members.setdefault(window.event_id, set()).add((system_id, number))
        for number, line in part.compare(self.now_us, position):
            known = part.windows.get(number) or before.get(number)
            if known is None:
                continue
            if number not in part.windows and line.spec is not None:
                self.gone.append(Gone(known.event_id, system_id, line.spec[0]))
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
        if due_us is None:
            self._due.pop(key, None)
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
                if key[0] == EVENT:
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
        line.settle(said.position, spec_of(window))
        part.note()
        if said.position > self.silent_upto:
            line.revision += 1
            yield Request(
                SYSTEM,
                window.event_id,
                system_id,
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
        if any(window.active or self._waits(system_id, window) for system_id, window in found):
            line.reopen()
            self._due.pop((EVENT, event_id, 0), None)
        elif line.spec is None and any(self.parts[one].lines[w.started_by].spec for one, w in found):
            yield from self._ask_event(event_id, EVENT_ENDED, said)
        elif not found and line.spec is not None:
            self.gone.append(Gone(event_id, None, line.spec[0]))
            line.reopen()
            self._due.pop((EVENT, event_id, 0), None)

    def _waits(self, system_id: str, window: Window) -> bool:
        return self.parts[system_id].lines[window.started_by].waiting

    def _ask_event(self, event_id: str, reason: str, said: Recorded | Event) -> Iterator[Request]:
        line = self.events[event_id]
        self._plan((EVENT, event_id, 0), line, None)
        ended = [window for _, window in self.members(event_id) if window.ended_us is not None]
        if not ended:
            return
        from_us, to_us = min(w.started_us for w in ended), max(w.ended_us or 0 for w in ended)
        line.settle(said.position, [from_us, to_us])
        if said.position > self.silent_upto:
            line.revision += 1
            yield Request(
                EVENT,
                event_id,
                None,
                None,
                line.revision,
                said.position,
                reason,
                from_us,
                to_us,
                f"{said.source} {said.id}",
                self.now_us,
            )

    def restore(self) -> None:
        """Work out what follows from the parts and lines, after they were read."""
        for system_id, part in self.parts.items():
            part.refold(self.shared.values())
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
