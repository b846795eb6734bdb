"""The detector: follows the stream, judges every system by the rules, and tells what occurred.

Rules that must stay true here:
- time is the stream's: the samples' own within a system, `recordedat` for silence; never a clock;
- nothing at or before the checkpoint is judged again, so other rules change nothing that was told;
- without a memory, what lies before the newest own event in the journal was judged already: nothing is told.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from bus import system_ids
from bus.envelope import Envelope, Event, Recorded
from bus.journal import Head
from detection.occurrences import events
from detection.rules import FACTS, Rule, Test
from detection.watched import Watched, load
from projectors.aliases import REGISTERED, Aliases
from projectors.events import SAMPLE, EventReader
from projectors.memory import Memory
from projectors.projector import Retained, Samples
from projectors.sqlite_model import DeadLetter
from schemas.registry import Registry

NAME: Final = "detector"
VERSION: Final = 1
_STREAM: Final = "_stream"
_ALIASES: Final = "_aliases"
_SAVE_EVERY_S: Final = 10.0
_BATTERY: Final = ("cells", "capacity_wh", "usable_pct", "low_cell_v", "critical_cell_v")
RulesOf = Callable[[str], tuple[tuple[Rule, ...], Mapping[str, Any]]]
"""The rules of a system, and what the site's configuration says about it."""


class Detector:
    """Folds the stream into the state of every rule on every system.

    Args:
        path: of its file.
        registry: of event types.
        source: of its events, `/<node>/detector`.
        rules_of: what holds for a system.
        publish: hands an event to the outbox.
        told_upto: asked when there is no memory: the position of the newest own event in the journal.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = frozenset(
        {"device.connected", "device.disconnected", "alarm.raised", "alarm.cleared", REGISTERED}
    )
    samples: Samples = "all"

    def __init__(
        self,
        path: Path,
        registry: Registry,
        *,
        source: str,
        rules_of: RulesOf,
        publish: Callable[[Envelope], object],
        told_upto: Callable[[], int],
    ) -> None:
        self._path = path
        self._events = EventReader(registry)
        self._source = source
        self._rules_of = rules_of
        self._publish = publish
        self._told_upto = told_upto
        self._memory: Memory | None = None
        self._forget()

    def _forget(self) -> None:
        self._systems: dict[str, Watched] = {}
        self._wanted: dict[str, frozenset[str]] = {}
        self._aliases = Aliases()
        self._recorded_us = 0
        self._silent_upto = 0
        self._due: dict[str, int] = {}
        self._touched: set[str] = set()
        self._gone: set[str] = set()
        self._pending: list[Envelope] = []

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
        self._aliases = Aliases(state.pop(_ALIASES, {}))
        for system_id, said in state.items():
            rules, about = self._rules_of(system_id)
            self._add(system_id, load(rules, said), about)
            self._plan(system_id)
        if place is None:
            self._silent_upto = self._told_upto()
        return place

    def stale(self) -> bool:
        """Tell that nothing else takes its place."""
        return False

    def take(self, recorded: Recorded) -> None:
        """Take in one event."""
        event = self._events.event(recorded)
        self._recorded_us = max(self._recorded_us, event.recorded_us)
        self._wait(event.position)
        if event.subject == system_ids.ALL or event.subject.startswith("_"):
            return
        system_id = self._aliases.resolve(event.subject)
        if event.type == REGISTERED:
            self._register(system_id, event)
            return
        watched = self._watched(system_id)
        told = watched.sample(event, self._wanted[system_id]) if event.type == SAMPLE else watched.fact(event)
        self._tell(system_id, told, event.position)
        self._plan(system_id)

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Keep what changed, and hand over what is to be told."""
        assert self._memory is not None
        touched = sorted(self._touched & self._systems.keys())
        state: list[tuple[str, Any]] = [(one, self._systems[one].dump()) for one in touched]
        state += [(_STREAM, self._recorded_us), (_ALIASES, dict(self._aliases.known()))]
        self._memory.save(place, state, self._gone, self._pending, letters)
        self._touched.clear()
        self._gone.clear()
        self._pending.clear()
        self._memory.hand_over(self._publish)

    def transaction(self) -> AbstractContextManager[object]:
        """Do nothing: every save is whole."""
        return nullcontext()

    def spill(self) -> None:
        """Do nothing: what is remembered is small."""

    def messages(self, now_s: float) -> Iterable[Retained]:  # noqa: ARG002 - nothing is retained
        """Hand over what the outbox did not take before."""
        if self._memory is not None and self._memory.waiting:
            self._memory.hand_over(self._publish)
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, Any]:
        """Count systems, rules that hold, and what waits."""
        memory = self._memory
        holding = sum(
            machine.active and not machine.silent
            for watched in self._systems.values()
            for machine in watched.machines.values()
        )
        return {
            "systems": len(self._systems),
            "holding": holding,
            "waiting": memory.waiting if memory else 0,
            "dead_letters": memory.letters() if memory else 0,
        }

    def close(self) -> None:
        """Close the file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None

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

    def _wait(self, position: int) -> None:
        """Let time pass for systems of which nothing is heard."""
        if not self._due or min(self._due.values()) > self._recorded_us:
            return
        for system_id in sorted(one for one, due_us in self._due.items() if due_us <= self._recorded_us):
            self._touched.add(system_id)
            self._tell(system_id, self._systems[system_id].wait(self._recorded_us), position)
            self._plan(system_id)

    def _plan(self, system_id: str) -> None:
        due_us = self._systems[system_id].due_us()
        if due_us is None:
            self._due.pop(system_id, None)
        else:
            self._due[system_id] = due_us

    def _tell(self, system_id: str, told: Iterable[tuple[Rule, Any]], position: int) -> None:
        found = [event for rule, one in told for event in events(self._source, system_id, rule, one)]
        if position > self._silent_upto:
            self._pending += found


def _measurements(rules: Iterable[Rule]) -> Iterator[str]:
    for rule in rules:
        tests: tuple[Test, ...] = (*rule.test, *rule.unless)
        for test in tests:
            yield from test.readings
            if test.times is not None and test.times not in FACTS:
                yield test.times
