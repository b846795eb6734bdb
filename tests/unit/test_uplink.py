"""The uplink in words and files: settings, faults, the checkpoint, and what nobody else may say."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import envelope, uplink_checkpoint
from bus.connection import Broker, Connection
from bus.envelope import Envelope
from bus.intake import Judge
from bus.journal import Entry, Head
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping
from bus.topics import Intake
from bus.uplink_arrival import Arrivals, NotYetError
from bus.uplink_batch import FACTS, SAMPLES, Forwarded, Header, pack
from bus.uplink_checkpoint import Anchor, Checkpoint
from ovr.node import open_node
from ovr.summary import figures
from ovr.uplink import settings
from schemas.errors import ConfigurationError, InputError
from schemas.registry import Registry
from tests.certificates import authority
from tests.services import start_mosquitto
from tests.waiting import until
from uplink import lives
from uplink.answers import explain_code, explain_refusal
from uplink.lane import Lane
from uplink.lives import Lost
from uplink.photos import Photos
from uplink.reading import Reading
from uplink.shared import Settings, Shared

T0 = 1_790_000_000_000_000
REGISTRY = Registry.load()


def said(type_: str, data: dict[str, Any], number: int = 1, /, **more: str) -> bytes:
    return envelope.encode(Envelope(f"e{number}", "/edge/alice", type_, "rig_01", T0, data, 1, more))


def site(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "site.toml").write_text(f'node_id = "edge-01"\n[uplink]\n{text}')
    return settings(open_node(tmp_path, None, {}))


def test_the_cloud_is_reached_as_the_node_with_the_secrets_of_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the uplink\n")

    found = site(tmp_path, 'host = "cloud.example"\npassword_file = "secret"\nweb_url = "https://c/"\n')

    assert (found.cloud.username, found.cloud.password, found.cloud.tls) == ("edge-01", "of the uplink", True)
    assert found.web_url == "https://c"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "name it in [uplink]"),
        ('host = "c"\nport = 0', "uplink.port must be 1"),
        ('host = "c"\nbytes_per_s = 3', "uplink.bytes_per_s must be at least"),
        ('host = "c"\nlevel = 30', "uplink.level must be"),
        ('host = "c"\nlinger_s = -1', "uplink.linger_s"),
        ('host = "c"\nweb_url = "c"', "must begin with https://"),
        ('host = "c"\ncert_file = "x"', "go together"),
        ('host = "c"\npassword_file = "nowhere"', "cannot be read"),
        ('host = "c"\nca_file = "nowhere"', "cannot be read"),
        ('host = "c"\npasswrd_file = "x"', "did you mean uplink.password_file?"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_change(tmp_path: Path, text: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        site(tmp_path, text)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["node", "nodeposition", "noderecordedat", "nodeclient", "nodeincarnation"])
def test_only_an_uplink_says_where_an_event_was_recorded(name: str) -> None:
    with pytest.raises(InputError) as caught:
        Judge(REGISTRY, "cloud").judge(
            Intake("alice", "rig_01", "note.added"), said("note.added", {"text": "x"}, 1, **{name: "1"}), T0
        )
    assert (caught.value.reason, caught.value.field) == ("uplink_attribute", name)


@pytest.mark.parametrize("type_", ["node.progressed", "photo.missing", "journal.restored"])
def test_what_recorders_and_uplinks_tell_nobody_else_may_send(type_: str) -> None:
    with pytest.raises(InputError) as caught:
        Judge(REGISTRY, "cloud").judge(Intake("alice", "_site", type_), said(type_, {}), T0)
    assert caught.value.reason in {"type", "topic_mismatch"}


def batch(*bodies: bytes, after: int = 0) -> tuple[Header, list[Forwarded]]:
    events = [Forwarded(after + n, T0, "alice", body) for n, body in enumerate(bodies, start=1)]
    return Header(after, Head("j", "life", after + len(bodies), bytes(32)), T0), events


def test_the_nodes_judgement_of_times_names_and_aliases_stands() -> None:
    judge = Judge(REGISTRY, "cloud", {"rig_01": "rig_99"})
    arrivals = Arrivals(judge)
    late = said("note.added", {"text": "days ago"})
    claimed = said(
        "sample.taken", {"kind": "x", "interval_ms": 500, "values": {"soc_pct": 1.0}}, 2, claimedtime="1970"
    )

    arrival = arrivals.judged("edge", FACTS, *batch(late, claimed), "topic", T0 + 10**12)

    assert not arrival.letters
    assert [entry.subject for entry in arrival.entries] == ["rig_01", "rig_01"]
    assert [entry.client for entry in arrival.entries] == ["edge", "edge"]
    assert envelope.decode(arrival.entries[1].body).extensions["claimedtime"] == "1970"


def test_what_is_no_event_becomes_a_dead_letter_and_the_rest_is_taken() -> None:
    good, bad = said("note.added", {"text": "x"}), said("note.added", {"tex": "x"}, 2)
    twice = said("note.added", {"text": "x"}, 3, node="other")

    arrival = Arrivals(Judge(REGISTRY, "cloud")).judged("edge", FACTS, *batch(good, bad, twice), "topic", T0)

    assert [entry.id for entry in arrival.entries] == ["e1"]
    assert [letter.reason for letter in arrival.letters] == ["schema", "uplink_attribute"]


@pytest.mark.parametrize(
    "unknown",
    [
        said("tank.filled", {"litres": 3}),
        said("note.added", {"text": "x"}).replace(b"ovr:note.added:1", b"ovr:note.added:9"),
        said("sample.taken", {"kind": "x", "interval_ms": 500, "values": {"of_the_future": 1.0}}),
    ],
)
def test_what_the_cloud_does_not_know_yet_waits(unknown: bytes) -> None:
    with pytest.raises(NotYetError) as caught:
        Arrivals(Judge(REGISTRY, "cloud")).judged("edge", FACTS, *batch(unknown), "topic", T0)
    assert "update the software of the cloud" in caught.value.hint


def test_a_batch_that_leaves_a_hole_is_not_taken() -> None:
    header, events = batch(said("note.added", {"text": "x"}), after=7)
    with pytest.raises(NotYetError) as caught:
        Arrivals(Judge(REGISTRY, "cloud")).open("edge", FACTS, "epoch", pack(header, events))
    assert caught.value.reason == "gap"


def started(position: int) -> Lane:
    numbers = count()
    lane = Lane(lambda: f"epoch {next(numbers)}")
    lane.on_recorder("online", "session")
    assert lane.ask(0.0) == 1
    assert not lane.may_send(0.0)
    assert lane.on_ack(lane.epoch, 1, 0.0)
    lane.start(position)
    return lane


def test_an_ack_confirms_the_batches_up_to_it_and_no_other() -> None:
    lane = started(10)
    assert [lane.made(upto, 100, 0.0) for upto in (12, 20)] == [2, 3]

    assert lane.on_ack(lane.epoch, 2, 1.0)
    assert (lane.confirmed, lane.sent) == (12, 20)
    lane.skip(25)
    assert lane.confirmed == 12
    assert not lane.on_ack(lane.epoch, 9, 1.0)
    assert not lane.on_ack("another", 3, 1.0)
    assert lane.on_ack(lane.epoch, 3, 1.0)
    assert (lane.confirmed, lane.reached) == (25, 20)


@pytest.mark.parametrize("fault", ["lost", "unknown", "another recorder", "silent"])
def test_after_a_fault_a_lane_asks_again_before_it_sends(fault: str) -> None:
    lane = started(10)
    before = lane.epoch
    lane.made(12, 100, 0.0)

    if fault == "lost":
        lane.on_disconnected()
        lane.on_recorder("online", "session")
    elif fault == "unknown":
        lane.on_unknown(before)
    elif fault == "another recorder":
        lane.on_recorder("online", "after a restart")
    else:
        lane.on_time(lane.limits.stall_s + 0.1)

    assert lane.epoch != before
    assert not lane.may_send(99.0)
    assert lane.underway == 0
    assert lane.ask(99.0) == 1


def test_what_is_underway_follows_what_the_link_carries() -> None:
    lane = started(0)
    lane.made(1, 90_000, 0.0)
    lane.on_ack(lane.epoch, 2, 9.0)
    assert lane.window == lane.limits.least
    lane.made(2, 400_000, 9.0)
    lane.on_ack(lane.epoch, 3, 9.1)
    assert lane.limits.least < lane.window <= lane.limits.size


def test_what_a_restored_node_has_lost_is_told_exactly() -> None:
    head = Head("j", "second", 1200, b"")
    lived = lives.lives("second", [(1001, {"previous_incarnation": "first", "incarnation": "second"})])
    held = {"first": Head("j", "first", 1500, b"x"), "second": Head("j", "second", 1100, b"at 1100")}

    found = lives.start(head, lived, held, lambda position: b"at %d" % position)

    assert (found.position, found.lost) == (1100, (Lost("first", 1001, 1500),))


def test_a_loss_is_told_until_what_was_asked_back_is_in_the_journal_that_is_here_now() -> None:
    """A second restore, to before what came back, loses it again."""
    first, second = Lost("first", 501, 1000), Lost("second", 8001, 9000)
    back = {"first": (1500, b"at 1500".hex())}

    assert lives.not_asked_back([first, second], back, lambda at: b"at %d" % at) == [second]
    assert lives.not_asked_back([first], back, lambda _: None) == [first]
    assert lives.not_asked_back([first], back, lambda _: b"another") == [first]


def test_a_journal_behind_the_cloud_in_the_same_life_waits_for_a_person() -> None:
    head, held = Head("j", "life", 1000, b""), {"life": Head("j", "life", 1500, b"x")}

    found = lives.start(head, lives.lives("life", []), held, lambda _: b"")

    assert found.position is None
    assert "1001 to 1500" in found.problem
    assert "ovr journal recover" in found.problem


def test_a_node_starts_over_in_an_empty_cloud() -> None:
    assert lives.start(Head("j", "life", 9, b""), lives.lives("life", []), {}, lambda _: b"").position == 0


def test_a_checkpoint_comes_back_and_a_torn_one_is_empty(tmp_path: Path) -> None:
    lanes, back = {"samples": ("life", 17), "facts": ("life", 20)}, {"first": (9, "00ff")}
    anchor = Anchor("life", 17, "00", "cloud", 40, "its life")
    known = Checkpoint(lanes, (anchor,), {"ab": "refused"}, back)
    uplink_checkpoint.save(tmp_path, known)
    assert uplink_checkpoint.load(tmp_path) == known
    assert uplink_checkpoint.sent_upto(tmp_path, "life") == 17
    assert uplink_checkpoint.sent_upto(tmp_path, "another") == 0
    (tmp_path / "uplink" / "checkpoint.json").write_text("{")
    assert uplink_checkpoint.load(tmp_path) == Checkpoint()
    assert uplink_checkpoint.sent_upto(tmp_path, "life") == 0


@pytest.mark.parametrize("recovered", [[], ["first"]])
def test_a_checkpoint_that_names_what_came_back_without_its_place_keeps_all_else(
    tmp_path: Path, recovered: list[str]
) -> None:
    anchor = Anchor("life", 17, "00", "cloud", 40)
    known = Checkpoint({"samples": ("life", 17)}, (anchor,), {"ab": "refused"})
    uplink_checkpoint.save(tmp_path, known)
    path = tmp_path / "uplink" / "checkpoint.json"
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"recovered": recovered}))

    assert uplink_checkpoint.load(tmp_path) == known


def test_samples_erased_before_they_were_sent_are_told_at_their_place(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path, Keeping(seal_after_days=0, samples_days=0, events=4, block=2))
    for number in range(1, 13):
        data = {"kind": "x", "interval_ms": 500, "values": {}}
        body = envelope.encode(Envelope(f"s{number}", "/edge/m", "sample.taken", "rig_01", T0 + number, data))
        source = ("m", "/edge/m", f"s{number}", "sample.taken", "rig_01", T0 + number)
        journal.append([Entry(*source, body, "x/500")], recorded_us=T0 + number)
    while journal.tidy(T0 * 2):
        pass
    assert journal.erased_upto() == 4

    found = Reading(journal, "edge-01", SAMPLES, ("note.added",)).next(0, 12)
    journal.close()

    assert found is not None
    (told, *rest) = found.events
    assert [event.position for event in rest] == [*range(5, 13)]
    event = envelope.decode(told.body)
    assert (told.position, event.type, event.source) == (4, "samples.dropped", "/edge-01/uplink")
    assert (event.data["count"], event.data["reason"]) == (4, "erased")
    REGISTRY.check(event.type, 1, event.data)


def test_facts_that_a_newer_version_recorded_are_forwarded_after_a_rollback(tmp_path: Path) -> None:
    with closing(SqliteJournal(tmp_path)) as journal:
        for number, type_ in enumerate(["note.added", "tank.filled", "note.added"]):
            entry = Entry("alice", "/edge/alice", f"e{number}", type_, "rig_01", T0, said(type_, {}, number))
            journal.append([entry], recorded_us=T0)
        reading = Reading(journal, "edge-01", FACTS, ("note.added",))
        found = reading.next(0, 9)
        assert reading.next_fact(1) == 2
    assert found is not None
    assert [event.position for event in found.events] == [1, 2, 3]


@contextmanager
def api(statuses: list[int]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Serve as a cloud does that takes photos; it answers PUT with the statuses, then with 204."""
    stored: dict[str, bytes] = {}

    class Cloud(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(304 if self.path.rsplit("/", 1)[1] in stored else 404)
            self.end_headers()

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = statuses.pop(0) if statuses else 204
            if status < 300:
                stored[self.path.rsplit("/", 1)[1]] = body
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", stored
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def photos(tmp_path: Path, url: str | None, **more: Any) -> Iterator[tuple[Photos, Reading, Shared]]:
    """Bring the photos of a node with one photo and its event, between two notes."""
    with_journal = SqliteJournal(tmp_path / "journal")
    shared = Shared(tmp_path, Settings(Broker(username="edge-01"), "edge-01", web_url=url, **more))
    stop, found = threading.Event(), Photos(shared)
    thread = threading.Thread(target=found.run, args=(stop.is_set,))
    thread.start()
    try:
        yield found, Reading(with_journal, "edge-01", FACTS, ("note.added", "photo.added")), shared
    finally:
        stop.set()
        thread.join()
        with_journal.close()


def recorded(tmp_path: Path, sha256: str) -> None:
    with_journal = SqliteJournal(tmp_path / "journal")
    for number, (type_, data) in enumerate(
        [
            ("note.added", {"text": "before"}),
            ("photo.added", {"sha256": sha256, "media_type": "image/png"}),
            ("note.added", {"text": "after"}),
        ]
    ):
        body = said(type_, data, number)
        entry = Entry("alice", "/edge/alice", f"e{number}", type_, "rig_01", T0, body)
        with_journal.append([entry], recorded_us=T0)
    with_journal.close()


def test_a_photo_is_in_the_cloud_before_the_event_that_names_it(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"a photo").hexdigest()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / sha256).write_bytes(b"a photo")
    recorded(tmp_path, sha256)
    with api([]) as (url, stored), photos(tmp_path, url) as (found, reading, _):
        whole = reading.next(0, 9)
        assert whole is not None
        first, rest = found.released(whole, reading)
        assert first is not None
        assert [event.position for event in first.events] == [1]
        assert rest is not None
        until(lambda: found.released(rest, reading)[0], "the photo is there")
        assert stored == {sha256: b"a photo"}
        last, _ = found.released(rest, reading)
    assert last is not None
    assert [event.position for event in last.events] == [2, 3]


