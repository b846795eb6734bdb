"""Folding the facts about one system into its windows. Pure.

Rules that must stay true here:
- the outcome depends on which facts there are, never on the order or the batches in which they came;
- windows of one system never overlap, and a window's segments tile it;
- any facts give windows: what makes no sense changes nothing and is told in its outcome.

Facts count in the order of (time, position), where time is the corrected one. Where a system is follows from
`location.set` and from the location named at a start, whichever came last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bus import instants
from bus.envelope import Event
from projectors.corrections import Rulings, rule

ALL = "all"
STARTED, ENDED = "window.started", "window.ended"
CORRECTED, LOCATED = "window.corrected", "location.set"
TYPES = frozenset({STARTED, ENDED, CORRECTED, LOCATED})


@dataclass(frozen=True, slots=True)
class WindowFact:
    """A recorded fact about windows.

    Attributes:
        subject: the canonical system id, or `all`.
        event_id: what is started or ended; None ends whatever is active.
        location: a place's name.
        corrects: id of the fact that a correction is about.
        undo: the correction says that the fact does not count.
        moved_us: the correction says that the fact happened then.
    """

    position: int
    time_us: int
    type: str
    id: str
    subject: str
    event_id: str | None = None
    location: str | None = None
    corrects: str | None = None
    undo: bool = False
    moved_us: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a window at one location; `to_us` is None while it lasts."""

    location: str | None
    from_us: int
    to_us: int | None


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which the system took part in one event_id.

    Attributes:
        started_by: position of the fact that started it; names the window for good.
        ended_by: position of the fact that ended it.
        superseded: it was ended by the start of another.
        segments: its parts by location, in order; at least one.
    """

    event_id: str
    started_us: int
    ended_us: int | None
    started_by: int
    ended_by: int | None
    superseded: bool
    segments: tuple[Segment, ...]

    @property
    def active(self) -> bool:
        """Whether nothing has ended it."""
        return self.ended_us is None

    @property
    def location(self) -> str | None:
        """Where the system is, or was when the window ended."""
        return self.segments[-1].location

    def covers(self, time_us: int) -> bool:
        """Tell whether the system took part at that instant; the end itself is outside."""
        return self.started_us <= time_us and (self.ended_us is None or time_us < self.ended_us)


class Verdict(StrEnum):
    """What a fact came to."""

    STARTED = "started"
    ALREADY_ACTIVE = "already_active"
    ENDED = "ended"
    NOTHING_ACTIVE = "nothing_active"
    OTHER_ACTIVE = "other_active"
    LOCATION_CHANGED = "location_changed"
    LOCATION_NOTED = "location_noted"
    UNDONE = "undone"
    CORRECTION_COUNTS = "correction_counts"
    CORRECTION_REPLACED = "correction_replaced"
    CORRECTS_NOTHING = "corrects_nothing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fact came to, for the audit log.

    Attributes:
        time_us: when it counts, corrections considered.
        event_id: the event_id it started or ended, or that was active instead.
        superseded: the event_id that a start ended.
        corrected_by: position of the correction that moved or undid it.
    """

    verdict: Verdict
    time_us: int
    event_id: str | None = None
    superseded: str | None = None
    corrected_by: int | None = None


@dataclass(frozen=True, slots=True)
class Windows:
    """All that the facts about one system come to.

    Attributes:
        windows: in order of time.
        outcomes: by position of the fact.
        location: where the system is now.
        located_by: position of the fact that says so.
    """

    windows: tuple[Window, ...] = ()
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    location: str | None = None
    located_by: int | None = None

    @property
    def active(self) -> Window | None:
        """The window that has not ended."""
        return self.windows[-1] if self.windows and self.windows[-1].active else None

    def at(self, time_us: int) -> Window | None:
        """Return the window that the system took part in at an instant."""
        return next((window for window in self.windows if window.covers(time_us)), None)


def fact_of(event: Event) -> WindowFact:
    """Take from an event what the fold looks at; its type is one of `TYPES`."""
    data = event.data
    moved = data.get("time") if event.type == CORRECTED else None
    return WindowFact(
        position=event.position,
        time_us=event.time_us,
        type=event.type,
        id=event.id,
        subject=event.subject,
        event_id=data.get("event_id"),
        location=_place(data) if event.type == LOCATED else data.get("location"),
        corrects=data.get("corrects"),
        undo=bool(data.get("undo", False)),
        moved_us=None if moved is None else instants.parse(moved),
    )


def fold_windows(facts: Iterable[WindowFact]) -> Windows:
    """Fold the facts about one system, those about `all` systems included.

    Positions are unique; anything else may be anything.
    """
    facts = list(facts)
    rulings = rule(facts)
    fold = _Fold()
    standing: list[tuple[int, int, WindowFact]] = []
    for fact in facts:
        ruling = rulings.of.get(fact.position)
        if fact.type == CORRECTED:
            fold.outcomes[fact.position] = _judge(fact, rulings)
        elif ruling is not None and ruling.undo:
            fold.outcomes[fact.position] = Outcome(
                Verdict.UNDONE, fact.time_us, fact.event_id, corrected_by=ruling.by
            )
        else:
            time_us = fact.time_us if ruling is None or ruling.moved_us is None else ruling.moved_us
            standing.append((time_us, fact.position, fact))
    for time_us, position, fact in sorted(standing):
        outcome = fold.take(fact, time_us)
        ruling = rulings.of.get(position)
        fold.outcomes[position] = outcome if ruling is None else replace(outcome, corrected_by=ruling.by)
    return fold.result()


