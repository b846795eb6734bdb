"""The reports projector: asks for reports when they are due, has them made, and tells that they are there.

Rules that must stay true here:
- what was decided, how far the stream was taken, what is to be told and what is to be made change in one
  transaction; work that a crash took is done again, and gives the same;
- what the journal already tells of a report is never told again, whatever is made anew;
- making and sending happen elsewhere: the stream never waits for them, and what fails stops nothing.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from bus.envelope import Envelope, Event, Recorded
from bus.journal import Head
from projectors import report_rows, report_state, windows
from projectors.aliases import REGISTERED
from projectors.events import SAMPLE, EventReader
from projectors.memory import Memory
from projectors.nodes import HERE, PROGRESSED, node_of
from projectors.projector import Retained, Samples
from projectors.report_fold import DROPPED, ReportFold
from projectors.report_index import NAME, TABLES
from projectors.report_lines import LATE_DATA, OPERATOR, Request
from projectors.report_requests import GENERATED, REQUESTED, Asked, envelope_of, generated, requested
from projectors.report_rows import MAIL, MAKE, MOST_ATTEMPTS, PDF, SEND, Job, Parcel
from projectors.sqlite_model import DeadLetter
from schemas.occurrences import TABLE
from schemas.registry import Registry

VERSION: Final = 1
HAPPENED: Final = frozenset(
    {"alarm.raised", "alarm.cleared", "note.added", "photo.added", *TABLE.occurrences}
)
_SAVE_EVERY_S: Final = 10.0
_LOOK_EVERY_S: Final = 1.0
_REST_S: Final = (2.0, 10.0, 60.0, 300.0, 1800.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job or a parcel.

    Attributes:
        result: of what was made.
        error: why it failed; None when it did not.
        for_good: trying again is no use.
    """

    what: Job | Parcel
    result: Mapping[str, Any] | None = None
    error: str | None = None
    for_good: bool = False


