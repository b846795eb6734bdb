"""The counters projector: how often what happened to which system, in SQLite tables.

Rules that must stay true here: tables and checkpoint change in one transaction; what is in the file at a
position is the same live, after any restart, and rebuilt.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from importlib import resources
from pathlib import Path
from typing import Any

from bus.envelope import Recorded
from bus.journal import Head
from bus.topics import Topics
from projectors.counters_store import TYPES, CountersStore, Retention, Taken
from projectors.events import EventReader
from projectors.generations import Generations
from projectors.kind import Kind
from projectors.projector import Retained, Samples
from projectors.served import Served
from projectors.sqlite_model import DeadLetter, SqliteModel
from schemas.registry import Registry

NAME, VERSION = "counters", 2
_MANY = 50_000
Beside = Callable[[sqlite3.Connection, float], None]
_TABLES = resources.files("projectors").joinpath("counters_schema.sql").read_text()


def open_model(path: Path) -> SqliteModel:
    """Open a file of the counters' tables, creating it where it is missing."""
    return SqliteModel(path, NAME, VERSION, _TABLES)


class CountersProjector:
    """Counts what the stream tells."""

    name = NAME
    version = VERSION
    types: Collection[str] = TYPES
    samples: Samples = "none"
    linger_s = 1.0

    def __init__(
        self,
        place: Path | Generations,
        registry: Registry,
        *,
        retention: Retention | None = None,
        beside: Beside | None = None,
    ) -> None:
        """Prepare.

        Args:
            place: one file, or the generations of which the one that serves is followed.
            registry: of event types.
            retention: how much history is kept.
            beside: called with the open file between the runner's turns, and a steadily growing time.
        """
        self._beside = beside
        self._served = Served(place, open_model)
        self._events = EventReader(registry)
        self._retention = retention or Retention()
        self._store: CountersStore | None = None
        self._taken: list[Taken] = []

    @property
    def model(self) -> SqliteModel:
        """The open file."""
        return self._served.model

    def open(self) -> Head | None:
        """Load what is saved."""
        self.close()
        model = self._served.open()
        self._store = CountersStore(model.db, self._retention)
        if self._served.alone:
            model.fill(self._store.write)
        return model.place()

    def stale(self) -> bool:
        """Whether another generation serves."""
        return self._served.stale()

    def take(self, recorded: Recorded) -> None:
        """Decode one event; it is counted when it is saved."""
        self._taken.append((recorded, self._events.data(recorded)))

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Count what was taken, and note the place, in one transaction."""
        assert self._store is not None
        taken, self._taken = self._taken, []
        with self.model.transaction():
            self._store.apply(taken)
            if not self._served.alone or self._store.waiting >= _MANY:
                self._store.write()
            for letter in letters:
                self.model.bury(letter)
            self.model.save_place(place)

    def spill(self) -> None:
        """Do nothing: what is taken is saved soon."""

    def transaction(self) -> AbstractContextManager[object]:
        """Make all saves inside one."""
        return self.model.transaction()

    def messages(self, now_s: float) -> Iterable[Retained]:
        """Yield nothing, and let others ask the counters."""
        if self._beside is not None and self._served.is_open:
            self._beside(self.model.db, now_s)
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, Any]:
        """Count dead letters."""
        return {"dead_letters": self._served.letters()}

    def close(self) -> None:
        """Close the file, and forget what is not saved."""
        self._taken.clear()
        self._served.close()


def kind(retention: Retention | None = None, beside: Beside | None = None) -> Kind:
    """Return the counters as a kind of read model, keeping so much history; see `CountersProjector`."""

    def make(place: Path | Generations, _: Topics | None) -> CountersProjector:
        return CountersProjector(place, Registry.load(), retention=retention, beside=beside)

    return Kind(NAME, VERSION, make, open_model)
