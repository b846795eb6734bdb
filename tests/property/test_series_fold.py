"""Replay equals live for the series: any batches, restarts and losses end as one pass from 0 does."""

import re
from collections.abc import Iterable
from itertools import chain

import orjson
from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Recorded
from projectors import lines
from projectors.counter_periods import DAY_US
from projectors.events import SAMPLE
from projectors.series import FACTS, SeriesFold
from projectors.series_counters import COUNTED
from schemas.errors import InputError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.series_stream import BASE_US, SECOND_US, Step, entry, journal_of, sample, steps

REGISTRY = Registry.load()
_LINE = re.compile(rb"(?P<series>(?:[^\\ ]|\\.)+) (?P<fields>[^ ]+) (?P<time>\d+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Content = dict[str, dict[int, float]]


class Model:
    """A VictoriaMetrics that is a dict: series by text, samples by time.

    Attributes:
        doubtful: series that were given two values for one time, of which either may be kept.
    """

    def __init__(self, content: Content | None = None) -> None:
        self.content: Content = {series: dict(samples) for series, samples in (content or {}).items()}
        self.doubtful: set[str] = set()

    def write(self, written: Iterable[bytes]) -> None:
        for line in written:
            assert lines.WELL_FORMED.fullmatch(line), line
            match = _LINE.fullmatch(line)
            assert match
            for assigned in match["fields"].split(b","):
                name, _, value = assigned.partition(b"=")
                samples = self.content.setdefault(f"{match['series'].decode()} {name.decode()}", {})
                if samples.setdefault(int(match["time"]), float(value)) != float(value):
                    self.doubtful.add(f"{match['series'].decode()} {name.decode()}")

    def delete(self, selectors: Iterable[str]) -> None:
        for selector in selectors:
            tags = [
                f",{name}={lines._escaped(name, value.replace(chr(92) * 2, chr(92)))}"
                for name, value in _LABEL.findall(selector)
            ]
            measurement = "ovr_event," if selector.startswith("ovr_event") else ""
            for series in [
                s for s in self.content if s.startswith(measurement) and all(t in s for t in tags)
            ]:
                del self.content[series]
                self.doubtful.discard(series)


def apply(model: Model, fold: SeriesFold, journal: MemoryJournal, batch: list[Recorded]) -> None:
    for recorded in batch:
        fold.take(recorded)
    effects = fold.effects()
    assert not effects.refused
    model.write(chain.from_iterable(effects.written))
    model.delete(effects.deleted)
    writer = fold.writer()
    moved = journal.read(upto=batch[-1].position, subjects=effects.moved, types={SAMPLE})
    model.write(chain.from_iterable(effects.rewritten))
    model.write(line for r in moved if (line := writer.line(r, fold.system(r))))


def stand(journal: MemoryJournal, position: int, counted_at: int = 0) -> SeriesFold:
    """Stand at a position, with what was counted up to an earlier one kept as it is in a file."""
    fold, counted = SeriesFold(REGISTRY), None
    if counted_at:
        lived = SeriesFold(REGISTRY)
        for event in journal.events[:counted_at]:
            lived.take(event)
        counted = orjson.loads(orjson.dumps(lived.tell_counted()))
    before = journal.events[:position]
    gone = SeriesFold(REGISTRY)
    for event in before:
        gone.take(event)
    facts = [e for e in before if e.type in (FACTS if e.position > counted_at else FACTS - COUNTED)]
    fold.restore(facts, [e for e in before if e.type == SAMPLE], gone.horizon_us, counted)
    return fold


def rebuilt(journal: MemoryJournal) -> Content:
    model = Model()
    apply(model, SeriesFold(REGISTRY), journal, journal.events)
    return model.content


leaps = st.just(frozenset[int]()) | st.frozensets(st.integers(0, 24), max_size=2)


@given(steps, st.lists(st.integers(1, 7), max_size=25), leaps)
def test_any_batches_end_with_what_one_pass_writes(
    found: list[Step], sizes: list[int], leaps: frozenset[int]
) -> None:
    journal = journal_of(found, leaps)
    if not journal.events:
        return
    model, fold, at = Model(), SeriesFold(REGISTRY), 0
    for size in (*sizes, len(journal.events)):
        batch = journal.events[at : at + size]
        if batch:
            apply(model, fold, journal, batch)
        at += len(batch)
        assert not model.doubtful
    assert model.content == rebuilt(journal)


@examples(50)
@given(steps, st.data(), leaps)
def test_going_back_to_any_place_over_whatever_was_written_later_changes_nothing(
    found: list[Step], data: st.DataObject, leaps: frozenset[int]
) -> None:
    journal = journal_of(found, leaps)
    end = len(journal.events)
    model, fold, at = Model(), SeriesFold(REGISTRY), 0
    history: list[Content] = [{}]
    for _ in range(6):
        size = data.draw(st.integers(1, 8))
        batch = journal.events[at : at + size]
        if batch:
            apply(model, fold, journal, batch)
            history += [{}] * (at + len(batch) + 1 - len(history))
            at += len(batch)
            history[at] = Model(model.content).content
        if data.draw(st.booleans()):
            kept = data.draw(st.integers(0, at))
            place = data.draw(st.integers(0, kept))
            model = Model(history[kept] or (model.content if kept else {}))
            at, fold = place, stand(journal, place, data.draw(st.integers(0, place)))
    if at < end:
        apply(model, fold, journal, journal.events[at:])
    assert model.content == (rebuilt(journal) if end else {})
    assert not model.doubtful


def test_what_changes_in_the_first_millisecond_of_a_minute_is_written_once() -> None:
    journal, model, fold = MemoryJournal(), Model(), SeriesFold(REGISTRY)
    minute_us = BASE_US - BASE_US % (60 * SECOND_US) + 240 * SECOND_US
    for recorded_us in (minute_us - 70 * SECOND_US, minute_us, minute_us + SECOND_US):
        lost = entry("ups.ac_power_loss", "rig_01", recorded_us, {"stage": "confirmed"})
        journal.append([lost], recorded_us=recorded_us)
    for event in journal.events:
        apply(model, fold, journal, [event])
    assert not model.doubtful
    assert model.content == rebuilt(journal)


def test_a_late_end_removes_what_a_life_before_the_crash_had_repeated() -> None:
    journal = MemoryJournal()
    start = entry("window.started", "rig_01", BASE_US, {"event_id": "startup"})
    end = entry("window.ended", "rig_01", BASE_US + 40 * SECOND_US, {})
    for made, after_s in ((start, 0), (sample("rig_02", BASE_US, soc_pct=1), 100), (end, 101)):
        journal.append([made], recorded_us=BASE_US + after_s * SECOND_US)
    model, fold = Model(), SeriesFold(REGISTRY)
    apply(model, fold, journal, journal.events[:1])
    apply(model, fold, journal, journal.events[1:2])
    apply(model, stand(journal, 1), journal, journal.events[1:])
    assert model.content == rebuilt(journal)
    points = model.content["ovr_event,event_id=startup,system_id=rig_01 active"]
    assert {(time_ms * 1000 - BASE_US) // SECOND_US: value for time_ms, value in points.items()} == {
        0: 1,
        30: 1,
        40: 0,
    }


def test_an_error_in_one_sample_is_told_and_the_rest_is_written() -> None:
    journal = MemoryJournal()
    bad = sample("rig_01", BASE_US, soc_pct=1)
    journal.append([sample("rig_01", BASE_US, **{"Bad-name": 1.0}), bad], recorded_us=BASE_US)
    fold = SeriesFold(REGISTRY)
    for recorded in journal.events:
        fold.take(recorded)
    effects = fold.effects()
    assert [type(error) for _, error in effects.refused] == [InputError]
    assert list(chain.from_iterable(effects.written)) == [b"victron,system_id=rig_01 soc_pct=1 1795240000000"]


def test_a_clock_that_was_ahead_for_a_moment_leaves_windows_as_they_were() -> None:
    journal = MemoryJournal()
    journal.append([entry("window.started", "rig_01", BASE_US, {"event_id": "gig"})], recorded_us=BASE_US)
    ahead_us = BASE_US + 3 * DAY_US
    for number, recorded_us in enumerate((ahead_us, *(BASE_US + n * 10 * SECOND_US for n in range(1, 13)))):
        journal.append([sample("rig_01", BASE_US + number, soc_pct=1.0)], recorded_us=recorded_us)
    model, fold = Model(), SeriesFold(REGISTRY)
    for event in journal.events:
        apply(model, fold, journal, [event])
    active = next(samples for series, samples in model.content.items() if series.startswith("ovr_event"))
    assert sorted(active) == [BASE_US // 1000 + n * 30_000 for n in range(5)]
    assert model.content == rebuilt(journal)
