"""Keep one VictoriaMetrics in step with the journal: read, fold, hand to the sink, remember how far it is.

Rules that must stay true here:
- the effect comes first and is idempotent, the checkpoint follows when the effect can be forgotten no more;
- at every start, and when VictoriaMetrics was restarted, wiped or restored, it is asked what it still has:
  the series `ovr_series_position` tells places that were durable when it was written;
- an event that cannot be applied is kept as a dead letter and left out; a rebuild stops there instead.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from bus import instants
from bus.envelope import Recorded
from bus.follow import Batch, Follower
from bus.journal import JournalReader, check_place
from projectors import lines
from projectors.events import SAMPLE
from projectors.lines import Compatibility
from projectors.series import FACTS, VERSION, Effects, SeriesFold
from projectors.series_sink import Delete, Flush, Operation, Place, Post, Reached, Sink
from projectors.series_store import SeriesStore
from projectors.victoria import Victoria
from schemas.errors import ConfigurationError, InputError, TransientError
from schemas.registry import Registry

__all__ = ["VERSION", "SeriesProjector", "Settings"]

log = logging.getLogger(__name__)

REMEDY = "run `ovr rebuild series`"
WHAT = "the series in VictoriaMetrics"
_BOOKKEEPING = "ovr_series"
_POSITION = "position"
_MILLISECOND_OF_SAMPLES = 4096
_AHEAD_MS = 2 * 86_400_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How the projector works.

    Attributes:
        batch: events folded at a time.
        trail_s: how long an accepted sample may still be forgotten.
        pulse_s: how often VictoriaMetrics is asked whether it still is the same process.
        mark_every_s: how often a durable place is written down.
        strict: stop at an event that cannot be applied, as a rebuild does.
    """

    compatibility: Compatibility = field(default_factory=Compatibility)
    batch: int = 4000
    trail_s: float = 30.0
    pulse_s: float = 1.0
    mark_every_s: float = 10.0
    strict: bool = False