@pytest.mark.parametrize(
    ("statuses", "there", "url", "reason"),
    [
        ([], False, True, "not_on_node"),
        ([415], True, True, "refused"),
        ([413], True, True, "refused"),
        ([503, 503, 503], True, True, "unreachable"),
        ([308, 308, 308], True, True, "unreachable"),
        ([421, 421, 421], True, True, "unreachable"),
        ([], True, False, "not_configured"),
    ],
)
def test_a_photo_that_cannot_come_is_told_and_holds_nothing_up(
    tmp_path: Path, statuses: list[int], there: bool, url: bool, reason: str
) -> None:
    sha256 = hashlib.sha256(b"a photo").hexdigest()
    (tmp_path / "photos").mkdir()
    if there:
        (tmp_path / "photos" / sha256).write_bytes(b"a photo")
    recorded(tmp_path, sha256)
    with (
        api(statuses) as (address, _),
        photos(tmp_path, address if url else None, photo_patience_s=0.0) as (found, reading, shared),
    ):
        whole = reading.next(1, 9)
        assert whole is not None
        until(lambda: found.released(whole, reading)[0], "the event goes on")
        batch_, _ = found.released(whole, reading)
        assert shared.checkpoint.photos == {sha256: reason}
    assert batch_ is not None
    missing, photo, after = batch_.events
    told = envelope.decode(missing.body)
    assert (told.type, told.subject, told.data) == (
        "photo.missing",
        "rig_01",
        {"sha256": sha256, "reason": reason},
    )
    assert [missing.position, photo.position, after.position] == [2, 2, 3]
    REGISTRY.check(told.type, 1, told.data)


