"""What the cloud has and this node has lost, on disk while it is brought back.

Rules that must stay true here:
- memory stays small, however much was lost: a lost week of a site is gigabytes;
- it is read in the order it had: by life, then by position in it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

from bus.journal_rows import pack_body, unpack_body
from bus.uplink_batch import Forwarded
from schemas.errors import TransientError

_AT_ONCE: Final = 500
_SCHEMA: Final = """
CREATE TABLE found (
    n INTEGER PRIMARY KEY,
    life INTEGER NOT NULL,
    position INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    client TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX found_order ON found (life, position, n);
"""


@dataclass(frozen=True, slots=True)
class Found:
    """An event of this node that the cloud has."""

    incarnation: str
    event: Forwarded
    source: str
    id: str


class Spool:
    """A file of what was found, gone when it is closed."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
        self._lives: dict[str, int] = {}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return self._count

    @property
    def lives(self) -> tuple[str, ...]:
        """List the incarnations that something was found of."""
        return tuple(self._lives)

    def add(self, found: Iterable[Found]) -> None:
        """Take in what was found.

        Raises:
            TransientError: there is no room for it.
        """
        try:
            rest = iter(found)
            while batch := list(islice(rest, _AT_ONCE)):
                self._db.execute("BEGIN")
                self._db.executemany(
                    "INSERT INTO found VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", map(self._row, batch)
                )
                self._db.execute("COMMIT")
                self._count += len(batch)
        except sqlite3.Error as error:
            raise TransientError(f"{self._path} cannot be written: {error}") from error

    def read(self, begin: int, end: int) -> Iterator[Found]:
        """Yield what was found, in order, from the one with this number, and not up to that one."""
        names = list(self._lives)
        rows = self._db.execute(
            "SELECT life, position, recorded_us, client, body, source, id FROM found"
            " ORDER BY life, position, n LIMIT ? OFFSET ?",
            (end - begin, begin),
        )
        for life, position, recorded_us, client, body, source, id_ in rows:
            event = Forwarded(position, recorded_us, client, unpack_body(body))
            yield Found(names[life], event, source, id_)

    def positions(self, incarnation: str) -> Iterator[int]:
        """Yield the positions that were found of a life, in order."""
        life = self._lives.get(incarnation, -1)
        rows = self._db.execute("SELECT position FROM found WHERE life = ? ORDER BY position, n", (life,))
        return (position for (position,) in rows)

    def _row(self, one: Found) -> tuple[int, int, int, str, str, str, bytes]:
        life, event = self._lives.setdefault(one.incarnation, len(self._lives)), one.event
        place = life, event.position, event.recorded_us
        return *place, event.client, one.source, one.id, pack_body(event.body)
