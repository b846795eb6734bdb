"""A journal, a broker, and the replay service that has heard of both; and who asks it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bus.connection import Broker, Connection, Message
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.remote import RemoteReader
from bus.replay import ReplayService
from tests.contract.test_journal import T0, entry, sample
from tests.services import Service, start_mosquitto
from tests.waiting import until

COUNT = 1234


@dataclass(frozen=True)
class Serving:
    """A replay service that answers.

    Attributes:
        local: reads the journal without it.
    """

    broker: Service
    local: SqliteJournalReader


@contextmanager
def serving(directory: Path) -> Iterator[Serving]:
    """Run the replay service on a journal of `COUNT` events."""
    journal = SqliteJournal(directory / "data" / "journal")
    for n in range(0, COUNT, 2):
        facts = [sample(n, f"rig_{n % 7}"), entry(n + 1, subject=f"rig_{n % 3}")]
        journal.append(facts, recorded_us=T0 + n * 1000)
    journal.close()
    local = SqliteJournalReader(directory / "data" / "journal")
    stop = threading.Event()
    with start_mosquitto(directory) as broker:
        thread = threading.Thread(
            target=lambda: ReplayService(directory / "data", Broker(port=broker.port)).run(stop.is_set)
        )
        thread.start()
        try:
            _online(broker)
            yield Serving(broker, local)
        finally:
            stop.set()
            thread.join()
            local.close()


def _online(broker: Service) -> None:
    """Wait until the service is there: what it says of itself comes after it has subscribed to requests."""
    heard: list[bytes] = []
    ear = Connection(Broker(port=broker.port), "ear")
    ear.subscribe("ovr/health/replay", lambda message: heard.append(message.payload))
    until(lambda: heard, "the replay service is online", turn=lambda: ear.step(0.01))
    ear.close()


@contextmanager
def reading(site: Serving) -> Iterator[RemoteReader]:
    """Read through the service; the head, which the recorder would publish, is published here."""
    tell(site)
    reader = RemoteReader(Broker(port=site.broker.port), "elsewhere")
    try:
        yield reader
    finally:
        reader.close()


def tell(site: Serving) -> None:
    """Publish the journal's head."""
    head = site.local.head()
    said = {"journal": head.journal, "incarnation": head.incarnation, "position": head.position}
    herald = Connection(Broker(port=site.broker.port), "herald")
    until(lambda: herald.connected, "connected", turn=lambda: herald.step(0.01))
    herald.publish("ovr/head", orjson.dumps(said | {"hash": head.hash.hex()}), retain=True, qos=1)
    until(lambda: not herald.unacknowledged, "the head is published", turn=lambda: herald.step(0.01))
    herald.close()


class Asker:
    """Asks for a replay and collects what comes."""

    def __init__(self, port: int) -> None:
        self.events: list[Message] = []
        self.answers: list[dict[str, Any]] = []
        self.connection = Connection(Broker(port=port), "asker")
        self.connection.subscribe("ovr/replay/+/+/+", self._hear, qos=1)
        until(lambda: self.connection.connected, "connected", turn=lambda: self.connection.step(0.01))

    def _hear(self, message: Message) -> None:
        if message.topic.endswith("/_reply/me"):
            self.answers.append(orjson.loads(message.payload))
        else:
            self.events.append(message)

    def ask(self, payload: bytes) -> dict[str, Any]:
        self.answers.clear()
        self.connection.publish("ovr/replay/request", payload, qos=1, response_topic="ovr/replay/x/_reply/me")
        until(
            lambda: any(a["status"] != "started" for a in self.answers),
            "answered",
            turn=lambda: self.connection.step(0.02),
        )
        return self.answers[-1]
