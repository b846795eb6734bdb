"""Producers as processes: what they read is in the journal, whatever happens to them."""

import os
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
from tests.waiting import until

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


def test_host_and_simulator_fill_the_journal_and_stop_cleanly(broker: Service, tmp_path: Path) -> None:
    with recording(tmp_path, broker):
        with (
            producing("host", broker, tmp_path) as host,
            producing("simulator", broker, tmp_path) as simulator,
        ):
            until(lambda: len(systems(tmp_path)) == 5, "all five systems have sent samples")
            for process in (host, simulator):
                process.send_signal(signal.SIGTERM)
                assert process.wait(15) == 0
        events = journal(tmp_path)

    assert systems(tmp_path) == {"host_edge_01", "rig_01", "rig_02", "acuvim_13", "acuvim_14"}
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        assert not unknown(data.get("values", {}))
    for subject in systems(tmp_path):
        said = [event["type"] for event in events if event["subject"] == subject]
        assert said[0] == "device.connected"
        assert said[-1] == "device.disconnected"
        assert said.count("device.described") == 1


def test_a_killed_simulator_goes_on_where_it_was_and_records_nothing_twice(
    broker: Service, tmp_path: Path
) -> None:
    def connections() -> int:
        return sum(event["type"] == "device.connected" for event in journal(tmp_path))

    with recording(tmp_path, broker):
        for round_ in (1, 2):
            with producing("simulator", broker, tmp_path) as process:
                until(lambda: connections() == 4 * round_, "all devices are connected")  # noqa: B023
                os.kill(process.pid, signal.SIGKILL)
        events = journal(tmp_path)

    assert len({event["id"] for event in events}) == len(events)
    charge = [
        event["data"]["values"]["soc_pct"]  # type: ignore[index]
        for event in events
        if event["subject"] == "rig_01" and event["data"].get("interval_ms") == 500  # type: ignore[attr-defined]
    ]
    assert max(charge) - min(charge) < 0.1


def test_a_second_process_of_one_name_is_a_configuration_error(broker: Service, tmp_path: Path) -> None:
    with producing("host", broker, tmp_path) as first:
        until((tmp_path / "outbox" / "host.sqlite.lock").exists, "the first has its outbox")
        until((tmp_path / "outbox" / "host.sqlite").exists, "the first has its outbox")
        with producing("host", broker, tmp_path) as second:
            _, said = second.communicate(timeout=20)

        assert second.returncode == 78
        assert b"outbox" in said
        assert first.poll() is None


def test_an_unknown_producer_is_a_configuration_error(broker: Service, tmp_path: Path) -> None:
    with producing("teapot", broker, tmp_path) as process:
        _, said = process.communicate(timeout=20)

    assert process.returncode == 78
    assert b"choose one of" in said
    assert b"host" in said
