"""The samples of a report's windows: what reports use of them, in memory that does not grow with time.

Rules that must stay true here:
- what comes out depends on the journal, the window and the position alone, never on how far the archive is;
- a window is read day by day, and a long one is kept in steps (see `reporter.coarse`), its highest second
  beside them;
- what is not archived yet is read once for all systems of a report, as long as it is little.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bus import instants
from bus.journal import JournalReader
from projectors.archive_reader import ArchiveReader
from projectors.archive_tree import DAY_US
from projectors.samples import Recent, read_samples
from reporter.basis import guard
from reporter.coarse import kept, means, step_s, strung
from reporter.columns import Columns, Samples, Stretch
from reporter.device import place_of
from reporter.facts import ReportSettings
from reporter.methods import phase_powers
from reporter.seconds import lacks, stretch
from reporter.wanted import NAMES, USUAL, names_of, spare

AROUND_US = 900 * instants.SECOND_US
"""So much before and behind a window is read too: counters are interpolated over a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was read of one window.

    Attributes:
        late: how many of its samples were recorded after the first report on it.
    """

    samples: Samples
    late: int


@dataclass(frozen=True, slots=True)
class WindowSamples:
    """Reads the samples of systems for one report.

    Attributes:
        upto: only what was recorded up to this position.
        recent: what is not archived yet; None where that is too much to be kept.
        told: called for each day that was read.
    """

    reader: JournalReader
    archive: ArchiveReader | None
    settings: ReportSettings
    upto: int
    recent: Recent | None = None
    told: Callable[[], None] = lambda: None

    def read(self, names: Sequence[str], from_us: int, to_us: int, first: int | None) -> Window:
        """Read the samples of one system in a window.

        Args:
            names: those that it was recorded under, its own first.
            from_us: begin of the window.
            to_us: its end.
            first: position up to which the first report on it counted; None for the first one.

        Raises:
            ConfigurationError: the archive was made from another journal, or a file of it is damaged.
            TransientError: the journal cannot be read now.
        """
        found = self._read(names, from_us, to_us, NAMES, first)
        place = place_of(found.samples)
        if place is not None and place not in USUAL:
            found = self._read(names, from_us, to_us, names_of(place), first)
        return found

    def _read(
        self, names: Sequence[str], from_us: int, to_us: int, wanted: Collection[str], first: int | None
    ) -> Window:
        step = step_s(to_us - from_us, self.settings.max_gap_s)
        parts: dict[tuple[str, int, bool], list[Columns]] = {}
        parts_us: list[tuple[int, int]] = []
        stretches: list[Stretch] = []
        late = 0
        for day in _days(from_us - AROUND_US, to_us + AROUND_US, DAY_US // 2 if step else DAY_US):
            inside = max(day[0], from_us), min(day[1], to_us)
            samples = self._day(names, day, wanted, AROUND_US if step else 0)
            if step and inside[0] < inside[1]:
                place, window = place_of(samples), (from_us, to_us)
                stretches.append(stretch(samples, place, inside, window, self.settings))
                parts_us.append(inside)
            late += self._take(samples, day, inside, step, parts, first)
            del samples  # before the next ones are read
            self.told()
        streams = tuple(strung(parts.pop(key)) for key in sorted(parts))
        found = Samples(names[0], streams, step, tuple(stretches))
        return Window(self._completed(found, parts_us, names, wanted, (from_us, to_us)), late)

    def _completed(
        self,
        found: Samples,
        parts_us: Sequence[tuple[int, int]],
        names: Sequence[str],
        wanted: Collection[str],
        window: tuple[int, int],
    ) -> Samples:
        """Read parts that told other phases than the window once more: it is the highest of these."""
        place = place_of(found)
        phases = () if place is None or not parts_us else phase_powers(found, place)
        stretches = list(found.stretches)
        for index, inside in enumerate(parts_us):
            if place is not None and lacks(stretches[index], place, phases):
                samples = self._day(names, inside, wanted, AROUND_US)
                stretches[index] = stretch(samples, place, inside, window, self.settings, phases)
                del samples
                self.told()
        return replace(found, stretches=tuple(stretches))

    def _take(
        self,
        samples: Samples,
        day: tuple[int, int],
        inside: tuple[int, int],
        step: int,
        parts: dict[tuple[str, int, bool], list[Columns]],
        first: int | None,
    ) -> int:
        """Put what is kept of one day to the parts, and count what came late; the rest is let go of here."""
        place, late = place_of(samples), 0
        for full in samples.streams:
            stream = _fewer(full, place)
            if first is not None:
                late += int(np.count_nonzero(stream.within(*inside).position > first))
            for one, is_mean in self._kept(stream, day, inside, step):
                parts.setdefault((stream.kind, stream.interval_ms, is_mean), []).append(one)
        return late

    def _day(
        self, names: Sequence[str], span: tuple[int, int], wanted: Collection[str], around_us: int
    ) -> Samples:
        return read_samples(
            self.reader,
            self.archive,
            names[0],
            *span,
            names=wanted,
            upto=self.upto,
            around_us=around_us,
            recorded=names,
            recent=self.recent,
        )

    def _kept(
        self, stream: Columns, day: tuple[int, int], inside: tuple[int, int], step: int
    ) -> Iterator[tuple[Columns, bool]]:
        """Yield what is kept of one day, and whether it is means."""
        if stream.interval_ms >= step * 1000:
            yield stream if not step else stream.within(*day), False
            return
        held = kept(stream.within(*day), step)
        if held.values:
            yield held, False
        if inside[1] > inside[0] and len(held.values) < len(stream.values):
            yield means(stream, *inside, step, lambda series: guard(series, self.settings)), True


def _fewer(stream: Columns, place: str | None) -> Columns:
    """Leave out what nobody asks for beside what is told in every row."""
    spared = spare((name for name, told in stream.values.items() if np.isfinite(told).all()), place)
    values = {name: column for name, column in stream.values.items() if name not in spared}
    return replace(stream, values=values)


def _days(since_us: int, until_us: int, length_us: int) -> Iterator[tuple[int, int]]:
    """Cut a span into days of UTC, as they lie in the archive, or into halves of them."""
    while since_us < until_us:
        end_us = min((since_us // length_us + 1) * length_us, until_us)
        yield since_us, end_us
        since_us = end_us
