"""Moving old bodies into sealed files, and erasing those of samples that are too old: a slice at a time.

Rules that must stay true here:
- a body leaves the tables only when a synced file gives it back, byte for byte;
- killed at any moment, nothing is lost, and the work goes on where it was;
- what the recorder needs to start, the systems' names, stays in the tables besides;
- a slice is short: the recorder does it between two messages;
- a file belongs to one life of the journal: what a restored one seals replaces nothing of the life before;
- samples leave only when whoever needs them has them, as far as we are told of this life of the journal;
- a clock that leaps ahead erases nothing at once: what is old is told by what was recorded a file ago;
- what is erased are bodies of samples in sealed files, never those of anything else, nor the newest sample of
  a stream; positions and hashes stay.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bus.journal_rows import unpack_body
from bus.segment import Segment, SegmentWriter
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

_DAY_US = 86_400_000_000
_BUT_BODY = "position, source, id, type, subject, client, stream, time_us, recorded_us, hash"
_SEAL, _ERASED = ".seal", ".erased"
KEPT = "system.registered"
"""The type of events whose bodies stay in the tables when they are sealed, too."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is sealed and erased when.

    Attributes:
        seal_after_days: events are sealed when they were recorded so long ago; None: never.
        samples_days: bodies of samples are erased when they were recorded so long ago; None: never.
        sealed_bytes: and the oldest, when all sealed files together are larger; None: however large.
        events: in one sealed file.
        block: events that are compressed, or taken out of the tables, in one slice.
        short_days: in place of `samples_days` while there is little room on the disk.
        erasable: gives, for an incarnation of the journal, the position up to which others have its samples
            too, or need them no more; beyond it nothing is erased.
    """

    seal_after_days: float | None = 7.0
    samples_days: float | None = None
    sealed_bytes: int | None = None
    events: int = 65_536
    block: int = 256
    short_days: float | None = None
    erasable: Callable[[str], int] | None = None


class Sealing:
    """The work on one journal; only its writer does it."""

    def __init__(self, directory: Path, db: sqlite3.Connection, keeping: Keeping) -> None:
        self._directory = directory
        self._db = db
        self._keeping = keeping
        self._work: Iterator[None] | None = None
        self._swept = False

    def turn(self, now_us: int, *, short: bool = False) -> bool:
        """Do one slice; False when nothing is left to do now.

        Args:
            now_us: the recorder's clock.
            short: there is little room on the disk.

        Raises:
            OSError, sqlite3.Error: the disk refuses; the same slice comes again.
            ConfigurationError: a sealed file does not give back what was written.
        """
        if not self._swept:
            self._sweep()
        if self._work is None:
            self._work = self._next(now_us, short=short)
        if self._work is None:
            return False
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        except BaseException:
            self._work = None
            raise
        return True

    def _next(self, now_us: int, *, short: bool) -> Iterator[None] | None:
        unfinished = self._db.execute(
            "SELECT first, last, file, cleared FROM segment WHERE cleared < last ORDER BY first LIMIT 1"
        ).fetchone()
        if unfinished is not None:
            return self._clear(*unfinished)
        if self._keeping.seal_after_days is not None:
            first = self._db.execute("SELECT coalesce(max(last), 0) + 1 FROM segment").fetchone()[0]
            last = first + self._keeping.events - 1
            if self._recorded_before(last, now_us - round(self._keeping.seal_after_days * _DAY_US)):
                return self._seal(first, last)
        return self._due_erasure(now_us, short=short)

    def _recorded_before(self, position: int, before_us: int) -> bool:
        row = self._db.execute("SELECT recorded_us FROM event WHERE position = ?", (position,)).fetchone()
        return row is not None and row[0] < before_us

    def _a_file_ago_us(self) -> int:
        """Return when the event was recorded that is a whole file behind the newest."""
        row = self._db.execute(
            "SELECT recorded_us FROM event WHERE position = (SELECT max(position) FROM event) - ?",
            (self._keeping.events,),
        ).fetchone()
        return 0 if row is None else int(row[0])

    def _seal(self, first: int, last: int) -> Iterator[None]:
        name = f"{self._incarnation()}/{first}-{last}{_SEAL}"
        writer = SegmentWriter(self._directory / name)
        try:
            for begin in range(first, last + 1, self._keeping.block):
                rows = self._rows(begin, min(last, begin + self._keeping.block - 1))
                writer.add([position for position, _ in rows], [unpack_body(body) for _, body in rows])
                yield
            size = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        self._db.execute(
            "INSERT INTO segment VALUES (?, ?, ?, ?, ?, 0)", (first, last, name, size, first - 1)
        )
        log.info("sealed events %d to %d in %d bytes", first, last, size)

    def _clear(self, first: int, last: int, name: str, cleared: int) -> Iterator[None]:
        """Take sealed bodies out of the tables, each compared with what the file gives back."""
        segment = Segment(self._directory / name)
        try:
            for begin in range(max(first, cleared + 1), last + 1, self._keeping.block):
                end = min(last, begin + self._keeping.block - 1)
                for position, body in self._rows(begin, end):
                    if body and segment.body(position) != unpack_body(body):
                        raise ConfigurationError(f"{segment.path} does not give back position {position}")
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    self._empty(begin, end)
                    self._db.execute("UPDATE segment SET cleared = ? WHERE first = ?", (end, first))
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
                yield
        finally:
            segment.close()

    def _empty(self, begin: int, end: int) -> None:
        """Put rows without bodies in the place of these; changed in place, they would not move together."""
        rows = self._db.execute(
            f"SELECT {_BUT_BODY}, iif(type = (SELECT name_id FROM name WHERE name = ?), body, x'')"  # noqa: S608 - our words only
            " FROM event WHERE position BETWEEN ? AND ?",
            (KEPT, begin, end),
        ).fetchall()
        self._db.execute("DELETE FROM event WHERE position BETWEEN ? AND ?", (begin, end))
        self._db.executemany(
            f"INSERT INTO event ({_BUT_BODY}, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our words only
            rows,
        )

    def _due_erasure(self, now_us: int, *, short: bool) -> Iterator[None] | None:
        oldest = self._db.execute(
            "SELECT first, last, file FROM segment WHERE erased = 0 ORDER BY first LIMIT 1"
        ).fetchone()
        if oldest is None:
            return None
        days, most = self._days(short=short), self._keeping.sealed_bytes
        too_old = days is not None and self._recorded_before(
            oldest[1], min(now_us, self._a_file_ago_us()) - round(days * _DAY_US)
        )
        if not too_old and most is not None:
            (size,) = self._db.execute("SELECT sum(bytes) FROM segment").fetchone()
            too_old = size > most
        return self._erase(*oldest) if too_old and self._erasable(oldest[1]) else None

    def _days(self, *, short: bool) -> float | None:
        said = (self._keeping.samples_days, self._keeping.short_days if short else None)
        return min((days for days in said if days is not None), default=None)

    def _erasable(self, last: int) -> bool:
        return self._keeping.erasable is None or last <= self._keeping.erasable(self._incarnation())

    def _erase(self, first: int, last: int, name: str) -> Iterator[None]:
        """Write the file anew without samples, put it in the other's place, and remove that."""
        kept = self._db.execute(
            "SELECT position FROM event INDEXED BY event_rare WHERE position BETWEEN ? AND ? AND type <> 1"
            " UNION SELECT position FROM newest WHERE position BETWEEN ? AND ? ORDER BY position",
            (first, last, first, last),
        ).fetchall()
        positions = [position for (position,) in kept]
        new = name.removesuffix(_SEAL) + _ERASED
        old = Segment(self._directory / name)
        writer = SegmentWriter(self._directory / new)
        try:
            for begin in range(0, len(positions), self._keeping.block):
                block = positions[begin : begin + self._keeping.block]
                writer.add(block, [_present(old, position) for position in block])
                yield
            size = writer.finish()
        except BaseException:
            writer.abandon()
            raise
        finally:
            old.close()
        self._db.execute(
            "UPDATE segment SET file = ?, bytes = ?, erased = 1 WHERE first = ?", (new, size, first)
        )
        (self._directory / name).unlink(missing_ok=True)
        log.info("erased the samples among events %d to %d: %d others are kept", first, last, len(positions))

    def _incarnation(self) -> str:
        (incarnation,) = self._db.execute("SELECT incarnation FROM identity").fetchone()
        return str(incarnation)

    def _rows(self, first: int, last: int) -> list[tuple[int, bytes]]:
        return self._db.execute(
            "SELECT position, body FROM event WHERE position BETWEEN ? AND ? ORDER BY position", (first, last)
        ).fetchall()

    def _sweep(self) -> None:
        """Remove what a kill left: unfinished files, and those that an erasure had replaced."""
        self._swept = True
        for path in self._directory.glob("*/*.part"):
            path.unlink()
        for (name,) in self._db.execute("SELECT file FROM segment WHERE erased = 1"):
            (self._directory / (name.removesuffix(_ERASED) + _SEAL)).unlink(missing_ok=True)


def _present(segment: Segment, position: int) -> bytes:
    """Return a body that must be there.

    Raises:
        ConfigurationError: it is not.
    """
    body = segment.body(position)
    if not body:
        raise ConfigurationError(f"{segment.path} does not give back position {position}")
    return body
