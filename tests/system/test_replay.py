"""The replay service on a real Mosquitto, and the reader that uses it from elsewhere."""

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from bus.connection import Broker, Connection
from bus.follow import Follower
from bus.journal_sqlite import SqliteJournalReader
from bus.remote import RemoteReader
from tests.contract.test_journal import T0
from tests.replaying import COUNT, Asker, Serving, reading, serving
from tests.waiting import until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Serve one journal to all tests: none of them changes it."""
    with serving(tmp_path_factory.mktemp("replay")) as found:
        yield found


@pytest.fixture
def local(site: Serving) -> SqliteJournalReader:
    return site.local


@pytest.fixture
def remote(site: Serving) -> Iterator[RemoteReader]:
    with reading(site) as reader:
        yield reader


@pytest.fixture
def asker(site: Serving) -> Iterator[Asker]:
    someone = Asker(site.broker.port)
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


@pytest.mark.parametrize("payload", [b"", b"nonsense", b"[]", b'{"status":"done"}', b'{"position":"x"}'])
def test_a_remote_reader_survives_what_others_publish_on_its_topics(
    site: Serving, remote: RemoteReader, local: SqliteJournalReader, payload: bytes
) -> None:
    head = remote.head()
    vandal = Connection(Broker(port=site.broker.port), "vandal")
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