class SeriesProjector:
    """Follows a journal into a VictoriaMetrics.

    Attributes:
        rewinds: how often VictoriaMetrics had to be given again what it had lost.
        behind: positions that the journal is ahead of what was read.
    """

    def __init__(
        self, reader: JournalReader, store: SeriesStore, url: str, settings: Settings | None = None
    ) -> None:
        self.rewinds = 0
        self.behind = 0
        self.sink: Sink | None = None
        self._reader = reader
        self._store = store
        self._url = url
        self._settings = settings or Settings()
        self._registry = Registry.load()
        self._operations: Iterator[Operation] = iter(())
        self._held: Operation | None = None
        self._singly_upto = 0
        self._marked_us = 0
        self._saved = 0
        self._flush_due = False

    def begin(self) -> None:
        """Find out what VictoriaMetrics has, and stand there.

        Raises:
            TransientError: VictoriaMetrics or the journal is away.
            ConfigurationError: what it has comes from another journal.
        """
        self.close()
        victoria = Victoria(self._url)
        try:
            process = victoria.process()
            if process.uptime_s < 1:
                raise TransientError(f"VictoriaMetrics at {self._url} has only just started")
            kept = self._kept(victoria)
        finally:
            victoria.close()
        newest = self._store.newest()
        if newest is not None:
            check_place(self._reader, newest.head, WHAT, REMEDY)
        place = None if kept is None else self._store.newest(kept)
        self._store.go_back(place.head.position if place else 0)
        if newest is not None and (place is None or place.head.position < newest.head.position):
            log.warning("VictoriaMetrics lost the past from position %d", place.head.position if place else 0)
        self._stand(place)
        self._saved = place.head.position if place else 0
        self._singly_upto = 0
        self.sink = Sink(self._url, process, trail_s=self._settings.trail_s, pulse_s=self._settings.pulse_s)

    def turn(self, wait_s: float, *, upto: int | None = None) -> bool:
        """Do some work, waiting at most `wait_s` for room; False when there is none to do.

        Args:
            wait_s: the longest time to wait.
            upto: do not read beyond this position.

        Raises:
            TransientError: try again.
            ConfigurationError: a person must help.
        """
        if self.sink is None or self.sink.lost:
            self.rewinds += self.sink is not None
            self.begin()
        assert self.sink is not None
        if self.sink.failed is not None:
            raise self.sink.failed
        self._keep(self.sink)
        operation = self._held or next(self._operations, None)
        if operation is None:
            operation = self._read(upto)
        if operation is None:
            return False
        self._held = None if self.sink.submit(operation, wait_s) else operation
        return True

    def done(self, upto: int) -> bool:
        """Tell whether everything up to a position was accepted."""
        reached = self.sink.reached if self.sink is not None and not self.sink.lost else None
        return reached is not None and reached.head.position >= upto

    @property
    def checkpoint(self) -> int:
        """The position up to which VictoriaMetrics can forget nothing any more."""
        return self._saved

    def close(self) -> None:
        """Stop feeding VictoriaMetrics."""
        if self.sink is not None:
            self.sink.close()
            self.sink = None

    def _kept(self, victoria: Victoria) -> int | None:
        """Ask VictoriaMetrics for the last place it tells; None when it tells none."""
        victoria.flush()
        metric = f"{_BOOKKEEPING}_{_POSITION}"
        found = victoria.query(
            f"max(max_over_time({metric}[20y])) by (journal)", instants.now_us() // 1000 + _AHEAD_MS
        )
        told = {one["metric"].get("journal", ""): int(float(one["value"][1])) for one in found}
        journal = self._reader.head().journal
        strangers = told.keys() - {journal}
        if strangers:
            raise ConfigurationError(
                f"{WHAT} come from journal {min(strangers)}, this is journal {journal}: {REMEDY}"
            )
        return told.get(journal)

    def _stand(self, place: Place | None) -> None:
        self._follower = Follower(self._reader, place.head if place else None, what=WHAT, remedy=REMEDY)
        self._fold = SeriesFold(self._registry, self._settings.compatibility)
        self._operations, self._held = iter(()), None
        if place is not None:
            upto = place.head.position
            buried = {position for position, *_ in self._store.buried()}
            facts = (
                fact for fact in self._reader.read(upto=upto, types=FACTS) if fact.position not in buried
            )
            samples = self._reader.read(max(0, upto - _MILLISECOND_OF_SAMPLES), upto=upto, types={SAMPLE})
            self._fold.restore(facts, samples, place.horizon_us)

    def _read(self, upto: int | None) -> Operation | None:
        """Read and fold a batch; return the first operation of what it comes to."""
        before = Place(self._follower.place, self._fold.horizon_us)
        singly = before.head.position < self._singly_upto
        batch = self._follower.batch(1 if singly else self._settings.batch, upto=upto)
        self.behind = batch.behind
        if batch.place.position == before.head.position:
            if self._flush_due:
                self._flush_due = False
                return Flush()
            return None
        try:
            effects = self._fold.take(batch.events)
        except Exception as error:
            if self._settings.strict:
                raise
            self._isolate(before, batch, error)
            return None
        self._operations = self._plan(effects, Place(batch.place, self._fold.horizon_us))
        return next(self._operations)

    def _isolate(self, before: Place, batch: Batch, error: Exception) -> None:
        """Keep apart the one event that breaks the fold, so that the stream goes on."""
        if len(batch.events) > 1:
            log.error(
                "what follows position %d cannot be applied at once: going on singly", before.head.position
            )
            self._stand(before)
            self._singly_upto = batch.place.position
            return
        (event,) = batch.events
        log.error("position %d cannot be applied", event.position, exc_info=error)
        self._store.bury(event.position, event.id, repr(error))
        self._stand(Place(batch.place, max(before.horizon_us, event.recorded_us)))

    def _plan(self, effects: Effects, place: Place) -> Iterator[Operation]:
        for recorded, error in effects.refused:
            self._refuse(recorded, error)
        yield from self._posts(chain.from_iterable(effects.written))
        if effects.deleted:
            yield Delete(effects.deleted)
            moved = self._moved(effects.moved, place.head.position)
            yield from self._posts(chain(chain.from_iterable(effects.rewritten), moved))
        self._flush_due |= effects.urgent
        if self._flush_due and self.behind == 0:
            self._flush_due = False
            yield Flush()
        yield Reached(place)

    def _posts(self, written: Iterable[bytes]) -> Iterator[Operation]:
        written = iter(written)
        while part := list(islice(written, self._settings.batch)):
            yield Post(part)

    def _moved(self, subjects: set[str], upto: int) -> Iterator[bytes]:
        """Write again what was recorded under names that turned out to be another system's."""
        writer = self._fold.writer()
        found = self._reader.read(upto=upto, subjects=subjects, types={SAMPLE}) if subjects else ()
        for recorded in found:
            try:
                line = writer.line(recorded, self._fold.system(recorded.subject))
            except InputError:
                continue  # told when it was met first
            if line is not None:
                yield line

    def _refuse(self, recorded: Recorded, error: InputError) -> None:
        if self._settings.strict:
            raise error
        log.warning("position %d cannot be written: %s", recorded.position, error)
        self._store.bury(recorded.position, recorded.id, str(error))

    def _keep(self, sink: Sink) -> None:
        """Write down what became durable, and what was refused."""
        while sink.refused:
            line = sink.refused.popleft()
            self._store.bury(0, line.decode(errors="replace"), "VictoriaMetrics refuses this line")
        now_us, durable = instants.now_us(), sink.durable
        due = abs(now_us - self._marked_us) >= self._settings.mark_every_s * 1_000_000
        if durable is None or durable.head.position <= self._saved or not due or self._held is not None:
            return
        self._store.save(durable)
        self._saved, self._marked_us = durable.head.position, now_us
        series = lines.series(_BOOKKEEPING, {"journal": durable.head.journal})
        self._held = Post([lines.point(series, _POSITION, self._saved, now_us // 1000)])
