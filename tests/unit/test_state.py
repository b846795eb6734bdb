"""What the state's tables and messages say."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.instants import text
from bus.topics import Topics
from projectors.runner import Runner
from projectors.state import StateProjector
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample

_REGISTRY = Registry.load()
_NOON = "2026-11-18T"


class World:
    """A journal and the state projector behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = MemoryJournal()
        self.projector = StateProjector(path, _REGISTRY, Topics())
        self.runner = Runner(self.journal, self.projector)

    def say(self, *said: Said) -> None:
        record(self.journal, said)
        self.runner.turn()
        self.runner.flush()

    def ask(self, query: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query)]

    def messages(self, now_s: float) -> dict[str, Any]:
        return {
            topic: orjson.loads(payload) if payload else None
            for topic, payload in self.projector.messages(now_s)
        }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state.sqlite")
    yield made
    made.projector.close()


def start(subject: str, at_s: float, event_id: str, **rest: str) -> Said:
    return Said("window.started", subject, at_s, {"event_id": event_id, **rest})


def test_a_started_window_stands_in_its_tables(world: World) -> None:
    world.say(start("rig_01", 10, "startup", location="warehouse"))

    (window,) = world.ask("SELECT * FROM windows")
    (system,) = world.ask("SELECT system_id, event_id, location FROM systems")
    (segment,) = world.ask("SELECT location, from_us, to_us FROM segments")
    assert (window["event_id"], window["started_us"], window["ended_us"]) == (
        "startup",
        BASE_US + 10 * S,
        None,
    )
    assert system == {"system_id": "rig_01", "event_id": "startup", "location": "warehouse"}
    assert segment == {"location": "warehouse", "from_us": BASE_US + 10 * S, "to_us": None}


def test_end_all_ends_every_system_of_the_event_id_and_shows_for_each(world: World) -> None:
    world.say(start("rig_01", 10, "a"), start("rig_02", 10, "a"), start("rig_03", 10, "b"))

    world.say(Said("window.ended", "all", 20, {"event_id": "a"}))

    active = world.ask("SELECT system_id FROM windows WHERE ended_us IS NULL")
    told = world.ask("SELECT system_id, verdict FROM audit WHERE position = 4 ORDER BY system_id")
    assert active == [{"system_id": "rig_03"}]
    assert told == [{"system_id": name, "verdict": "ended"} for name in ("rig_01", "rig_02")]


def test_ending_what_is_not_active_shows_in_the_audit_log_only(world: World) -> None:
    world.say(Said("window.ended", "rig_01", 20, {"event_id": "a"}))

    (row,) = world.ask("SELECT type, verdict, client FROM audit")
    assert row == {"type": "window.ended", "verdict": "nothing_active", "client": "tester"}
    assert world.ask("SELECT * FROM windows") == []


def test_an_undone_window_leaves_the_tables_and_stays_in_the_audit_log(world: World) -> None:
    world.say(start("rig_01", 10, "typo"))

    world.say(Said("window.corrected", "rig_01", 20, {"corrects": "e1", "undo": True}))

    assert world.ask("SELECT * FROM windows") == []
    assert world.ask("SELECT * FROM segments") == []
    assert [row["verdict"] for row in world.ask("SELECT verdict FROM audit ORDER BY position")] == [
        "undone",
        "correction_counts",
    ]


def test_the_newest_sample_of_each_stream_counts_and_late_ones_do_not(world: World) -> None:
    world.say(sample("rig_01", 10, 1.5), sample("rig_01", 5, 9.0), sample("rig_01", 7, 2.0, interval_ms=5000))

    rows = world.ask("SELECT interval_ms, measurement, value, time_us FROM readings ORDER BY interval_ms")
    assert [tuple(row.values()) for row in rows] == [
        (500, "ac_out_power_w", 1.5, BASE_US + 10 * S),
        (5000, "ac_out_power_w", 2.0, BASE_US + 7 * S),
    ]


def test_a_note_is_found_by_the_window_it_was_written_in(world: World) -> None:
    world.say(start("rig_01", 10, "a"), Said("note.added", "rig_01", 12, {"text": "refuelled"}))

    assert [row["event_id"] for row in world.ask("SELECT event_id FROM notes_in_windows")] == ["a"]


def test_a_late_start_claims_the_notes_of_its_time(world: World) -> None:
    world.say(Said("note.added", "rig_01", 12, {"text": "refuelled"}), start("rig_01", 10, "a"))

    assert [row["event_id"] for row in world.ask("SELECT event_id FROM notes_in_windows")] == ["a"]


def test_a_photo_keeps_its_hash(world: World) -> None:
    world.say(Said("photo.added", "rig_01", 1, {"sha256": "ab" * 32, "media_type": "image/jpeg", "bytes": 5}))

    (photo,) = world.ask("SELECT sha256, media_type, bytes, caption FROM photos")
    assert photo == {"sha256": "ab" * 32, "media_type": "image/jpeg", "bytes": 5, "caption": None}


