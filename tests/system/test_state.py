"""The state beside a real journal and broker: rebuilt, verified, asked about the past, said on the bus."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.connection import Broker, Connection, Message
from bus.journal_writer import SqliteJournal
from projectors.generations import Generations
from projectors.rebuild import rebuild
from projectors.run import run
from projectors.runner import ProjectionError
from projectors.state import STATE
from projectors.state_queries import state_as_of, state_at, state_now
from projectors.verify import verify
from schemas.errors import ConfigurationError
from tests.services import Service, start_mosquitto
from tests.streams import BASE_US, S, Said, record, sample
from tests.waiting import PATIENCE_S, until

_PROCESS = """
import sys
from pathlib import Path
from bus.connection import Broker
from projectors.run import run
from projectors.state import STATE
run(STATE, Path(sys.argv[1]), Broker(port=int(sys.argv[2])), batch=7)
"""


def start(subject: str, at_s: float, event_id: str, **rest: str) -> Said:
    return Said("window.started", subject, at_s, {"event_id": event_id, **rest})


STORY = [
    start("rig_01", 10, "startup", location="warehouse"),
    sample("rig_01", 11, 1.0),
    sample("rig_02", 11, 7.0),
    Said("note.added", "rig_01", 12, {"text": "refuelled"}),
    Said("location.set", "rig_01", 20, {"name": "stage"}),
    sample("rig_01", 21, 2.0),
    Said("window.ended", "rig_01", 30, {}),
    sample("rig_01", 31, 3.0),
    Said("window.corrected", "rig_01", 40, {"corrects": "e1", "undo": True}),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    made = SqliteJournal(tmp_path / "journal")
    yield made
    made.close()


@contextmanager
def projecting(data: Path, broker: Broker) -> Iterator[None]:
    stop = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            run(STATE, data, broker, stopped=stop.is_set)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
    assert not failed, failed


class Watcher:
    """Keeps the newest payload of every topic."""

    def __init__(self, port: int) -> None:
        self.said: dict[str, Any] = {}
        self._connection = Connection(Broker(port=port), "watcher")
        self._connection.subscribe("ovr/state/#", self._keep)
        self._connection.subscribe("ovr/health/+", self._keep)

    def turn(self) -> None:
        self._connection.step(0.02)

    def forget(self) -> None:
        self.said.clear()

    def close(self) -> None:
        self._connection.close()

    def _keep(self, message: Message) -> None:
        self.said[message.topic] = orjson.loads(message.payload) if message.payload else None


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


@pytest.fixture
def watcher(mosquitto: Service) -> Iterator[Watcher]:
    made = Watcher(mosquitto.port)
    yield made
    made.close()


def test_a_rebuild_serves_a_new_file_and_removes_the_old(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY)
    generations = Generations(tmp_path / "state")
    told: list[tuple[int, int]] = []

    rebuild(STATE, tmp_path)
    first = generations.current()
    place = rebuild(STATE, tmp_path, lambda done, total: told.append((done, total)))

    assert first is not None
    assert not first.exists()
    assert place == journal.head()
    assert told[-1] == (place.position, place.position)
    assert [system["system_id"] for system in state_now(tmp_path)["systems"]] == ["rig_01", "rig_02"]


def test_a_rebuild_that_stops_leaves_what_serves(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY)
    rebuild(STATE, tmp_path)
    serving = Generations(tmp_path / "state").current()
    poison = Said("note.added", "rig_01", 50, {"text": "from the future"}).entry(99)
    body = poison.body.replace(b"ovr:note.added:1", b"ovr:note.added:9")
    journal.append([replace(poison, body=body)], recorded_us=BASE_US)

    with pytest.raises(ProjectionError, match="position 10"):
        rebuild(STATE, tmp_path)

    assert Generations(tmp_path / "state").current() == serving
    assert [path.name for path in (tmp_path / "state").glob("*.sqlite")] == [serving and serving.name]


def test_verification_finds_what_was_changed_behind_our_back(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY)
    rebuild(STATE, tmp_path)
    before = verify(STATE, tmp_path)
    current = Generations(tmp_path / "state").current()
    assert current is not None
    with closing(sqlite3.connect(current)) as db, db:
        db.execute("UPDATE notes SET text = 'never said'")

    after = verify(STATE, tmp_path)

    assert before.equal
    assert before.place == journal.head()
    assert before.rows["audit_log"] == 5
    assert {(d.table, d.side, d.row["text"]) for d in after.differences} == {
        ("notes", "live", "never said"),
        ("notes", "rebuilt", "refuelled"),
    }


def test_verification_compares_at_the_place_of_the_live_state(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY)
    place = rebuild(STATE, tmp_path)
    record(journal, [sample("rig_01", 60, 9.0), start("rig_02", 61, "later")])

    found = verify(STATE, tmp_path)

    assert found.equal
    assert found.place == place


def test_a_state_of_another_journal_is_an_error_that_says_what_to_do(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    record(journal, STORY)
    rebuild(STATE, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    with closing(SqliteJournal(elsewhere / "journal")) as other:
        record(other, STORY)
    (tmp_path / "state").rename(elsewhere / "state")

    with pytest.raises(ConfigurationError, match="ovr rebuild state"):
        verify(STATE, elsewhere)


def test_the_past_is_asked_by_time_with_all_that_is_known_now(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY[:-1])
    rebuild(STATE, tmp_path)

    said = state_at(tmp_path, BASE_US + 25 * S)

    first = said["systems"][0]
    assert (first["window"]["event_id"], first["window"]["location"], first["location"]) == (
        "startup",
        "stage",
        "stage",
    )
    assert [reading["values"] for reading in first["readings"]] == [{"ac_out_power_w": 2.0}]
    assert said["systems"][1]["readings"][0]["values"] == {"ac_out_power_w": 7.0}
    assert [note["text"] for note in said["notes"]] == ["refuelled"]


def test_a_correction_changes_the_past_as_it_is_known_now_but_not_as_it_was_known(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    record(journal, STORY)
    rebuild(STATE, tmp_path)

    now = state_at(tmp_path, BASE_US + 25 * S)
    then = state_at(tmp_path, BASE_US + 25 * S, as_of=8)

    assert now["systems"][0]["window"] is None
    assert then["systems"][0]["window"]["event_id"] == "startup"


def test_the_state_as_of_a_position_ends_there(tmp_path: Path, journal: SqliteJournal) -> None:
    record(journal, STORY)

    said = state_as_of(tmp_path, 6)

    (event,) = said["events"]
    assert (said["position"], event["event_id"], event["active"]) == (6, "startup", True)
    assert said["systems"][0]["readings"][0]["values"] == {"ac_out_power_w": 2.0}


def test_the_state_is_said_on_the_bus_and_said_again_after_a_broker_restart(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service, watcher: Watcher
) -> None:
    record(journal, STORY[:3])
    with projecting(tmp_path, Broker(port=mosquitto.port)):
        until(lambda: "ovr/state/rig_02" in watcher.said, "the first state", turn=watcher.turn)

        mosquitto.kill()
        watcher.forget()
        mosquitto.start()

        wanted = {"ovr/state/rig_01", "ovr/state/rig_02", "ovr/state/_events/startup"}
        until(lambda: wanted <= watcher.said.keys(), "all of it again", turn=watcher.turn)
    until(
        lambda: watcher.said.get("ovr/health/projector-state", {}).get("status") == "stopped",
        "a clean stop",
        turn=watcher.turn,
    )


def test_health_tells_how_far_it_is(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service, watcher: Watcher
) -> None:
    record(journal, STORY)
    with projecting(tmp_path, Broker(port=mosquitto.port)):
        until(
            lambda: watcher.said.get("ovr/health/projector-state", {}).get("position") == len(STORY),
            "the checkpoint in health",
            turn=watcher.turn,
        )

    health = watcher.said["ovr/health/projector-state"]
    assert (health["lag_events"], health["lag_s"], health["dead_letters"]) == (0, 0, 0)


def test_a_rebuild_takes_over_under_a_running_projector(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service, watcher: Watcher
) -> None:
    record(journal, STORY[:6])
    with projecting(tmp_path, Broker(port=mosquitto.port)):
        until(lambda: "ovr/state/rig_02" in watcher.said, "the first state", turn=watcher.turn)

        rebuild(STATE, tmp_path)
        record(journal, [start("rig_02", 61, "later")])

        until(lambda: "ovr/state/_events/later" in watcher.said, "life goes on", turn=watcher.turn)
        assert verify(STATE, tmp_path).equal
    assert len(list((tmp_path / "state").glob("*.sqlite"))) == 1


def test_two_projectors_of_one_state_are_a_configuration_error(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service, watcher: Watcher
) -> None:
    record(journal, STORY)
    with projecting(tmp_path, Broker(port=mosquitto.port)):
        until(lambda: "ovr/state/rig_02" in watcher.said, "the first state", turn=watcher.turn)

        with pytest.raises(ConfigurationError, match="another process"):
            run(STATE, tmp_path, Broker(port=mosquitto.port), stopped=lambda: False)


def test_a_projector_killed_again_and_again_ends_where_a_rebuild_does(
    tmp_path: Path, journal: SqliteJournal, mosquitto: Service
) -> None:
    command = [sys.executable, "-c", _PROCESS, str(tmp_path), str(mosquitto.port)]
    for round_ in range(4):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for number in range(5):
            record(journal, _busy(round_ * 100 + number))
        _await_saved(tmp_path, journal.head().position - 15 * round_)
        process.kill()
        process.wait()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    record(journal, _busy(999))  # what it saves now, it saves while it runs
    _await_saved(tmp_path, journal.head().position)
    process.terminate()

    assert process.wait(PATIENCE_S) == 0
    assert verify(STATE, tmp_path).equal


def _busy(at_s: float) -> list[Said]:
    samples = [sample(f"rig_0{n % 3}", at_s + n / 10, n) for n in range(12)]
    facts = [start("rig_01", at_s, f"show {at_s}"), Said("window.ended", "all", at_s + 0.5, {})]
    return [*samples, *facts, Said("alarm.raised", "rig_02", at_s, {"alarm": "overload", "level": "warning"})]


def _await_saved(data: Path, position: int) -> None:
    until(lambda: _saved(data) >= position, f"position {position} in the state")


def _saved(data: Path) -> int:
    path = Generations(data / "state").current()
    if path is None:
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT position FROM checkpoint").fetchone()
        except sqlite3.OperationalError:
            return 0
    return int(row[0]) if row else 0
