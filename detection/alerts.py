"""The alerts: follow the stream, count what occurred to every system lately, and tell what is too often.

Rules that must stay true here:
- no clock is read: occurrences count at their own time, and "lately" ends at the newest `recordedat`;
- an alert is raised once a crossing and cleared once; both names follow from the event that raised it;
- other limits hold from the next event on;
- what another node told is judged there.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, starmap
from typing import Any, Final

from bus import system_ids
from bus.envelope import Envelope, Event, Recorded
from detection.alert_events import event as event_of
from detection.crossings import ENDED_US, Active, Crossings
from detection.limits import Limit, LimitsOf
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE, EventReader
from projectors.nodes import forwarded
from schemas.occurrences import TABLE
from schemas.registry import Registry

NAME: Final = "alerts"
VERSION: Final = 1
RESET: Final = "counters.reset"
_STREAM, _ALIASES, _SHARED = "_stream", "_aliases", "_shared"


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
        registry: of event types.
        source: of its events, `/<node>/alerts`.
        limits_of: what holds for a system.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = frozenset({*TABLE.occurrences, RESET, REGISTERED})

    def __init__(self, registry: Registry, *, source: str, limits_of: LimitsOf) -> None:
        self._events = EventReader(registry)
        self._source = source
        self._limits_of = limits_of
        self.load({})

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what is remembered; limits may be other ones now."""
        said = dict(state)
        self._due: dict[str, int] = {}
        self._touched: set[str] = set()
        self._gone: set[str] = set()
        self._other_limits = True
        self._recorded_us: int = said.pop(_STREAM, 0)
        self._aliases = Aliases(said.pop(_ALIASES, {}))
        self._shared = Crossings.load(said.pop(_SHARED)) if _SHARED in said else Crossings()
        self._systems = {system_id: Crossings.load(of_system) for system_id, of_system in said.items()}
        for system_id in self._systems:
            self._plan(system_id)

    def take(self, recorded: Recorded) -> Iterator[Envelope]:
        """Take in one event, yield what is too often, or no more; a sample only moves the clock."""
        self._recorded_us = max(self._recorded_us, recorded.recorded_us)
        if self._due or self._other_limits:
            yield from self._wait(recorded)
        if recorded.type == SAMPLE or forwarded(recorded):
            return
        event = self._events.event(recorded)
        if event.type == RESET:
            yield from self._reset(event)
        elif event.subject == system_ids.ALL or event.subject.startswith("_"):
            return
        elif event.type == REGISTERED:
            yield from self._register(event)
        elif event.data["stage"] == "confirmed":
            yield from self._count(event)

    def changes(self) -> tuple[list[tuple[str, Any]], set[str]]:
        """Return what changed since the last time."""
        touched, self._touched = sorted(self._touched & self._systems.keys()), set()
        gone, self._gone = self._gone, set()
        rows: list[tuple[str, Any]] = [(one, self._systems[one].dump()) for one in touched]
        rows += [
            (_STREAM, self._recorded_us),
            (_ALIASES, dict(self._aliases.known())),
            (_SHARED, self._shared.dump()),
        ]
        return rows, gone

    def status(self) -> Mapping[str, Any]:
        """Count systems, and alerts that stand."""
        active = sum(len(one.active) for one in self._systems.values())
        return {"systems": len(self._systems), "active": active}

    def standing(self) -> tuple[Standing, ...]:
        """List the alerts that are not over, or since a short time only."""
        return tuple(chain.from_iterable(starmap(self._listed, sorted(self._systems.items()))))

    def _listed(self, system_id: str, crossings: Crossings) -> Iterator[Standing]:
        now_us = self._recorded_us
        found: list[tuple[Active, int | None]] = [(one, None) for one in crossings.active.values()]
        found += (row for row in crossings.ended.values() if row[1] > now_us - ENDED_US)
        for one, ended_us in found:
            count = crossings.count(one.limit, now_us)
            yield Standing(system_id, one.limit, one.since_us, count, ended_us)

    def _wait(self, recorded: Recorded) -> Iterator[Envelope]:
        """Let what is over be over; after a start, judge all by the limits that hold now."""
        if self._other_limits:
            self._other_limits, due = False, sorted(self._systems)
        else:
            due = sorted(one for one, due_us in self._due.items() if due_us <= self._recorded_us)
        for system_id in due:
            yield from self._judge(system_id, recorded)

    def _count(self, event: Event) -> Iterator[Envelope]:
        system_id = self._aliases.resolve(event.subject)
        if any(limit.counted == event.type for limit in self._limits_of(system_id)):
            self._of(system_id).add(event.type, event.time_us)
            yield from self._judge(system_id, event)

    def _reset(self, event: Event) -> Iterator[Envelope]:
        types = event.data.get("types") or TABLE.occurrences
        systems = [self._aliases.resolve(event.subject)]
        if event.subject == system_ids.ALL:
            systems = sorted(self._systems)
            for counted in types:
                self._shared.reset(counted, event.time_us)
        for system_id in systems:
            for counted in types:
                self._of(system_id).reset(counted, event.time_us)
            yield from self._judge(system_id, event)

    def _register(self, event: Event) -> Iterator[Envelope]:
        for alias in self._aliases.learn(event):
            other = self._systems.pop(alias, None)
            if other is not None:
                self._gone.add(alias)
                self._due.pop(alias, None)
                system_id = self._aliases.resolve(event.subject)
                self._of(system_id).absorb(other)
                yield from self._judge(system_id, event)

    def _of(self, system_id: str) -> Crossings:
        found = self._systems.get(system_id)
        if found is None:
            found = self._systems[system_id] = Crossings(resets=dict(self._shared.resets))
        return found

    def _judge(self, system_id: str, said: Recorded | Event) -> Iterator[Envelope]:
        """Judge a system by its limits; `said` is the event that gives reason to."""
        limits, crossings = self._limits_of(system_id), self._systems[system_id]
        trigger = f"{said.source} {said.id}"
        for crossing in crossings.judge(limits, self._recorded_us, trigger, said.recorded_us):
            yield event_of(self._source, system_id, crossing)
        self._touched.add(system_id)
        self._plan(system_id)

    def _plan(self, system_id: str) -> None:
        due_us = self._systems[system_id].due_us(self._limits_of(system_id))
        if due_us is None:
            self._due.pop(system_id, None)
        else:
            self._due[system_id] = due_us
