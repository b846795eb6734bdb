"""The alerts: follow the stream, count what occurred to every system lately, and tell what is too often.

Rules that must stay true here:
- no clock is read: occurrences count at their own time, and "lately" ends at the newest `recordedat`;
- an alert is raised once a crossing and cleared once; both names follow from the event that raised it;
- nothing at or before the checkpoint is judged again; other limits hold from the next event on;
- without a memory, what lies before the newest own event in the journal is counted, and not told again;
- who delivers alerts is shown only what is saved.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, starmap
from pathlib import Path
from typing import Any, Final

from bus import system_ids
from bus.envelope import Envelope, Event, Recorded
from bus.journal import Head
from detection.alert_events import event as event_of
from detection.crossings import ENDED_US, Active, Crossings
from detection.limits import Limit, LimitsOf
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE, EventReader
from projectors.memory import Memory
from projectors.projector import Retained, Samples
from projectors.sqlite_model import DeadLetter
from schemas.occurrences import TABLE
from schemas.registry import Registry

NAME: Final = "alerts"
VERSION: Final = 1
RESET: Final = "counters.reset"
_STREAM, _SILENT, _ALIASES, _SHARED = "_stream", "_silent", "_aliases", "_shared"
_SAVE_EVERY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert as it stands, or as it was before it was over.

    Attributes:
        limit: what it is about, as when it was raised.
        since_us: when it was raised.
        count: how many there are now.
        ended_us: when it was over; None while it stands.
    """

    system_id: str
    limit: Limit
    since_us: int
    count: int
    ended_us: int | None = None


