"""Senders on a real Mosquitto with a real recorder: all arrives once and in order, whatever is killed."""

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.journal_sqlite import SqliteJournalReader
from bus.outbox import OutboxLimits
from bus.sender import Sender
from bus.window import WindowLimits
from tests.services import Service, start_mosquitto
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
QUICK = WindowLimits(stall_s=0.3, refused_s=0.05, longest_s=1.0)
RECORDER = """
import signal, sys, threading
from pathlib import Path
from bus.connection import Broker
from bus.recorder import Recorder
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
Recorder(Path(sys.argv[1]), Broker(port=int(sys.argv[2])), node_id="edge").run(stop.is_set)
"""
SENDER = """
import itertools, sys
from pathlib import Path
from bus.connection import Broker
from bus.sender import Sender
from tests.system.test_sender import note, sample
first = int(sys.argv[3])
sender = Sender(Broker(port=int(sys.argv[2])), client="alice", name="one", path=Path(sys.argv[1]))
for number in itertools.count(first):
    sender.put(sample(number))
    if number % 5 == 0:
        sender.put(note(number))
        print(number, flush=True)
"""


def note(number: int) -> Envelope:
    data = {"text": f"note {number}"}
    return Envelope(f"note-{number}", "/edge/alice", "note.added", "rig_01", instants.now_us(), data)


def sample(number: int) -> Envelope:
    data = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": float(number % 100)}}
    return Envelope(f"sample-{number}", "/edge/alice", "sample.taken", "rig_01", instants.now_us(), data)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