def test_what_is_said_of_an_event_is_never_longer_than_the_broker_takes(world: World) -> None:
    for turn in range(2000):
        record(
            world.journal,
            [start("rig_01", 2 * turn, "daily"), Said("window.ended", "rig_01", 2 * turn + 1, {})],
        )
    world.say(start("rig_01", 5000, "daily"))
    world.runner.finish()

    (payload,) = (p for t, p in world.projector.messages(1.0) if t == "ovr/state/_events/daily")

    said = orjson.loads(payload)
    assert len(payload) <= 200_000
    assert said["started_at"] == text(BASE_US)
    assert said["windows"][-1]["ended_at"] is None
    assert len(said["windows"]) + said["left_out"]["windows"] == 2001


def test_what_is_said_of_a_system_is_never_longer_than_the_broker_takes(world: World) -> None:
    values = {f"x_{n:03d}_{'long' * 20}": float(n) for n in range(500)}
    samples = [
        Said("sample.taken", "rig_01", at_s, {"kind": f"kind_{at_s}", "interval_ms": 500, "values": values})
        for at_s in range(12)
    ]
    world.say(*samples)

    (payload,) = (payload for _, payload in world.projector.messages(1.0))

    said = orjson.loads(payload)
    assert len(payload) <= 200_000
    assert said["readings"][-1]["kind"] == "kind_11"
    assert len(said["readings"]) + said["left_out"]["readings"] == 12


def test_messages_that_nobody_took_stay_due(world: World) -> None:
    world.say(start("rig_01", 10, "a"), start("rig_02", 10, "b"), start("rig_03", 10, "c"))

    first = next(iter(world.projector.messages(1.0)))[0]

    others = world.messages(1.0)
    assert first not in others
    assert len(others) == 5


def test_an_alarm_is_active_since_it_was_raised_first_and_until_it_is_cleared(world: World) -> None:
    alarm = {"alarm": "grid_lost", "device": "vebus/276"}
    world.say(
        Said("alarm.raised", "rig_01", 10, {**alarm, "level": "warning"}),
        Said("alarm.raised", "rig_01", 12, {**alarm, "level": "alarm"}),
    )
    active = world.ask("SELECT name, since_us, level FROM active_alarms")

    world.say(Said("alarm.cleared", "rig_01", 14, alarm))

    assert active == [{"name": "grid_lost", "since_us": BASE_US + 10 * S, "level": "alarm"}]
    assert world.ask("SELECT * FROM active_alarms") == []


def test_an_acknowledgement_holds_until_the_alarm_is_raised_again(world: World) -> None:
    """It changes nothing of the alarm itself."""
    alarm = {"alarm": "grid_lost", "device": "vebus/276"}
    raised = {**alarm, "level": "warning"}

    def told(now_s: float) -> list[Any]:
        return [one.get("acknowledged") for one in world.messages(now_s)["ovr/state/rig_01"]["alarms"]]

    world.say(
        Said("alarm.acknowledged", "rig_01", 12, {**alarm, "note": "On it."}),
        Said("alarm.raised", "rig_01", 10, raised),
    )
    assert [(one["at"], one["note"]) for one in told(13)] == [(text(BASE_US + 12 * S), "On it.")]
    assert world.ask("SELECT name FROM active_alarms") == [{"name": "grid_lost"}]
    world.say(Said("alarm.raised", "rig_01", 14, {**alarm, "level": "alarm"}))
    assert told(15) == [None]
    world.say(
        Said("alarm.acknowledged", "rig_01", 16, alarm), Said("alarm.acknowledged", "rig_01", 15, alarm)
    )
    assert [one["at"] for one in told(17)] == [text(BASE_US + 16 * S)]
    world.say(Said("alarm.cleared", "rig_01", 18, alarm))
    assert told(19) == []


def test_an_alarm_cleared_late_shows_only_what_was_raised_since(world: World) -> None:
    world.say(
        Said("alarm.raised", "rig_01", 10, {"alarm": "overload", "level": "warning"}),
        Said("alarm.raised", "rig_01", 20, {"alarm": "overload", "level": "warning"}),
        Said("alarm.cleared", "rig_01", 15, {"alarm": "overload"}),
    )

    assert world.ask("SELECT since_us FROM active_alarms") == [{"since_us": BASE_US + 20 * S}]


def test_a_device_shows_whether_it_answers_and_what_it_is(world: World) -> None:
    world.say(
        Said("device.described", "rig_01", 1, {"device": "vebus/276", "model": "MultiPlus"}),
        Said("device.connected", "rig_01", 2, {"device": "vebus/276"}),
        Said("device.disconnected", "rig_01", 3, {"device": "vebus/276", "reason": "silent"}),
    )

    (device,) = world.ask("SELECT connected, connection_us, description FROM devices")
    assert (device["connected"], device["connection_us"]) == (0, BASE_US + 3 * S)
    assert orjson.loads(device["description"])["model"] == "MultiPlus"


