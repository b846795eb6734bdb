"""The archive: what lies where, when it is written, and what a kill leaves."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bus.envelope import Recorded
from projectors import archive_tree
from projectors.archive import ArchiveProjector
from projectors.archive_place import place_of
from projectors.archive_reader import ArchiveReader
from projectors.generations import Generations
from projectors.runner import Runner
from schemas.errors import ConfigurationError, InputError
from tests.archives import archive, files, rows, telling
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample

DAY_S = 86_400
TODAY = "2026-11-18"  # BASE_US is on this day, at 11:06:40


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "archive" / "000001"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def projector(root: Path, clock: Clock) -> Iterator[ArchiveProjector]:
    made = ArchiveProjector(root, every_s=300.0, clock=clock)
    yield made
    made.close()


@pytest.fixture
def runner(journal: MemoryJournal, projector: ArchiveProjector, clock: Clock) -> Runner:
    return Runner(journal, projector, clock=clock)


def test_a_sample_is_a_row_with_its_time_place_and_readings(journal: MemoryJournal, root: Path) -> None:
    record(journal, [telling("rig_01", 1.5, {"soc_pct": 81.5, "ac_out_power_w": None}, late=True)])

    archive(journal, root)

    assert rows(root) == [
        {
            "time": datetime.fromtimestamp((BASE_US + 1_500_000) / S, UTC),
            "position": 1,
            "recorded_at": datetime.fromtimestamp((BASE_US + 2_500_000) / S, UTC),
            "interval_ms": 500,
            "late": True,
            "partial": False,
            "unsynced": False,
            "soc_pct": 81.5,
            "system_id": "rig_01",
            "kind": "victron",
            "day": TODAY,
        }
    ]


def test_columns_are_typed_and_sorted_by_name(journal: MemoryJournal, root: Path) -> None:
    record(journal, [telling("rig_01", 1, {"soc_pct": 81, "ac_out_power_w": 5})])

    archive(journal, root)

    schema = pq.read_schema(root / files(root)[0])
    assert schema.names == [
        "time",
        "position",
        "recorded_at",
        "interval_ms",
        "late",
        "partial",
        "unsynced",
        "ac_out_power_w",
        "soc_pct",
    ]
    assert schema.field("time").type == pa.timestamp("us", "UTC")
    assert schema.field("position").type == pa.int64()
    assert schema.field("interval_ms").type == pa.int32()
    assert schema.field("late").type == pa.bool_()
    assert schema.field("soc_pct").type == pa.float64()


def test_each_system_kind_and_day_has_files_that_name_their_positions(
    journal: MemoryJournal, root: Path
) -> None:
    record(
        journal,
        [
            sample("rig_01", 1, 1),
            sample("rig_02", 1, 2),
            telling("rig_01", 1, {"cpu_pct": 3}, kind="host"),
            sample("rig_01", 2, 4),
            sample("rig_01", DAY_S, 5),
        ],
    )

    archive(journal, root)

    assert files(root) == [
        f"system_id=rig_01/kind=host/day={TODAY}/3-3.parquet",
        f"system_id=rig_01/kind=victron/day={TODAY}/1-4.parquet",
        "system_id=rig_01/kind=victron/day=2026-11-19/5-5.parquet",
        f"system_id=rig_02/kind=victron/day={TODAY}/2-2.parquet",
    ]


def test_a_late_sample_lies_in_its_own_day(journal: MemoryJournal, root: Path) -> None:
    record(journal, [sample("rig_01", 3 * DAY_S, 1)])
    record(journal, [sample("rig_01", 5, 2)], recorded_s=3 * DAY_S + 2)

    archive(journal, root)

    assert files(root)[0] == f"system_id=rig_01/kind=victron/day={TODAY}/2-2.parquet"


def test_a_measurement_that_appears_is_a_column_from_then_on(journal: MemoryJournal, root: Path) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    archive(journal, root)
    record(journal, [telling("rig_01", 2, {"ac_out_power_w": 2, "x_bearing_c": 40})])

    archive(journal, root, compacted=True)

    assert [(row["ac_out_power_w"], row.get("x_bearing_c")) for row in rows(root)] == [
        (1.0, None),
        (2.0, 40.0),
    ]


def test_rows_wait_until_they_are_old_enough(
    journal: MemoryJournal, runner: Runner, clock: Clock, root: Path, projector: ArchiveProjector
) -> None:
    archive(journal, root)  # it has begun before: the first rows of a new one wait less long
    record(journal, [sample("rig_01", 1, 1)])
    runner.turn()
    clock.now = 299.0
    list(projector.messages(clock.now))
    waiting = files(root)

    clock.now = 300.0
    list(projector.messages(clock.now))

    assert waiting == []
    assert len(files(root)) == 1
    assert place_of(root) == journal.head()


def test_a_new_archive_begins_soon(
    journal: MemoryJournal, runner: Runner, clock: Clock, root: Path, projector: ArchiveProjector
) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    runner.turn()

    clock.now = 30.0
    list(projector.messages(clock.now))

    assert place_of(root) == journal.head()


def test_rows_are_written_when_there_are_many(journal: MemoryJournal, root: Path) -> None:
    projector = ArchiveProjector(root, most_cells=60)  # six numbers a row
    record(journal, [sample("rig_01", n, n) for n in range(10)])
    runner = Runner(journal, projector, batch=5)

    runner.turn()
    assert files(root) == []
    runner.turn()

    assert len(rows(root)) == 10
    projector.close()


def test_a_place_without_samples_is_kept_too(
    journal: MemoryJournal, runner: Runner, clock: Clock, root: Path, projector: ArchiveProjector
) -> None:
    archive(journal, root)
    record(journal, [Said("note.added", "_site", 1, {"text": "hello"})])
    runner.turn()
    clock.now = 10.0
    runner.turn()
    clock.now = 400.0

    list(projector.messages(clock.now))

    assert place_of(root) == journal.head()


def test_what_was_not_written_comes_again(journal: MemoryJournal, root: Path) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    killed = ArchiveProjector(root)
    Runner(journal, killed).finish()
    killed.close()

    archive(journal, root)

    assert len(rows(root)) == 1


def test_files_beyond_the_checkpoint_are_deleted_at_the_start(journal: MemoryJournal, root: Path) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    archive(journal, root)
    record(journal, [sample("rig_01", 2, 2)])
    directory = (root / files(root)[0]).parent
    kept = files(root)
    shutil.copy(directory / "1-1.parquet", directory / "2-2.parquet")
    (directory / ".3-3.parquet.part").write_bytes(b"half")
    projector = ArchiveProjector(root)

    projector.open()

    assert files(root) == kept
    assert [path.name for path in directory.iterdir()] == ["1-1.parquet"]
    projector.close()


def test_a_file_that_only_partly_lies_beyond_the_checkpoint_is_not_touched(
    journal: MemoryJournal, root: Path
) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    archive(journal, root)
    path = root / files(root)[0]
    path.rename(path.with_name("1-9.parquet"))

    with pytest.raises(ConfigurationError, match="ovr rebuild archive"):
        ArchiveProjector(root).open()

    assert path.with_name("1-9.parquet").exists()


def test_a_full_disk_is_waited_for_and_nothing_is_lost_or_double(
    journal: MemoryJournal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(journal, [sample("rig_01", n * 100_000, n) for n in range(4)])
    projector = ArchiveProjector(root, every_s=0.0)
    clock = Clock()
    runner = Runner(journal, projector, clock=clock)
    real = os.fsync
    failures = [OSError(28, "No space left on device")]

    def full(descriptor: int) -> None:
        if len(files(root)) == 2 and failures:
            raise failures.pop()
        real(descriptor)

    monkeypatch.setattr("os.fsync", full)
    runner.turn()
    assert runner.problem is not None
    assert place_of(root) is None

    clock.now += 10
    runner.finish()

    assert [row["ac_out_power_w"] for row in rows(root)] == [0, 1, 2, 3]
    projector.close()


def test_a_disk_that_is_full_between_turns_ends_nothing(
    journal: MemoryJournal, root: Path, clock: Clock, runner: Runner, projector: ArchiveProjector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    record(journal, [sample("rig_01", 1, 1)])
    runner.turn()
    clock.now = 301.0
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _fails)
        list(projector.messages(clock.now))
        assert "cannot be written now" in projector.status()["waiting_for"]

    runner.turn()
    clock.now = 700.0
    list(projector.messages(clock.now))

    assert len(rows(root)) == 1
    assert projector.status()["waiting_for"] is None


def _fails(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_sample_of_a_later_version_is_a_dead_letter_and_stops_nothing(
    journal: MemoryJournal, root: Path
) -> None:
    poison = sample("rig_01", 1, 1).entry(1)
    body = poison.body.replace(b"ovr:sample.taken:1", b"ovr:sample.taken:9")
    journal.append([replace(poison, body=body)], recorded_us=BASE_US)
    record(journal, [sample("rig_01", 2, 2)])

    archive(journal, root)

    projector = ArchiveProjector(root)
    projector.open()
    assert projector.status()["dead_letters"] == 1
    assert [row["position"] for row in rows(root)] == [2]
    projector.close()


def test_a_strict_run_refuses_what_it_cannot_read(root: Path) -> None:
    projector = ArchiveProjector(root, strict=True)
    projector.open()
    body = sample("rig_01", 1, 1).entry(1).body.replace(b"taken:1", b"taken:9")

    with pytest.raises(InputError):
        projector.take(Recorded(1, 1, "c", "/s", "i", "sample.taken", "rig_01", 1, body, b""))
    projector.close()


def test_names_of_directories_are_safe_whatever_the_ids() -> None:
    hostile = archive_tree.Partition("../../etc/passwd", "a/b=c", 0)

    assert hostile.path == Path("system_id=..%2F..%2Fetc%2Fpasswd", "kind=a%2Fb%3Dc", "day=1970-01-01")


def test_files_of_others_in_the_directory_are_no_part_of_it(journal: MemoryJournal, root: Path) -> None:
    record(journal, [sample("rig_01", 1, 1)])
    archive(journal, root)
    directory = (root / files(root)[0]).parent
    (directory / "notes.txt").write_text("mine")
    (directory / "export.parquet").write_bytes(b"mine")
    (directory.parent / "day=yesterday").mkdir()

    found = list(archive_tree.partitions(root))

    assert [archive_tree.day_text(one.day) for one in found] == [TODAY]
    assert [piece.path.name for piece in archive_tree.pieces(directory)] == ["1-1.parquet"]


def test_many_names_of_ones_own_do_not_fill_the_memory_with_nothing(
    journal: MemoryJournal, root: Path
) -> None:
    record(journal, [telling("rig_01", n, {f"x_{n}_{k}": k for k in range(400)}) for n in range(9)])

    archive(journal, root)
    archive(journal, root, compacted=True)

    assert max(len(pq.read_schema(root / name).names) for name in files(root)) <= 1024 + 7
    assert sum(pq.read_metadata(root / name).num_rows for name in files(root)) == 9


def test_a_directory_without_an_archive_has_none(tmp_path: Path) -> None:
    reader = ArchiveReader(tmp_path / "archive")

    assert reader.place() is None
    assert reader.systems() == []
    assert reader.samples("rig_01", 0, 2**60).streams == ()


def test_a_process_follows_the_archive_that_serves(tmp_path: Path, journal: MemoryJournal) -> None:
    generations = Generations(tmp_path / "archive", trees=True)
    projector = ArchiveProjector(generations, every_s=0.0)
    runner = Runner(journal, projector)
    record(journal, [sample("rig_01", 1, 1)])
    runner.turn()
    rebuilt = generations.create()
    archive(journal, rebuilt)
    generations.serve(rebuilt)
    generations.discard()
    record(journal, [sample("rig_01", 2, 2)])

    runner.turn()

    assert len(rows(rebuilt)) == 2
    assert [path.name for path in (tmp_path / "archive").glob("0*")] == [rebuilt.name]
    projector.close()
