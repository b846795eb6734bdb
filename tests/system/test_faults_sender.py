"""Faults in mid-stream of senders, and rivals for what only one process may have."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.journal_sqlite import SqliteJournalReader
from bus.outbox import OutboxLimits
from bus.sender import Sender
from schemas.errors import ConfigurationError
from tests.node import LoadSender
from tests.services import Service, start_mosquitto
from tests.system.test_sender import ROOT, RecorderProcess, note, sample, sending
from tests.waiting import PATIENCE_S, until

EX_CONFIG = 78


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def recorder(tmp_path: Path, broker: Service) -> Iterator[RecorderProcess]:
    recorder = RecorderProcess(tmp_path / "data", broker.port)
    yield recorder
    recorder.end()


def wrong(number: int) -> Envelope:
    """Make a note that the recorder refuses."""
    data = {"tex": "x"}
    return Envelope(f"wrong-{number}", "/edge/alice", "note.added", "rig_01", instants.now_us(), data)


def test_refused_events_in_mid_window_leave_no_gap_whatever_is_killed(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    wanted: list[str] = []
    refused: list[str] = []
    with sending(tmp_path, broker) as sender:
        recorder.start()
        for number in range(3_000):
            event = wrong(number) if number % 7 == 3 else sample(number)
            (refused if number % 7 == 3 else wanted).append(event.id)
            sender.put(event)
            if number in {1_000, 2_000}:
                confirmed = sender.status()["confirmed"]
                until(lambda seen=confirmed: sender.status()["confirmed"] > seen, "the window moves")  # type: ignore[misc]
                recorder.end()
                if number == 2_000:
                    broker.kill()
                    broker.start()
                recorder.start()

        assert sender.flush(PATIENCE_S)

        assert {rejection.id for rejection in sender.rejected()} <= set(refused)
    assert recorder.recorded() == wanted
    reader = SqliteJournalReader(tmp_path / "data" / "journal")
    letters = [letter for letter, _ in reader.dead_letters(len(refused) + 1)]
    reader.close()
    assert sorted(str(orjson.loads(letter.payload)["id"]) for letter in letters) == sorted(refused)
    assert {letter.reason for letter in letters} == {"schema"}


def test_an_outbox_restored_cloned_and_overflowing_is_drained_in_order_and_nothing_comes_twice(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    """The recorder is away, is killed while it drains, and knows from before what an older copy sends."""
    path, copy = tmp_path / "alice.sqlite", tmp_path / "copy.sqlite"
    with sending(tmp_path, broker) as sender:
        for number in range(100):
            sender.put(note(number))
    shutil.copy(path, copy)
    recorder.start()
    with sending(tmp_path, broker) as sender:
        assert sender.flush(PATIENCE_S)
    recorder.end()

    shutil.copy(copy, path)
    limits = OutboxLimits(events=1_000, memory_events=100)
    with (
        sending(tmp_path, broker, limits=limits) as sender,
        sending(tmp_path, broker, name="clone", path=copy) as clone,
    ):
        for number in range(100, 4_000):
            sender.put(note(number) if number % 50 == 0 else sample(number))
        clone.put(note(9_000))
        dropped = sender.status()["dropped"]
        recorder.start()
        until(lambda: sender.status()["confirmed"] > 200, "it drains")
        recorder.end()
        recorder.start()
        assert sender.flush(PATIENCE_S)
        assert clone.flush(PATIENCE_S)

    recorded = recorder.recorded()
    assert dropped > 2_000
    assert len(recorded) == len(set(recorded))
    own = [name for name in recorder.recorded("note.added") if name != "note-9000"]
    assert own == [f"note-{number}" for number in [*range(100), *range(100, 4_000, 50)]]
    samples = [int(name.removeprefix("sample-")) for name in recorder.recorded("sample.taken")]
    assert samples == sorted(samples)
    assert len(samples) == 3_900 - 78 - dropped


def test_a_second_recorder_on_a_journal_is_told_of_the_first_which_goes_on(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    recorder.start()
    with sending(tmp_path, broker) as sender:
        sender.put(note(1))
        assert sender.flush(PATIENCE_S)
        environment = os.environ | {"OVR_BROKER_HOST": "127.0.0.1", "OVR_BROKER_PORT": str(broker.port)}
        command = [sys.executable, "-m", "ovr", "record", "--data", str(recorder.data)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=PATIENCE_S
        )
        sender.put(note(2))
        assert sender.flush(PATIENCE_S)

    assert recorder.process is not None
    assert done.returncode == EX_CONFIG
    assert f"written by process {recorder.process.pid}".encode() in done.stderr
    assert recorder.recorded() == ["note-1", "note-2"]


def test_a_second_process_on_an_outbox_is_told_of_the_first_which_goes_on(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    recorder.start()
    first = LoadSender(broker.port, "alice", tmp_path)
    first.start()
    assert first.process is not None
    try:
        until(lambda: first.promised, "the first one sends")
        with pytest.raises(ConfigurationError, match=f"in use by process {first.process.pid}"):
            Sender(Broker(port=broker.port), client="alice", name="two", path=tmp_path / "alice.sqlite")
        promised = len(first.promised)
        until(lambda: len(first.promised) > promised, "the first one goes on")
        first.finish()
    finally:
        if first.process.poll() is None:
            first.kill()
    assert len(recorder.recorded("note.added")) == len(first.promised)
