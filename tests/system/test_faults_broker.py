"""A recorder that is away for long: the broker's memory stays bounded, and what was promised arrives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest

from bus.connection import Broker, Connection
from bus.envelope import decode
from bus.journal_sqlite import SqliteJournalReader
from ovr import broker as template
from ovr.config import Listen
from ovr.layout import Layout
from ovr.ports import Ports
from ovr.processes import MOSQUITTO, binary
from tests.node import free_base
from tests.services import Service
from tests.system.test_recorder import Ear
from tests.system.test_sender import RecorderProcess, note, sample, sending
from tests.waiting import PATIENCE_S, until

MB = 1 << 20
QUEUE_BYTES = 128 * MB  # `max_queued_bytes` of the configuration that we ship
BOUND_BYTES = 256 * MB
TEXT = "\N{HIGH VOLTAGE SIGN}\N{ELECTRIC PLUG}" * 1995
UNANSWERED = 200


@contextmanager
def shipped_mosquitto(directory: Path) -> Iterator[Service]:
    """Run Mosquitto as a node does, for everyone on this machine."""
    layout, ports = Layout(directory / "broker"), Ports(free_base())
    layout.run.mkdir(parents=True)
    layout.mosquitto_conf.write_text(template.configuration(layout, Listen(), ports, anonymous=True))
    command = (binary(MOSQUITTO), "-c", str(layout.mosquitto_conf))
    service = Service(command, ports.mqtt, directory / "mosquitto")
    service.start()
    try:
        yield service
    finally:
        service.stop()


def flood(port: int, count: int) -> int:
    """Publish plain notes as fast as the broker takes them; return how many bytes that was."""
    connection = Connection(Broker(port=port), "flood")
    until(lambda: connection.connected, "connected", turn=lambda: connection.step(0.01))
    size = 0
    for n in range(count):
        body = orjson.dumps({"text": f"{n:06} {TEXT}"})
        connection.publish("ovr/in/bob/rig_02/note.added", body, qos=1)
        size += len(body)
        while connection.unacknowledged >= UNANSWERED:
            connection.step(0.1)
    until(lambda: not connection.unacknowledged, "all taken", turn=lambda: connection.step(0.1))
    connection.close()
    return size


def resident(broker: Service) -> int:
    assert broker.process is not None
    return int(psutil.Process(broker.process.pid).memory_info().rss)


@pytest.mark.parametrize("count", [14_000, pytest.param(250_000, marks=pytest.mark.soak)])
def test_while_the_recorder_is_away_the_brokers_memory_is_bounded_and_senders_hold_all(
    tmp_path: Path, count: int
) -> None:
    data = tmp_path / "data"
    with shipped_mosquitto(tmp_path) as broker, sending(tmp_path, broker) as sender:
        recorder = RecorderProcess(data, broker.port)
        recorder.start()
        ear = Ear(broker.port)
        recorder.end()
        ear.until(lambda: ear.said("ovr/health/recorder", "offline"), "its death is told")
        ear.connection.close()

        flooding = threading.Thread(target=flood, args=(broker.port, count))
        highest, wanted = resident(broker), list[str]()
        flooding.start()
        while flooding.is_alive():
            n = len(wanted)
            event = note(n) if n % 5 == 0 else sample(n)
            wanted.append(event.id)
            sender.put(event)
            highest = max(highest, resident(broker))
            flooding.join(0.05)
        assert sender.pending() == len(wanted)

        recorder.start()
        assert sender.flush(PATIENCE_S)
        kept = plain(data, broker)
        recorder.end()

        assert highest < BOUND_BYTES
        assert [name for name in recorder.recorded() if name in set(wanted)] == wanted
        assert kept == list(range(len(kept))), "the broker drops what comes last, and nothing comes twice"
        size = len(orjson.dumps({"text": TEXT}))
        assert QUEUE_BYTES // 2 < len(kept) * size < QUEUE_BYTES + 100 * size < count * size
        assert b"messages are being dropped for client" in broker.log.read_bytes()


def plain(data: Path, broker: Service) -> list[int]:
    """Wait until the recorder has taken what the broker kept; return the numbers of those notes."""
    ear = Ear(broker.port)
    ear.publish("ovr/in/carol/rig_03/note.added", b'{"text":"last"}')
    ear.until(lambda: ear.on("ovr/ack/carol"), "what came before the last is recorded")
    ear.connection.close()
    reader = SqliteJournalReader(data / "journal")
    try:
        assert reader.verify().faults == ()
        found = reader.read(subjects=["rig_02"])
        return [int(str(decode(row.body).data["text"]).split()[0]) for row in found]
    finally:
        reader.close()
