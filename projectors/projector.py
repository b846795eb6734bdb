"""What a projector is to the runner: a fold, with a place to keep what it folded."""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from bus.envelope import Recorded
from bus.journal import Head
from projectors.sqlite_model import DeadLetter

Samples = Literal["all", "newest", "none"]
Retained = tuple[str, bytes]


class Projector(Protocol):
    """Folds events into a read model. A new one adds a file, and changes no loop.

    Taking an event that was taken before changes nothing, so any stretch of the stream may come again.

    Attributes:
        name: of the projector, in commands, topics and messages.
        version: rises when the same events would give another model; then it is rebuilt.
        types: wanted types of events, `sample.taken` left out.
        samples: which samples count: `newest` lets a rebuild read one per stream and skip the rest.
    """

    name: str
    version: int
    types: Collection[str]
    samples: Samples

    @property
    def linger_s(self) -> float:
        """How long samples may wait to be saved; all else is saved at once."""
        ...

    def open(self) -> Head | None:
        """Forget everything unsaved, load what is saved, and return how far that is; None when it is new."""
        ...

    def stale(self) -> bool:
        """Whether another model took the place of the opened one, so that it must be opened anew."""
        ...

    def take(self, recorded: Recorded) -> None:
        """Fold one event, in memory."""
        ...

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Keep what was taken, what could not be, and the place behind it: all or nothing, or repeatable."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Make all saves inside count together, or not at all; asked for where `samples` is `newest`."""
        ...

    def spill(self) -> None:
        """Let go of what fills the memory, inside a transaction; a save follows."""
        ...

    def messages(self, now_s: float) -> Iterable[Retained]:
        """Yield retained messages that are due, at a time of any steadily growing clock."""
        ...

    def republish(self) -> None:
        """Let every retained message be due again: the broker may have forgotten them."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return figures for health."""
        ...

    def close(self) -> None:
        """Let go of everything; what is unsaved comes again."""
        ...
