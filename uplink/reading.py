"""What goes into the batches of a lane: events read from the node's journal, and what is to be told of gaps.

Rules that must stay true here:
- the samples lane never reads beyond the first fact that the cloud has not confirmed;
- a sample whose body was erased before it was sent is told, at its place; nothing is left out in silence;
- what the uplink tells of itself has ids that follow from what it tells: telling it twice adds nothing.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bus import envelope, instants
from bus.envelope import Envelope, Recorded
from bus.intake import SAMPLE, SITE
from bus.journal import Head
from bus.journal_sqlite import SqliteJournalReader
from bus.outbox_items import DROPPED
from bus.uplink_batch import FACTS, PHOTO_MISSING, PROGRESSED, Forwarded

CLIENT: Final = "uplink"
ERASED: Final = "erased"
_MOST_EVENTS: Final = 256
_MOST_BYTES: Final = 240_000
_ERASED_AT_ONCE: Final = 20_000
_NAMESPACE: Final = uuid.UUID("6c3f3c0e-8f57-5b5e-9a51-2f6f0f5d7f10")


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one lane that follow each other.

    Attributes:
        upto: the place behind them: there is nothing else of the lane before it.
        upto_us: when the event there was recorded.
    """

    events: Sequence[Forwarded]
    upto: Head
    upto_us: int


class Reading:
    """Reads one lane of a journal.

    Args:
        node_id: the node's, for what the uplink tells of itself.
        facts: every event type but samples that this version knows; what the journal has besides, because a
            newer version recorded it, is forwarded as well.
    """

    def __init__(self, reader: SqliteJournalReader, node_id: str, lane: str, facts: Sequence[str]) -> None:
        self._reader = reader
        self._source = f"/{node_id}/{CLIENT}"
        self._lane = lane
        self._facts = tuple({*facts, *reader.fact_types()})
        self._types = self._facts if lane == FACTS else (SAMPLE,)

    def head(self) -> Head:
        """Return the newest event's place."""
        return self._reader.head()

    def next(self, after: int, bound: int) -> Batch | None:
        """Read the next batch behind a position and not beyond another; None when nothing is there.

        Raises:
            TransientError: the journal cannot be read now.
            ConfigurationError: what should be there is missing.
        """
        head = self._reader.head()
        bound = min(bound, head.position)
        if bound <= after:
            return None
        erased = self._lane != FACTS and after < self._reader.erased_upto()
        if erased:
            bound = min(bound, after + _ERASED_AT_ONCE)
        events, full = self._take(after, bound)
        upto = events[-1].position if full else bound
        said = [_forwarded(event) for event in events]
        if erased:
            said = sorted([*self._erased(head, after, upto), *said], key=lambda one: one.position)
        return Batch(said, *self._place(head, upto, events))

    def next_fact(self, after: int) -> int | None:
        """Return the position of the first fact behind a position; None when there is none."""
        found = next(self._reader.read(after, limit=1, types=self._facts), None)
        return None if found is None else found.position

    def waiting_since_us(self, after: int) -> int | None:
        """Tell when the first event behind a position was recorded; None when there is none."""
        found = next(self._reader.read(after, limit=1), None)
        return None if found is None else found.recorded_us

    def hash_at(self, position: int) -> bytes | None:
        """Return the hash of an event."""
        return self._reader.hash_at(position)

    def restored(self) -> list[tuple[int, Mapping[str, Any]]]:
        """List the restores that the journal knows of: position and data."""
        found = self._reader.read(types=["journal.restored"])
        return [(event.position, envelope.decode(event.body).data) for event in found]

    def progressed(self, upto: int) -> Batch:
        """Say that all up to a position is there, where no sample says so."""
        head = self._reader.head()
        place, recorded_us = self._place(head, upto, ())
        data = {
            "position": upto,
            "recorded_at": instants.text(recorded_us),
            "hash": place.hash.hex(),
            "head": head.position,
        }
        said = self._said(head, PROGRESSED, SITE, recorded_us, data, upto)
        return Batch([Forwarded(upto, recorded_us, CLIENT, said)], place, recorded_us)

    def part(self, batch: Batch, events: Sequence[Forwarded], upto: int) -> Batch:
        """Return a batch of some of the events of another."""
        return Batch(events, *self._place(batch.upto, upto, ()))

    def photo_missing(self, batch: Batch, event: Forwarded, sha256: str, reason: str) -> Forwarded:
        """Say that the file of a photo does not travel before the event that names it."""
        subject, head = envelope.decode(event.body).subject, batch.upto
        data = {"sha256": sha256, "reason": reason}
        said = self._said(head, PHOTO_MISSING, subject, event.recorded_us, data, event.position)
        return Forwarded(event.position, event.recorded_us, CLIENT, said)

    def _take(self, after: int, bound: int) -> tuple[list[Recorded], bool]:
        """Read events; tell whether there may be more before the bound."""
        taken, size = list[Recorded](), 0
        for event in self._reader.read(after, limit=_MOST_EVENTS, upto=bound, types=self._types):
            size += len(event.body)
            if taken and size > _MOST_BYTES:
                return taken, True
            taken.append(event)
        return taken, len(taken) == _MOST_EVENTS

    def _place(self, head: Head, upto: int, events: Sequence[Recorded]) -> tuple[Head, int]:
        if events and events[-1].position == upto:
            hash_, recorded_us = events[-1].hash, events[-1].recorded_us
        else:
            hash_, recorded_us = self._reader.stamp(upto)
        return Head(head.journal, head.incarnation, upto, hash_), recorded_us

    def _erased(self, head: Head, after: int, upto: int) -> Iterator[Forwarded]:
        """Say, by system, what was erased."""
        gone: dict[str, list[Recorded]] = {}
        for event in self._reader.erased_samples(after, upto):
            gone.setdefault(event.subject, []).append(event)
        for subject, events in gone.items():
            times = [event.time_us for event in events]
            last = events[-1]
            data = {
                "count": len(events),
                "from": instants.text(min(times)),
                "to": instants.text(max(times)),
                "reason": ERASED,
            }
            said = self._said(head, DROPPED, subject, max(times), data, last.position)
            yield Forwarded(last.position, last.recorded_us, CLIENT, said)

    def _said(
        self, head: Head, type_: str, subject: str, time_us: int, data: Mapping[str, Any], position: int
    ) -> bytes:
        named = f"{head.incarnation} {position} {type_} {subject} {orjson.dumps(data).decode()}"
        id_ = str(uuid.uuid5(_NAMESPACE, named))
        return envelope.encode(Envelope(id_, self._source, type_, subject, time_us, data))


def _forwarded(event: Recorded) -> Forwarded:
    return Forwarded(event.position, event.recorded_us, event.client, event.body)
