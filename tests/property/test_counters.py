"""The counters against a plain recount, whatever the order of events, the batches and the restarts."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projectors.counter_periods import DAY_US
from projectors.counter_queries import Counters
from projectors.counters import CountersProjector, kind
from projectors.counters_store import Retention
from projectors.generations import Generations
from projectors.rebuild import build
from projectors.runner import Runner
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.streams import BASE_US, S, Said, record, tables

REGISTRY = Registry.load()
HOUR_S, DAY_S = 3600.0, 86_400.0
SYSTEMS = ("rig_01", "rig_02", "stage_3")
TYPES = (
    "ups.ac_power_loss",
    "ups.ac_power_restored",
    "ups.battery_low",
    "ups.battery_recovered",
    "ups.i2c_error",
)

TIMES = st.one_of(
    st.integers(0, 60).map(lambda n: n * HOUR_S / 2), st.integers(0, 100).map(lambda n: n * DAY_S)
)
occurrences = st.builds(
    lambda type_, system, at_s, stage: Said(type_, system, at_s, {"stage": stage, "rule": "any"}),
    st.sampled_from(TYPES),
    st.sampled_from(SYSTEMS),
    TIMES,
    st.sampled_from(["confirmed", "confirmed", "edge"]),
)
resets = st.builds(
    lambda system, at_s, types: Said("counters.reset", system, at_s, {"reason": "test"} | types),
    st.sampled_from([*SYSTEMS, "all"]),
    TIMES,
    st.sampled_from([{}, {"types": ["ups.i2c_error"]}]),
)
registrations = st.just(Said("system.registered", "rig_01", 0.0, {"name": "Rig 1", "aliases": ["Stage 3"]}))
streams = st.lists(st.one_of(*[occurrences] * 6, resets, registrations), max_size=40)
retentions = st.builds(Retention, days=st.sampled_from([1, 20, 365]), most=st.sampled_from([2, 5, 10_000]))


def recorded(said: Sequence[Said]) -> MemoryJournal:
    journal = MemoryJournal()
    record(journal, said)
    return journal


def live(
    journal: MemoryJournal, directory: Path, sizes: Iterable[int], retention: Retention
) -> dict[str, list[tuple[Any, ...]]]:
    """Count in batches of these sizes, over and over, with a restart after each; return the tables."""
    place = Generations(directory)
    for size in cycle(sizes):
        projector = CountersProjector(place, REGISTRY, retention=retention)
        runner = Runner(journal, projector, batch=size, strict=True)
        more = runner.turn()
        runner.flush()
        projector.close()
        if not more:
            break
    path = place.current()
    assert path is not None
    return tables(path)


def rebuilt(journal: MemoryJournal, path: Path, retention: Retention) -> dict[str, list[tuple[Any, ...]]]:
    build(kind(retention), journal, path)
    return tables(path)


@examples(15)
@given(streams, st.lists(st.integers(1, 7), min_size=1, max_size=4), retentions)
def test_batches_restarts_and_rebuilds_change_nothing(
    said: list[Said], sizes: list[int], retention: Retention
) -> None:
    journal = recorded(said)
    with TemporaryDirectory() as directory:
        one_by_one = live(journal, Path(directory, "1"), [1], retention)

        assert live(journal, Path(directory, "2"), sizes, retention) == one_by_one
        assert rebuilt(journal, Path(directory, "3"), retention) == one_by_one


@examples(20)
@given(streams)
def test_totals_days_and_spans_are_what_a_recount_gives(said: list[Said]) -> None:
    with TemporaryDirectory() as directory:
        rows = rebuilt(recorded(said), Path(directory, "c.sqlite"), Retention(days=100_000))
    joined = any(one.type == "system.registered" for one in said)

    def system_of(one: Said) -> str:
        return "rig_01" if joined and one.subject == "stage_3" else one.subject

    happened = [one for one in said if one.type.startswith("ups.")]
    totals = Counter((system_of(one), one.type, one.data["stage"]) for one in happened)
    keys = {row[0]: row[1:4] for row in rows["counters"]}
    assert {row[1:4]: row[4] for row in rows["counters"]} == totals

    confirmed = [one for one in happened if one.data["stage"] == "confirmed"]
    for width in (1, 32):
        days = Counter(((system_of(one), one.type), day_of(one) // width) for one in confirmed)
        sums = [row for row in rows["sums"] if row[1] == width]
        assert {(keys[key][:2], n): number for key, _, n, number in sums} == days
        types = Counter((one.type, day_of(one) // width) for one in confirmed)
        assert {(row[0], row[2]): row[3] for row in rows["type_sums"] if row[1] == width} == types
        systems = Counter((system_of(one), day_of(one) // width) for one in confirmed)
        assert {(row[0], row[2]): row[3] for row in rows["system_sums"] if row[1] == width} == systems
    assert len(rows["history"]) == len(happened)
    spans = Counter((keys[key][0], begun, ended) for key, ended, _, begun, _ in rows["spans"])
    spans += Counter((keys[key][0], begun, None) for key, begun, _ in rows["lasting"])
    assert spans == Counter(recounted_spans(said, system_of(Said("", "stage_3", 0, {}))))
    added = defaultdict(list)
    for key, ended, _, begun, _ in rows["spans"]:
        added[key, (ended - 1) // (32 * DAY_US)].append(ended - begun)
    assert {row[:2]: row[2:] for row in rows["span_sums"]} == {
        where: (len(lasted), sum(lasted), max(lasted)) for where, lasted in added.items()
    }
    assert {row[1:4]: row[5] for row in rows["counters"]} == recounted_before(said, system_of, totals)


def day_of(one: Said) -> int:
    return (BASE_US + round(one.at_s * S)) // DAY_US


def recounted_spans(said: Sequence[Said], stage_3: str) -> Iterator[tuple[str, int, int | None]]:
    pairs = [
        ("ups.ac_power_loss", "ups.ac_power_restored"),
        ("ups.battery_low", "ups.battery_recovered"),
    ]
    for system in {"rig_01", "rig_02", stage_3}:
        for begins, ends in pairs:
            begun: int | None = None
            points = [
                (BASE_US + round(one.at_s * S), position, one.type)
                for position, one in enumerate(said, 1)
                if one.type in {begins, ends}
                and one.data["stage"] == "confirmed"
                and (stage_3 if one.subject == "stage_3" else one.subject) == system
            ]
            for time_us, _, type_ in sorted(points):
                if type_ == begins and begun is None:
                    begun = time_us
                elif type_ == ends and begun is not None:
                    yield system, begun, time_us
                    begun = None
            if begun is not None:
                yield system, begun, None


def recounted_before(
    said: Sequence[Said], system_of: Callable[[Said], str], totals: Counter[tuple[str, str, str]]
) -> dict[tuple[str, str, str], int]:
    found = {}
    for system, type_, stage in totals:
        times = [
            one.at_s
            for one in said
            if one.type == "counters.reset"
            and system_of(one) in {system, "all"}
            and type_ in one.data.get("types", [type_])
        ]
        reset_s = max(times, default=float("-inf"))
        found[system, type_, stage] = sum(
            one.at_s < reset_s and stage == "confirmed"
            for one in said
            if (system_of(one), one.type, one.data.get("stage")) == (system, type_, stage)
        )
    return found


PERIODS = st.tuples(st.integers(-10, 2500), st.integers(-10, 2500)).map(
    lambda two: tuple(BASE_US + round(n * HOUR_S * S) + 7 for n in sorted(two))
)


@contextmanager
def counting(said: Sequence[Said]) -> Iterator[Counters]:
    with TemporaryDirectory() as directory:
        path = Path(directory, "c.sqlite")
        build(kind(Retention(days=100_000)), recorded(said), path)
        with closing(sqlite3.connect(path)) as db:
            yield Counters(db)


@examples(20)
@given(st.lists(occurrences, max_size=60), PERIODS)
def test_a_period_counts_what_lies_in_it(said: list[Said], period: tuple[int, int]) -> None:
    with counting(said) as counters:
        types, systems = counters.by_type(*period), counters.by_system(*period)
        each = {
            (system, type_): number
            for system in SYSTEMS
            for type_, number in counters.by_type(*period, system).items()
        }
        every = {
            one.occurrence.type: one.recent for one in counters.statistics(period[1], since_us=period[0])
        }
        days = counters.by_day(*period)

    confirmed = [one for one in said if one.data["stage"] == "confirmed"]
    inside = [one for one in confirmed if period[0] <= BASE_US + round(one.at_s * S) < period[1]]
    assert each == Counter((one.subject, one.type) for one in inside)
    assert types == Counter(one.type for one in inside)
    assert systems == Counter(one.subject for one in inside)
    assert {type_: number for type_, number in every.items() if number} == Counter(one.type for one in inside)
    touched = range(period[0] // DAY_US, -(-period[1] // DAY_US))
    assert {(type_, day): number for type_, of_type in days.items() for day, number in of_type.items()} == (
        Counter((one.type, day_of(one)) for one in confirmed if day_of(one) in touched)
    )


@examples(20)
@given(st.lists(occurrences, max_size=60), PERIODS)
def test_durations_are_those_of_the_spans_in_a_period(said: list[Said], period: tuple[int, int]) -> None:
    begin, end = period
    with counting(said) as counters:
        found = counters.durations(end, begin)

    spans = [
        (start, end + 1 if last is None else last) for _, start, last in recounted_spans(said, "stage_3")
    ]
    spans = [(start, last) for start, last in spans if last > begin and (last <= end or start < end)]
    number = sum(one.number for one in found.values())
    total_s = sum(one.total_s for one in found.values())
    assert number == len(spans)
    assert total_s == pytest.approx(sum(min(last, end) - max(start, begin) for start, last in spans) / S)
    assert max((one.longest_s for one in found.values()), default=0) == pytest.approx(
        max((min(last, end) - start for start, last in spans), default=0) / S
    )
    assert min((one.open_since_us for one in found.values() if one.open_since_us), default=None) == min(
        (start for start, last in spans if last > end), default=None
    )