class Workshop(Protocol):
    """Does the work elsewhere, one piece of a kind at a time."""

    def free(self, kind: str) -> bool:
        """Tell whether work of a kind can be taken."""
        ...

    def warm(self) -> None:
        """Be ready: a report may be asked for in any moment."""
        ...

    def start(self, what: Job | Parcel) -> None:
        """Begin with a piece of work."""
        ...

    def outcomes(self) -> Iterable[Outcome]:
        """Return what was finished since."""
        ...


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a site wants of reports that make themselves.

    Attributes:
        automatic: ask for reports; without it only what others ask for is made.
        recipients: who gets a report, as channels (mail, webhook) and addresses, by its scope and event_id.
        sends: how often to try to send before giving up.
    """

    automatic: bool = True
    recipients: Callable[[str, str], Iterable[tuple[str, str]]] = lambda _scope, _event: ()
    sends: int = 8


class Reports:
    """Folds the stream into requests, and has what was requested made.

    Args:
        path: of its file.
        registry: of event types.
        source: of its events, `/<node>/reports`.
        publish: hands an event to the outbox.
        silent_upto: asked when there is no memory: nothing is asked for up to this position.
        workshop: makes and sends; None: nobody does.
        wishes: what the site wants.
        caught_up: whether the stream was taken nearly to its end; nothing is made before.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = frozenset(
        {*windows.TYPES, *HAPPENED, REGISTERED, DROPPED, REQUESTED, GENERATED, PROGRESSED}
    )
    samples: Samples = "all"

    def __init__(
        self,
        path: Path,
        registry: Registry,
        *,
        source: str,
        publish: Callable[[Envelope], object],
        silent_upto: Callable[[], int],
        workshop: Workshop | None = None,
        wishes: Wishes | None = None,
        caught_up: Callable[[], bool] = lambda: True,
    ) -> None:
        self._path = path
        self._events = EventReader(registry)
        self._source = source
        self._publish = publish
        self._silent_upto = silent_upto
        self._workshop = workshop
        self._wishes = wishes or Wishes()
        self._caught_up = caught_up
        self._memory: Memory | None = None
        self._forget()

    def _forget(self) -> None:
        self._fold = ReportFold()
        self._position = 0
        self._pending: list[Envelope] = []
        self._asked: list[tuple[Event, Asked]] = []
        self._told: list[Event] = []
        self._resting: dict[tuple[str, int], float] = {}
        self._held: dict[tuple[int, str, str], float] = {}
        self._look_s = 0.0
        self._figures: dict[str, Any] = {}

    @property
    def linger_s(self) -> float:
        """Save at once what is to be told or made; the rest can be taken from the journal again."""
        return 0.0 if self._pending or self._asked or self._told else _SAVE_EVERY_S

    def open(self) -> Head | None:
        """Read what is remembered."""
        self.close()
        self._forget()
        self._memory = Memory(self._path, NAME, VERSION, TABLES)
        place = self._memory.place()
        self._fold = report_state.load(self._memory.state())
        if place is None:
            self._fold.silent_upto = self._silent_upto()
        else:
            self._position = place.position
        self._look(0.0)
        return place

    def stale(self) -> bool:
        """Tell that nothing else takes its place."""
        return False

    def take(self, recorded: Recorded) -> None:
        """Take in one event."""
        if recorded.position <= self._position:
            return
        self._position = recorded.position
        if recorded.type == SAMPLE:
            self._ask(self._fold.sample(recorded))
            return
        event = self._events.event(recorded)
        if event.type in {REQUESTED, GENERATED} and node_of(event) != HERE:
            self._ask(self._fold.tick(event))
        elif event.type == REQUESTED:
            self._asked.append((event, requested(self._fold, event, own=event.source == self._source)))
            self._ask(self._fold.tick(event))
        elif event.type == GENERATED:
            self._told.append(event)
            self._ask(self._fold.tick(event))
        else:
            self._ask(self._fold.fact(event))

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Keep what changed, and hand over what is to be told."""
        assert self._memory is not None
        fold = self._fold
        self._memory.save(place, report_state.changed(fold), fold.merged, self._pending, letters, self._write)
        for done in (fold.touched, fold.merged, fold.gone, self._pending, self._asked, self._told):
            done.clear()
        self._look_s = 0.0
        self._memory.hand_over(self._publish)

    def transaction(self) -> AbstractContextManager[object]:
        """Do nothing: every save is whole."""
        return nullcontext()

    def spill(self) -> None:
        """Do nothing: what is remembered is small."""

    def messages(self, now_s: float) -> Iterable[Retained]:
        """Hand over what the outbox did not take before, and see to the work."""
        if self._memory is not None:
            if self._memory.waiting:
                self._memory.hand_over(self._publish)
            if self._workshop is not None:
                self._see_to(self._memory, self._workshop, now_s)
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, Any]:
        """Count what waits, what is to be made, and what failed."""
        memory = self._memory
        letters = memory.letters() if memory else 0
        return {
            "waiting": memory.waiting if memory else 0,
            **self._figures,
            "dead_letters": letters + self._figures.get("failed", 0) + self._figures.get("unprinted", 0),
        }

    def close(self) -> None:
        """Close the file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _ask(self, requests: Iterable[Request]) -> None:
        if self._wishes.automatic:
            self._pending += (envelope_of(request, self._source) for request in requests)

    def _write(self, db: sqlite3.Connection) -> None:
        for event, asked in self._asked:
            report_rows.add(db, event, asked)
        for event in self._told:
            report_rows.told(db, event)
        for gone in self._fold.gone:
            report_rows.withdraw(db, gone)

    def _see_to(self, memory: Memory, workshop: Workshop, now_s: float) -> None:
        """Take in what was finished, and begin with what is next."""
        for outcome in workshop.outcomes():
            self._look_s = 0.0
            if isinstance(outcome.what, Job):
                self._finish(memory, outcome, outcome.what, now_s)
            else:
                self._sent(memory, outcome, outcome.what, now_s)
        if self._fold.expecting:
            workshop.warm()
        if now_s >= self._look_s and self._caught_up():
            self._begin(memory, workshop, now_s)
            self._look(now_s)

    def _begin(self, memory: Memory, workshop: Workshop, now_s: float) -> None:
        for kind, choose in ((MAKE, report_rows.next_make), (PDF, report_rows.next_pdf)):
            if workshop.free(kind):
                job = choose(
                    memory.db, {one for (of, one), s in self._resting.items() if of == kind and s > now_s}
                )
                if job is not None:
                    if kind == MAKE:
                        report_rows.begun(memory.db, job)
                    workshop.start(job)
        if workshop.free(SEND):
            parcel = report_rows.next_parcel(memory.db, [one for one, s in self._held.items() if s > now_s])
            if parcel is not None:
                workshop.start(parcel)

    def _finish(self, memory: Memory, outcome: Outcome, job: Job, now_s: float) -> None:
        if outcome.result is None:
            for_good = outcome.for_good or job.attempt >= MOST_ATTEMPTS
            self._resting[job.kind, job.position] = now_s + _rest_s(job.attempt)
            error = outcome.error or "no reason was given"
            memory.send((), lambda db: report_rows.failed(db, job, error, for_good=for_good))
        elif job.kind == PDF:
            memory.send((), lambda db: report_rows.printed(db, job))
        else:
            self._resting.pop((job.kind, job.position), None)
            self._made(memory, job, outcome.result)

    def _made(self, memory: Memory, job: Job, result: Mapping[str, Any]) -> None:
        """Note that a report is there, and tell it unless the journal does."""
        (known,) = memory.db.execute(
            "SELECT told_position FROM report WHERE position = ?", (job.position,)
        ).fetchone()
        events: list[Envelope] = []
        recipients: list[tuple[str, str]] = []
        if known is None:
            events.append(generated(self._source, job.said, result, self._fold.now_us))
            recipients = self._recipients(memory.db, job, result)

        def write(db: sqlite3.Connection) -> None:
            report_rows.made(db, job, result)
            report_rows.address(db, job.position, recipients)

        memory.send(events, write)
        memory.hand_over(self._publish)

    def _recipients(
        self, db: sqlite3.Connection, job: Job, result: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """Return who is told; nobody is mailed that late data changed no figure of what was told before."""
        said = job.said
        if said["reason"] == OPERATOR:
            return []
        found = list(self._wishes.recipients(said["scope"], said["event_id"]))
        if said["reason"] != LATE_DATA or result["changed"] or not report_rows.told_before(db, job):
            return found
        return [one for one in found if one[0] != MAIL]

    def _sent(self, memory: Memory, outcome: Outcome, parcel: Parcel, now_s: float) -> None:
        for_good = outcome.for_good or parcel.attempt >= self._wishes.sends
        if outcome.error is not None:
            self._held[parcel.key] = now_s + _rest_s(parcel.attempt)
        memory.send((), lambda db: report_rows.delivered(db, parcel, outcome.error, for_good=for_good))

    def _look(self, now_s: float) -> None:
        assert self._memory is not None
        self._figures = report_rows.figures(self._memory.db)
        self._look_s = now_s + _LOOK_EVERY_S


def _rest_s(attempt: int) -> float:
    return _REST_S[min(attempt, len(_REST_S)) - 1]
