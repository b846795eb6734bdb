"""The recorder on a real Mosquitto: what it takes, refuses, confirms and publishes."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import envelope, ids, instants
from bus.connection import Broker, Connection, Message
from bus.envelope import Envelope
from bus.journal_sqlite import SqliteJournalReader
from bus.recorder import Limits, Recorder
from bus.sealing import Keeping
from bus.topics import Topics
from tests.services import Service, start_mosquitto
from tests.waiting import PATIENCE_S, until

TOPICS = Topics()


@contextmanager
def recording(data: Path, broker: Service, **options: Any) -> Iterator[Recorder]:
    """Run a recorder in a thread of its own until the block ends."""
    stop = threading.Event()
    made: Future[Recorder] = Future()

    def run() -> None:
        try:
            made.set_result(Recorder(data, Broker(port=broker.port), node_id="edge-01", **options))
        except BaseException as error:
            made.set_exception(error)
            raise
        made.result().run(stop.is_set)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        recorder = made.result(timeout=PATIENCE_S)
        until(lambda: recorder.connection.connected, "the recorder connects")
        yield recorder
    finally:
        stop.set()
        thread.join()


@dataclass
class Ear:
    """A client that remembers all it hears, and can publish."""

    port: int
    connection: Connection = field(init=False)
    heard: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = Connection(Broker(port=self.port), f"ear-{ids.token()}")
        self.connection.subscribe("ovr/#", self.heard.append, qos=1)
        self.until(lambda: self.said("ovr/health/recorder", "online"), "the recorder is online")

    def publish(self, topic: str, payload: bytes, **options: Any) -> None:
        assert self.connection.publish(topic, payload, qos=options.pop("qos", 1), **options)

    def number(self, epoch: str, sequence: int, fact: Envelope, client: str = "alice") -> None:
        topic = TOPICS.intake(client, fact.subject, fact.type)
        properties = [("epoch", epoch), ("sequence", str(sequence))]
        self.publish(topic, envelope.encode(fact), user_properties=properties)

    def on(self, topic: str) -> list[dict[str, Any]]:
        return [orjson.loads(m.payload) for m in self.heard if m.topic == topic]

    def said(self, topic: str, status: str) -> bool:
        return any(said.get("status") == status for said in self.on(topic))

    def until(self, condition: Any, what: str) -> None:
        until(condition, what, turn=lambda: self.connection.step(0.02))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def recorder(tmp_path: Path, broker: Service) -> Iterator[Recorder]:
    with recording(tmp_path / "data", broker) as running:
        yield running


@pytest.fixture
def ear(recorder: Recorder, broker: Service) -> Iterator[Ear]:  # noqa: ARG001 - it must run
    listener = Ear(broker.port)
    yield listener
    listener.connection.close()


@pytest.fixture
def journal(tmp_path: Path, recorder: Recorder) -> SqliteJournalReader:  # noqa: ARG001 - it must run
    return SqliteJournalReader(tmp_path / "data" / "journal")


def note(n: int, subject: str = "rig_01", id_: str | None = None) -> Envelope:
    data = {"text": f"note {n}"}
    return Envelope(id_ or ids.uuid7(), "/edge-01/alice", "note.added", subject, instants.now_us(), data)


def sample(values: dict[str, float], time_us: int | None = None) -> Envelope:
    data = {"kind": "victron", "interval_ms": 500, "values": values}
    time_us = instants.now_us() if time_us is None else time_us
    return Envelope(ids.uuid7(), "/edge-01/alice", "sample.taken", "rig_01", time_us, data)


def test_a_plain_mosquitto_pub_is_recorded_confirmed_and_published(
    ear: Ear, broker: Service, journal: SqliteJournalReader
) -> None:
    subprocess.run(
        [
            *("mosquitto_pub", "-V", "5", "-q", "1", "-p", str(broker.port)),
            *("-t", "ovr/in/alice/rig_01/window.started"),
            *("-m", '{"event_id":"startup","location":"warehouse"}'),
        ],
        check=True,
    )

    ear.until(lambda: ear.on("ovr/events/rig_01/window.started"), "the event is published")
    (said,) = ear.on("ovr/events/rig_01/window.started")
    assert (said["position"], said["client"], said["source"]) == ("1", "alice", "/edge-01/alice")
    assert said["data"] == {"event_id": "startup", "location": "warehouse"}
    assert said["specversion"] == "1.0"
    ear.until(lambda: ear.on("ovr/ack/alice"), "it is confirmed")
    assert ear.on("ovr/ack/alice")[0]["position"] == 1
    assert [event.type for event in journal.read()] == ["window.started"]


def test_what_is_published_says_its_position_in_user_properties_too(ear: Ear) -> None:
    ear.publish("ovr/in/alice/rig_01/note.added", b'{"text":"hello"}')

    ear.until(lambda: ear.on("ovr/events/rig_01/note.added"), "the event is published")
    (message,) = [m for m in ear.heard if m.topic == "ovr/events/rig_01/note.added"]
    assert dict(message.user_properties)["position"] == "1"
    assert message.content_type == "application/cloudevents+json"


def test_numbered_messages_are_confirmed_and_taken_only_in_sequence(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    facts = [note(n) for n in range(6)]
    for sequence in (1, 2, 4, 3, 3, 2, 4, 5):
        ear.number("e1", sequence, facts[sequence])

    ear.until(lambda: any(a.get("sequence") == 5 for a in ear.on("ovr/ack/alice")), "all are confirmed")

    assert [e.id for e in journal.read()] == [facts[n].id for n in (1, 2, 3, 4, 5)]


def test_an_unknown_epoch_is_asked_to_begin_again(ear: Ear, journal: SqliteJournalReader) -> None:
    ear.number("old", 7, note(7))

    ear.until(lambda: ear.on("ovr/ack/alice"), "the recorder answers")

    assert ear.on("ovr/ack/alice")[0]["unknown"] is True
    assert list(journal.read()) == []


def test_the_same_event_in_a_new_epoch_is_confirmed_and_not_recorded_again(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    fact = note(1)
    ear.number("e1", 1, fact)
    ear.number("e2", 1, fact)

    ear.until(
        lambda: {a["epoch"] for a in ear.on("ovr/ack/alice") if a.get("sequence") == 1} == {"e1", "e2"},
        "both epochs are confirmed",
    )

    assert [e.id for e in journal.read()] == [fact.id]


def test_an_id_reused_for_other_content_is_refused_and_not_swallowed(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    ear.number("e1", 1, note(1, id_="same"))
    ear.number("e1", 2, note(2, id_="same"))

    ear.until(lambda: ear.on("ovr/rejected/alice"), "the second is refused")

    assert ear.on("ovr/rejected/alice")[0]["reason"] == "id_reused"
    assert journal.dead_letters()[0][0].reason == "id_reused"


@pytest.mark.parametrize("change", [{"subject": "rig_02"}, {"time_us": 1_790_000_000_000_000}])
def test_the_same_words_under_one_id_about_another_system_or_time_are_refused_too(
    ear: Ear, change: dict[str, Any]
) -> None:
    fact = note(1)
    other = replace(fact, **change)
    ear.publish(TOPICS.intake("alice", fact.subject, fact.type), envelope.encode(fact))
    ear.publish(TOPICS.intake("alice", other.subject, other.type), envelope.encode(other))

    ear.until(lambda: ear.on("ovr/rejected/alice"), "the second is refused")

    assert ear.on("ovr/rejected/alice")[0]["reason"] == "id_reused"
    assert len(ear.on("ovr/ack/alice")) == 1


def test_an_event_that_comes_again_after_its_system_got_another_name_is_a_duplicate(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    fact = replace(note(1), subject="Blue")
    named = {"name": "Rig 1", "aliases": ["blue"]}
    ear.number("e1", 1, fact)
    ear.number("e1", 2, replace(note(2), type="system.registered", data=named))
    ear.number("e2", 1, fact)

    ear.until(lambda: {a.get("epoch") for a in ear.on("ovr/ack/alice")} == {"e1", "e2"}, "both are confirmed")

    assert [e.subject for e in journal.read()] == ["blue", "rig_01"]
    assert ear.on("ovr/rejected/alice") == []


def test_a_refused_event_in_mid_stream_is_reported_confirmed_and_the_rest_goes_on(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    bad = Envelope(ids.uuid7(), "/edge-01/alice", "note.added", "rig_01", instants.now_us(), {"txt": 1})
    ear.number("e1", 1, note(1))
    ear.number("e1", 2, bad)
    ear.number("e1", 3, note(3))

    ear.until(lambda: any(a.get("sequence") == 3 for a in ear.on("ovr/ack/alice")), "all are handled")

    (refusal,) = ear.on("ovr/rejected/alice")
    assert (refusal["id"], refusal["reason"], refusal["sequence"]) == (bad.id, "schema", 2)
    assert refusal["hint"]
    assert len(list(journal.read())) == 2


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("ovr/in/alice", b"{}", "topic"),
        ("ovr/in/alice/rig_01/note.added/more", b"{}", "topic"),
        ("ovr/in/alice/rig_01/note.added", b"\xff\x00", "not_json"),
        ("ovr/in/alice/rig_01/note.added", b"[1]", "not_an_object"),
        ("ovr/in/alice/rig_01/note.added", b"{" * 2000, "not_json"),
        ("ovr/in/alice/rig_01/note.added", b'{"text":"' + b"x" * 70_000 + b'"}', "too_large"),
        ("ovr/in/alice/rig_01/no.such_type", b"{}", "unknown_type"),
        ("ovr/in/alice/all/note.added", b'{"text":"x"}', "reserved"),
        ("ovr/in/alice/_secret/note.added", b'{"text":"x"}', "system_id"),
        ("ovr/in/alice/rig\xe9/note.added", b'{"text":"x"}', "system_id"),
        ("ovr/in/alice/rig_01/journal.restored", b'{"previous_incarnation":"a","incarnation":"b"}', "type"),
        (
            "ovr/in/alice/rig_01/sample.taken",
            b'{"kind":"victron","interval_ms":500,"values":{"no_such_thing":1}}',
            "unknown_measurement",
        ),
        (
            "ovr/in/alice/rig_01/sample.taken",
            b'{"kind":"victron","interval_ms":500,"values":{"soc_pct":1e999}}',
            "schema",
        ),
    ],
)
def test_what_cannot_be_recorded_is_kept_with_its_reason(
    ear: Ear, journal: SqliteJournalReader, topic: str, payload: bytes, reason: str
) -> None:
    ear.publish(topic, payload)

    ear.until(lambda: [m for m in ear.heard if m.topic.startswith("ovr/rejected/")], "it is refused")

    (refusal,) = [orjson.loads(m.payload) for m in ear.heard if m.topic.startswith("ovr/rejected/")]
    assert (
        refusal["reason"] in {reason, "not_json"}
        if payload.endswith(b"1e999}}")
        else refusal["reason"] == reason
    )
    assert refusal["hint"]
    assert journal.dead_letters()[0][0].topic == topic
    assert journal.head().position == 0


@pytest.mark.parametrize("type_", ["window.ended", "counters.reset"])
def test_some_things_are_said_about_all_systems(ear: Ear, journal: SqliteJournalReader, type_: str) -> None:
    said = {"window.ended": b'{"event_id":"startup"}', "counters.reset": b'{"reason":"new season"}'}
    ear.publish(f"ovr/in/alice/ALL/{type_}", said[type_])

    ear.until(lambda: ear.on("ovr/ack/alice"), "it is confirmed")

    assert [(one.type, one.subject) for one in journal.read()] == [(type_, "all")]


def test_what_the_recorder_adds_may_not_be_brought_along(ear: Ear) -> None:
    forged = orjson.loads(envelope.encode(note(1))) | {"position": "7"}
    ear.publish("ovr/in/alice/rig_01/note.added", orjson.dumps(forged))

    ear.until(lambda: ear.on("ovr/rejected/alice"), "it is refused")

    assert ear.on("ovr/rejected/alice")[0]["reason"] == "recorder_attribute"


@pytest.mark.parametrize("typed", ["Logger 3", "LOGGER-3", "logger3", " acuvim_13 "])
def test_system_ids_become_canonical_and_what_was_typed_is_kept(
    ear: Ear, journal: SqliteJournalReader, typed: str
) -> None:
    ear.publish(f"ovr/in/alice/{typed}/note.added", b'{"text":"x"}')

    ear.until(lambda: ear.on("ovr/events/acuvim_13/note.added"), "it is published under one name")

    (event,) = journal.read(subjects=["acuvim_13"])
    assert envelope.decode(event.body).extensions["typedsubject"] == typed
    assert envelope.decode(event.body).subject == "acuvim_13"


def test_an_alias_counts_from_its_registration_on(ear: Ear, journal: SqliteJournalReader) -> None:
    ear.publish("ovr/in/alice/rig_01/system.registered", b'{"name":"Rig 1","aliases":["Big Blue"]}')
    ear.publish("ovr/in/alice/big-blue/note.added", b'{"text":"x"}')
    ear.publish("ovr/in/alice/rig_02/system.registered", b'{"name":"Rig 2","aliases":["big blue"]}')

    ear.until(lambda: ear.on("ovr/rejected/alice"), "the second owner of the alias is refused")

    assert [e.subject for e in journal.read(types=["note.added"])] == ["rig_01"]
    assert ear.on("ovr/rejected/alice")[0]["reason"] == "alias_taken"


def test_an_operators_event_from_the_future_is_refused_and_a_sample_is_kept_with_its_claim(
    ear: Ear, journal: SqliteJournalReader
) -> None:
    ahead_us = instants.now_us() + 600 * instants.SECOND_US
    late = Envelope(ids.uuid7(), "/edge-01/alice", "note.added", "rig_01", ahead_us, {"text": "x"})
    ear.number("e1", 1, late)
    ear.number("e1", 2, sample({"soc_pct": 50.0}, time_us=ahead_us))

    ear.until(lambda: any(a.get("sequence") == 2 for a in ear.on("ovr/ack/alice")), "both are handled")

    assert ear.on("ovr/rejected/alice")[0]["reason"] == "time_future"
    (event,) = journal.read()
    assert envelope.decode(event.body).extensions["claimedtime"] == instants.text(ahead_us)
    assert abs(event.time_us - event.recorded_us) < 5 * instants.SECOND_US


def test_a_retained_message_on_the_intake_is_taken_once_and_not_again_at_a_restart(
    tmp_path: Path, broker: Service
) -> None:
    with recording(tmp_path / "data", broker):
        ear = Ear(broker.port)
        ear.publish("ovr/in/alice/rig_01/note.added", b'{"text":"x"}', retain=True)
        ear.until(lambda: ear.on("ovr/events/rig_01/note.added"), "it is recorded")
    with recording(tmp_path / "data", broker):
        ear.publish("ovr/in/alice/rig_02/note.added", b'{"text":"y"}')
        ear.until(lambda: ear.on("ovr/events/rig_02/note.added"), "the next one is recorded")
        ear.connection.close()

    with_reader = SqliteJournalReader(tmp_path / "data" / "journal")
    assert [e.subject for e in with_reader.read()] == ["rig_01", "rig_02"]


def test_a_broker_restart_is_survived_and_the_recorder_says_online_again(
    ear: Ear, broker: Service, recorder: Recorder
) -> None:
    broker.kill()
    until(lambda: not recorder.connection.connected, "the recorder notices")
    broker.start()
    ear.heard.clear()

    ear.until(lambda: ear.said("ovr/health/recorder", "online"), "the recorder is back")
    ear.publish("ovr/in/alice/rig_01/note.added", b'{"text":"x"}')

    ear.until(lambda: ear.on("ovr/events/rig_01/note.added"), "it records again")


def test_a_restored_journal_begins_a_new_incarnation_and_says_what_was_lost(
    tmp_path: Path, broker: Service
) -> None:
    data = tmp_path / "data"
    with recording(data, broker) as recorder:
        ear = Ear(broker.port)
        ear.publish("ovr/in/alice/rig_01/note.added", b'{"text":"kept"}')
        ear.until(lambda: recorder.journal.head().position == 1, "the first is recorded")
        reader = SqliteJournalReader(data / "journal")
        reader.backup(tmp_path / "copy")
        for n in range(4):
            ear.publish("ovr/in/alice/rig_01/note.added", orjson.dumps({"text": f"lost {n}"}))
        ear.until(lambda: recorder.journal.head().position == 5, "the others are recorded")
    before = reader.head()
    for file in (data / "journal").glob("journal.sqlite*"):
        file.unlink()
    (tmp_path / "copy").rename(data / "journal" / "journal.sqlite")

    with recording(data, broker) as recorder:
        assert recorder.journal.head().incarnation != before.incarnation
    ear.connection.close()

    restored = SqliteJournalReader(data / "journal")
    kept, said = restored.read()
    assert envelope.decode(kept.body).data == {"text": "kept"}
    assert said.type == "journal.restored"
    assert envelope.decode(said.body).data["lost_from"] == 2
    assert envelope.decode(said.body).data["lost_to"] == 5
    assert restored.verify().faults == ()


def test_a_peer_that_talks_garbage_to_the_broker_disturbs_nobody(ear: Ear, broker: Service) -> None:
    with socket.create_connection(("127.0.0.1", broker.port)) as rude:
        rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
    ear.publish("ovr/in/alice/rig_01/note.added", b'{"text":"x"}')

    ear.until(lambda: ear.on("ovr/events/rig_01/note.added"), "the recorder goes on")


def test_old_events_are_sealed_and_erased_beside_the_recording(tmp_path: Path, broker: Service) -> None:
    keeping = Keeping(seal_after_days=0, samples_days=0, events=16, block=4)
    with recording(tmp_path, broker, keeping=keeping, limits=Limits(tidy_every_s=0)):
        ear = Ear(broker.port)
        samples = [sample({"soc_pct": float(n)}) for n in range(80)]
        for upto in (40, 80):  # in two commits, so that some are older than others
            for n in range(upto - 40, upto):
                ear.number("e1", n + 1, samples[n])
            ear.until(
                lambda n=upto: any(a.get("sequence") == n for a in ear.on("ovr/ack/alice")), "confirmed"
            )
        with closing(SqliteJournalReader(tmp_path / "journal")) as journal:
            ear.until(lambda: journal.erased_upto() == 32, "the old ones are erased")
            assert [e.position for e in journal.read()] == list(range(33, 81))
            verdict = journal.verify()
            assert (verdict.faults, verdict.erased) == ((), 32)

            ear.number("e2", 1, samples[0])
            ear.until(lambda: any(a.get("epoch") == "e2" for a in ear.on("ovr/ack/alice")), "it is known")
            assert journal.head().position == 80
        ear.connection.close()
