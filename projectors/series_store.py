"""Remember how far VictoriaMetrics surely is, and what could not be written to it: one small SQLite file.

Rules that must stay true here:
- a place is kept only when nothing up to it can be forgotten any more; the places before it stay for some
  hours, to go back to when VictoriaMetrics was restored from an older copy;
- what was counted follows from the stream alone, so it stays true whatever VictoriaMetrics lost;
- whose stream it is, is written before anything of that stream is: places come half a minute later.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from bus import instants
from bus.journal import Head
from projectors.series_sink import Place
from schemas.errors import ConfigurationError, TransientError

FILE = "series.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS made_by (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS origin (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    journal TEXT NOT NULL,
    incarnation TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS place (
    position INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    journal TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    horizon_us INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS clocks (
    position INTEGER PRIMARY KEY,
    told TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS counted (
    position INTEGER PRIMARY KEY,
    told TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS dead_letter (
    position INTEGER NOT NULL,
    what TEXT NOT NULL,
    reason TEXT NOT NULL,
    buried_at TEXT NOT NULL,
    PRIMARY KEY (position, what)
) STRICT, WITHOUT ROWID;
"""
_PLACES = 1000
_COUNTED = 3


class SeriesStore:
    """The series projector's own file, `DIR/series/series.sqlite`."""

    def __init__(self, directory: Path, version: int) -> None:
        """Open it, made when it is missing.

        Raises:
            ConfigurationError: another version of the projector filled VictoriaMetrics.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(directory / FILE, isolation_level=None)
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 5000"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.executescript(_TABLES)
        self._db.execute("INSERT OR IGNORE INTO made_by VALUES (1, ?)", (version,))
        (made_by,) = self._db.execute("SELECT version FROM made_by").fetchone()
        if made_by != version:
            raise ConfigurationError(
                f"version {made_by} of the series projector filled VictoriaMetrics, and this is version "
                f"{version}: run `ovr rebuild series`"
            )

    def origin(self, head: Head) -> tuple[str, str]:
        """Tell the journal and incarnation that fill VictoriaMetrics; from now on `head`'s, if none did."""
        newest = self.newest()
        first = head if newest is None else newest.head
        with self._writing():
            self._db.execute(
                "INSERT OR IGNORE INTO origin VALUES (1, ?, ?)", (first.journal, first.incarnation)
            )
        journal, incarnation = self._db.execute("SELECT journal, incarnation FROM origin").fetchone()
        return str(journal), str(incarnation)

    def adopt(self, incarnation: str) -> None:
        """Let the series be of another incarnation: they were copied before the journal that begins it."""
        with self._writing():
            self._db.execute("UPDATE origin SET incarnation = ?", (incarnation,))
            self._db.execute("UPDATE place SET incarnation = ?", (incarnation,))

    def newest(self, upto: int | None = None) -> Place | None:
        """Return the newest place, or the newest not behind position `upto`."""
        row = self._db.execute(
            "SELECT journal, incarnation, position, hash, horizon_us FROM place WHERE position <= ? "
            "ORDER BY position DESC LIMIT 1",
            (2**62 if upto is None else upto,),
        ).fetchone()
        if row is None:
            return None
        told = self._db.execute("SELECT told FROM clocks WHERE position = ?", (row[2],)).fetchone()
        return Place(Head(*row[:4]), row[4], {} if told is None else orjson.loads(told[0]))

    def save(self, place: Place) -> None:
        """Keep a place that is durable."""
        head = place.head
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)",
                (head.position, head.hash, head.journal, head.incarnation, place.horizon_us),
            )
            if place.clocks:
                told = orjson.dumps(place.clocks).decode()
                self._db.execute("INSERT OR REPLACE INTO clocks VALUES (?, ?)", (head.position, told))
            self._db.execute(
                "DELETE FROM place WHERE position <= "
                "(SELECT position FROM place ORDER BY position DESC LIMIT 1 OFFSET ?)",
                (_PLACES,),
            )
            self._db.execute("DELETE FROM clocks WHERE position NOT IN (SELECT position FROM place)")

    def go_back(self, position: int) -> None:
        """Forget the places behind a position: VictoriaMetrics lost what led to them."""
        with self._writing():
            self._db.execute("DELETE FROM place WHERE position > ?", (position,))

    def keep_counted(self, position: int, told: Mapping[str, Any]) -> None:
        """Keep what the stream counts to, up to a position; of what was kept before, the newest."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO counted VALUES (?, ?)", (position, orjson.dumps(told).decode())
            )
            self._db.execute(
                "DELETE FROM counted WHERE position <= "
                "(SELECT position FROM counted ORDER BY position DESC LIMIT 1 OFFSET ?)",
                (_COUNTED,),
            )

    def counted(self, upto: int) -> tuple[int, Mapping[str, Any] | None]:
        """Return what was kept last up to a position, and where that was; 0 and None when nothing was."""
        row = self._db.execute(
            "SELECT position, told FROM counted WHERE position <= ? ORDER BY position DESC LIMIT 1", (upto,)
        ).fetchone()
        return (0, None) if row is None else (row[0], orjson.loads(row[1]))

    def bury(self, position: int, what: str, reason: str) -> None:
        """Keep what could not be written, once."""
        with self._writing():
            self._db.execute(
                "INSERT OR IGNORE INTO dead_letter VALUES (?, ?, ?, ?)",
                (position, what, reason, instants.text(instants.now_us())),
            )

    def buried(self) -> list[tuple[int, str, str, str]]:
        """List what could not be written: position, what, reason, and when that was."""
        return self._db.execute("SELECT * FROM dead_letter ORDER BY position").fetchall()

    def count_buried(self) -> int:
        """Count what could not be written."""
        (count,) = self._db.execute("SELECT count(*) FROM dead_letter").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise TransientError(f"the series projector's file cannot be written: {error}") from error
