"""The replay service on a real Mosquitto, and the reader that uses it from elsewhere."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.connection import Broker, Connection, Message
from bus.follow import Follower
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.remote import RemoteReader
from bus.replay import ReplayService
from schemas.errors import ConfigurationError
from tests.contract.test_journal import T0, entry, sample
from tests.services import Service, start_mosquitto
from tests.waiting import until

COUNT = 1234


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def local(tmp_path: Path) -> Iterator[SqliteJournalReader]:
    journal = SqliteJournal(tmp_path / "data" / "journal")
    for n in range(0, COUNT, 2):
        facts = [sample(n, f"rig_{n % 7}"), entry(n + 1, subject=f"rig_{n % 3}")]
        journal.append(facts, recorded_us=T0 + n * 1000)
    journal.close()
    reader = SqliteJournalReader(tmp_path / "data" / "journal")
    yield reader
    reader.close()


@pytest.fixture
def service(tmp_path: Path, broker: Service, local: SqliteJournalReader) -> Iterator[None]:  # noqa: ARG001 - it must exist
    stop = threading.Event()
    up: Future[ReplayService] = Future()

    def run() -> None:
        replay = ReplayService(tmp_path / "data", Broker(port=broker.port))
        up.set_result(replay)
        replay.run(stop.is_set)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: up.result(5).connection.connected, "the replay service connects")
    yield
    stop.set()
    thread.join()


@pytest.fixture
def remote(broker: Service, service: None, local: SqliteJournalReader) -> Iterator[RemoteReader]:
    """Read through the service; the head, which the recorder would publish, is published here."""
    assert service is None
    tell(broker, local)
    reader = RemoteReader(Broker(port=broker.port), "elsewhere")
    yield reader
    reader.close()


def tell(broker: Service, local: SqliteJournalReader) -> None:
    """Publish the journal's head."""
    head = local.head()
    said = {"journal": head.journal, "incarnation": head.incarnation, "position": head.position}
    herald = Connection(Broker(port=broker.port), "herald")
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


@pytest.fixture
def asker(broker: Service, service: None) -> Iterator[Asker]:
    assert service is None
    someone = Asker(broker.port)
    yield someone
    someone.connection.close()


def test_any_client_can_ask_for_the_past(asker: Asker) -> None:
    done = asker.ask(b'{"id":"r1","subjects":["rig_2"],"types":["note.added"],"limit":5}')

    assert (done["status"], done["count"]) == ("done", 5)
    assert len(asker.events) == 5
    assert {m.topic for m in asker.events} == {"ovr/replay/r1/rig_2/note.added"}
    body = orjson.loads(asker.events[0].payload)
    assert body["position"] == dict(asker.events[0].user_properties)["position"]


def test_a_replay_keeps_the_pace_of_the_recording_times_its_speed(asker: Asker) -> None:
    began = time.monotonic()

    done = asker.ask(b'{"id":"r2","to_position":100,"speed":0.5}')

    assert done["count"] == 100
    assert time.monotonic() - began >= 98 * 0.001 / 0.5


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"nonsense", ""),
        (b'{"speeed":1}', "speeed"),
        (b'{"speed":-1}', "speed"),
        (b'{"limit":0}', "speed"),
        (b'{"id":"a/b"}', "id"),
        (b'{"subjects":"rig"}', "subjects"),
        (b'{"from_time":"yesterday"}', "from_time"),
        (b'{"from_position":true}', "from_position"),
        (b'{"from_position":18446744073709551615}', "from_position"),
        (b'{"to_position":9223372036854775808}', "to_position"),
        (b'{"newest":true,"to_time":"2026-11-21T05:00:00Z"}', "to_time"),
    ],
)
def test_a_wrong_request_is_answered_with_what_to_change(asker: Asker, payload: bytes, field: str) -> None:
    said = asker.ask(payload)

    assert said["status"] == "error"
    assert said["field"] == field
    assert said["hint"]


def test_newest_samples_can_be_had_of_some_systems(asker: Asker) -> None:
    done = asker.ask(b'{"id":"r3","newest":true,"subjects":["rig_2","rig_4"]}')

    assert done["count"] == 2
    assert {m.topic.split("/")[3] for m in asker.events} == {"rig_2", "rig_4"}


@pytest.mark.parametrize("topic", ["ovr/in/alice/rig_01/note.added", "ovr/ack/alice", "ovr/replay/request"])
def test_a_request_cannot_make_the_service_publish_elsewhere(asker: Asker, topic: str) -> None:
    heard: list[str] = []
    asker.connection.subscribe("ovr/#", lambda message: heard.append(message.topic), qos=1)

    asker.connection.publish("ovr/replay/request", b'{"id":"abuse"}', qos=1, response_topic=topic)

    assert asker.ask(b'{"id":"fair","limit":1}')["status"] == "done"
    assert heard.count(topic) == (2 if topic == "ovr/replay/request" else 0)
    assert not any(name.startswith("ovr/replay/abuse/") for name in heard)


