"""Laws of the archive: it holds what the journal holds, and who reads need not know how far it is."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from projectors import archive_merge, archive_parquet
from projectors.archive import ArchiveProjector
from projectors.archive_parquet import block_of, table_of
from projectors.archive_reader import ArchiveReader
from projectors.arrow_numpy import from_numpy, to_numpy
from projectors.events import SAMPLE
from projectors.generations import Generations
from projectors.runner import Runner
from projectors.sample_rows import GatheredSamples
from projectors.samples import read_samples
from reporter.columns import Samples
from tests.archives import archive, rows, telling
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.streams import BASE_US, S, Said, record

DAY_S = 86_400
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # laws need no disk
_SUBJECTS = st.sampled_from(["rig_01", "rig_02", "old_name"])
_TIMES = st.one_of(st.integers(0, 12), st.sampled_from([DAY_S - 1, DAY_S, 2 * DAY_S + 5]))
_NUMBERS = st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1e15, 5e-324]), st.integers(-3, 3))
_VALUES = st.dictionaries(st.sampled_from(["soc_pct", "ac_out_power_w", "x_1"]), _NUMBERS, min_size=1)
_SAMPLES = st.builds(
    telling,
    _SUBJECTS,
    _TIMES,
    _VALUES,
    kind=st.sampled_from(["victron", "host"]),
    interval_ms=st.sampled_from([500, 5000]),
)
_LATE = st.builds(telling, _SUBJECTS, _TIMES, _VALUES, late=st.booleans(), unsynced=st.just(True))
_REGISTERED = st.builds(
    Said, st.just("system.registered"), _SUBJECTS, _TIMES, st.just({"aliases": ["Old-Name", "rig 02"]})
)
_EVENTS = st.lists(st.one_of(_SAMPLES, _SAMPLES, _LATE, _REGISTERED), max_size=20)


@given(_EVENTS, st.data())
@examples(12)
def test_samples_do_not_depend_on_how_far_the_archive_is(said: list[Said], data: st.DataObject) -> None:
    journal = MemoryJournal()
    record(journal, said)
    since_us = BASE_US + data.draw(st.integers(-1, 5)) * S
    until_us = BASE_US + data.draw(st.sampled_from([6, 13, 3 * DAY_S])) * S
    names = data.draw(st.none() | st.just(["soc_pct", "never_told_w"]))
    upto = data.draw(st.none() | st.integers(0, len(said)))
    system_id = data.draw(_SUBJECTS)
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        generations = Generations(Path(directory, "archive"), trees=True)
        generations.serve(root := generations.create())
        for checkpoint in sorted(data.draw(st.lists(st.integers(1, max(1, len(said))), max_size=3))):
            archive(journal, root, upto=checkpoint, compacted=data.draw(st.booleans()))
        reader = ArchiveReader(Path(directory, "archive"))

        found, wanted = (
            read_samples(journal, one, system_id, since_us, until_us, names=names, upto=upto, around_us=S)
            for one in (reader, None)
        )

    assert_same(found, wanted)


@given(_EVENTS, st.data())
@examples(8)
def test_the_archive_holds_every_sample_once_whatever_the_batches_and_crashes(
    said: list[Said], data: st.DataObject
) -> None:
    journal = MemoryJournal()
    left = list(said)
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        root = Path(directory, "archive")
        root.mkdir()
        while left:
            count = data.draw(st.integers(min(4, len(left)), len(left)))
            record(journal, left[:count])
            del left[:count]
            projector = ArchiveProjector(
                root, every_s=0.0, most_cells=data.draw(st.sampled_from([1, 40, 1000]))
            )
            runner = Runner(journal, projector, batch=data.draw(st.integers(1, 9)))
            for _ in range(data.draw(st.integers(1, 4))):
                runner.turn()
                list(projector.messages(0.0))
            if data.draw(st.booleans()):
                projector.finish()
            projector.close()
        archive(journal, root)

        assert [row["position"] for row in rows(root)] == positions(journal) if said else True
        rebuilt = Path(directory, "rebuilt")
        archive(journal, rebuilt, compacted=True)
        assert rows(root) == rows(rebuilt) if positions(journal) else True


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 30), _VALUES), min_size=1, max_size=8), min_size=1, max_size=4)
)
@examples(8)
def test_merging_files_keeps_every_row_and_sorts_by_time(
    parts: list[list[tuple[int, dict[str, float | None]]]],
) -> None:
    journal = MemoryJournal()
    with tempfile.TemporaryDirectory(dir=_MEMORY) as directory:
        paths = []
        for number, part in enumerate(parts):
            before = journal.head().position
            record(journal, [telling("rig_01", at_s, values) for at_s, values in part])
            root = Path(directory, str(number))
            whole = GatheredSamples()
            for recorded in journal.read(before):
                whole.add(recorded)
            ((_, _, block),) = whole.blocks()
            archive_parquet.write(root / "rows.parquet", block)
            paths.append(root / "rows.parquet")
        target = Path(directory, "merged.parquet")

        for _ in archive_merge.merged(paths, target):
            pass

        everything = GatheredSamples()
        for recorded in journal.read():
            everything.add(recorded)
        ((_, _, wanted),) = everything.blocks()
        with archive_parquet.opened(target) as file:
            found = block_of(file.read())
        assert (np.diff(found.time_us) >= 0).all()
        schema = table_of(wanted).schema
        assert table_of(found.ordered(), schema).equals(table_of(wanted, schema))


@given(st.lists(st.integers(1, 10**6), max_size=40), st.booleans())
def test_what_is_merged_is_never_one_file_alone(sizes: list[int], over: bool) -> None:
    count = archive_merge.due(sizes, over=over)

    assert count == 0 or 2 <= count <= len(sizes)
    assert not over or len(sizes) < 2 or count == len(sizes)


@given(st.lists(st.integers(1, 3000), max_size=300), st.integers(0, 2))
@examples(10)
def test_a_day_has_few_files_and_a_row_is_written_few_times(flushes: list[int], each: int) -> None:
    sizes: list[int] = []
    written = 0
    for size in flushes:
        sizes.append(each or size)
        written += each or size
        while count := archive_merge.due(sizes, over=False):
            merged = sum(sizes[-count:])
            sizes[-count:] = [merged]
            written += merged

    levels = max(1, math.ceil(math.log(max(2, sum(sizes)), 8)))
    assert len(sizes) <= 7 * levels
    assert written <= (levels + 1) * sum(sizes)


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(allow_nan=False))), st.integers(0, 3))
def test_arrow_and_numpy_tell_the_same_numbers(values: list[float], skipped: int) -> None:
    numbers = np.array(values, np.float64)

    array = from_numpy(numbers)[skipped:]

    assert array.to_pylist() == [None if np.isnan(value) else value for value in numbers[skipped:]]
    np.testing.assert_array_equal(to_numpy(array), numbers[skipped:])
    np.testing.assert_array_equal(to_numpy(pa.chunked_array([array, array])), np.tile(numbers[skipped:], 2))
    flags = np.array([value > 0 for value in values], np.bool_)
    np.testing.assert_array_equal(to_numpy(from_numpy(flags)[skipped:]), flags[skipped:])


def positions(journal: MemoryJournal) -> list[int]:
    return [event.position for event in journal.read(types=[SAMPLE])]


def assert_same(found: Samples, wanted: Samples) -> None:
    assert [(one.kind, one.interval_ms) for one in found.streams] == [
        (one.kind, one.interval_ms) for one in wanted.streams
    ]
    for one, other in zip(found.streams, wanted.streams, strict=True):
        assert_equal([one.time_us, one.position], [other.time_us, other.position])
        for mine, theirs in ((one.values, other.values), (one.flags, other.flags)):
            assert list(mine) == list(theirs)
            assert_equal(list(mine.values()), list(theirs.values()))


def assert_equal(found: Sequence[NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(
            one.copy().view(f"V{one.itemsize}"), other.copy().view(f"V{other.itemsize}")
        )
