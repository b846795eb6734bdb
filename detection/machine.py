"""One rule on one system: from a condition that comes and goes to occurrences that are told and counted.

Pure. Rules that must stay true here:
- both edges are told at once; what holds for its time is confirmed, and only that is counted;
- what one producer showed is not confirmed by the time of another: if it is silent, by the stream's own;
- an unknown condition (None) changes nothing and confirms nothing;
- what was not raised is not ended, so a system that is first seen in a state has not come into it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bus.instants import SECOND_US
from detection.rules import Rule

UNKNOWN: Final = "unknown"
CLEAR: Final = "clear"
RISING: Final = "rising"
ACTIVE: Final = "active"
FALLING: Final = "falling"
EXCUSED: Final = "excused"
_GRACE_US = 5 * SECOND_US


@dataclass(frozen=True, slots=True)
class Seen:
    """When something was seen: its own time, when it was recorded, and by which event.

    Attributes:
        id: of the event that showed it.
        source: who told it; what comes from one source comes in its order.
        stream: of a sample, its pace; empty for a fact.
    """

    time_us: int
    recorded_us: int
    id: str
    source: str = ""
    stream: str = ""

    def follows(self, edge: "Seen") -> bool:
        """Tell whether what showed an edge would have shown its end by now, had there been one."""
        return self.source == edge.source and (
            self.stream == edge.stream or not (self.stream and edge.stream)
        )


@dataclass(frozen=True, slots=True)
class Told:
    """One occurrence to be told.

    Attributes:
        begins: it is the rule's `raises`, else its `ends`.
        confirmed: it held for its time; else it is the edge.
        time_us: when: of the edge, or when it had held long enough.
        trigger: the id of the event that showed the edge.
        since_us: on a confirmation, when the edge was; on an end, when it began.
        duration_s: on an end: how long it had lasted.
        evidence: what the test that decided measured at the edge.
    """

    begins: bool
    confirmed: bool
    time_us: int
    trigger: str
    since_us: int | None = None
    duration_s: float | None = None
    evidence: tuple[Any, ...] = ()


@dataclass(slots=True)
class Machine:
    """The state of one rule on one system, or on one of its devices.

    Attributes:
        phase: unknown, clear, rising, active, falling, excused.
        edge: when the phase it goes through began.
        holds: what the condition was last.
        silent: it holds since before it could be seen to begin.
        began_us: when what is active began.
        evidence: what was measured at the edge.
        excused_us: since when it is not believed any more that something excuses it.
    """

    phase: str = UNKNOWN
    edge: Seen | None = None
    holds: bool | None = None
    silent: bool = False
    began_us: int = 0
    evidence: tuple[Any, ...] = ()
    excused_us: int | None = None

    @property
    def active(self) -> bool:
        """Whether the rule holds, confirmed, and is not over."""
        return self.phase in {ACTIVE, FALLING}

    def excuse(self) -> None:
        """Take in that something explains the condition: it is no occurrence, and not the end of one."""
        self.holds, self.excused_us = None, None
        if self.phase in {UNKNOWN, CLEAR, RISING}:
            self.phase, self.edge = EXCUSED, None

    def step(self, rule: Rule, holds: bool | None, seen: Seen, evidence: tuple[Any, ...]) -> Iterator[Told]:
        """Take in what the condition is at a time; times never go back."""
        self.holds = holds
        if holds is None:
            return
        if self.phase == EXCUSED and not self._believed(rule, holds, seen):
            return
        if self.phase == UNKNOWN:
            self.phase = CLEAR
            if holds and rule.first == "silent":
                self.phase, self.silent, self.began_us = ACTIVE, True, seen.time_us
                return
        yield from self._turn(rule, holds, seen, evidence)
        # Another producer may be ahead: its time says nothing about what a slower one is still to tell.
        edge = self.edge
        if edge is not None and seen.follows(edge) and seen.time_us - edge.time_us >= self._hold_us(rule):
            yield from self._confirm(rule)

    def _turn(self, rule: Rule, holds: bool, seen: Seen, evidence: tuple[Any, ...]) -> Iterator[Told]:
        """Go from phase to phase."""
        if holds and self.phase == CLEAR:
            yield from self._edge(rule, RISING, seen, evidence)
        elif not holds and self.phase == RISING:
            yield self._tell(rule, seen, begins=False, confirmed=False)
            self.phase, self.edge = CLEAR, None
        elif not holds and self.phase == ACTIVE:
            yield from self._edge(rule, FALLING, seen, evidence)
        elif holds and self.phase == FALLING:
            if not self.silent:
                yield self._tell(rule, seen, begins=True, confirmed=False)
            self.phase, self.edge = ACTIVE, None

    def wait(self, rule: Rule, recorded_us: int) -> Iterator[Told]:
        """Take in that nothing was heard until then: what was last seen to hold is confirmed."""
        due_us = self.due(rule)
        if due_us is not None and recorded_us >= due_us:
            yield from self._confirm(rule)

    def due(self, rule: Rule) -> int | None:
        """Return when, by `recordedat`, silence confirms what was last seen; None when nothing is pending."""
        if self.edge is None or self.holds is None or self.holds != (self.phase == RISING):
            return None
        return self.edge.recorded_us + self._hold_us(rule) + _GRACE_US

    def _believed(self, rule: Rule, holds: bool, seen: Seen) -> bool:
        if not holds:
            self.phase, self.excused_us = CLEAR, None
            return True
        if self.excused_us is None:
            self.excused_us = seen.time_us
        if seen.time_us - self.excused_us < rule.settle_s * SECOND_US:
            return False
        self.phase, self.excused_us = CLEAR, None
        return True

    def _edge(self, rule: Rule, phase: str, seen: Seen, evidence: tuple[Any, ...]) -> Iterator[Told]:
        self.phase, self.edge, self.evidence = phase, seen, evidence
        if not (phase == FALLING and self.silent):
            yield self._tell(rule, seen, begins=phase == RISING, confirmed=False)

    def _confirm(self, rule: Rule) -> Iterator[Told]:
        assert self.edge is not None
        begins, edge = self.phase == RISING, self.edge
        if begins or not self.silent:
            yield self._tell(rule, edge, begins=begins, confirmed=True)
        if begins:
            self.phase, self.began_us, self.silent = ACTIVE, edge.time_us, False
        else:
            self.phase, self.silent = CLEAR, False
        self.edge = None

    def _hold_us(self, rule: Rule) -> int:
        return round((rule.hold_s if self.phase == RISING else rule.rearm_s) * SECOND_US)

    def _tell(self, rule: Rule, edge: Seen, *, begins: bool, confirmed: bool) -> Told:
        began_us = self.began_us if self.active else None
        if not begins and began_us is None and self.edge is not None:
            began_us = self.edge.time_us
        lasted = None if begins or began_us is None else max(0, edge.time_us - began_us) / SECOND_US
        return Told(
            begins=begins,
            confirmed=confirmed,
            time_us=edge.time_us + (self._hold_us(rule) if confirmed else 0),
            trigger=edge.id,
            since_us=edge.time_us if confirmed and begins else (None if begins else began_us),
            duration_s=lasted,
            evidence=self.evidence,
        )
