"""What an outbox holds: items in their order, its bounds, and the account of what a full outbox dropped.

Pure values. Rules that must stay true here:
- `n` is an item's place in the outbox; it never travels, and means nothing outside it;
- one account (`samples.dropped`) per subject takes the place of the newest sample it counts, so order holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bus import envelope, instants
from bus.envelope import Envelope
from schemas import limits
from schemas.errors import InputError

SAMPLE = "sample.taken"
DROPPED = "samples.dropped"
OUTBOX_FULL = "outbox_full"
DISK_FULL = "disk_full"
ROW_BYTES = 128
_UNFIT = frozenset("/+#\0")
_LONGEST_SEGMENT = 256


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How much an outbox may hold.

    Attributes:
        events: beyond this many, or beyond `file_bytes`, the oldest samples are dropped, a tenth at a time.
        memory_events: beyond this many, or beyond `memory_bytes`, samples go to the file at once.
    """

    events: int = 2_000_000
    file_bytes: int = 1 << 30
    memory_events: int = 5_000
    memory_bytes: int = 16 << 20

    @property
    def most_facts(self) -> int:
        """Give how many events that are never dropped may wait before `put` refuses another."""
        return 2 * self.events


@dataclass(frozen=True, slots=True)
class Item:
    """An encoded event in the outbox.

    Attributes:
        n: its place.
        sample: whether it may be dropped when the outbox is full.
        held_s: the monotonic second at which it came, as far as this process knows.
    """

    n: int
    sample: bool
    subject: str
    type: str
    time_us: int
    body: bytes
    held_s: float = 0.0

    @property
    def size(self) -> int:
        """Estimate its bytes in the file, row and page overhead included."""
        return len(self.body) + ROW_BYTES


@dataclass(frozen=True, slots=True)
class Dropped:
    """A dropped sample, as far as its account needs it."""

    n: int
    subject: str
    time_us: int
    size: int


@dataclass(frozen=True, slots=True)
class Account:
    """How many samples of one subject were dropped; `n` is the place of the newest of them."""

    subject: str
    n: int
    count: int
    from_us: int
    to_us: int
    reason: str

    def to_event(self, event_id: str, source: str) -> Envelope:
        """Say it as an event at the time of the newest loss, where a reader of that time finds the reason."""
        data = {
            "count": self.count,
            "from": instants.text(self.from_us),
            "to": instants.text(self.to_us),
            "reason": self.reason,
        }
        # A clock that was wrong may be reported, but nothing may claim to have happened before 2000.
        time_us = max(self.to_us, limits.EARLIEST_US)
        return Envelope(event_id, source, DROPPED, self.subject, time_us, data)


def account(dropped: Iterable[Dropped], earlier: Mapping[str, Account], reason: str) -> dict[str, Account]:
    """Count what was dropped, per subject, and add the earlier account of the same subject."""
    accounts: dict[str, Account] = {}
    for sample in dropped:
        subject = sample.subject
        known = accounts.get(subject) or earlier.get(subject)
        if known is None:
            accounts[subject] = Account(subject, sample.n, 1, sample.time_us, sample.time_us, reason)
            continue
        accounts[subject] = Account(
            subject,
            max(known.n, sample.n),
            known.count + 1,
            min(known.from_us, sample.time_us),
            max(known.to_us, sample.time_us),
            reason,
        )
    return accounts


def pack(event: Envelope, n: int, held_s: float = 0.0) -> Item:
    """Encode an event, once, as an item.

    Raises:
        InputError: no broker would carry it, or no recorder take it: all behind it would wait for ever.
    """
    for name, value in (("subject", event.subject), ("type", event.type)):
        if not segment_fits(value):
            raise InputError(
                "attribute", name, f"give {name} without / + # and at most 256 long: {value!r:.60}"
            )
    try:
        body = envelope.encode(event)
    except TypeError as error:
        raise InputError("not_json", "data", f"give data that JSON can hold: {error}") from error
    limits.check_size(body)
    return Item(n, event.type == SAMPLE, event.subject, event.type, event.time_us, body, held_s)


def segment_fits(text: str) -> bool:
    """Tell whether a text can be one level of a topic."""
    return 0 < len(text) <= _LONGEST_SEGMENT and text.isprintable() and _UNFIT.isdisjoint(text)
