"""A message in the recorder's hand: judged, not yet committed."""

from dataclasses import dataclass, field, replace

from bus.connection import Message
from bus.epochs import Transmission
from bus.journal import DeadLetter, Entry, Held
from bus.journal_dead_letters import LONGEST


@dataclass(slots=True)
class Taken:
    """What became of one message; an uplink's holds many events."""

    message: Message
    client: str
    number: Transmission | None
    entries: list[Entry] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    held: Held | None = None
    known_to_broker: bool = True

    def lighten(self, *, waits: bool) -> int:
        """Let go of what is not needed any more; return how many bytes are kept.

        Args:
            waits: it is held for long, with many others: of what is refused, only what is buried is kept.
        """
        if waits and self.number is None:
            self.letters = [replace(one, payload=one.payload[:LONGEST]) for one in self.letters]
        if not (self.entries and self.entries[0].body is self.message.payload):
            self.message = replace(self.message, payload=b"")
        return sum(len(one.body) for one in self.entries) + sum(len(one.payload) for one in self.letters)
