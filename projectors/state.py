"""The state projector: what is true now, in SQLite tables and retained messages.

Rules that must stay true here:
- tables and checkpoint change in one transaction; messages are said from memory, and a rebuild says none;
- what is in memory is what is in the file, plus what was taken since.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Any

from bus.envelope import Recorded
from bus.journal import Head
from bus.topics import Topics
from projectors import state_fold, state_store
from projectors.events import EventReader
from projectors.fleet import Fleet
from projectors.generations import Generations
from projectors.kind import Kind
from projectors.nodes import PROGRESSED
from projectors.projector import Retained, Samples
from projectors.served import Served
from projectors.sqlite_model import DeadLetter, SqliteModel
from projectors.state_messages import Messages
from schemas.registry import Registry

NAME, VERSION = "state", 3
_TABLES = resources.files("projectors").joinpath("state_schema.sql").read_text()


def open_model(path: Path) -> SqliteModel:
    """Open a file of the state's tables, creating it where it is missing."""
    return SqliteModel(path, NAME, VERSION, _TABLES)


class StateProjector:
    """Folds the stream into the state of every node and writes it."""

    name = NAME
    version = VERSION
    types: Collection[str] = state_fold.TYPES | {PROGRESSED}
    samples: Samples = "newest"
    linger_s = 1.0

    def __init__(self, place: Path | Generations, registry: Registry, topics: Topics | None = None) -> None:
        """Prepare.

        Args:
            place: one file, or the generations of which the one that serves is followed.
            registry: of event types.
            topics: where to say the state; None for a run that says nothing.
        """
        self._served = Served(place, open_model)
        self._events = EventReader(registry)
        self._topics = topics
        self._messages: Messages | None = None
        self.fleet = Fleet()

    @property
    def model(self) -> SqliteModel:
        """The open file."""
        return self._served.model

    def open(self) -> Head | None:
        """Load what is saved."""
        self.close()
        model = self._served.open()
        if self._served.alone:
            model.defer_indexes()
        self.fleet = state_store.load(model.db)
        if self._topics is not None:
            self._messages = Messages(self._topics, self.fleet)
            self._messages.touch_all()
        return model.place()

    def stale(self) -> bool:
        """Whether another generation serves."""
        return self._served.stale()

    def take(self, recorded: Recorded) -> None:
        """Fold one event."""
        self.fleet.take(self._events.event(recorded))

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Write what changed, and the place, in one transaction."""
        nodes = sorted(self.fleet.changed)
        with self.model.transaction():
            before = state_store.write(self.model.db, self.fleet)
            for letter in letters:
                self.model.bury(letter)
            self.model.save_place(place)
        if self._messages is not None:
            self._messages.touch_nodes(nodes)
            self._messages.touch(system_id for _, system_id, _ in before)
            for node, system_id, windows in before:
                now = self.fleet.nodes[node].state.systems[system_id].windows
                self._messages.touch_events(windows, now)

    def spill(self) -> None:
        """Write the log; the rest is small, and much of it changes with every fact."""
        with self.model.transaction():
            state_store.write_log(self.model.db, self.fleet)

    def transaction(self) -> AbstractContextManager[object]:
        """Make all saves inside one."""
        return self.model.transaction()

    def messages(self, now_s: float) -> Iterable[Retained]:
        """Yield the retained messages that are due."""
        if self._messages is None:
            return ()
        self._messages.touch(self.fleet.touched())
        return self._messages.due(now_s)

    def republish(self) -> None:
        """Let every retained message be due."""
        if self._messages is not None:
            self._messages.touch_all()

    def status(self) -> Mapping[str, Any]:
        """Count systems, the nodes whose events were brought here, and dead letters."""
        systems = sum(len(node.state.systems) for node in self.fleet.nodes.values())
        return {
            "systems": systems,
            "nodes": len(self.fleet.nodes) - 1,
            "dead_letters": self._served.letters(),
        }

    def close(self) -> None:
        """Close the file."""
        self._served.close()


STATE = Kind(NAME, VERSION, lambda place, topics: StateProjector(place, Registry.load(), topics), open_model)
