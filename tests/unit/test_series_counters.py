"""Occurrences, health and alerts as series."""

from collections.abc import Iterable, Mapping
from typing import Any

from bus.envelope import Event
from projectors.series_counters import CounterSeries

BASE_US = 1_795_240_000_000_000 // 60_000_000 * 60_000_000
S, DAY_S = 1_000_000, 86_400


def event(type_: str, at_s: float, data: Mapping[str, Any], recorded_s: float | None = None) -> Event:
    recorded_us = BASE_US + round((at_s if recorded_s is None else recorded_s) * S)
    return Event(1, recorded_us, "detector", "/n/d", "id", type_, "rig_01", BASE_US + round(at_s * S), data)


def occurrence(type_: str, at_s: float, recorded_s: float | None = None, stage: str = "confirmed") -> Event:
    return event(f"ups.{type_}", at_s, {"stage": stage}, recorded_s)


def written(events: Iterable[Event], until_s: float) -> dict[str, list[tuple[float, str]]]:
    """Fold events; return values by series name, with the seconds they are written at."""
    series, lines = CounterSeries(), list[bytes]()
    for one in events:
        lines += series.move(one.recorded_us)
        series.take(one, one.subject)
    lines += series.move(BASE_US + round(until_s * S))
    found: dict[str, list[tuple[float, str]]] = {}
    for line in lines:
        head, field, time_ms = line.decode().split(" ")
        name, value = field.split("=")
        found.setdefault(f"{head} {name}", []).append(((int(time_ms) - BASE_US // 1000) / 1000, value))
    return found


LOSSES = "ovr_ups_events,system_id=rig_01,type=AC_POWER_LOSS,severity=warning total"
HEALTH = "ovr_health,system_id=rig_01 score"


def test_a_counter_grows_when_it_is_recorded_and_is_said_again_every_minute() -> None:
    found = written([occurrence("ac_power_loss", 10), occurrence("ac_power_loss", 15)], 130)

    assert found[LOSSES] == [(10, "1"), (15, "2"), (120, "2")]
    assert found[HEALTH] == [(10, "98"), (15, "96"), (120, "96")]


def test_what_is_recorded_within_one_millisecond_is_one_value() -> None:
    found = written([occurrence("ac_power_loss", 1, 10), occurrence("ac_power_loss", 2, 10)], 11)

    assert found[LOSSES] == [(10, "2")]


def test_edges_are_not_counted() -> None:
    assert written([occurrence("ac_power_loss", 10, stage="edge")], 130) == {}


def test_a_late_occurrence_adds_to_the_total_and_not_to_the_health_of_this_week() -> None:
    found = written([occurrence("ac_power_loss", -9 * DAY_S, 10)], 11)

    assert found[LOSSES] == [(10, "1")]
    assert found[HEALTH] == [(10, "100")]


def test_health_recovers_after_seven_days() -> None:
    found = written([occurrence("thermal_shutdown", 10)], 7 * DAY_S + 65)

    assert found[HEALTH] == [(10, "90"), (7 * DAY_S + 60, "100")]


def test_an_alert_is_active_until_it_is_cleared() -> None:
    raised = event("alert.raised", 10, {"alert": "i2c_error_daily", "severity": "warning"})
    cleared = event("alert.cleared", 70, {"alert": "i2c_error_daily"})
    found = written([raised, cleared, event("alert.cleared", 500, {"alert": "i2c_error_daily"})], 700)

    assert found == {
        "ovr_alert,system_id=rig_01,alert=i2c_error_daily,severity=warning active": [
            (10, "1"),
            (60, "1"),
            (70, "0"),
            (480, "0"),
        ]
    }
