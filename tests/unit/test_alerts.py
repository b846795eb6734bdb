"""Alerts on counts: what raises one, what does not, when it is over, and that nothing is told twice."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bus.envelope import Envelope
from detection.alerts import Standing
from detection.limits import LimitsOf
from projectors.runner import Runner
from tests.alerting import DAY, HOUR, MINUTE, PACKAGED, alerted, alerts, brief, limits, occurred, reset, tick
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record

ONE_AN_HOUR = limits(ac_power_loss={"hourly": 1})
FIVE_AN_HOUR = limits(i2c_error={"hourly": 5})
THREE_A_DAY = limits(ac_power_loss={"daily": 3})
ALL_AN_ALERT = limits(thermal_shutdown={"hourly": 0})


def errors(*at_s: float) -> list[Said]:
    return [occurred(one, "i2c_error") for one in at_s]


@dataclass
class Case:
    """A stream, the limits, and the alerts that it makes."""

    name: str
    said: Sequence[Said]
    told: list[tuple[str, str, float, int]] = field(default_factory=list)
    limits: LimitsOf = ONE_AN_HOUR


CASES = [
    Case("as many as are allowed are no alert", [occurred(0), tick(DAY)]),
    Case(
        "more than are allowed are one, until so many have left the window that it is calm",
        [occurred(0), occurred(10 * MINUTE), tick(HOUR + 1), tick(2 * HOUR)],
        [
            ("raised", "ac_power_loss_hourly", 10 * MINUTE + 1, 2),
            ("cleared", "ac_power_loss_hourly", HOUR + 10 * MINUTE, 0),
        ],
    ),
    Case(
        "it is over at the moment when the window ends, however late the stream goes on",
        [occurred(0), occurred(60), tick(9 * HOUR)],
        [
            ("raised", "ac_power_loss_hourly", 61, 2),
            ("cleared", "ac_power_loss_hourly", HOUR + 60, 0),
        ],
    ),
    Case(
        "more of the same while it stands is not told again",
        [*(occurred(n * MINUTE) for n in range(5)), tick(HOUR)],
        [("raised", "ac_power_loss_hourly", 61, 2)],
    ),
    Case(
        "falling to the limit is not calm: what comes and goes there is one alert",
        [
            *errors(0, 60, 120, 180, 240, 300),
            *(occurred(HOUR + 30 + n * 60, "i2c_error") for n in range(20)),
            tick(3 * HOUR),
        ],
        [
            ("raised", "i2c_error_hourly", 301, 6),
            ("cleared", "i2c_error_hourly", 2 * HOUR + 30 + 15 * 60, 4),
        ],
        FIVE_AN_HOUR,
    ),
    Case(
        "a limit of ten a day is one for ten a day, not for ten an hour",
        [*(occurred(n * 2 * HOUR) for n in range(4))],
        [("raised", "ac_power_loss_daily", 6 * HOUR + 1, 4)],
        THREE_A_DAY,
    ),
    Case(
        "a daily alert is over when it is one below the limit",
        [*(occurred(n * HOUR) for n in range(4)), tick(DAY - 1), tick(DAY + 0.5), tick(DAY + HOUR)],
        [
            ("raised", "ac_power_loss_daily", 3 * HOUR + 1, 4),
            ("cleared", "ac_power_loss_daily", DAY + HOUR, 2),
        ],
        THREE_A_DAY,
    ),
    Case(
        "where none is allowed each is an alert, until it is an hour old",
        [occurred(0, "thermal_shutdown"), occurred(5, "thermal_shutdown"), tick(HOUR + 3), tick(HOUR + 5)],
        [
            ("raised", "thermal_shutdown_hourly", 1, 1),
            ("cleared", "thermal_shutdown_hourly", HOUR + 5, 0),
        ],
        ALL_AN_ALERT,
    ),
    Case("edges count for nothing", [occurred(n, stage="edge") for n in range(9)]),
    Case("other types count for nothing", errors(0, 1, 2, 3)),
    Case("systems count apart", [occurred(0), occurred(1, system="rig_02")]),
    Case(
        "one that comes late counts at its own time",
        [occurred(0), tick(30 * MINUTE), occurred(5 * MINUTE), tick(HOUR + 5 * MINUTE)],
        [
            ("raised", "ac_power_loss_hourly", 5 * MINUTE + 1, 2),
            ("cleared", "ac_power_loss_hourly", HOUR + 5 * MINUTE, 0),
        ],
    ),
    Case(
        "one that comes too late for the window does not count",
        [occurred(HOUR), tick(2 * HOUR - 2), occurred(0), occurred(30 * MINUTE)],
    ),
    Case(
        "what a device dates into the future counts at once, and until it has left the window",
        [occurred(0), Said("ups.ac_power_loss", "rig_01", 100, {"stage": "confirmed"}), tick(50)],
        [("raised", "ac_power_loss_hourly", 101, 2)],
    ),
    Case(
        "a clock that goes back does not bring back what has left the window",
        [tick(2 * HOUR), tick(0), occurred(0), occurred(1)],
    ),
    Case(
        "who resets a counter begins anew",
        [occurred(0), reset(1), occurred(2), tick(HOUR)],
    ),
    Case(
        "and ends the alert",
        [occurred(0), occurred(1), reset(60), occurred(70)],
        [
            ("raised", "ac_power_loss_hourly", 2, 2),
            ("cleared", "ac_power_loss_hourly", 61, 0),
        ],
    ),
    Case(
        "a reset of another type or system changes nothing",
        [occurred(0), reset(1, "rig_01", "i2c_error"), reset(1, "rig_02"), occurred(2)],
        [("raised", "ac_power_loss_hourly", 3, 2)],
    ),
    Case(
        "a reset of all systems is one of each, even of those that are not known yet",
        [
            occurred(0),
            reset(10, "all"),
            occurred(11),
            occurred(5, system="rig_02"),
            occurred(12, system="rig_02"),
        ],
    ),
    Case(
        "a reset told late counts at its own time, and an occurrence after it stays counted",
        [occurred(0), occurred(20), reset(10)],
        [
            ("raised", "ac_power_loss_hourly", 21, 2),
        ],
        limits(ac_power_loss={"hourly": 1, "severity": "info"}),
    ),
    Case(
        "what was counted under an alias counts for its system",
        [
            occurred(0, system="stage_3"),
            occurred(1),
            Said("system.registered", "rig_01", 2, {"name": "Rig 1", "aliases": ["Stage 3"]}),
            occurred(3, system="stage_3"),
        ],
        [("raised", "ac_power_loss_hourly", 3, 2)],
    ),
    Case(
        "an alert of an alias is its system's from then on",
        [
            occurred(0, system="stage_3"),
            occurred(1, system="stage_3"),
            Said("system.registered", "rig_01", 2, {"name": "Rig 1", "aliases": ["Stage 3"]}),
            tick(HOUR + 2),
        ],
        [
            ("raised", "ac_power_loss_hourly", 2, 2),
            ("cleared", "ac_power_loss_hourly", HOUR + 1, 0),
        ],
    ),
    Case(
        "hourly and daily are alerts of their own",
        [*(occurred(n) for n in range(4)), tick(HOUR + 10)],
        [
            ("raised", "ac_power_loss_hourly", 2, 2),
            ("raised", "ac_power_loss_daily", 4, 4),
            ("cleared", "ac_power_loss_hourly", HOUR + 3, 0),
        ],
        PACKAGED,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_told(case: Case) -> None:
    assert brief(alerted(case.said, case.limits)) == case.told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_restart_after_every_event_changes_nothing(case: Case) -> None:
    ids = [event.id for event in alerted(case.said, case.limits)]

    assert [event.id for event in alerted(case.said, case.limits, batches=[1] * 100)] == ids
    assert len(set(ids)) == len(ids)


def test_an_alert_says_what_it_is_about() -> None:
    raised, over = alerted([occurred(0), occurred(60), tick(2 * HOUR)], ONE_AN_HOUR)

    assert raised.subject == over.subject == "rig_01"
    assert raised.source == "/edge-01/alerts"
    assert raised.data == {
        "alert": "ac_power_loss_hourly",
        "severity": "critical",
        "counted": "ups.ac_power_loss",
        "period": "hourly",
        "count": 2,
        "limit": 1,
        "text": "AC input lost: 2 times within the last hour, 1 allowed",
    }
    assert over.data["duration_s"] == HOUR - 1


def test_a_system_may_have_been_joined_before_anything_was_counted_for_it() -> None:
    said = [
        occurred(0, system="stage_3"),
        Said("system.registered", "rig_01", 2, {"name": "Rig 1", "aliases": ["Stage 3"]}),
        occurred(3),
    ]

    (raised,) = alerted(said, ONE_AN_HOUR)

    assert raised.subject == "rig_01"


def run(journal: MemoryJournal, path: Path, limits_of: LimitsOf, *, told_upto: int = 0) -> list[Envelope]:
    told: list[Envelope] = []
    one = alerts(path, told, limits_of, told_upto=told_upto)
    Runner(journal, one, strict=True).finish()
    one.close()
    return told


def test_with_a_higher_limit_an_alert_is_over_at_the_next_event(tmp_path: Path) -> None:
    journal, path = MemoryJournal(), tmp_path / "memory.sqlite"
    record(journal, [occurred(0), occurred(1)])
    run(journal, path, ONE_AN_HOUR)

    assert run(journal, path, FIVE_AN_HOUR) == []
    record(journal, [tick(30)])
    (over,) = run(journal, path, limits(ac_power_loss={"hourly": 10}))

    assert brief([over]) == [("cleared", "ac_power_loss_hourly", 31, 2)]
    record(journal, [tick(40), occurred(50)])
    assert brief(run(journal, path, ONE_AN_HOUR)) == [("raised", "ac_power_loss_hourly", 41, 2)]


def test_without_its_limit_an_alert_is_over(tmp_path: Path) -> None:
    journal, path = MemoryJournal(), tmp_path / "memory.sqlite"
    record(journal, [occurred(0), occurred(1)])
    run(journal, path, ONE_AN_HOUR)
    record(journal, [tick(30)])

    assert brief(run(journal, path, limits())) == [("cleared", "ac_power_loss_hourly", 31, 2)]


def test_without_a_memory_the_past_is_counted_and_not_told_again(tmp_path: Path) -> None:
    journal = MemoryJournal()
    record(journal, [occurred(0), occurred(1)])
    record(journal, [tick(HOUR + 10)])

    told = run(journal, tmp_path / "memory.sqlite", ONE_AN_HOUR, told_upto=2)

    assert brief(told) == [("cleared", "ac_power_loss_hourly", HOUR + 1, 0)]


def test_a_second_life_from_the_beginning_tells_the_same_events(tmp_path: Path) -> None:
    journal = MemoryJournal()
    record(journal, [*(occurred(n * 100) for n in range(9)), tick(HOUR), tick(2 * HOUR)])

    lives = [run(journal, tmp_path / f"{n}.sqlite", PACKAGED) for n in range(2)]

    assert len(lives[0]) > 2
    assert lives[0] == lives[1]


def test_what_stands_is_shown_when_it_is_saved_and_after_a_restart(tmp_path: Path) -> None:
    journal, shown = MemoryJournal(), list[tuple[Standing, ...]]()
    record(journal, [occurred(0), occurred(60), occurred(61)])

    for _ in range(2):
        one = alerts(tmp_path / "memory.sqlite", [], ONE_AN_HOUR, show=shown.append)
        Runner(journal, one, strict=True).finish()
        one.close()

    assert shown[0] == ()
    assert [(one.system_id, one.limit.alert, one.count) for one in shown[-1]] == [
        ("rig_01", "ac_power_loss_hourly", 3)
    ]
    assert shown[1] == shown[2]
    assert shown[1][0].since_us == BASE_US + 61 * S


def test_what_is_over_is_shown_as_such_for_a_quarter_of_an_hour(tmp_path: Path) -> None:
    journal, shown = MemoryJournal(), list[list[tuple[str, float | None]]]()
    record(journal, [occurred(0), occurred(60)])

    for at_s in (1.0, 61 * MINUTE, 75 * MINUTE, 76 * MINUTE + 1):
        record(journal, [tick(at_s)])
        kept = list[tuple[Standing, ...]]()
        one = alerts(tmp_path / "memory.sqlite", [], ONE_AN_HOUR, show=kept.append)
        Runner(journal, one, strict=True).finish()
        shown.append([(it.limit.alert, it.ended_us and (it.ended_us - BASE_US) / S) for it in kept[-1]])
        one.close()

    name = "ac_power_loss_hourly"
    assert shown == [[(name, None)], [(name, HOUR + 60)], [(name, HOUR + 60)], []]


def test_a_storm_is_remembered_as_far_as_it_matters(tmp_path: Path) -> None:
    journal = MemoryJournal()
    record(journal, [occurred(n / 10, "i2c_error") for n in range(3000)])
    record(journal, [tick(HOUR + 299), tick(HOUR + 300)])

    told = run(journal, tmp_path / "memory.sqlite", FIVE_AN_HOUR)

    assert [one[:3] for one in brief(told)] == [
        ("raised", "i2c_error_hourly", 1.5),
        ("cleared", "i2c_error_hourly", HOUR + 299.5),
    ]
    assert (tmp_path / "memory.sqlite").stat().st_size < 200_000
