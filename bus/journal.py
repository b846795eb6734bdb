"""What every journal can do, whatever stores it.

Rules that must stay true in every implementation (`tests/contract/test_journal.py` holds them):
- positions are 1, 2, 3 … without holes, in commit order, and never used twice;
- (source, id) is unique for ever: what comes again is answered with the position it has;
- a batch is recorded whole or not at all, and is on disk when `append` returns;
- each event's hash covers the one before it.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bus.envelope import Recorded
from schemas.errors import ConfigurationError

GENESIS = bytes(32)
MOST_LIVES = 32
"""Incarnations of a node's journal that are noted, of each lane."""


@dataclass(frozen=True, slots=True)
class Head:
    """A place in a journal that can be recognised again: its head, or a reader's checkpoint.

    Attributes:
        journal: the journal's identity.
        incarnation: its unbroken life; a restore begins a new one.
        position: of the last event; 0 when there is none.
        hash: of that event; `GENESIS` at position 0.
    """

    journal: str
    incarnation: str
    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that passed validation, ready to be recorded.

    Attributes:
        stream: for samples, what tells the series of samples of one system apart: `<kind>/<interval_ms>`.
    """

    client: str
    source: str
    id: str
    type: str
    subject: str
    time_us: int
    body: bytes
    stream: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """How far a node's lane is recorded here: a note beside the events, for the uplink to go on from.

    Attributes:
        place: in the node's journal; all of the lane up to it is held.
        recorded_us: when the node recorded the event there.
    """

    client: str
    lane: str
    place: Head
    recorded_us: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """An entry that the journal holds already, at `position`."""

    position: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be recorded, with the reason."""

    received_us: int
    client: str
    topic: str
    payload: bytes
    reason: str
    field: str
    hint: str


@dataclass(frozen=True, slots=True)
class Fault:
    """Where verification found that the past was changed."""

    position: int
    problem: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found; no faults means that every event is as it was recorded.

    Attributes:
        events: how many there are, erased ones included.
        erased: samples of which only position and hash are left.
    """

    events: int
    head: Head
    faults: tuple[Fault, ...]
    erased: int = 0


class JournalReader(Protocol):
    """Reads a journal; any number may, while one writer appends."""

    def head(self) -> Head:
        """Return the newest event's place."""
        ...

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        upto: int | None = None,
        subjects: Collection[str] | None = None,
        types: Collection[str] | None = None,
        clients: Collection[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Iterator[Recorded]:
        """Yield events in order of position.

        Args:
            after: begin behind this position.
            limit: yield at most so many.
            upto: end at this position.
            subjects: only these canonical system ids.
            types: only these types.
            clients: only what these sent.
            since_us: only what happened then or later.
            until_us: only what happened before.
        """
        ...

    def newest_samples(self, upto: int) -> Iterator[Recorded]:
        """Yield, in order of position, the newest sample of each stream of each system up to `upto`.

        Newest is by (time, position).
        """
        ...

    def hash_at(self, position: int) -> bytes | None:
        """Return the hash of one event; None when there is none."""
        ...

    def verify(self) -> Verdict:
        """Recompute the hash chain and compare every column with the body it was taken from."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


class Journal(JournalReader, Protocol):
    """A journal with its one writer."""

    def append(
        self,
        entries: Sequence[Entry],
        *,
        recorded_us: int,
        dead_letters: Sequence[DeadLetter] = (),
        deliveries: Mapping[int, bytes] | None = None,
        held: Sequence[Held] = (),
    ) -> list[Recorded | Duplicate]:
        """Record a batch durably and answer for each entry, in order.

        Args:
            entries: events in the order to be recorded.
            recorded_us: the recorder's clock.
            dead_letters: what was refused beside them.
            deliveries: packet identifiers and digests of plain messages in this batch, to know a redelivery.
            held: how far lanes of nodes have come with this batch; with its events or not at all.

        Raises:
            TransientError: the disk is full or failing; nothing of the batch was recorded.
        """
        ...

    def begin_incarnation(self) -> str:
        """Start a new life after a restore; return its name."""
        ...


def chain(previous: bytes, position: int, recorded_us: int, client: str, body: bytes) -> bytes:
    """Hash one event behind the one before it: SHA-256 over the previous hash and all that is stored.

    Source, id, type, subject and time stand in the body, so they are covered by it.
    """
    header = b"%d %d %s\n" % (position, recorded_us, client.encode())
    return hashlib.sha256(previous + header + body).digest()


def check_place(reader: JournalReader, place: Head, what: str, remedy: str) -> None:
    """Make sure that a reader's checkpoint lies on this journal's past.

    Raises:
        ConfigurationError: it does not: the journal was swapped, or restored to before the checkpoint.
    """
    head = reader.head()
    if place.position == 0:
        return
    if head.journal != place.journal:
        raise ConfigurationError(
            f"{what} was made from journal {place.journal}, but this is journal {head.journal}: {remedy}"
        )
    if place.position > head.position or reader.hash_at(place.position) != place.hash:
        raise ConfigurationError(
            f"{what} stands at position {place.position}, but this journal (incarnation {head.incarnation},"
            f" head {head.position}) does not hold that event there; it was restored or replaced: {remedy}"
        )
