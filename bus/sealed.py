"""Finding the bodies that left the journal's tables for sealed files.

Rules that must stay true here:
- a body is in the tables, or in the one file whose range it falls into, or that file says that it was erased;
- a file that an erasure replaced is looked for once more, under its new name.
"""

import sqlite3
from pathlib import Path

from bus.segment import Segment
from schemas.errors import ConfigurationError

DIRECTORY = "sealed"
_MOST_OPEN = 2


class Sealed:
    """The sealed files of one open journal."""

    def __init__(self, directory: Path, db: sqlite3.Connection) -> None:
        self._directory = directory
        self._db = db
        self._open: dict[tuple[int, int], Segment] = {}

    def body(self, position: int) -> bytes | None:
        """Return the body of a sealed event; None when it was erased.

        Raises:
            ConfigurationError: the file is gone or damaged, or no file holds the event.
        """
        segment = next((known for (a, z), known in self._open.items() if a <= position <= z), None)
        if segment is None:
            try:
                segment = self._opened(position)
            except FileNotFoundError:
                segment = self._opened(position)
        try:
            return segment.body(position)
        except ConfigurationError:
            self.forget()  # a mended file is read anew
            raise

    def forget(self) -> None:
        """Close all files."""
        for segment in self._open.values():
            segment.close()
        self._open.clear()

    def _opened(self, position: int) -> Segment:
        row = self._db.execute(
            "SELECT first, last, file FROM segment WHERE first <= ? ORDER BY first DESC LIMIT 1", (position,)
        ).fetchone()
        if row is None or position > row[1]:
            raise ConfigurationError(f"the body of position {position} is missing: restore a backup")
        first, last, name = row
        try:
            segment = Segment(self._directory / name)
        except FileNotFoundError:
            again = self._db.execute("SELECT file FROM segment WHERE first = ?", (first,)).fetchone()
            if again != (name,):
                raise
            raise ConfigurationError(
                f"{self._directory / name} is missing: put it there again from a backup"
            ) from None
        if len(self._open) >= _MOST_OPEN:
            self._open.pop(next(iter(self._open))).close()
        self._open[first, last] = segment
        return segment
