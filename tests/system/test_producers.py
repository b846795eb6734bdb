"""Producers as processes: what they read is in the journal, whatever happens to them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bus.journal_sqlite import SqliteJournalReader
from schemas.measurements import unknown
from tests.services import Service, start_mosquitto
from tests.system.test_recorder import recording
from tests.waiting import PATIENCE_S, until

PRODUCE = """
import sys
from pathlib import Path
from bus.connection import Broker
from producers import run
from schemas.errors import ConfigurationError
kind, port, data = sys.argv[1:]
try:
    run.run_producer(kind, Broker(port=int(port)), client=kind, node_id="edge-01", data=Path(data))
except ConfigurationError as error:
    print(error, file=sys.stderr)
    sys.exit(78)
"""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with start_mosquitto(tmp_path_factory.mktemp("producers")) as service:
        yield service


@contextmanager
def producing(kind: str, broker: Service, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-c", PRODUCE, kind, str(broker.port), str(data))
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def journal(data: Path) -> list[dict[str, object]]:
    reader = SqliteJournalReader(data / "journal")
    try:
        return [orjson.loads(recorded.body) for recorded in reader.read(0)]
    finally:
        reader.close()


def systems(data: Path) -> set[object]:
    return {event["subject"] for event in journal(data) if event["type"] == "sample.taken"}


def test_host_fills_the_journal_and_stops_cleanly(broker: Service, tmp_path: Path) -> None:
    with recording(tmp_path, broker):
        with producing("host", broker, tmp_path) as host:
            until(lambda: systems(tmp_path), "it has sent a sample")
            host.send_signal(signal.SIGTERM)
            assert host.wait(PATIENCE_S) == 0
        events = journal(tmp_path)

    assert systems(tmp_path) == {"host_edge_01"}
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        assert not unknown(data.get("values", {}))
    said = [event["type"] for event in events]
    assert said[0] == "device.connected"
    assert said[-1] == "device.disconnected"
    assert said.count("device.described") == 1


def test_a_second_process_of_one_name_is_a_configuration_error(broker: Service, tmp_path: Path) -> None:
    with producing("host", broker, tmp_path) as first:
        until((tmp_path / "outbox" / "host.sqlite.lock").exists, "the first has its outbox")
        until((tmp_path / "outbox" / "host.sqlite").exists, "the first has its outbox")
        with producing("host", broker, tmp_path) as second:
            _, said = second.communicate(timeout=PATIENCE_S)

        assert second.returncode == 78
        assert b"outbox" in said
        assert first.poll() is None


def test_an_unknown_producer_is_a_configuration_error(broker: Service, tmp_path: Path) -> None:
    with producing("teapot", broker, tmp_path) as process:
        _, said = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 78
    assert b"choose one of" in said
    assert b"host" in said
