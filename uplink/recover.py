"""Getting back from the cloud what a node has lost: its own events, with their ids, times and clients.

Rules that must stay true here:
- an event is missing when its source and id are not in the journal; nothing is added twice;
- what continues the journal without a hole gets back its positions, times of recording and hashes; the rest
  is recorded anew behind it, in the order it had;
- positions that the journal gives to other events are another life of it, and `journal.restored` says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bus import envelope, ids, instants
from bus.envelope import Recorded
from bus.intake import stream_of
from bus.journal import Entry, Head, JournalReader
from bus.journal_writer import SqliteJournal
from bus.restored import Asked, begin_life
from bus.uplink_batch import unspliced
from bus.uplink_checkpoint import Anchor, Checkpoint
from schemas.errors import InputError
from uplink.found import Found, Spool
from uplink.reading import CLIENT

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Gone:
    """Positions of a life that neither the node nor the cloud has."""

    incarnation: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the journal besides what is in it.

    Attributes:
        gone: what will not come back.
        last: a position that its present life is known to have given out.
        asked: a restore's wish for another incarnation, which is not fulfilled yet.
    """

    gone: Sequence[Gone] = ()
    last: int = 0
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.

    Attributes:
        same: events that have their old positions again.
        anew: events that were recorded behind them.
        begun: whether a new incarnation began.
    """

    same: int
    anew: int
    begun: bool


def begin_at(checkpoint: Checkpoint, hash_at: Callable[[int], bytes | None], cloud: Head) -> int:
    """Return the position in the cloud's journal behind which everything is that a node can have lost.

    An anchor that lies on the journal's past was confirmed before anything that is lost now, but for what was
    underway then: so the one before the newest counts. Those of another cloud, or of another life of its
    journal, say nothing.
    """
    ours = [
        one.cloud_position
        for one in checkpoint.anchors
        if (one.cloud_journal, one.cloud_incarnation) == (cloud.journal, cloud.incarnation)
        and _is_past(one, hash_at)
    ]
    return ours[-2] if len(ours) > 1 else 0


def _is_past(anchor: Anchor, hash_at: Callable[[int], bytes | None]) -> bool:
    known = hash_at(anchor.position) if anchor.position else None
    return known is not None and known.hex() == anchor.hash


def missing(cloud: JournalReader, after: int, journal: SqliteJournal, node_id: str) -> Iterator[Found]:
    """Yield what the cloud has of this node and the journal has not, in the cloud's order."""
    own = f"/{node_id}/{CLIENT}"
    for there in cloud.read(after):
        if there.source == own or journal.find(there.source, there.id) is not None:
            continue
        try:
            incarnation, event = unspliced(there.body)
        except InputError:
            continue
        yield Found(incarnation, event, there.source, there.id)


def bring_back(
    journal: SqliteJournal, found: Spool, node_id: str, known: Known, begun: Callable[[Head], None]
) -> Outcome:
    """Append what is missing.

    Args:
        journal: of a node that is stopped.
        found: what the cloud has and the journal has not.
        node_id: the node's.
        known: of the journal.
        begun: is told of a new incarnation as soon as it has begun.
    """
    life, same = journal.head().incarnation, continuing(journal.head(), found)
    _append(journal, found.read(0, same), as_it_was=True)
    anew = len(found) - same
    begins = anew > 0 and (
        life in found.lives or known.last > journal.head().position or known.asked is not None
    )
    if begins:
        _begin_life(journal, node_id, known, f"{same + anew} events came back from the cloud, {anew} of them")
        begun(journal.head())
    _append(journal, found.read(same, len(found)), as_it_was=False)
    return Outcome(same, anew, begins)


def continuing(head: Head, found: Spool) -> int:
    """Count what follows the head of a journal without a hole: it gets its old positions."""
    count = 0
    if len(found.lives) == 1 and (head.position == 0 or found.lives == (head.incarnation,)):
        for position in found.positions(found.lives[0]):
            if position != head.position + count + 1:
                break
            count += 1
    return count


def nowhere(
    found: Spool, head: Head, restored: Iterable[tuple[int, Mapping[str, Any]]], last_known: int
) -> list[Gone]:
    """List the positions that were recorded and that neither the node nor the cloud has.

    Args:
        found: what the cloud has and the node has not.
        head: of the node's journal.
        restored: position and data of its `journal.restored` events, in order.
        last_known: a position that the life of now is known to have had.
    """
    ends = [(head.incarnation, head.position + 1, last_known)]
    for position, data in restored:
        begin = int(data.get("lost_from", position))
        ends.append((str(data.get("previous_incarnation")), begin, int(data.get("lost_to", 0))))
    gone = list[Gone]()
    for incarnation, begin, last in ends:
        expected = begin
        for position in found.positions(incarnation):
            if position > expected:
                gone.append(Gone(incarnation, expected, position - 1))
            expected = max(expected, position + 1)
        if expected <= last:
            gone.append(Gone(incarnation, expected, last))
    return sorted(gone, key=lambda one: (one.first, one.last))


def _begin_life(journal: SqliteJournal, node_id: str, known: Known, said: str) -> None:
    """Begin another incarnation: positions that were given out are given out again."""
    previous, asked = journal.head(), known.asked
    lost = [one for one in known.gone if one.incarnation == previous.incarnation]
    data: dict[str, Any] = {
        "previous_incarnation": previous.incarnation,
        "incarnation": asked.incarnation if asked else ids.token(),
        "reason": "behind_cloud" if asked is None else "restore",
        "note": f"{said} behind this, with positions of their own" + (f"; {asked.note}" if asked else ""),
    }
    if lost:
        data |= {"lost_from": lost[0].first, "lost_to": lost[-1].last}
    begin_life(journal, f"/{node_id}/recorder", data)


def _append(journal: SqliteJournal, found: Iterable[Found], *, as_it_was: bool) -> None:
    """Record events in batches; as they were: with the times of recording that their hashes cover."""
    batch, at_us = list[Entry](), instants.now_us()
    for one in found:
        recorded_us = one.event.recorded_us if as_it_was else at_us
        if batch and (len(batch) == _BATCH or recorded_us != at_us):
            journal.append(batch, recorded_us=at_us)
            batch = []
        at_us = recorded_us
        batch.append(_entry(one))
    if batch:
        journal.append(batch, recorded_us=at_us)


def _entry(one: Found) -> Entry:
    said, body = envelope.decode(one.event.body), one.event.body
    stream = stream_of(said.type, said.data)
    return Entry(one.event.client, said.source, said.id, said.type, said.subject, said.time_us, body, stream)


def photos_of(events: Iterable[Recorded]) -> Iterator[str]:
    """Yield the hashes of the photos that events name."""
    for event in events:
        if event.type == "photo.added":
            yield str(envelope.decode(event.body).data["sha256"])
