"""One line a process for `ovr status`."""

from typing import Any

from ovr.summary import figures

HEALTH = {"connected": 3, "published": 1_200, "outbox": {"pending": 0, "fault": None}}


def line(**health: Any) -> str:
    return figures({"name": "modbus", "message": "", "health": HEALTH | health}, {"urls": {}})


def test_a_producer_tells_its_devices_and_events() -> None:
    assert line() == "3 devices, 1,200 events"


def test_what_is_wrong_with_a_producer_is_in_its_line() -> None:
    said = line(
        disconnected=2, alarms=1, problem="devices: two are named x", stuck_s=7, outbox={"pending": 5}
    )

    assert said == (
        "3 devices, 2 away, 1,200 events, 1 alarms, 5 not confirmed, devices: two are named x, stuck for 7 s"
    )


def test_what_a_recorder_cannot_read_of_its_past_is_in_its_line() -> None:
    health = {"position": 7, "problem": "1-5.seal is missing", "sealing": None}
    said = figures(
        {"name": "recorder", "message": "", "health": health}, {"head": None, "events_per_s": None}
    )

    assert said == "position 7, 1-5.seal is missing"
