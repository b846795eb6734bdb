"""The archive beside a real journal and broker: kept, killed, rebuilt, verified, and read meanwhile."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from bus.connection import Broker, Connection
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping
from ovr.main import app
from projectors.archive_parquet import block_of, write
from projectors.archive_reader import ArchiveReader
from projectors.archive_rebuild import rebuild_archive
from projectors.archive_verify import verify_archive
from projectors.generations import Generations
from projectors.run_archive import run_archive
from projectors.runner import ProjectionError
from projectors.samples import read_samples
from schemas.errors import ConfigurationError
from tests.archives import archive, files, rows, telling
from tests.services import Service, start_mosquitto
from tests.streams import BASE_US, S, Said, record, sample
from tests.waiting import PATIENCE_S, until

DAY_S = 86_400
EVER = (-(2**62), 2**62)
_PROCESS = """
import sys
from pathlib import Path
from bus.connection import Broker
from projectors.run_archive import run_archive
run_archive(Path(sys.argv[1]), Broker(port=int(sys.argv[2])), every_s=0.05, batch=40)
"""


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal(tmp_path / "journal")
    yield made
    made.close()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


@contextmanager
def projecting(data: Path, port: int) -> Iterator[None]:
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run_archive(data, Broker(port=port), every_s=0.2, stopped=stop.is_set)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not failed, failed


def story(count: int, start: int = 0) -> list[Said]:
    return [
        telling(f"rig_{n % 2}", n * 700, {"ac_out_power_w": n, f"x_{n // 40}": n / 3}, late=n % 9 == 0)
        for n in range(start, start + count)
    ]


def serving(data: Path) -> Path:
    root = ArchiveReader(data / "archive").root()
    assert root is not None
    return root


def test_the_process_archives_what_is_recorded_and_says_how_far(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service
) -> None:
    said: dict[str, Any] = {}
    ear = Connection(Broker(port=mosquitto.port), "ear")
    ear.subscribe("ovr/health/projector-archive", lambda m: said.update(orjson.loads(m.payload or b"{}")))
    record(journal, story(30))

    with projecting(tmp_path, mosquitto.port):
        until(lambda: said.get("archived") == 30, "health says 30", turn=lambda: ear.step(0.02))
        record(journal, story(30, 30))
        until(lambda: said.get("archived") == 60, "health says 60", turn=lambda: ear.step(0.02))

    ear.close()
    assert said["rows_written"] == 60
    assert [row["position"] for row in rows(serving(tmp_path))] == list(range(1, 61))


def test_a_process_killed_again_and_again_archives_every_sample_once(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service
) -> None:
    reader = ArchiveReader(tmp_path / "archive")

    def archived() -> int:
        place = reader.place()
        return place.position if place else 0

    for turn in range(3):
        record(journal, story(60, turn * 60))
        process = subprocess.Popen([sys.executable, "-c", _PROCESS, str(tmp_path), str(mosquitto.port)])
        target = turn * 60 + 1
        until(lambda target=target: archived() >= target, "the checkpoint moves")  # type: ignore[misc]
        process.kill()
        process.wait()

    with projecting(tmp_path, mosquitto.port):
        until(lambda: archived() == 180, "all is archived")
    found = verify_archive(tmp_path)
    assert found.faults == ()
    assert found.tally.rows == 180


def test_a_second_process_is_refused(tmp_path: Path, journal: SqliteJournal) -> None:
    with (
        Generations(tmp_path / "archive", trees=True).only("projecting"),
        pytest.raises(ConfigurationError, match="another process"),
    ):
        run_archive(tmp_path, Broker(port=1))
    assert journal.head().position == 0


def test_a_rebuild_holds_the_same_rows_and_each_day_in_one_file(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    record(journal, story(200))
    record(journal, [sample("rig_0", 5, 0.5)], recorded_s=3 * DAY_S)
    generations = Generations(tmp_path / "archive", trees=True)
    generations.serve(live := generations.create())
    archive(journal, live)
    before = rows(live)
    told: list[tuple[int, int]] = []

    place = rebuild_archive(tmp_path, lambda done, end: told.append((done, end)))

    assert place == journal.head()
    assert told[-1] == (201, 201)
    assert rows(serving(tmp_path)) == before
    assert len(files(serving(tmp_path))) == 2 * 3
    assert not live.exists()
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == [
        "000002",
        "current",
        "rebuilding.lock",
    ]


def test_a_rebuild_that_stops_leaves_what_serves(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, story(3))
    rebuild_archive(tmp_path)
    poison = sample("rig_0", 50, 1).entry(99)
    body = poison.body.replace(b"ovr:sample.taken:1", b"ovr:sample.taken:9")
    journal.append([replace(poison, body=body)], recorded_us=BASE_US)

    with pytest.raises(ProjectionError, match="position 4"):
        rebuild_archive(tmp_path)

    assert serving(tmp_path).name == "000001"
    assert not (tmp_path / "archive" / "000002").exists()


@pytest.mark.parametrize("damage", ["value", "row lost", "row double", "file lost", "wrong name"])
def test_verification_finds_what_was_changed_behind_our_back(
    tmp_path: Path, journal: SqliteJournal, damage: str
) -> None:
    record(journal, story(40))
    rebuild_archive(tmp_path)
    assert verify_archive(tmp_path).faults == ()
    path = serving(tmp_path) / files(serving(tmp_path))[0]
    block = block_of(pq.read_table(path))
    if damage == "value":
        power = block.values["ac_out_power_w"].copy()
        power[3] += 1e-9
        write(path, replace(block, values={**block.values, "ac_out_power_w": power}))
    elif damage == "row lost":
        write(path, block.rows(slice(1, None)))
    elif damage == "row double":
        write(path, block.rows(block.position.argsort().repeat([2, *[1] * (len(block) - 1)])))
    elif damage == "file lost":
        path.unlink()
    else:
        path.rename(path.with_name("1-2.parquet"))

    found = verify_archive(tmp_path)

    assert len(found.faults) == 1
    assert "system_id=rig_0/kind=victron/day=" in found.faults[0]


def test_a_damaged_file_says_what_to_do(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, story(40))
    rebuild_archive(tmp_path)
    path = serving(tmp_path) / files(serving(tmp_path))[0]
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(ConfigurationError, match=r"is damaged .*: run `ovr rebuild archive`"):
        ArchiveReader(tmp_path / "archive").samples("rig_0", *EVER)


def test_an_archive_of_another_journal_is_an_error_with_instructions(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    record(journal, story(10))
    rebuild_archive(tmp_path)
    with closing(SqliteJournal(tmp_path / "other" / "journal")) as other:
        record(other, story(20))
        reader = ArchiveReader(tmp_path / "archive")

        with pytest.raises(ConfigurationError, match="ovr rebuild archive"):
            read_samples(other, reader, "rig_0", *EVER)


def test_the_commands_rebuild_and_verify(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, story(40))
    data = ["--data", str(tmp_path)]

    none = CliRunner().invoke(app, ["verify", "archive", *data])
    rebuilt = CliRunner().invoke(app, ["rebuild", "archive", *data])
    verified = CliRunner().invoke(app, ["verify", "archive", *data])
    (serving(tmp_path) / files(serving(tmp_path))[0]).unlink()
    differs = CliRunner().invoke(app, ["verify", "archive", "--json", *data])

    assert none.exit_code == 78
    assert rebuilt.stdout == "rebuilt archive up to position 40\n"
    assert verified.exit_code == 0
    assert "40 rows compared" in verified.stdout
    assert differs.exit_code == 1
    assert orjson.loads(differs.stdout)["different"] == 1


def test_samples_that_the_journal_erased_stay_through_a_rebuild(tmp_path: Path) -> None:
    keeping = Keeping(seal_after_days=1, samples_days=2, events=20, block=7)
    with closing(SqliteJournal(tmp_path / "journal", keeping)) as journal:
        record(journal, story(90))
        later = [Said("note.added", "rig_0", 10 * DAY_S + n, {"text": "later"}) for n in range(60)]
        record(journal, later)
        rebuild_archive(tmp_path)
        before = rows(serving(tmp_path))
        while journal.tidy(BASE_US + 10 * DAY_S * S):
            pass
    with closing(SqliteJournalReader(tmp_path / "journal")) as reader:
        assert reader.erased_upto() >= 60

    rebuild_archive(tmp_path)

    assert rows(serving(tmp_path)) == before
    found = verify_archive(tmp_path)
    assert found.faults == ()
    assert found.kept >= 60


def test_who_reads_while_days_are_compacted_and_rebuilt_finds_every_row_once(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service
) -> None:
    record(journal, story(60))
    rebuild_archive(tmp_path)
    with closing(SqliteJournalReader(tmp_path / "journal")) as reader, projecting(tmp_path, mosquitto.port):
        for turn in range(8):
            record(journal, story(20, 60 + turn * 20))
            if turn % 4 == 3:
                rebuild_archive(tmp_path)
            for _ in range(8):
                upto = journal.head().position
                found = read_samples(reader, ArchiveReader(tmp_path / "archive"), "rig_0", *EVER, upto=upto)
                ((stream),) = found.streams
                assert stream.position.tolist() == list(range(1, upto + 1, 2))
