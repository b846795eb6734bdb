"""The series projector: what the stream comes to in VictoriaMetrics, and how far that surely is.

Rules that must stay true here:
- the effect comes first and is idempotent, the checkpoint follows when the effect can be forgotten no more;
- at every start, and when VictoriaMetrics was restarted, wiped or restored, it is asked what it still has:
  the series `ovr_series_position` tells places that were durable when it was written;
- a stream of another journal, or of another incarnation of it, is never mixed in: what was lost in a restore
  may be in VictoriaMetrics, beyond every place that is known to be durable.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from bus import instants
from bus.envelope import Recorded
from bus.journal import Head, JournalReader, check_place
from bus.naming import about
from projectors import lines
from projectors.events import SAMPLE
from projectors.lines import Compatibility
from projectors.projector import Retained, Samples
from projectors.series import FACTS, VERSION, Effects, SeriesFold
from projectors.series_counters import COUNTED
from projectors.series_sink import Delete, Flush, Operation, Place, Post, Reached, Sink
from projectors.series_store import SeriesStore
from projectors.sqlite_model import DeadLetter
from projectors.victoria import Victoria
from schemas.errors import ConfigurationError, InputError, TransientError
from schemas.registry import Registry

log = logging.getLogger(__name__)

POSITION_METRIC = "ovr_series_position"
_REMEDY = "run `ovr rebuild series`"
_WHAT = "the series in VictoriaMetrics"
_LAST_MILLISECOND = 4096
_AHEAD_MS = 2 * 86_400_000
_LINES = 2000
_ROOM_S = 0.5


@dataclass(frozen=True, slots=True)
class Settings:
    """How the projector works.

    Attributes:
        compatibility: what else is written for older dashboards.
        trail_s: how long an accepted sample may still be forgotten.
        pulse_s: how often VictoriaMetrics is asked whether it still is the same process.
        mark_every_s: how often a durable place is written down.
        keep_every: after how many occurrences what they come to is kept, so that a start need not read them.
        strict: an event that cannot be written is an error, as in a rebuild.
    """

    compatibility: Compatibility = field(default_factory=Compatibility)
    trail_s: float = 30.0
    pulse_s: float = 1.0
    mark_every_s: float = 10.0
    keep_every: int = 20_000
    strict: bool = False


class SeriesProjector:
    """Brings one VictoriaMetrics in step with a journal; see `projectors.projector.Projector`.

    Attributes:
        rewinds: how often VictoriaMetrics was replaced under us, and given again what it may have lost.
    """

    name = "series"
    version = VERSION
    types: Collection[str] = FACTS
    samples: Samples = "all"
    linger_s = 0.0

    def __init__(
        self, reader: JournalReader, store: SeriesStore, url: str, settings: Settings | None = None
    ) -> None:
        self.rewinds = 0
        self._reader = reader
        self._store = store
        self._url = url
        self._settings = settings or Settings()
        self._registry = Registry.load()
        self._fold = SeriesFold(self._registry, self._settings.compatibility)
        self._sink: Sink | None = None
        self._durable = 0
        self._marked_us = 0
        self._origin = ("", "")

    def open(self) -> Head | None:
        """Find out what VictoriaMetrics surely has, and stand there.

        Raises:
            TransientError: VictoriaMetrics or the journal is away.
            ConfigurationError: what it has comes from another journal.
        """
        self.rewinds += self.stale()
        self.close()
        with closing(Victoria(self._url)) as victoria:
            process = victoria.process()
            if process.uptime_s < 1:
                raise TransientError(f"VictoriaMetrics at {self._url} has only just started")
            kept = self._kept(victoria)
        head, newest = self._reader.head(), self._store.newest()
        self._origin = self._store.origin(head)
        self._check_origin(head)
        if newest is not None:
            check_place(self._reader, newest.head, _WHAT, _REMEDY)
        place = None if kept is None else self._store.newest(kept)
        self._durable = place.head.position if place else 0
        if newest is not None and newest.head.position > self._durable:
            log.warning("VictoriaMetrics may have lost what came after position %d", self._durable)
            self._store.go_back(self._durable)
        self._stand(place)
        self._sink = Sink(self._url, process, trail_s=self._settings.trail_s, pulse_s=self._settings.pulse_s)
        return place.head if place else None

    def stale(self) -> bool:
        """Whether another VictoriaMetrics process took the place of the one we began with."""
        return self._sink is not None and self._sink.lost

    def take(self, recorded: Recorded) -> None:
        """Fold one event, in memory."""
        self._fold.take(recorded)

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        """Hand over what was taken; it is done in order, and repeated until it is.

        Raises:
            TransientError: VictoriaMetrics does not take it now.
            InputError: an event cannot be written, and the settings are strict.
            ConfigurationError: the journal was restored meanwhile.
        """
        self._check_origin(place)
        effects = self._fold.effects()
        for recorded, error in effects.refused:
            self._bury(recorded, error)
        for letter in letters:
            self._store.bury(letter.recorded.position, letter.recorded.id, letter.error)
        for operation in self._operations(
            effects, Place(place, self._fold.horizon_us, dict(self._fold.clocks))
        ):
            self._submit(operation)
        if self._fold.counted >= self._settings.keep_every:
            self._store.keep_counted(place.position, self._fold.tell_counted())
        self._keep()

    def spill(self) -> None:
        """Do nothing: every save hands over all there is."""

    def transaction(self) -> AbstractContextManager[object]:
        """Make nothing of it: no save here depends on another."""
        return nullcontext()

    def messages(self, now_s: float) -> Iterable[Retained]:  # noqa: ARG002 - the runner's contract
        """Yield nothing: this model is asked over HTTP."""
        return ()

    def republish(self) -> None:
        """Do nothing, for the same reason."""

    def status(self) -> Mapping[str, Any]:
        """Return figures for health."""
        sink = self._sink
        return {
            "durable": self._durable,
            "rewinds": self.rewinds,
            "lines": sink.lines if sink else 0,
            "ignored": sink.ignored if sink else 0,
            "waiting_for": sink.error if sink else f"VictoriaMetrics at {self._url}",
            "not_written": self._store.count_buried(),
        }

    def accepted(self, position: int) -> bool:
        """Tell whether VictoriaMetrics accepted everything up to a position."""
        reached = None if self._sink is None or self._sink.lost else self._sink.reached
        return reached is not None and reached.head.position >= position

    def finish(self) -> Head:
        """Write down that all that was accepted is durable, as a clean stop of VictoriaMetrics makes it."""
        reached = self._sink.reached if self._sink is not None else None
        assert reached is not None
        with closing(Victoria(self._url)) as victoria:
            victoria.post([_mark(reached.head)])
        self._store.save(reached)
        return reached.head

    @property
    def durable(self) -> int:
        """The position up to which VictoriaMetrics can forget nothing any more."""
        return self._durable

    def close(self) -> None:
        """Stop feeding VictoriaMetrics."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _check_origin(self, head: Head) -> None:
        journal, incarnation = self._origin
        if (head.journal, head.incarnation) != self._origin:
            raise ConfigurationError(
                f"{_WHAT} come from journal {journal}, incarnation {incarnation}; now it is journal "
                f"{head.journal}, incarnation {head.incarnation}: it was restored or replaced: {_REMEDY}"
            )

    def _kept(self, victoria: Victoria) -> int | None:
        """Ask VictoriaMetrics for the last place it tells; None when it tells none."""
        victoria.flush()
        soon_ms = instants.now_us() // 1000 + _AHEAD_MS
        found = victoria.query(f"max(max_over_time({POSITION_METRIC}[20y])) by (journal)", soon_ms)
        told = {one["metric"].get("journal", ""): int(float(one["value"][1])) for one in found}
        journal = self._reader.head().journal
        if strangers := told.keys() - {journal}:
            raise ConfigurationError(
                f"{_WHAT} come from journal {min(strangers)}, but this is journal {journal}: {_REMEDY}"
            )
        return told.get(journal)

    def _stand(self, place: Place | None) -> None:
        self._fold = SeriesFold(self._registry, self._settings.compatibility)
        if place is None:
            return
        upto = place.head.position
        buried = {position for position, *_ in self._store.buried()}
        after, counted = self._store.counted(upto)
        read = chain(
            self._reader.read(upto=after, types=FACTS - COUNTED),
            self._reader.read(after, upto=upto, types=FACTS),
        )
        facts = (fact for fact in read if fact.position not in buried)
        samples = self._reader.read(max(0, upto - _LAST_MILLISECOND), upto=upto, types={SAMPLE})
        self._fold.restore(facts, samples, place.horizon_us, counted, place.clocks)

    def _operations(self, effects: Effects, place: Place) -> Iterator[Operation]:
        yield from _posts(chain.from_iterable(effects.written))
        if effects.deleted:
            yield Delete(effects.deleted)
            moved = self._moved(effects.moved, place.head.position)
            yield from _posts(chain(chain.from_iterable(effects.rewritten), moved))
        if effects.urgent:
            yield Flush()
        yield Reached(place)

    def _moved(self, subjects: set[str], upto: int) -> Iterator[bytes]:
        """Write again what was recorded under names that turned out to be another system's."""
        writer = self._fold.writer()
        found = self._reader.read(upto=upto, subjects=subjects, types={SAMPLE}) if subjects else ()
        for recorded in found:
            try:
                line = writer.line(recorded, self._fold.system(recorded))
            except InputError:
                continue  # it was told when it came first
            if line is not None:
                yield line

    def _submit(self, operation: Operation) -> None:
        assert self._sink is not None
        while not self._sink.submit(operation, _ROOM_S):
            if self._sink.failed is not None:
                raise self._sink.failed
            if self._sink.lost or self._sink.error is not None:
                raise TransientError(self._sink.error or "VictoriaMetrics was restarted")

    def _bury(self, recorded: Recorded, error: InputError) -> None:
        if self._settings.strict:
            raise error
        said = "position %d cannot be written to VictoriaMetrics: %s"
        log.warning(said, recorded.position, error, extra=about(recorded))
        self._store.bury(recorded.position, recorded.id, str(error))

    def _keep(self) -> None:
        """Write down what was refused and what became durable."""
        assert self._sink is not None
        while self._sink.refused:
            line = self._sink.refused.popleft()
            self._store.bury(0, line.decode(errors="replace"), "VictoriaMetrics refuses this line")
        now_us, durable = instants.now_us(), self._sink.durable
        soon = abs(now_us - self._marked_us) < self._settings.mark_every_s * instants.SECOND_US
        if durable is None or durable.head.position <= self._durable or soon:
            return
        self._store.save(durable)
        self._durable, self._marked_us = durable.head.position, now_us
        self._submit(Post([_mark(durable.head)]))


def _mark(place: Head) -> bytes:
    series = lines.series("ovr_series", {"journal": place.journal})
    return lines.point(series, "position", place.position, instants.now_us() // 1000)


def _posts(written: Iterable[bytes]) -> Iterator[Operation]:
    written = iter(written)
    while part := list(islice(written, _LINES)):
        yield Post(part)