class Alerts:
    """Folds the stream into what occurred lately, and the alerts that this makes.

    Args:
        path: of its file.
        registry: of event types.
        source: of its events, `/<node>/alerts`.
        limits_of: what holds for a system.
        publish: hands an event to the outbox.
        told_upto: asked when there is no memory: the position of the newest own event in the journal.
        show: told which alerts stand, once a turn.
        delivery: figures of whoever is shown them.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = frozenset({*TABLE.occurrences, RESET, REGISTERED})
    samples: Samples = "all"

    def __init__(
        self,
        path: Path,
        registry: Registry,
        *,
        source: str,
        limits_of: LimitsOf,
        publish: Callable[[Envelope], object],
        told_upto: Callable[[], int],
        show: Callable[[tuple[Standing, ...]], None] = lambda _: None,
        delivery: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._path = path
        self._events = EventReader(registry)
        self._source = source
        self._limits_of = limits_of
        self._publish = publish
        self._told_upto = told_upto
        self._show = show
        self._delivery = delivery
        self._standing: tuple[Standing, ...] | None = None
        self._memory: Memory | None = None
        self._forget()

    def _forget(self) -> None:
        self._systems: dict[str, Crossings] = {}
        self._shared = Crossings()
        self._aliases = Aliases()
        self._position = self._recorded_us = self._silent_upto = 0
        self._due: dict[str, int] = {}
        self._touched: set[str] = set()
        self._gone: set[str] = set()
        self._pending: list[Envelope] = []
        self._other_limits = False

    @property
    def linger_s(self) -> float:
        """Save at once what is to be told; the rest can be taken from the journal again."""
        return 0.0 if self._pending else _SAVE_EVERY_S

    def open(self) -> Head | None:
        """Read what is remembered."""
        self.close()
        self._forget()
        self._memory = Memory(self._path, NAME, VERSION)
        place = self._memory.place()
        state = self._memory.state()
        self._recorded_us = state.pop(_STREAM, 0)
        self._silent_upto = state.pop(_SILENT, 0)
        self._aliases = Aliases(state.pop(_ALIASES, {}))
        if (shared := state.pop(_SHARED, None)) is not None:
            self._shared = Crossings.load(shared)
        self._systems = {system_id: Crossings.load(said) for system_id, said in state.items()}
        for system_id in self._systems:
            self._plan(system_id)
        self._other_limits = True
        if place is None:
            self._silent_upto = self._told_upto()
        else:
            self._position = place.position
        self._standing = self.standing()
        return place

    def stale(self) -> bool:
        """Tell that nothing else takes its place."""
        return False

    def take(self, recorded: Recorded) -> None:
        """Take in one event; a sample only moves the clock."""
        if recorded.position <= self._position:
            return
        self._position = recorded.position
        self._recorded_us = max(self._recorded_us, recorded.recorded_us)
        if self._due or self._other_limits:
            self._wait(recorded)
        if recorded.type == SAMPLE:
            return
        event = self._events.event(recorded)
        if event.type == RESET:
            self._reset(event)
        elif event.subject == system_ids.ALL or event.subject.startswith("_"):
            return
        elif event.type == REGISTERED:
            self._register(event)
        elif event.data["stage"] == "confirmed":
            self._count(event)

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Keep what changed, and hand over what is to be told."""
        assert self._memory is not None
        touched = sorted(self._touched & self._systems.keys())
        state: list[tuple[str, Any]] = [(one, self._systems[one].dump()) for one in touched]
        state += [
            (_STREAM, self._recorded_us),
            (_SILENT, self._silent_upto),
            (_ALIASES, dict(self._aliases.known())),
            (_SHARED, self._shared.dump()),
        ]
        self._memory.save(place, state, self._gone, self._pending, letters)
        self._touched.clear()
        self._gone.clear()
        self._pending.clear()
        self._memory.hand_over(self._publish)
        self._standing = self.standing()

    def transaction(self) -> AbstractContextManager[object]:
        """Do nothing: every save is whole."""
        return nullcontext()

    def spill(self) -> None:
        """Do nothing: what is remembered is small."""

    def messages(self, now_s: float) -> Iterable[Retained]:  # noqa: ARG002 - nothing is retained
        """Hand over what the outbox did not take before, and show what stands."""
        if self._memory is not None and self._memory.waiting:
            self._memory.hand_over(self._publish)
        if self._standing is not None:
            self._show(self._standing)
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def standing(self) -> tuple[Standing, ...]:
        """List the alerts that are not over, or since a short time only."""
        return tuple(chain.from_iterable(starmap(self._listed, sorted(self._systems.items()))))

    def status(self) -> Mapping[str, Any]:
        """Count systems, alerts that stand, and what waits."""
        memory = self._memory
        return {
            "systems": len(self._systems),
            "active": sum(len(one.active) for one in self._systems.values()),
            "waiting": memory.waiting if memory else 0,
            "dead_letters": memory.letters() if memory else 0,
            **self._delivery(),
        }

    def close(self) -> None:
        """Close the file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

    def _listed(self, system_id: str, crossings: Crossings) -> Iterator[Standing]:
        now_us = self._recorded_us
        found: list[tuple[Active, int | None]] = [(one, None) for one in crossings.active.values()]
        found += (row for row in crossings.ended.values() if row[1] > now_us - ENDED_US)
        for one, ended_us in found:
            count = crossings.count(one.limit, now_us)
            yield Standing(system_id, one.limit, one.since_us, count, ended_us)

    def _wait(self, recorded: Recorded) -> None:
        """Let what is over be over; after a start, judge all by the limits that hold now."""
        if self._other_limits:
            self._other_limits, due = False, sorted(self._systems)
        else:
            due = sorted(one for one, due_us in self._due.items() if due_us <= self._recorded_us)
        for system_id in due:
            self._judge(system_id, recorded)

    def _count(self, event: Event) -> None:
        system_id = self._aliases.resolve(event.subject)
        if any(limit.counted == event.type for limit in self._limits_of(system_id)):
            self._of(system_id).add(event.type, event.time_us)
            self._judge(system_id, event)

    def _reset(self, event: Event) -> None:
        types = event.data.get("types") or TABLE.occurrences
        systems = [self._aliases.resolve(event.subject)]
        if event.subject == system_ids.ALL:
            systems = sorted(self._systems)
            for counted in types:
                self._shared.reset(counted, event.time_us)
        for system_id in systems:
            for counted in types:
                self._of(system_id).reset(counted, event.time_us)
            self._judge(system_id, event)

    def _register(self, event: Event) -> None:
        for alias in self._aliases.learn(event):
            other = self._systems.pop(alias, None)
            if other is not None:
                self._gone.add(alias)
                self._due.pop(alias, None)
                system_id = self._aliases.resolve(event.subject)
                self._of(system_id).absorb(other)
                self._judge(system_id, event)

    def _of(self, system_id: str) -> Crossings:
        found = self._systems.get(system_id)
        if found is None:
            found = self._systems[system_id] = Crossings(resets=dict(self._shared.resets))
        return found

    def _judge(self, system_id: str, said: Recorded | Event) -> None:
        """Judge a system by its limits; `said` is the event that gives reason to."""
        limits, crossings = self._limits_of(system_id), self._systems[system_id]
        trigger = f"{said.source} {said.id}"
        told = list(crossings.judge(limits, self._recorded_us, trigger, said.recorded_us))
        if said.position > self._silent_upto:
            self._pending += (event_of(self._source, system_id, one) for one in told)
        self._touched.add(system_id)
        self._plan(system_id)

    def _plan(self, system_id: str) -> None:
        due_us = self._systems[system_id].due_us(self._limits_of(system_id))
        if due_us is None:
            self._due.pop(system_id, None)
        else:
            self._due[system_id] = due_us