class _Fold:
    """Takes facts in the order in which they count."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self._windows: list[Window] = []
        self._active: Window | None = None
        self._location: str | None = None
        self._located_by: int | None = None

    def take(self, fact: WindowFact, time_us: int) -> Outcome:
        if fact.type == STARTED:
            return self._start(fact, time_us)
        if fact.type == ENDED:
            return self._end(fact, time_us)
        return self._locate(fact, time_us)

    def result(self) -> Windows:
        windows = (*self._windows, self._active) if self._active else tuple(self._windows)
        return Windows(windows, self.outcomes, self._location, self._located_by)

    def _start(self, fact: WindowFact, time_us: int) -> Outcome:
        event_id = fact.event_id or ""
        active = self._active
        if active is not None and active.event_id == event_id:
            moved = fact.location is not None and self._move(fact, time_us)
            return Outcome(Verdict.LOCATION_CHANGED if moved else Verdict.ALREADY_ACTIVE, time_us, event_id)
        if active is not None:
            self._close(fact, time_us, superseded=True)
        if fact.location is not None:
            self._location, self._located_by = fact.location, fact.position
        first = Segment(self._location, time_us, None)
        self._active = Window(
            event_id, time_us, None, fact.position, None, superseded=False, segments=(first,)
        )
        return Outcome(Verdict.STARTED, time_us, event_id, superseded=active.event_id if active else None)

    def _end(self, fact: WindowFact, time_us: int) -> Outcome:
        active = self._active
        if active is None:
            return Outcome(Verdict.NOTHING_ACTIVE, time_us, fact.event_id)
        if fact.event_id is not None and fact.event_id != active.event_id:
            return Outcome(Verdict.OTHER_ACTIVE, time_us, active.event_id)
        self._close(fact, time_us, superseded=False)
        return Outcome(Verdict.ENDED, time_us, active.event_id)

    def _locate(self, fact: WindowFact, time_us: int) -> Outcome:
        if self._move(fact, time_us) and self._active is not None:
            return Outcome(Verdict.LOCATION_CHANGED, time_us, self._active.event_id)
        return Outcome(Verdict.LOCATION_NOTED, time_us, self._active.event_id if self._active else None)

    def _move(self, fact: WindowFact, time_us: int) -> bool:
        """Note where the system is from now on; tell whether that differs."""
        differs = fact.location != self._location
        self._location, self._located_by = fact.location, fact.position
        if differs and self._active is not None:
            self._active = replace(
                self._active, segments=_extended(self._active.segments, fact.location, time_us)
            )
        return differs

    def _close(self, fact: WindowFact, time_us: int, *, superseded: bool) -> None:
        assert self._active is not None
        *before, last = self._active.segments
        if before and last.from_us == time_us:
            last = before.pop()
        self._windows.append(
            replace(
                self._active,
                ended_us=time_us,
                ended_by=fact.position,
                superseded=superseded,
                segments=(*before, replace(last, to_us=time_us)),
            )
        )
        self._active = None


def _extended(segments: tuple[Segment, ...], location: str | None, time_us: int) -> tuple[Segment, ...]:
    """Let a new segment begin; none of zero length stays behind, and neighbours differ in location."""
    *before, last = segments
    if last.from_us < time_us:
        return (*before, replace(last, to_us=time_us), Segment(location, time_us, None))
    if before and before[-1].location == location:
        return (*before[:-1], replace(before[-1], to_us=None))
    return (*before, replace(last, location=location))


def _judge(fact: WindowFact, rulings: Rulings) -> Outcome:
    """Tell what became of a correction."""
    ruling = rulings.of.get(fact.position)
    by = ruling.by if ruling is not None else None
    if ruling is not None and ruling.undo:
        return Outcome(Verdict.UNDONE, fact.time_us, corrected_by=by)
    if fact.position in rulings.counting:
        return Outcome(Verdict.CORRECTION_COUNTS, fact.time_us, corrected_by=by)
    aimless = fact.position in rulings.aimless or fact.corrects is None
    verdict = Verdict.CORRECTS_NOTHING if aimless else Verdict.CORRECTION_REPLACED
    return Outcome(verdict, fact.time_us, corrected_by=by)


def _place(data: Mapping[str, Any]) -> str | None:
    """Name a place; one without a name is named by its coordinates."""
    if data.get("name"):
        return str(data["name"])
    if data.get("lat") is None or data.get("lon") is None:
        return None
    return f"{data['lat']:.5f},{data['lon']:.5f}"