def test_what_is_wrong_with_tls_is_said_so_that_one_can_act(tmp_path: Path) -> None:
    ca, other = authority(tmp_path / "ca"), authority(tmp_path / "other")
    found = {}
    for name, days in (("127.0.0.1", "30"), ("cloud.example", "30"), ("expired", "-1")):
        certificate, key = ca.sign("127.0.0.1" if name == "expired" else name, days=days)
        (tmp_path / name).mkdir()
        lines = [f"certfile {certificate}", f"keyfile {key}", *([] if os.geteuid() else ["user root"])]
        with start_mosquitto(tmp_path / name, *lines) as service:
            for trusted in (ca, other) if name == "127.0.0.1" else (ca,):
                broker = Broker(
                    port=service.port, tls=True, ca_file=str(trusted.certificate), username="edge-01"
                )
                connection = Connection(broker, "edge-01")
                until(
                    lambda one=connection: one.connected or one.refusal,  # type: ignore[misc]
                    "it is decided",
                    turn=lambda one=connection: one.step(0.05),  # type: ignore[misc]
                )
                found[name, trusted is ca] = explain_refusal(connection.refusal or "", "edge-01")
                connection.close()

    assert found["127.0.0.1", True] == ""
    assert "not trusted: set uplink.ca_file" in found["127.0.0.1", False]
    assert "uplink.host" in found["cloud.example", True]
    assert "expired" in found["expired", True]


def test_what_the_broker_refuses_is_said_so_that_one_can_act() -> None:
    refused = "the broker refuses the user name or password: see `ovr user`"
    assert explain_refusal(refused, "edge-01").startswith("the cloud refuses user edge-01 or the password")
    assert "ovr user add edge-01 --role uplink" in explain_code(0x87, "edge-01")
    assert "no recorder" in explain_code(0x10, "edge-01")


def test_status_says_how_far_the_cloud_is_and_what_is_wrong() -> None:
    health = {"position": 1234, "lag_events": 5, "lag_s": 9.0, "sent_events": 10, "sent_bytes": 2000}
    health_of = {"name": "uplink", "message": "", "health": {**health, "fault": "the cloud is away"}}

    line = figures(health_of, {})

    assert (
        line == "the cloud has all up to 1,234, 5 events, 9.0 s behind, 200 bytes an event, the cloud is away"
    )
    assert orjson.dumps(health)