def test_a_replay_can_be_cancelled(asker: Asker) -> None:
    asker.connection.publish("ovr/replay/request", b'{"id":"slow","speed":0.0001}', qos=1)
    until(lambda: asker.events, "it plays", turn=lambda: asker.connection.step(0.02))

    assert asker.ask(b'{"cancel":"slow"}') == {"id": "slow", "status": "cancelled"}


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"after": 1200},
        {"upto": 7},
        {"limit": 700},
        {"subjects": ["rig_1", "rig_5"]},
        {"types": ["note.added"]},
        {"since_us": T0 + 100, "until_us": T0 + 200},
        {"subjects": []},
    ],
)
def test_a_remote_reader_reads_what_a_local_one_reads(
    remote: RemoteReader, local: SqliteJournalReader, filters: dict[str, Any]
) -> None:
    assert list(remote.read(**filters)) == list(local.read(**filters))


def test_a_remote_reader_finds_heads_hashes_and_newest_samples(
    remote: RemoteReader, local: SqliteJournalReader
) -> None:
    assert remote.head() == local.head()
    assert remote.hash_at(17) == local.hash_at(17)
    assert remote.hash_at(COUNT + 1) is None
    assert list(remote.newest_samples(COUNT)) == list(local.newest_samples(COUNT))
    assert remote.verify().faults == ()


def test_a_follower_on_another_machine_sees_every_event_once(
    remote: RemoteReader, local: SqliteJournalReader
) -> None:
    follower = Follower(remote, None, what="the test", remedy="look")
    seen: list[int] = []
    while events := follower.batch(400).events:
        seen += [event.position for event in events]

    assert seen == list(range(1, COUNT + 1))
    assert follower.place == local.head()


def replace(local: SqliteJournalReader, copy: Path, subject: str, count: int) -> None:
    """Put a copy of the journal in its place, grown by events of another system."""
    journal = SqliteJournal(copy)
    journal.append([entry(COUNT + n, subject=subject) for n in range(count)], recorded_us=T0)
    journal.close()
    for suffix in ("-wal", "-shm"):
        local.path.with_name(FILE + suffix).unlink(missing_ok=True)
    (copy / FILE).replace(local.path)


def older(tmp_path: Path, local: SqliteJournalReader) -> Path:
    """Copy the journal as it is into a directory of its own."""
    (tmp_path / "older").mkdir()
    local.backup(tmp_path / "older" / FILE)
    return tmp_path / "older"


def test_a_replay_whose_journal_is_replaced_ends_with_an_error_and_the_next_one_works(
    tmp_path: Path, local: SqliteJournalReader, asker: Asker
) -> None:
    copy = older(tmp_path, local)
    asker.answers.clear()
    request = b'{"id":"slow","speed":1}'
    asker.connection.publish("ovr/replay/request", request, qos=1, response_topic="ovr/replay/x/_reply/me")
    until(lambda: asker.events, "it runs", turn=lambda: asker.connection.step(0.02))

    replace(local, copy, "rig_9", 1)
    until(lambda: len(asker.answers) == 2, "it ends", turn=lambda: asker.connection.step(0.02))

    assert (asker.answers[1]["status"], asker.answers[1]["reason"]) == ("error", "unavailable")
    assert asker.ask(b'{"id":"next"}')["count"] == COUNT + 1


def test_a_follower_on_another_machine_notices_a_journal_that_was_restored_and_outgrew_it(
    tmp_path: Path, local: SqliteJournalReader, remote: RemoteReader, broker: Service
) -> None:
    copy = older(tmp_path, local)
    journal = SqliteJournal(local.path.parent)
    journal.append([entry(COUNT + n) for n in range(3)], recorded_us=T0)
    journal.close()
    tell(broker, local)
    until(lambda: remote.head().position == COUNT + 3, "the head is heard")
    follower = Follower(remote, None, what="the copy", remedy="begin again")
    while follower.place.position < COUNT + 3:
        follower.batch(500)

    replace(local, copy, "rig_9", 10)
    tell(broker, local)
    until(lambda: remote.head().position == COUNT + 10, "the new head is heard")

    with pytest.raises(ConfigurationError, match="restored or replaced: begin again"):
        follower.batch(500)


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[]", b'{"status":"done"}', b'{"position":"x"}'])
def test_a_remote_reader_survives_what_others_publish_on_its_topics(
    broker: Service, remote: RemoteReader, local: SqliteJournalReader, payload: bytes
) -> None:
    head = remote.head()
    vandal = Connection(Broker(port=broker.port), "vandal")
    until(lambda: vandal.connected, "connected", turn=lambda: vandal.step(0.01))
    for topic in (remote._reply, remote._topics.replay(remote._id, "rig_1", "note.added"), "ovr/head"):
        vandal.publish(topic, payload, qos=1)
    until(lambda: not vandal.unacknowledged, "it is published", turn=lambda: vandal.step(0.01))

    assert list(remote.read(limit=10)) == list(local.read(limit=10))
    assert remote.head() == head
    vandal.close()


def test_events_of_an_earlier_answer_are_not_taken_for_this_one(
    remote: RemoteReader, local: SqliteJournalReader
) -> None:
    late, missing = list(local.read(limit=12))[10:], 2
    answered, asked = remote._answered, []

    def disturbed(request: dict[str, Any]) -> bool:
        asked.append(request)
        come = answered(request)
        if len(asked) == 1:
            remote._events[:] = [*late, *remote._events[:-missing]]
        return come

    remote._answered = disturbed  # type: ignore[method-assign]

    assert list(remote.read(limit=10)) == list(local.read(limit=10))
    assert len(asked) == 2