def test_an_alias_learned_late_joins_two_histories(world: World) -> None:
    world.say(
        start("gen_7", 10, "a", location="yard"),
        sample("gen_7", 11, 1.0),
        sample("rig_01", 12, 2.0),
        Said("note.added", "gen_7", 13, {"text": "loud"}),
        Said("window.ended", "rig_01", 14, {}),
    )

    world.say(Said("system.registered", "rig_01", 20, {"name": "Rig 1", "aliases": ["Gen 7"]}))

    (window,) = world.ask("SELECT system_id, ended_us FROM windows")
    assert window == {"system_id": "rig_01", "ended_us": BASE_US + 14 * S}
    assert world.ask("SELECT system_id, name FROM systems") == [{"system_id": "rig_01", "name": "Rig 1"}]
    assert [row["value"] for row in world.ask("SELECT value FROM readings")] == [2.0]
    assert world.ask("SELECT DISTINCT system_id FROM audit_log") == [{"system_id": "rig_01"}]
    assert world.messages(1.0)["ovr/state/gen_7"] is None


def test_the_first_change_is_said_at_once_and_the_next_half_a_second_later(world: World) -> None:
    world.say(sample("rig_01", 1, 1.0))
    first = world.messages(10.0)
    world.say(sample("rig_01", 2, 2.0))

    early, due, again = world.messages(10.4), world.messages(10.5), world.messages(20.0)

    assert list(first) == ["ovr/state/rig_01"]
    assert (early, again) == ({}, {})
    assert due["ovr/state/rig_01"]["readings"][0]["values"] == {"ac_out_power_w": 2.0}


def test_samples_are_said_before_they_are_saved(world: World) -> None:
    record(world.journal, [sample("rig_01", 1, 1.0)])
    world.runner.turn()

    assert list(world.messages(10.0)) == ["ovr/state/rig_01"]
    assert world.ask("SELECT * FROM latest_samples") == []


def test_a_system_is_described_so_that_people_can_read_it(world: World) -> None:
    world.say(
        Said("system.registered", "rig_01", 1, {"name": "Rig 1", "kind": "bess"}),
        Said("location.set", "rig_01", 2, {"name": "Field 4", "lat": 51.1, "lon": -2.5}),
        start("rig_01", 3, "Summer/Fest"),
        Said("device.connected", "rig_01", 4, {"device": "vebus/276", "kind": "victron"}),
        Said("alarm.raised", "rig_01", 5, {"alarm": "overload", "level": "warning"}),
        sample("rig_01", 6, 5120.0),
    )

    said = world.messages(1.0)

    assert said["ovr/state/rig_01"] == {
        "system_id": "rig_01",
        "name": "Rig 1",
        "kind": "bess",
        "time": f"{_NOON}11:06:46.000000Z",
        "window": {
            "event_id": "Summer/Fest",
            "started_at": f"{_NOON}11:06:43.000000Z",
            "ended_at": None,
            "location": "Field 4",
        },
        "location": {"name": "Field 4", "since": f"{_NOON}11:06:42.000000Z", "lat": 51.1, "lon": -2.5},
        "readings": [
            {
                "kind": "victron",
                "interval_ms": 500,
                "time": f"{_NOON}11:06:46.000000Z",
                "values": {"ac_out_power_w": 5120.0},
            }
        ],
        "devices": {"vebus/276": {"connected": True, "since": f"{_NOON}11:06:44.000000Z", "kind": "victron"}},
        "alarms": [
            {"type": "alarm", "since": f"{_NOON}11:06:45.000000Z", "alarm": "overload", "level": "warning"}
        ],
    }
    assert said["ovr/state/_events/Summer%2FFest"]["active"] is True


def test_an_event_without_windows_left_is_cleared(world: World) -> None:
    world.say(start("rig_01", 10, "typo"))
    world.messages(1.0)

    world.say(Said("window.corrected", "rig_01", 20, {"corrects": "e1", "undo": True}))

    assert world.messages(2.0)["ovr/state/_events/typo"] is None


def test_after_a_restart_all_is_said_again_and_what_is_gone_is_cleared(world: World) -> None:
    world.say(
        start("gen_7", 10, "typo"),
        Said("window.corrected", "gen_7", 20, {"corrects": "e1", "undo": True}),
        Said("system.registered", "rig_01", 21, {"aliases": ["gen 7"]}),
    )
    world.projector.close()

    world.projector.open()

    said = world.messages(1.0)
    assert said.keys() == {"ovr/state/rig_01", "ovr/state/gen_7", "ovr/state/_events/typo"}
    assert [said["ovr/state/gen_7"], said["ovr/state/_events/typo"]] == [None, None]
