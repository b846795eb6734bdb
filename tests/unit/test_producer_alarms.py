"""Alarms: a fold over what devices tell, again and again, in one life of the process and in the next."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import AlarmSeen
from producers.alarms import Alarms, Change
from producers.holding import ClockReading
from tests.virtual_time import NOW_US

RIG = ("rig_01", "victron")
CLOCK = ClockReading(NOW_US, 0, "boot-1", synchronised=True)
SECOND_US = 1_000_000


def at(second: float, **changes: object) -> ClockReading:
    moment = replace(
        CLOCK, monotonic_us=round(second * SECOND_US), wall_us=NOW_US + round(second * SECOND_US)
    )
    return replace(moment, **changes)  # type: ignore[arg-type]


def fold(alarms: Alarms, seen: AlarmSeen, clock: ClockReading) -> Change | None:
    return alarms.fold(RIG, seen, clock.monotonic_us, lambda: clock)


def restarted(alarms: Alarms) -> Alarms:
    later = Alarms()
    later.load(alarms.dump())
    return later


def test_an_alarm_is_raised_once_and_cleared_with_how_long_it_lasted() -> None:
    alarms = Alarms()
    seen = AlarmSeen("overload", "warning", phase="l2", code=1, text="Overload on L2")

    raised = fold(alarms, seen, at(1))
    again = fold(alarms, seen, at(2))
    cleared = fold(alarms, replace(seen, level=None), at(38.5))

    assert raised == Change("alarm.raised", "overload", "victron", "l2", "warning", 1, "Overload on L2")
    assert again is None
    assert cleared == Change("alarm.cleared", "overload", "victron", "l2", duration_s=37.5)


def test_the_first_sight_of_an_alarm_that_is_not_active_says_nothing() -> None:
    assert fold(Alarms(), AlarmSeen("grid_lost", None), at(1)) is None


def test_another_level_is_told_another_code_is_not_and_the_time_counts_from_the_first() -> None:
    alarms = Alarms()
    fold(alarms, AlarmSeen("fault", "warning", code=3), at(0))

    assert fold(alarms, AlarmSeen("fault", "warning", code=4), at(5)) is None
    told = fold(alarms, AlarmSeen("fault", "alarm", code=3), at(10))
    cleared = fold(alarms, AlarmSeen("fault", None), at(15))

    assert told is not None
    assert (told.type, told.level, told.code) == ("alarm.raised", "alarm", 3)
    assert cleared is not None
    assert cleared.duration_s == 15


def test_a_level_that_nobody_knows_is_an_alarm_and_an_empty_one_is_none() -> None:
    alarms = Alarms()

    told = fold(alarms, AlarmSeen("fault", "catastrophe"), at(0))
    again = fold(alarms, AlarmSeen("fault", "alarm"), at(1))
    cleared = fold(alarms, AlarmSeen("fault", ""), at(2))

    assert told is not None
    assert (told.level, again) == ("alarm", None)
    assert cleared is not None


def test_phases_and_devices_are_apart() -> None:
    alarms = Alarms()
    for phase in ("l1", "l2"):
        assert fold(alarms, AlarmSeen("overload", "alarm", phase=phase), at(1))
    assert fold(alarms, AlarmSeen("overload", "alarm", device="vebus/276"), at(1))

    cleared = fold(alarms, AlarmSeen("overload", None, phase="l2"), at(2))

    assert cleared is not None
    assert cleared.phase == "l2"
    assert len(alarms) == 2


def test_a_restart_neither_raises_again_nor_forgets_to_clear() -> None:
    alarms = Alarms()
    for alarm in ("grid_lost", "overload"):
        fold(alarms, AlarmSeen(alarm, "alarm"), at(0))

    later = restarted(alarms)

    assert fold(later, AlarmSeen("grid_lost", "alarm"), at(60)) is None
    cleared = fold(later, AlarmSeen("overload", None), at(60))
    assert cleared is not None
    assert cleared.duration_s == 60


@pytest.mark.parametrize(
    ("raised", "cleared", "lasted_s"),
    [
        (at(100), at(5, boot_id="boot-2", wall_us=NOW_US + 400 * SECOND_US), 300),
        (at(100, synchronised=False), at(5, boot_id="boot-2"), None),
        (at(100), at(500, boot_id="boot-2", synchronised=False), None),
        (at(100), at(5, boot_id="boot-2"), None),
        (at(100, synchronised=False, wall_us=0), at(130), 30),
    ],
)
def test_over_a_reboot_only_clocks_that_were_right_tell_how_long_it_lasted(
    raised: ClockReading, cleared: ClockReading, lasted_s: float | None
) -> None:
    alarms = Alarms()
    fold(alarms, AlarmSeen("grid_lost", "alarm"), raised)

    told = fold(restarted(alarms), AlarmSeen("grid_lost", None), cleared)

    assert told is not None
    assert told.duration_s == lasted_s


def test_the_alarms_of_a_device_that_nobody_asks_any_more_are_cleared_and_no_others() -> None:
    alarms = Alarms()
    fold(alarms, AlarmSeen("overload", "alarm", device="vebus/276"), at(0))
    alarms.fold(("rig_01", "acuvim"), AlarmSeen("overload", "alarm"), 0, lambda: at(0))

    told = list(alarms.drop(RIG, at(9)))

    assert [(change.type, change.device, change.duration_s) for change in told] == [
        ("alarm.cleared", "vebus/276", 9)
    ]
    assert len(alarms) == 1


@pytest.mark.parametrize("row", [[], ["rig_01"], ["r", "d", "a", "", "p", "fatal", 1, 1, "b", True]])
def test_what_is_no_memory_of_alarms_is_refused(row: list[object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Alarms().load([row])


SEEN = st.builds(
    AlarmSeen,
    alarm=st.sampled_from(["grid_lost", "overload"]),
    level=st.sampled_from([None, "warning", "alarm"]),
    device=st.sampled_from(["", "vebus/276"]),
    phase=st.sampled_from(["", "l1"]),
    code=st.sampled_from([None, 1.0, float("nan")]),
)


@given(st.lists(st.one_of(SEEN, st.just("restart")), max_size=40))
def test_what_was_told_always_amounts_to_what_was_seen_last_and_nothing_is_told_twice(
    story: list[AlarmSeen | str],
) -> None:
    alarms = Alarms()
    told: dict[tuple[str, str, str], str | None] = {}
    truth: dict[tuple[str, str, str], str | None] = {}
    for second, seen in enumerate(story):
        if not isinstance(seen, AlarmSeen):
            alarms = restarted(alarms)
            continue
        change = fold(alarms, seen, at(second))
        key = seen.device or "victron", seen.alarm, seen.phase
        truth[key] = seen.level
        if change is None:
            continue
        assert (change.device, change.alarm, change.phase) == key
        assert change.level != told.get(key)
        told[key] = change.level

    active = {key: level for key, level in truth.items() if level is not None}
    assert {key: level for key, level in told.items() if level is not None} == active
    assert len(alarms) == len(active)
