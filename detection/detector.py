"""The detector: follows the stream, judges every system by the rules, and tells what occurred.

Rules that must stay true here:
- time is the stream's: the samples' own within a system, `recordedat` for silence; never a clock;
- a name that turns out to be another system's is that system's from then on;
- what another node recorded is judged there.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from bus import system_ids
from bus.envelope import Envelope, Event, Recorded
from detection.occurrences import events
from detection.rules import FACTS, Rule, Test
from detection.watched import Watched, load
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE, EventReader
from projectors.nodes import forwarded
from schemas.registry import Registry

NAME: Final = "detector"
VERSION: Final = 1
_STREAM: Final = "_stream"
_ALIASES: Final = "_aliases"
_BATTERY: Final = ("cells", "capacity_wh", "usable_pct", "low_cell_v", "critical_cell_v")
RulesOf = Callable[[str], tuple[tuple[Rule, ...], Mapping[str, Any]]]
"""The rules of a system, and what the site's configuration says about it."""


class Detector:
    """Folds the stream into the state of every rule on every system.

    Args:
        registry: of event types.
        source: of its events, `/<node>/detector`.
        rules_of: what holds for a system.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = frozenset(
        {"device.connected", "device.disconnected", "alarm.raised", "alarm.cleared", REGISTERED}
    )

    def __init__(self, registry: Registry, *, source: str, rules_of: RulesOf) -> None:
        self._events = EventReader(registry)
        self._source = source
        self._rules_of = rules_of
        self.load({})

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what is remembered."""
        said = dict(state)
        self._systems: dict[str, Watched] = {}
        self._wanted: dict[str, frozenset[str]] = {}
        self._due: dict[str, int] = {}
        self._touched: set[str] = set()
        self._gone: set[str] = set()
        self._recorded_us: int = said.pop(_STREAM, 0)
        self._aliases = Aliases(said.pop(_ALIASES, {}))
        for system_id, of_system in said.items():
            rules, about = self._rules_of(system_id)
            self._add(system_id, load(rules, of_system), about)
            self._plan(system_id)

    def take(self, recorded: Recorded) -> Iterator[Envelope]:
        """Take in one event; yield what occurred."""
        self._recorded_us = max(self._recorded_us, recorded.recorded_us)
        yield from self._wait()
        if forwarded(recorded):
            return
        event = self._events.event(recorded)
        if event.subject == system_ids.ALL or event.subject.startswith("_"):
            return
        system_id = self._aliases.resolve(event.subject)
        if event.type == REGISTERED:
            self._register(system_id, event)
            return
        watched = self._watched(system_id)
        told = watched.sample(event, self._wanted[system_id]) if event.type == SAMPLE else watched.fact(event)
        yield from self._events_of(system_id, told)
        self._plan(system_id)

    def changes(self) -> tuple[list[tuple[str, Any]], set[str]]:
        """Return what changed since the last time."""
        touched, self._touched = sorted(self._touched & self._systems.keys()), set()
        gone, self._gone = self._gone, set()
        rows: list[tuple[str, Any]] = [(one, self._systems[one].dump()) for one in touched]
        return [*rows, (_STREAM, self._recorded_us), (_ALIASES, dict(self._aliases.known()))], gone

    def status(self) -> Mapping[str, Any]:
        """Count systems, and rules that hold."""
        holding = sum(
            machine.active and not machine.silent
            for watched in self._systems.values()
            for machine in watched.machines.values()
        )
        return {"systems": len(self._systems), "holding": holding}

    def _watched(self, system_id: str) -> Watched:
        found = self._systems.get(system_id)
        if found is None:
            rules, about = self._rules_of(system_id)
            found = Watched(rules)
            self._add(system_id, found, about)
        self._touched.add(system_id)
        return found

    def _add(self, system_id: str, watched: Watched, about: Mapping[str, Any]) -> None:
        watched.facts |= {name: float(value) for name, value in about.items() if name != "chemistry"}
        watched.chemistry = about.get("chemistry", watched.chemistry)
        self._systems[system_id] = watched
        self._wanted[system_id] = frozenset(_measurements(watched.rules))

    def _register(self, system_id: str, event: Event) -> None:
        for alias in self._aliases.learn(event):
            if self._systems.pop(alias, None) is not None:
                self._gone.add(alias)
                self._due.pop(alias, None)
        watched = self._watched(system_id)
        battery = event.data.get("battery", {})
        facts = {name: event.data[name] for name in FACTS if name in event.data}
        facts |= {name: battery[name] for name in _BATTERY if name in battery}
        watched.facts = {name: float(value) for name, value in facts.items()}
        watched.chemistry = battery.get("chemistry", "")
        self._add(system_id, watched, self._rules_of(system_id)[1])

    def _wait(self) -> Iterator[Envelope]:
        """Let time pass for systems of which nothing is heard."""
        if not self._due or min(self._due.values()) > self._recorded_us:
            return
        for system_id in sorted(one for one, due_us in self._due.items() if due_us <= self._recorded_us):
            self._touched.add(system_id)
            yield from self._events_of(system_id, self._systems[system_id].wait(self._recorded_us))
            self._plan(system_id)

    def _plan(self, system_id: str) -> None:
        due_us = self._systems[system_id].due_us()
        if due_us is None:
            self._due.pop(system_id, None)
        else:
            self._due[system_id] = due_us

    def _events_of(self, system_id: str, told: Iterable[tuple[Rule, Any]]) -> Iterator[Envelope]:
        for rule, one in told:
            yield from events(self._source, system_id, rule, one)


def _measurements(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        tests: tuple[Test, ...] = (*rule.test, *rule.unless)
        for test in tests:
            yield from test.readings
            if test.times is not None and test.times not in FACTS:
                yield test.times
