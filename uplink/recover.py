"""Getting back from the cloud what a node has lost: its own events, with their ids, times and clients.

Rules that must stay true here:
- an event is missing when its source and id are not in the journal; nothing is added twice;
- what continues the journal without a hole gets back its positions, times of recording and hashes; the rest
  is recorded anew behind it, in the order it had;
- positions that the journal gives to other events are another life of it, and `journal.restored` says so.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from bus import envelope, ids, instants
from bus.envelope import Envelope, Recorded
from bus.intake import SITE, stream_of
from bus.journal import Entry, Head, JournalReader
from bus.journal_writer import SqliteJournal
from bus.uplink_batch import Forwarded, unspliced
from bus.uplink_checkpoint import Anchor, Checkpoint
from schemas.errors import InputError
from uplink.reading import CLIENT

_BATCH = 500
_RESTORED = "journal.restored"


@dataclass(frozen=True, slots=True)
class Found:
    """An event of this node that the cloud has."""

    incarnation: str
    event: Forwarded
    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.

    Attributes:
        same: events that have their old positions again.
        anew: events that were recorded behind them.
        incarnations: of which there was something.
    """

    same: int
    anew: int
    incarnations: tuple[str, ...]


def begin_at(checkpoint: Checkpoint, hash_at: Callable[[int], bytes | None]) -> int:
    """Return the position in the cloud's journal behind which everything is that a node can have lost.

    An anchor that lies on the journal's past was confirmed before anything that is lost now, but for what was
    underway then: so the one before the newest counts.
    """
    ours = [one.cloud_position for one in checkpoint.anchors if _is_past(one, hash_at)]
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


def bring_back(journal: SqliteJournal, found: Iterable[Found], node_id: str) -> Outcome:
    """Append what is missing."""
    lives = _lives(found)
    same, rest = _continuing(journal.head().position, list(lives.values()))
    for recorded_us, together in groupby(same, key=lambda one: one.event.recorded_us):
        _append(journal, list(together), recorded_us)
    if rest:
        if any(one.incarnation == journal.head().incarnation for one in rest):
            _begin_life(journal, rest, node_id)
        _append(journal, rest, instants.now_us())
    return Outcome(len(same), len(rest), tuple(lives))


def foreseen(head: int, found: Iterable[Found]) -> tuple[int, int]:
    """Count what would get its old position behind a head, and what would not."""
    same, rest = _continuing(head, list(_lives(found).values()))
    return len(same), len(rest)


def nowhere(
    found: Iterable[Found], head: Head, restored: Iterable[tuple[int, Mapping[str, Any]]], last_known: int
) -> list[tuple[int, int]]:
    """List the positions, first and last, that were recorded and that neither the node nor the cloud has.

    Args:
        found: what the cloud has and the node has not.
        head: of the node's journal.
        restored: position and data of its `journal.restored` events, in order.
        last_known: a position that the life of now is known to have had.
    """
    lives = _lives(found)
    ends = [(head.incarnation, head.position, last_known)]
    ends += [
        (str(data.get("previous_incarnation")), position - 1, int(data.get("lost_to", 0)))
        for position, data in restored
    ]
    holes = list[tuple[int, int]]()
    for incarnation, end, last in ends:
        expected = end + 1
        for position in [one.event.position for one in lives.get(incarnation, ())]:
            if position > expected:
                holes.append((expected, position - 1))
            expected = max(expected, position + 1)
        if expected <= last:
            holes.append((expected, last))
    return sorted(holes)


def _lives(found: Iterable[Found]) -> dict[str, list[Found]]:
    """Order events by the life they are of, then by their positions in it."""
    lives: dict[str, list[Found]] = {}
    for one in found:
        lives.setdefault(one.incarnation, []).append(one)
    for life in lives.values():
        life.sort(key=lambda one: one.event.position)
    return lives


def _continuing(head: int, lives: Sequence[Sequence[Found]]) -> tuple[list[Found], list[Found]]:
    """Divide into what follows the head without a hole, and the rest."""
    same = list[Found]()
    if len(lives) == 1:
        for one in lives[0]:
            if one.event.position != head + len(same) + 1:
                break
            same.append(one)
    everything = [one for life in lives for one in life]
    return same, everything[len(same) :]


def _begin_life(journal: SqliteJournal, rest: Sequence[Found], node_id: str) -> None:
    """Begin another incarnation: positions that were given out are given out again."""
    previous = journal.head()
    data = {
        "previous_incarnation": previous.incarnation,
        "incarnation": journal.begin_incarnation(),
        "lost_from": rest[0].event.position,
        "lost_to": rest[-1].event.position,
        "reason": "behind_cloud",
        "note": f"{len(rest)} events came back from the cloud; they follow with positions of their own",
    }
    now_us = instants.now_us()
    said = Envelope(ids.uuid7(now_us), f"/{node_id}/recorder", _RESTORED, SITE, now_us, data)
    entry = Entry("recorder", said.source, said.id, _RESTORED, SITE, now_us, envelope.encode(said))
    journal.append([entry], recorded_us=now_us)


def _append(journal: SqliteJournal, found: Sequence[Found], recorded_us: int) -> None:
    for begin in range(0, len(found), _BATCH):
        batch = [_entry(one) for one in found[begin : begin + _BATCH]]
        journal.append(batch, recorded_us=recorded_us)


def _entry(one: Found) -> Entry:
    said, body = envelope.decode(one.event.body), one.event.body
    stream = stream_of(said.type, said.data)
    return Entry(one.event.client, said.source, said.id, said.type, said.subject, said.time_us, body, stream)


def photos_of(events: Iterable[Recorded]) -> Iterator[str]:
    """Yield the hashes of the photos that events name."""
    for event in events:
        if event.type == "photo.added":
            yield str(envelope.decode(event.body).data["sha256"])
