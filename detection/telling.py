"""The frame around what folds the stream and tells what follows from it: memory, place, and handing over.

Rules that must stay true here:
- nothing at or before the checkpoint is taken again, so other rules and limits change nothing that was told;
- without a memory, what lies before the newest own event in the journal is taken in, and not told again;
- what is told is kept in one transaction with the state that it follows from.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final, Protocol

from bus.envelope import Envelope, Recorded
from bus.journal import Head
from projectors.memory import Memory
from projectors.projector import Retained, Samples
from projectors.sqlite_model import DeadLetter

_SILENT: Final = "_silent"
_SAVE_EVERY_S: Final = 10.0


class Fold(Protocol):
    """Folds the stream, and tells.

    Attributes:
        name: of the process, its directory and its client at the broker.
        version: rises when what is remembered is another thing.
        types: wanted types of events; samples come too.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> int: ...  # noqa: D102
    @property
    def types(self) -> Collection[str]: ...  # noqa: D102

    def load(self, state: Mapping[str, Any]) -> None:
        """Forget everything, and go on from what `changes` gave over time; from nothing at first."""
        ...

    def take(self, recorded: Recorded) -> Iterable[Envelope]:
        """Take in one event; return what is to be told because of it."""
        ...

    def changes(self) -> tuple[Iterable[tuple[str, Any]], Collection[str]]:
        """Return what changed since the last time, by key and as JSON holds it, and what is gone."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return figures for health."""
        ...


def _nothing() -> None:
    """Do nothing."""


class Telling:
    """A fold in its frame: a projector whose read model is what it remembers.

    Args:
        fold: the fold.
        path: of its file.
        publish: hands an event to the outbox.
        told_upto: asked when there is no memory: the position of the newest own event in the journal.
        kept: called when what is folded is what is remembered: after a start, and after every save.
        turn: called once a turn.
        figures: of others, for health.
    """

    samples: Samples = "all"

    def __init__(
        self,
        fold: Fold,
        path: Path,
        *,
        publish: Callable[[Envelope], object],
        told_upto: Callable[[], int],
        kept: Callable[[], object] = _nothing,
        turn: Callable[[], object] = _nothing,
        figures: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self.name, self.version, self.types = fold.name, fold.version, fold.types
        self._fold = fold
        self._path = path
        self._publish = publish
        self._told_upto = told_upto
        self._kept = kept
        self._each_turn = turn
        self._figures = figures
        self._memory: Memory | None = None
        self._position = self._silent_upto = 0
        self._pending: list[Envelope] = []

    @property
    def linger_s(self) -> float:
        """Save at once what is to be told; the rest can be taken from the journal again."""
        return 0.0 if self._pending else _SAVE_EVERY_S

    def open(self) -> Head | None:
        """Read what is remembered."""
        self.close()
        self._pending.clear()
        self._memory = Memory(self._path, self.name, self.version)
        place, state = self._memory.place(), self._memory.state()
        silent_upto = state.pop(_SILENT, 0)
        self._silent_upto = self._told_upto() if place is None else silent_upto
        self._position = 0 if place is None else place.position
        self._fold.load(state)
        self._kept()
        return place

    def stale(self) -> bool:
        """Tell that nothing else takes its place."""
        return False

    def take(self, recorded: Recorded) -> None:
        """Take in one event."""
        if recorded.position <= self._position:
            return
        self._position = recorded.position
        told = list(self._fold.take(recorded))
        if recorded.position > self._silent_upto:
            self._pending += told

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Keep what changed, and hand over what is to be told."""
        assert self._memory is not None
        rows, gone = self._fold.changes()
        self._memory.save(place, [*rows, (_SILENT, self._silent_upto)], gone, self._pending, letters)
        self._pending.clear()
        self._memory.hand_over(self._publish)
        self._kept()

    def transaction(self) -> AbstractContextManager[object]:
        """Do nothing: every save is whole."""
        return nullcontext()

    def spill(self) -> None:
        """Do nothing: what is remembered is small."""

    def messages(self, now_s: float) -> Iterable[Retained]:  # noqa: ARG002 - nothing is retained
        """Hand over what the outbox did not take before."""
        if self._memory is not None and self._memory.waiting:
            self._memory.hand_over(self._publish)
        self._each_turn()
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, Any]:
        """Count what the fold counts, what waits, and what could not be taken."""
        memory = self._memory
        return {
            **self._fold.status(),
            "waiting": memory.waiting if memory else 0,
            "dead_letters": memory.letters() if memory else 0,
            **self._figures(),
        }

    def close(self) -> None:
        """Close the file."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
