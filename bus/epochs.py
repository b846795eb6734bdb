"""What the recorder remembers of each sender's transmission: in memory only. Pure.

Rules that must stay true here:
- within an epoch only the next sequence is accepted, so order holds and nothing is taken twice;
- an epoch begins with sequence 1; any other beginning is answered with "unknown, begin again";
- forgetting an epoch, or all of them, costs a sender a new epoch and never an event.
"""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

_KEPT = 4096
_DIGITS = 18


class Answer(Enum):
    """What to do with a numbered message."""

    TAKE = "take"
    AGAIN = "again"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Progress:
    """How far an epoch has come: taken into a batch, and committed."""

    taken: int = 0
    committed: int = 0


@dataclass(frozen=True, slots=True)
class Transmission:
    """The number a sender gave a message: its client, epoch and sequence."""

    client: str
    epoch: str
    sequence: int


class Epochs:
    """The epochs of all clients, the longest unused forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Progress] = OrderedDict()

    def offer(self, message: Transmission) -> Answer:
        """Take the next message of an epoch, or say why not."""
        key = (message.client, message.epoch)
        progress = self._known.get(key)
        if progress is None:
            if message.sequence != 1:
                return Answer.UNKNOWN
            progress = self._known[key] = Progress()
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        if message.sequence != progress.taken + 1:
            return Answer.AGAIN
        progress.taken = message.sequence
        return Answer.TAKE

    def forget(self, message: Transmission) -> None:
        """Know nothing of an epoch any more: its sender begins again."""
        self._known.pop((message.client, message.epoch), None)

    def commit(self, message: Transmission) -> None:
        """Note that a taken message is recorded, or refused for good."""
        progress = self._known.get((message.client, message.epoch))
        if progress is not None:
            progress.committed = message.sequence

    def committed(self, client: str, epoch: str) -> int | None:
        """Return the highest committed sequence of an epoch; None when it is not known."""
        progress = self._known.get((client, epoch))
        return None if progress is None else progress.committed


def transmission(client: str, user_properties: tuple[tuple[str, str], ...]) -> Transmission | None:
    """Read a message's number from its MQTT user properties; None for a plain message."""
    if not user_properties:
        return None
    said = dict(user_properties)
    epoch, sequence = said.get("epoch", ""), said.get("sequence", "")
    if not epoch or not (sequence.isascii() and sequence.isdecimal() and len(sequence) <= _DIGITS):
        return None
    return Transmission(client, epoch[:64], int(sequence))