class RecorderProcess:
    """A recorder that can be killed and started again on its journal."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = data
        self.command = [sys.executable, "-c", RECORDER, str(data), str(port)]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(PATIENCE_S)
        self.process = None

    def recorded(self, *types: str) -> list[str]:
        """List what the journal holds, in its order."""
        if not (self.data / "journal").exists():
            return []
        reader = SqliteJournalReader(self.data / "journal")
        try:
            return [row.id for row in reader.read(types=types or None)]
        finally:
            reader.close()


@pytest.fixture
def recorder(tmp_path: Path, broker: Service) -> Iterator[RecorderProcess]:
    recorder = RecorderProcess(tmp_path / "data", broker.port)
    recorder.start()
    yield recorder
    recorder.end(signal.SIGTERM)


@contextmanager
def sending(tmp_path: Path, broker: Service, **options: object) -> Iterator[Sender]:
    said: dict[str, object] = {
        "client": "alice",
        "name": "one",
        "path": tmp_path / "alice.sqlite",
        "window": QUICK,
    }
    sender = Sender(Broker(port=broker.port), **(said | options))  # type: ignore[arg-type]
    try:
        yield sender
    finally:
        sender.close()


def test_events_arrive_once_in_the_order_in_which_they_were_put(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    wanted: list[str] = []
    with sending(tmp_path, broker) as sender:
        for number in range(2_000):
            event = note(number) if number % 100 == 0 else sample(number)
            wanted.append(event.id)
            sender.put(event)

        assert sender.flush(PATIENCE_S)

        assert sender.pending() == 0
        assert sender.status()["fault"] is None
    assert recorder.recorded() == wanted


def test_several_threads_may_put_and_the_order_of_each_holds(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    with sending(tmp_path, broker) as sender:

        def put(thread: int) -> None:
            for number in range(200):
                sender.put(sample(thread * 1_000 + number))

        threads = [threading.Thread(target=put, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sender.flush(PATIENCE_S)

    recorded = [int(name.removeprefix("sample-")) for name in recorder.recorded()]
    for thread_number in range(4):
        own = [number for number in recorded if number // 1_000 == thread_number]
        assert own == sorted(own)
    assert len(recorded) == len(set(recorded)) == 800


def test_facts_survive_kills_of_their_sender_in_mid_stream(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    promised: list[int] = []
    for _ in range(3):
        command = [
            sys.executable,
            "-c",
            SENDER,
            str(tmp_path / "alice.sqlite"),
            str(broker.port),
            str(len(promised) * 5),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                promised.append(int(line))
                if len(promised) % 40 == 0:
                    process.kill()
                    break
            promised.extend(int(line) for line in process.stdout if line.endswith("\n"))

    with sending(tmp_path, broker) as sender:
        assert sender.flush(PATIENCE_S)

    notes = recorder.recorded("note.added")
    everything = recorder.recorded()
    assert set(notes) >= {f"note-{number}" for number in promised}
    assert len(everything) == len(set(everything))
    assert notes == sorted(notes, key=lambda name: int(name.removeprefix("note-")))


def test_kills_of_broker_and_recorder_lose_nothing_and_repeat_nothing(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    wanted: list[str] = []
    done = threading.Event()
    with sending(tmp_path, broker) as sender:

        def put() -> None:
            number = 0
            while not done.wait(0.002):
                event = note(number) if number % 50 == 0 else sample(number)
                wanted.append(event.id)
                sender.put(event)
                number += 1

        stream = threading.Thread(target=put)
        stream.start()
        for victim in ("broker", "recorder", "both", "recorder"):
            seen = sender.status()["confirmed"]
            until(lambda seen=seen: sender.status()["confirmed"] > seen + 50, "the stream flows")  # type: ignore[misc]
            if victim in {"broker", "both"}:
                broker.kill()
            if victim in {"recorder", "both"}:
                recorder.end()
                recorder.start()
            if victim in {"broker", "both"}:
                broker.start()
        done.set()
        stream.join()
        assert sender.flush(PATIENCE_S)

    assert recorder.recorded() == wanted


def test_what_waits_too_long_for_a_recorder_is_dropped_and_said(tmp_path: Path, broker: Service) -> None:
    limits = OutboxLimits(events=500, memory_events=100)
    recorder = RecorderProcess(tmp_path / "data", broker.port)
    with sending(tmp_path, broker, limits=limits) as sender:
        for number in range(2_000):
            sender.put(sample(number))
        sender.put(note(1))
        dropped = sender.status()["dropped"]
        recorder.start()
        try:
            assert sender.flush(PATIENCE_S)
        finally:
            recorder.end(signal.SIGTERM)

    reader = SqliteJournalReader(tmp_path / "data" / "journal")
    said = [orjson.loads(row.body)["data"] for row in reader.read(types=["samples.dropped"])]
    reader.close()
    assert [account["count"] for account in said] == [dropped]
    assert dropped >= 1_500
    assert len(recorder.recorded("sample.taken")) == 2_000 - dropped
    assert recorder.recorded("note.added") == ["note-1"]


def test_an_older_copy_and_a_clone_of_an_outbox_record_nothing_twice(tmp_path: Path, broker: Service) -> None:
    recorder = RecorderProcess(tmp_path / "data", broker.port)
    path, copy = tmp_path / "alice.sqlite", tmp_path / "copy.sqlite"
    with sending(tmp_path, broker) as sender:
        for number in range(50):
            sender.put(note(number))
    shutil.copy(path, copy)
    recorder.start()
    try:
        with sending(tmp_path, broker) as sender:
            assert sender.flush(PATIENCE_S)
        shutil.copy(copy, path)
        with sending(tmp_path, broker) as sender, sending(tmp_path, broker, name="clone", path=copy) as clone:
            assert sender.flush(PATIENCE_S)
            assert clone.flush(PATIENCE_S)
    finally:
        recorder.end(signal.SIGTERM)

    assert recorder.recorded() == [f"note-{number}" for number in range(50)]


def test_a_refused_event_is_listed_and_holds_nothing_up(
    tmp_path: Path, broker: Service, recorder: RecorderProcess
) -> None:
    wrong = Envelope("wrong", "/edge/alice", "note.added", "rig_01", instants.now_us(), {"tex": "x"})
    with sending(tmp_path, broker) as sender:
        for event in (note(1), wrong, note(2)):
            sender.put(event)

        assert sender.flush(PATIENCE_S)

        assert [(refused.id, bool(refused.hint)) for refused in sender.rejected()] == [("wrong", True)]
    assert recorder.recorded() == ["note-1", "note-2"]


def test_a_user_without_the_right_to_publish_is_told_what_to_do(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic readwrite #\ntopic deny ovr/in/alice/#\n")
    acl.chmod(0o644)
    with start_mosquitto(tmp_path, f"acl_file {acl}", "user root") as broker:
        recorder = RecorderProcess(tmp_path / "data", broker.port)
        recorder.start()
        try:
            with sending(tmp_path, broker) as sender:
                sender.put(note(1))
                until(lambda: "publish" in (sender.status()["fault"] or ""), "the sender says what is wrong")
                fault = sender.status()["fault"]
                pending = sender.pending()
        finally:
            recorder.end(signal.SIGTERM)

    assert "does not let user" in fault
    assert "ovr/in/alice/rig_01/note.added" in fault
    assert "`ovr user add alice`" in fault
    assert pending == 1


def test_two_processes_with_one_client_id_say_so_and_stop_ending_each_others_connection(
    tmp_path: Path, broker: Service
) -> None:
    with sending(tmp_path, broker) as one, sending(tmp_path, broker, path=tmp_path / "two.sqlite") as two:
        rivals = (one, two)
        until(
            lambda: any("another process connects as" in (s.status()["fault"] or "") for s in rivals),
            "one of them says what is wrong",
        )
        faults = [sender.status()["fault"] for sender in rivals]
        waits = [sender._rivalry.retry_at_s > time.monotonic() for sender in rivals]

    assert any("client 'alice-one': stop it" in (fault or "") for fault in faults)
    assert any(waits)


def test_a_sender_closes_at_once_and_keeps_everything_while_the_broker_is_away(
    tmp_path: Path, broker: Service
) -> None:
    with sending(tmp_path, broker) as sender:
        broker.kill()
        for number in range(100):
            sender.put(sample(number))
        started = time.monotonic()
        sender.close(timeout_s=PATIENCE_S)
        took_s = time.monotonic() - started

    with sending(tmp_path, broker) as again:
        assert again.pending() == 100
    assert took_s < PATIENCE_S / 2


def test_a_flush_that_takes_too_long_says_so(tmp_path: Path, broker: Service) -> None:
    with sending(tmp_path, broker) as sender:
        sender.put(note(1))

        assert not sender.flush(0.05)
