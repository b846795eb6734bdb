"""Following the journal: one code path for live, catching up and rebuilding.

Rules that must stay true here:
- a batch is handed out only when the place it follows is on this journal's past: swapped, restored or
  outgrown journals are noticed before their events are applied;
- events come in order of position, each once.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from bus.envelope import Recorded
from bus.journal import Head, JournalReader, check_place


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that follow each other, and the place behind them.

    Attributes:
        place: where the reader stands once it has applied them; it also moves over events not asked for.
        behind: how many positions the journal's head is ahead of that place.
    """

    events: tuple[Recorded, ...]
    place: Head
    behind: int


class Follower:
    """Reads on from a place, batch by batch.

    Args of `__init__`:
        place: the checkpoint to go on from; None for the beginning.
        what: who follows, in words for error messages.
        remedy: what a person should do when the journal is not the one that was followed.
    """

    def __init__(
        self,
        reader: JournalReader,
        place: Head | None,
        *,
        what: str,
        remedy: str,
        types: Collection[str] | None = None,
    ) -> None:
        self._reader = reader
        self._what = what
        self._remedy = remedy
        self._types = types
        self.place = place or replace(reader.head(), position=0, hash=bytes(32))

    def batch(self, limit: int, *, upto: int | None = None) -> Batch:
        """Return the next events, at most `limit` and not beyond position `upto`; none when there are none.

        Raises:
            ConfigurationError: the journal was replaced by one that does not hold our place.
            TransientError: the journal cannot be read now.
        """
        check_place(self._reader, self.place, self._what, self._remedy)
        head = self._reader.head()
        end = head.position if upto is None else min(upto, head.position)
        events = tuple(self._reader.read(self.place.position, limit=limit, upto=end, types=self._types))
        if len(events) == limit:
            last = events[-1]
            self.place = Head(head.journal, head.incarnation, last.position, last.hash)
        elif end >= self.place.position:
            self.place = Head(head.journal, head.incarnation, end, self._hash_at(end, head, events))
        return Batch(events, self.place, head.position - self.place.position)

    def _hash_at(self, position: int, head: Head, events: tuple[Recorded, ...]) -> bytes:
        if position == head.position:
            return head.hash
        if events and events[-1].position == position:
            return events[-1].hash
        return self._reader.hash_at(position) or self.place.hash
