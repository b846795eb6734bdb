"""The archive projector: every sample as a row of a Parquet file.

Rules that must stay true here:
- rows wait in memory until they are many or a few minutes old, since every file wears a mini PC's flash;
  until then the checkpoint stays where it is, and a kill lets them come again;
- a sample lies in the day when it was taken, under the id with which it was recorded, and is never changed;
- memory is bounded by the numbers that wait, whatever is recorded.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from bus.envelope import Recorded
from bus.journal import Head
from bus.naming import about
from projectors.archive_compaction import Compaction
from projectors.archive_store import NAME, VERSION, ArchiveStore
from projectors.archive_tree import EVER_US
from projectors.generations import Generations
from projectors.projector import Retained, Samples
from projectors.sample_rows import GatheredSamples
from projectors.sqlite_model import DeadLetter
from schemas.errors import InputError, TransientError

log = logging.getLogger(__name__)

EVERY_S = 300.0
MOST_CELLS = 4_000_000
_FIRST_S = 30.0
_LOOK_EVERY_S = 60.0


class ArchiveProjector:
    """Writes samples into an archive; see `projectors.projector.Projector`.

    Attributes:
        rows: how many rows were written since the start.
    """

    name = NAME
    version = VERSION
    types: Collection[str] = ()
    samples: Samples = "all"
    linger_s = 0.0

    def __init__(
        self,
        place: Path | Generations,
        *,
        every_s: float = EVERY_S,
        most_cells: int = MOST_CELLS,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            place: one archive's directory, or the generations of which the one that serves is followed.
            every_s: how long rows may wait.
            most_cells: how many numbers may wait.
            strict: a sample that cannot be read is an error, as in a rebuild.
            clock: for waiting only.
        """
        self.rows = 0
        self._generations = place
        self._every_s = every_s
        self._most_cells = most_cells
        self._strict = strict
        self._clock = clock
        self._gathered = GatheredSamples()
        self._letters: list[DeadLetter] = []
        self._store: ArchiveStore | None = None
        self._compaction: Compaction | None = None
        self._place: Head | None = None
        self._archived: Head | None = None
        self._waiting_since: float | None = None
        self._horizon_us = 0
        self._looked_at = 0.0
        self._problem: str | None = None
        self._between = self._torn = False

    def open(self) -> Head | None:
        """Load the checkpoint, and delete what lies beyond it."""
        self.close()
        self._store = ArchiveStore(self._root())
        if isinstance(self._generations, Generations) and self._generations.current() is None:
            self._generations.serve(self._store.root)
        self._compaction = Compaction(self._store)
        for partition in self._store.clean():
            self._compaction.touch(partition, 0)
        self._place = self._archived = self._store.model.place()
        return self._place

    def stale(self) -> bool:
        """Whether another archive serves, or this one has to begin again where its checkpoint is."""
        if self._store is None or self._torn:
            return True
        return isinstance(self._generations, Generations) and self._generations.current() != self._store.root

    def take(self, recorded: Recorded) -> None:
        """Keep one sample until it is written.

        Raises:
            InputError: it cannot be read, in a strict run.
        """
        try:
            self._gathered.add(recorded)
        except InputError as error:
            if self._strict:
                raise
            log.warning("position %d cannot be archived: %s", recorded.position, error, extra=about(recorded))
            self._letters.append(DeadLetter(recorded, str(error)))
        self._between = True
        self._horizon_us = max(self._horizon_us, recorded.recorded_us)

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Note how far all was taken, and write it when that is due.

        Raises:
            TransientError: the disk is in the way.
        """
        self._letters.extend(letters)
        if self._waiting_since is None:
            self._waiting_since = self._clock()
        self._place, self._between = place, False
        if self._gathered.cells >= self._most_cells or self._due():
            self.flush()

    def flush(self) -> None:
        """Write what waits, and move the checkpoint behind it.

        Raises:
            TransientError: the disk is in the way.
        """
        assert self._store is not None
        assert self._compaction is not None
        if self._place is None or self._waiting_since is None:
            return
        self._torn = True
        for system_id, kind, block in self._gathered.blocks():
            for partition, rows in self._store.put(system_id, kind, block).items():
                self._compaction.touch(partition, self._horizon_us)
                self.rows += rows
        self._store.commit(self._place, self._letters)
        self._archived = self._place
        self._letters.clear()
        self._waiting_since, self._torn = None, False

    def finish(self) -> None:
        """Write everything, and make one file of every day that got more than one.

        Raises:
            TransientError: the disk is in the way.
        """
        assert self._compaction is not None
        self.flush()
        self._compaction.look(EVER_US)
        while self._compaction.step(EVER_US):
            pass

    def compact(self) -> None:
        """Do all compaction that is due."""
        assert self._compaction is not None
        while self._compaction.step(self._horizon_us):
            pass

    def spill(self) -> None:
        """Do nothing: rows are written when there are many."""

    def transaction(self) -> AbstractContextManager[object]:
        """Make nothing of it: no save here depends on another."""
        return nullcontext()

    def messages(self, now_s: float) -> Iterable[Retained]:
        """Say nothing, and do what is due: write rows that waited long enough, compact a little."""
        if self._compaction is not None and not self.stale():
            self._write_if_due()
            if now_s - self._looked_at >= _LOOK_EVERY_S:
                self._looked_at = now_s
                self._compaction.look(self._horizon_us)
            self._compaction.step(self._horizon_us)
        return ()

    def republish(self) -> None:
        """Do nothing."""

    def status(self) -> Mapping[str, Any]:
        """Return figures for health."""
        return {
            "archived": self._archived.position if self._archived else 0,
            "rows_waiting": self._gathered.rows,
            "rows_written": self.rows,
            "waiting_for": self._problem,
            "dead_letters": self._store.model.count("dead_letters") if self._store is not None else 0,
        }

    def close(self) -> None:
        """Close the archive, and forget what is not written: it comes again."""
        self._gathered.clear()
        self._letters.clear()
        self._waiting_since, self._between, self._torn = None, False, False
        if self._compaction is not None:
            self._compaction.stop()
        if self._store is not None:
            self._store.close()
            self._store = self._compaction = None

    def _due(self) -> bool:
        if self._waiting_since is None:
            return False
        every_s = self._every_s if self._archived is not None else min(self._every_s, _FIRST_S)
        return self._clock() - self._waiting_since >= every_s

    def _write_if_due(self) -> None:
        try:
            if self._due() and not self._between:  # a place is behind all that was taken, or behind none
                self.flush()
            self._problem = None
        except TransientError as error:
            self._problem = str(error)
            log.warning("the archive waits: %s", error)

    def _root(self) -> Path:
        if isinstance(self._generations, Path):
            return self._generations
        return self._generations.current() or self._generations.create()
