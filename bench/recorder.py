"""The recorder: how many samples a second, at what cost, against SQLite appending the same rows alone."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench import load
from bench.figures import Figure, percentile
from bench.processes import mosquitto, recording, usage
from bus import envelope, ids, instants
from bus.connection import Broker, Connection, Message
from bus.envelope import Envelope
from bus.sender import Sender

COUNT = 40_000
_WARM = 2_000


def throughput(tmp: Path) -> Iterator[Figure]:
    """Record samples as fast as they are confirmed."""
    with mosquitto(tmp) as port, recording(tmp / "data", port) as pid:
        load.run(port, _WARM)
        before = usage(pid)
        done = load.run(port, COUNT)
        spent = usage(pid).since(before)
    journal = (tmp / "data" / "journal" / "journal.sqlite").stat().st_size / (COUNT + _WARM)
    rate = done.events / done.seconds
    raw = _raw_appends(tmp)
    yield Figure("recorder: samples of 50 readings, durable, confirmed", rate, "events/s", at_least=6_000)
    yield Figure("recorder: payload", done.payload_bytes, "bytes")
    yield Figure("recorder: CPU an event", spent.cpu_s / COUNT * 1e6, "us", at_most=120)
    yield Figure(
        "recorder: journal's bytes written an event, at full rate", spent.written_bytes / COUNT, "bytes"
    )
    yield Figure("journal on disk, before sealing", journal, "bytes a sample")
    yield Figure("the same rows with SQLite alone (FULL, 512 a commit)", raw, "events/s")
    yield Figure("ratio: SQLite alone / recorder", raw / rate, "x")


def one_sender(tmp: Path) -> Iterator[Figure]:
    """Send through one durable outbox, end to end confirmed."""
    count = 20_000
    with mosquitto(tmp) as port, recording(tmp / "data", port):
        sender = Sender(Broker(port=port), client="bench", name="one", path=tmp / "outbox.sqlite")
        sender.put(load.sample(0, instants.now_us()))
        if not sender.flush(30):
            raise TimeoutError("the recorder did not confirm")
        began, cpu = time.perf_counter(), time.process_time()
        for n in range(count):
            sender.put(load.sample(n, instants.now_us()))
        sender.flush(120)
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        sender.close()
    yield Figure("one sender: put to confirmed", count / seconds, "events/s", at_least=3_000)
    yield Figure("one sender: CPU an event, making it included", spent / count * 1e6, "us")


def operator_latency(tmp: Path) -> Iterator[Figure]:
    """Time operator events while 400 samples a second flow."""
    with mosquitto(tmp) as port, recording(tmp / "data", port):
        stop = threading.Event()
        background = threading.Thread(target=_flow, args=(port, tmp, stop))
        background.start()
        confirmed, live = _operator(port, 200)
        stop.set()
        background.join()
    for what, times in (("confirmed", confirmed), ("on the live stream", live)):
        yield Figure(f"operator event: publish to {what}, p50", percentile(times, 50) * 1e3, "ms")
        yield Figure(
            f"operator event: publish to {what}, p99", percentile(times, 99) * 1e3, "ms", at_most=100
        )


def _flow(port: int, tmp: Path, stop: threading.Event) -> None:
    sender = Sender(Broker(port=port), client="flow", name="flow", path=tmp / "flow.sqlite")
    n, began = 0, time.monotonic()
    while not stop.is_set():
        while n < (time.monotonic() - began) * 400:
            sender.put(load.sample(n, instants.now_us()))
            n += 1
        stop.wait(0.01)
    sender.close()


def _operator(port: int, count: int) -> tuple[list[float], list[float]]:
    confirmed: dict[str, float] = {}
    live: dict[str, float] = {}
    client = Connection(Broker(port=port), "operator")

    def note(into: dict[str, float]) -> object:
        def hear(message: Message) -> None:
            into[envelope.load(message.payload)["id"]] = time.perf_counter()

        return hear

    client.subscribe("ovr/ack/operator", note(confirmed), qos=1)  # type: ignore[arg-type]
    client.subscribe("ovr/events/+/note.added", note(live), qos=1)  # type: ignore[arg-type]
    limit = time.monotonic() + 2.0
    while time.monotonic() < limit:
        client.step(0.05)
    sent: dict[str, float] = {}
    for n in range(count):
        fact = Envelope(
            ids.uuid7(), "/bench/operator", "note.added", "rig_001", instants.now_us(), {"text": f"note {n}"}
        )
        sent[fact.id] = time.perf_counter()
        client.publish("ovr/in/operator/rig_001/note.added", envelope.encode(fact), qos=1)
        limit = time.monotonic() + 5.0
        while not (fact.id in confirmed and fact.id in live) and time.monotonic() < limit:
            client.step(0.01)
    client.close()
    return [confirmed[k] - at for k, at in sent.items()], [live[k] - at for k, at in sent.items()]


def _raw_appends(tmp: Path) -> float:
    """Append the same rows with SQLite alone: the bound that the recorder cannot beat."""
    db = sqlite3.connect(tmp / "raw.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE event (position INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, body BLOB)")
    now_us = instants.now_us()
    rows = [(fact.id, envelope.encode(fact)) for fact in (load.sample(n, now_us + n) for n in range(COUNT))]
    began = time.perf_counter()
    for start in range(0, COUNT, 512):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO event (id, body) VALUES (?, ?)", rows[start : start + 512])
        db.execute("COMMIT")
    seconds = time.perf_counter() - began
    db.close()
    return COUNT / seconds
