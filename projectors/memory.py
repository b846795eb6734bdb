"""What a follower that publishes keeps: its state, how far it is, and what is not handed over, in one file.

Rules that must stay true here:
- state, place and what is to be sent are one transaction, so nothing is sent for a state that is forgotten,
  and nothing that the state tells is forgotten to be sent;
- a row leaves `pending` when the outbox has it: it may be handed over twice, with the same id.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from bus import envelope
from bus.envelope import Envelope
from bus.journal import Head
from projectors.sqlite_model import DeadLetter, SqliteModel
from schemas.errors import TransientError

_TABLES = """
CREATE TABLE IF NOT EXISTS state (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL             -- JSON
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    event BLOB NOT NULL
) STRICT;
"""


class Memory:
    """One open file."""

    def __init__(self, path: Path, name: str, version: int, tables: str = "") -> None:
        """Open the file.

        Args:
            path: of the file; made when it is missing.
            name: of the follower.
            version: of the follower; another one's file is refused.
            tables: SQL of more tables, for what must change together with the state.

        Raises:
            ConfigurationError: it was made by another version, or is damaged.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._model = SqliteModel(path, name, version, _TABLES + tables)
        self.waiting = self._model.count("pending")

    @property
    def db(self) -> sqlite3.Connection:
        """The open file, for reading the tables beside."""
        return self._model.db

    def place(self) -> Head | None:
        """Return how far the stream was taken in; None when the file is new."""
        return self._model.place()

    def state(self) -> dict[str, Any]:
        """Read what is remembered."""
        rows = self._model.db.execute("SELECT key, value FROM state").fetchall()
        return {key: orjson.loads(value) for key, value in rows}

    def save(
        self,
        place: Head,
        state: Iterable[tuple[str, Any]],
        gone: Iterable[str],
        events: Iterable[Envelope],
        letters: Iterable[DeadLetter],
        also: Callable[[sqlite3.Connection], object] | None = None,
    ) -> None:
        """Keep what changed, what is to be sent, and the place, all or nothing.

        Args:
            place: how far the stream was taken in.
            state: what changed, by key.
            gone: keys to forget.
            events: to be sent.
            letters: what could not be taken in.
            also: writes to the tables beside, in the same transaction.
        """
        bodies = [(envelope.encode(event),) for event in events]
        rows = [(key, orjson.dumps(value).decode()) for key, value in state]
        with self._model.transaction() as db:
            db.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in gone])
            db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", rows)
            db.executemany("INSERT INTO pending (event) VALUES (?)", bodies)
            for letter in letters:
                self._model.bury(letter)
            if also is not None:
                also(db)
            self._model.save_place(place)
        self.waiting += len(bodies)

    def send(
        self, events: Iterable[Envelope], also: Callable[[sqlite3.Connection], object] | None = None
    ) -> None:
        """Keep what is to be sent because of something other than the stream, with what `also` writes."""
        bodies = [(envelope.encode(event),) for event in events]
        with self._model.transaction() as db:
            db.executemany("INSERT INTO pending (event) VALUES (?)", bodies)
            if also is not None:
                also(db)
        self.waiting += len(bodies)

    def hand_over(self, publish: Callable[[Envelope], object]) -> None:
        """Give everything pending to the outbox, in order, as far as it takes it."""
        while self.waiting:
            rows = self._model.db.execute("SELECT n, event FROM pending ORDER BY n LIMIT 100").fetchall()
            for number, body in rows:
                try:
                    publish(envelope.decode(body))
                except TransientError:
                    return
                with self._model.transaction() as db:
                    db.execute("DELETE FROM pending WHERE n = ?", (number,))
                self.waiting -= 1
            if not rows:
                self.waiting = 0

    def letters(self) -> int:
        """Count what could not be applied."""
        return self._model.count("dead_letters")

    def close(self) -> None:
        """Close the file."""
        self._model.close()
