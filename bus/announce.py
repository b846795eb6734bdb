"""What the recorder tells the bus: confirmations, refusals, events, and the head.

Rules that must stay true here:
- only what is committed is told;
- one confirmation covers all that an epoch had in a batch.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import orjson

from bus import envelope, instants
from bus.connection import Connection
from bus.envelope import CONTENT_TYPE, Recorded
from bus.epochs import Answer, Epochs, Transmission
from bus.intake import SAMPLE
from bus.journal import DeadLetter, Entry, Head, JournalReader
from bus.measuring import Tally
from bus.topics import Topics
from schemas.errors import ConfigurationError, InputError

log = logging.getLogger(__name__)

_HEAD_EVERY_S = 1.0
_HEAD_AT_MOST_EVERY_S = 0.02
_REPUBLISH_AT_MOST = 10_000


class Announcer:
    """Publishes on behalf of the recorder.

    Attributes:
        published: the position up to which the live stream was handed to the connection.
        delivered: the position up to which the connection has handed it on.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        epochs: Epochs,
        of_epoch: Callable[[str, str], Mapping[str, object]] = lambda _client, _epoch: {},
    ) -> None:
        self.published = self.delivered = 0
        self.recorded = self.duplicates = self.rejected_count = self.overflowed = 0
        self._body_bytes = self._samples = 0
        self._rare, self._refused = Tally(), Tally()
        self._connection = connection
        self._topics = topics
        self._epochs = epochs
        self._of_epoch = of_epoch
        self._owed: set[tuple[str, str]] = set()
        self._unknown: set[tuple[str, str]] = set()
        self._told = Head("", "", -1, b"")
        self._told_at = 0.0

    def answer(self, number: Transmission, answer: Answer) -> None:
        """Owe a sender the state of its epoch."""
        (self._unknown if answer is Answer.UNKNOWN else self._owed).add((number.client, number.epoch))

    def owe(self, number: Transmission) -> None:
        """Owe a sender the confirmation of a committed message."""
        self._owed.add((number.client, number.epoch))

    def count(self, recorded: Sequence[Recorded], duplicates: int) -> None:
        """Add to the figures."""
        self.recorded += len(recorded)
        self.duplicates += duplicates
        rare = [event.type for event in recorded if event.type != SAMPLE]
        self._samples += len(recorded) - len(rare)
        for type_ in rare:
            self._rare.add(type_.partition(".")[0])
        self._body_bytes += sum(len(event.body) for event in recorded)

    def counted(self) -> dict[str, object]:
        """Return what /metrics tells besides what health shows: by the first word of types, and by reason."""
        return {
            "head": self._told.position,
            "by_kind": {**self._rare, "sample": self._samples + self._rare.get("sample", 0)},
            "refused": dict(self._refused),
            "body_bytes": self._body_bytes,
        }

    def figures(self, head: Head) -> dict[str, object]:
        """Return what health shows."""
        return {
            **_place(head),
            "recorded": self.recorded,
            "duplicates": self.duplicates,
            "rejected": self.rejected_count,
            "overflowed": self.overflowed,
        }

    def confirm(self, head: Head) -> None:
        """Tell every sender that is owed it how far its epoch is committed."""
        for client, epoch in self._owed:
            sequence = self._epochs.committed(client, epoch)
            if sequence is not None:
                more = self._of_epoch(client, epoch)
                self._ack(client, {"epoch": epoch, "sequence": sequence, **_place(head), **more})
        self._owed.clear()

    def unknown_epochs(self, head: Head) -> None:
        """Ask senders of unknown epochs to begin again, and answer what came twice."""
        for client, epoch in self._unknown:
            self._ack(client, {"epoch": epoch, "unknown": True, **_place(head)})
        self._unknown.clear()
        self.confirm(head)

    def plain(self, entry: Entry, position: int) -> None:
        """Tell the client of a plain message where it was recorded."""
        said: dict[str, object] = {
            "id": entry.id,
            "type": entry.type,
            "subject": entry.subject,
            "position": position,
        }
        self._ack(entry.client, said)

    def rejected(self, letter: DeadLetter, number: Transmission | None) -> None:
        """Tell a client what was refused, why, and what to do."""
        self.rejected_count += 1
        self._refused.add(letter.reason)
        place = self._topics.parse_intake(letter.topic)
        said: dict[str, object] = {
            "id": _claimed_id(letter.payload),
            "topic": letter.topic,
            "type": place.type if place else "",
            "subject": place.system_id if place else "",
            "reason": letter.reason,
            "field": letter.field,
            "hint": letter.hint,
        }
        if number is not None:
            said |= {"epoch": number.epoch, "sequence": number.sequence}
        self._connection.publish(self._topics.rejected(letter.client), orjson.dumps(said), qos=1)

    def not_yet(self, topic: str, number: Transmission, error: InputError) -> None:
        """Tell an uplink why a batch of its is not taken now, and was not refused."""
        said: dict[str, object] = {
            "id": None,
            "topic": topic,
            "reason": error.reason,
            "field": error.field,
            "hint": error.hint,
            "waits": True,
            "epoch": number.epoch,
            "sequence": number.sequence,
        }
        self._connection.publish(self._topics.rejected(number.client), orjson.dumps(said), qos=1)

    def events(self, recorded: Iterable[Recorded]) -> None:
        """Publish the live stream: samples at QoS 0, everything else at QoS 1.

        When the broker is away the rest is told after it is back: see `unpublished`.
        """
        for event in recorded:
            told = self._connection.publish(
                self._topics.events(event.subject, event.type),
                envelope.published(event),
                qos=0 if event.type == SAMPLE else 1,
                user_properties=(
                    ("position", str(event.position)),
                    ("recordedat", instants.text(event.recorded_us)),
                    ("client", event.client),
                ),
                content_type=CONTENT_TYPE,
            )
            if not told:
                return
            self.published = event.position

    def unpublished(self, journal: JournalReader) -> None:
        """Publish what was committed but may not have been told before a crash or a lost connection."""
        head = journal.head().position
        try:
            self.events(journal.read(max(self.published, head - _REPUBLISH_AT_MOST)))
        except ConfigurationError as error:
            log.error("not all that was recorded can be told: %s", error)  # noqa: TRY400 - it says all

    def head(self, head: Head) -> bool:
        """Publish the head when it moved or a second has passed; True about once a second."""
        now = time.monotonic()
        silent_s = now - self._told_at
        if silent_s < (_HEAD_AT_MOST_EVERY_S if head != self._told else _HEAD_EVERY_S):
            return False
        second_passed = int(now) != int(self._told_at)
        self._told, self._told_at = head, now
        said = {**_place(head), "hash": head.hash.hex(), "time": instants.text(instants.now_us())}
        self._connection.publish(self._topics.head, orjson.dumps(said), retain=True)
        return second_passed

    def _ack(self, client: str, said: dict[str, object]) -> None:
        self._connection.publish(self._topics.ack(client), orjson.dumps(said), qos=1)


def _place(head: Head) -> dict[str, object]:
    return {"journal": head.journal, "incarnation": head.incarnation, "position": head.position}


def _claimed_id(payload: bytes) -> str | None:
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    claimed = said.get("id") if isinstance(said, dict) else None
    longest = 256
    return claimed[:longest] if isinstance(claimed, str) else None
