"""Plain messages across kills of recorder and broker: never recorded twice, lost only when unconfirmed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.envelope import decode
from bus.journal_sqlite import SqliteJournalReader
from tests.services import Service, start_mosquitto
from tests.system.test_recorder import Ear
from tests.system.test_sender import ROOT, RecorderProcess
from tests.waiting import PATIENCE_S

# A recorder that is killed, by itself, at a point of its work that is named on its command line.
DOOMED = """
import os, signal, socket, sys
from pathlib import Path
from bus.connection import Broker
from bus.recorder import Recorder
from schemas.errors import TransientError

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

recorder = Recorder(Path(sys.argv[1]), Broker(port=int(sys.argv[2])), node_id="edge")
connection, refusals = recorder.connection, []

def acknowledged(*_):
    connection.step(0.1)
    die()

def disk_full(*_, **__):
    refusals.append(connection.connected)
    if len(refusals) == 1:
        connection._link._socket.shutdown(socket.SHUT_RDWR)
    elif refusals[-3:] == [True] * 3:
        die()
    raise TransientError("the disk is full")

match sys.argv[3]:
    case "before the commit":
        recorder.journal.append = die
    case "before the acknowledgement":
        connection.ack = lambda message: message.qos and die()
    case "before the confirmation":
        recorder._announcer.confirm = acknowledged
    case "holding what it cannot commit":
        recorder.journal.append = disk_full
recorder.run(lambda: False)
"""
POINTS = (
    "before the commit",
    "before the acknowledgement",
    "before the confirmation",
    "holding what it cannot commit",
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


def publish(broker: Service, text: str) -> None:
    command = ["mosquitto_pub", "-V", "5", "-q", "1", "-p", str(broker.port)]
    topic = "ovr/in/alice/rig_01/note.added"
    subprocess.run([*command, "-t", topic, "-m", f'{{"text":"{text}"}}'], check=True, timeout=PATIENCE_S)


def killed_at(point: str, data: Path, broker: Service, text: str) -> int:
    """Let a recorder take a message and die at a point of its work; return how often it was confirmed."""
    command = [sys.executable, "-c", DOOMED, str(data), str(broker.port), point]
    with subprocess.Popen(command, cwd=ROOT) as process:
        ear = Ear(broker.port)
        try:
            publish(broker, text)
            ear.until(lambda: process.poll() is not None, f"the recorder is killed {point}")
            assert process.returncode == -signal.SIGKILL
            ear.until(lambda: ear.said("ovr/health/recorder", "offline"), "its death is told")
            return len(ear.on("ovr/ack/alice"))
        finally:
            ear.connection.close()
            process.kill()


def texts(data: Path) -> list[str]:
    reader = SqliteJournalReader(data / "journal")
    try:
        assert reader.verify().faults == ()
        return [decode(row.body).data["text"] for row in reader.read()]
    finally:
        reader.close()


def recorded_after(data: Path, broker: Service, *later: str) -> list[str]:
    """Start a recorder again, publish more, and return all that is in the journal when that is confirmed."""
    recorder = RecorderProcess(data, broker.port)
    recorder.start()
    ear = Ear(broker.port)
    try:
        for text in later:
            publish(broker, text)
        ear.until(lambda: texts(data)[-len(later) :] == list(later), "what came later is recorded")
        return texts(data)
    finally:
        ear.connection.close()
        recorder.end()


@pytest.mark.parametrize("point", POINTS)
def test_a_plain_message_is_recorded_once_wherever_the_recorder_is_killed(
    tmp_path: Path, broker: Service, point: str
) -> None:
    data = tmp_path / "data"
    assert killed_at(point, data, broker, "same") == 0

    # The same text once more is another event, not the redelivery of the first.
    assert recorded_after(data, broker, "same", "end") == ["same", "same", "end"]


@pytest.mark.parametrize(
    ("point", "kept"), [("before the commit", []), ("before the acknowledgement", ["x"])]
)
def test_what_a_killed_broker_takes_along_was_not_confirmed_and_nothing_comes_twice(
    tmp_path: Path, broker: Service, point: str, kept: list[str]
) -> None:
    data = tmp_path / "data"
    assert killed_at(point, data, broker, "x") == 0
    broker.kill()
    broker.start()

    assert recorded_after(data, broker, "y") == [*kept, "y"]


def test_a_confirmed_plain_message_survives_both_at_once(tmp_path: Path, broker: Service) -> None:
    recorder = RecorderProcess(tmp_path / "data", broker.port)
    recorder.start()
    ear = Ear(broker.port)
    publish(broker, "x")
    ear.until(lambda: ear.on("ovr/ack/alice"), "it is confirmed")
    broker.kill()
    recorder.end()
    broker.start()
    ear.connection.close()

    assert recorded_after(tmp_path / "data", broker, "y") == ["x", "y"]
