"""Reading journal, state and counters in threads: the loop of the web process never waits for a disk.

Rules that must stay true here:
- a connection belongs to one thread, and holds no transaction between two questions;
- a read model that was rebuilt is noticed: the generation that serves is asked.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from bus.journal_sqlite import SqliteJournalReader
from projectors import counters, state
from projectors.counter_queries import Counters
from projectors.generations import Generations
from schemas.errors import TransientError

P = ParamSpec("P")
T = TypeVar("T")
_THREADS = 6


class Stores:
    """What the threads ask; each has connections of its own."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._local = threading.local()

    def journal(self) -> SqliteJournalReader:
        """Return this thread's journal.

        Raises:
            TransientError: there is none yet.
        """
        reader: SqliteJournalReader | None = getattr(self._local, "journal", None)
        if reader is None:
            reader = self._local.journal = SqliteJournalReader(self.data / "journal")
        return reader

    def state(self) -> sqlite3.Connection:
        """Return this thread's connection to the state that serves.

        Raises:
            TransientError: there is none yet.
        """
        return self._model(state.NAME)

    def counters(self) -> Counters:
        """Return this thread's counters.

        Raises:
            TransientError: there are none yet.
        """
        return Counters(self._model(counters.NAME))

    def _model(self, name: str) -> sqlite3.Connection:
        directory = self.data / name
        path = Generations(directory).current() if directory.is_dir() else None
        if path is None or not path.exists():
            raise TransientError(f"the {name} is not made yet: does `projector-{name}` run? See `ovr status`")
        known: tuple[Path, sqlite3.Connection] | None = getattr(self._local, name, None)
        if known is None or known[0] != path:
            if known is not None:
                known[1].close()
            db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
            db.execute("PRAGMA busy_timeout = 2000")
            known = (path, db)
            setattr(self._local, name, known)
        return known[1]


class Reading:
    """Calls functions in threads that may wait."""

    def __init__(self, data: Path, *, threads: int = _THREADS, name: str = "reading") -> None:
        self.stores = Stores(data)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def __call__(self, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Call a function in one of the threads.

        Raises:
            TransientError: a file cannot be read now.
        """
        call = partial(_translated, function, *args, **named)
        found: T = await asyncio.get_running_loop().run_in_executor(self._pool, call)
        return found

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _translated(function: Callable[..., T], *args: Any, **named: Any) -> T:
    try:
        return function(*args, **named)
    except sqlite3.OperationalError as error:
        raise TransientError(f"a read model cannot be asked now: {error}") from error
