"""The counters against a plain recount, whatever the order of events, the batches and the restarts."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from projectors.counter_periods import DAY_US, counts
from projectors.counters import CountersProjector
from projectors.counters_store import Retention
from projectors.runner import Runner
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, tables

REGISTRY = Registry.load()
HOUR_S, DAY_S = 3600.0, 86_400.0
SYSTEMS = ("rig_01", "rig_02", "stage_3")
TYPES = ("ups.ac_power_loss", "ups.ac_power_restored", "ups.battery_low", "ups.i2c_error")

occurrences = st.builds(
    lambda type_, system, at_s, stage: Said(type_, system, at_s, {"stage": stage}),
    st.sampled_from(TYPES),
    st.sampled_from(SYSTEMS),
    st.integers(0, 60).map(lambda n: n * HOUR_S / 2),
    st.sampled_from(["confirmed", "confirmed", "edge"]),
)
resets = st.builds(
    lambda system, at_s, types: Said("counters.reset", system, at_s, {"reason": "test"} | types),
    st.sampled_from([*SYSTEMS, "all"]),
    st.integers(0, 60).map(lambda n: n * HOUR_S / 2),
    st.sampled_from([{}, {"types": ["ups.i2c_error"]}]),
)
registrations = st.just(Said("system.registered", "rig_01", 0.0, {"name": "Rig 1", "aliases": ["Stage 3"]}))
streams = st.lists(st.one_of(*[occurrences] * 6, resets, registrations), max_size=40)


def counted(journal: MemoryJournal, path: Path, batches: Iterator[int], retention: Retention) -> None:
    """Fold the journal, in batches of any sizes, with a restart after each."""
    while True:
        projector = CountersProjector(path, REGISTRY, retention=retention)
        runner = Runner(journal, projector, batch=next(batches), strict=True)
        more = runner.turn()
        runner.flush()
        projector.close()
        if not more:
            return


def folded(
    said: Sequence[Said], sizes: Sequence[int], retention: Retention
) -> dict[str, list[tuple[object, ...]]]:
    journal = MemoryJournal()
    record(journal, said)

    def batches() -> Iterator[int]:
        while True:
            yield from sizes

    with TemporaryDirectory() as directory:
        path = Path(directory, "counters.sqlite")
        counted(journal, path, batches(), retention)
        return {name: rows for name, rows in tables(path).items() if name != "checkpoint"}


@settings(max_examples=60)
@given(streams, st.lists(st.integers(1, 7), min_size=1, max_size=4), st.sampled_from([2, 5, 10_000]))
def test_batches_and_restarts_change_nothing(said: list[Said], sizes: list[int], most: int) -> None:
    retention = Retention(days=1, most=most)

    assert folded(said, sizes, retention) == folded(said, [1000], retention)


@settings(max_examples=60)
@given(streams)
def test_totals_days_and_spans_are_what_a_recount_gives(said: list[Said]) -> None:
    rows = folded(said, [1000], Retention(days=100_000))
    joined = any(one.type == "system.registered" for one in said)

    def system_of(one: Said) -> str:
        return "rig_01" if joined and one.subject == "stage_3" else one.subject

    happened = [one for one in said if one.type.startswith("ups.")]
    totals = Counter((system_of(one), one.type, one.data["stage"]) for one in happened)
    keys = {row[0]: row[1:4] for row in rows["counters"]}
    assert {row[1:4]: row[4] for row in rows["counters"]} == totals

    days = Counter(
        ((system_of(one), one.type, one.data["stage"]), (BASE_US + round(one.at_s * S)) // DAY_US)
        for one in happened
    )
    assert {(keys[key], day): number for key, day, number in rows["days"]} == days
    assert len(rows["history"]) == len(happened)
    spans = Counter((keys[row[0]][0], row[1], row[3]) for row in rows["spans"])
    assert spans == Counter(recounted_spans(said, system_of(Said("", "stage_3", 0, {}))))
    assert {row[1:4]: row[5] for row in rows["counters"]} == recounted_before(said, system_of, totals)


def recounted_spans(said: Sequence[Said], stage_3: str) -> Iterator[tuple[str, int, int | None]]:
    pairs = [("ups.ac_power_loss", "ups.ac_power_restored"), ("ups.battery_low", None)]
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
            one.at_s < reset_s
            for one in said
            if (system_of(one), one.type, one.data.get("stage")) == (system, type_, stage)
        )
    return found


@settings(max_examples=40)
@given(st.lists(occurrences, max_size=60), st.integers(-10, 70), st.integers(-10, 70))
def test_a_period_counts_what_lies_in_it(said: list[Said], begin: int, end: int) -> None:
    journal = MemoryJournal()
    record(journal, said)
    since_us, until_us = (BASE_US + round(n * HOUR_S / 2 * S) + 7 for n in sorted((begin, end)))
    with TemporaryDirectory() as directory:
        projector = CountersProjector(Path(directory, "c.sqlite"), REGISTRY)
        Runner(journal, projector, strict=True).finish()
        with closing(projector):
            db = projector.model.db
            keys = dict(db.execute("SELECT key, system_id || type || stage FROM counters").fetchall())
            every = counts(db, since_us, until_us)
            each = counts(db, since_us, until_us, list(keys))

    inside = Counter(
        one.subject + one.type + one.data["stage"]
        for one in said
        if since_us <= BASE_US + round(one.at_s * S) < until_us
    )
    assert every == each
    assert {keys[key]: number for key, number in every.items()} == inside
