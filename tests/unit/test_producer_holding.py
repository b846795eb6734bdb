"""Times of events while nobody knows the time: pure, the clocks are parameters."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.holding import ClockReading, Held, Stamper, Trust, dump, load, trust
from producers.spool import Spool
from tests.virtual_time import NOW_US

MINUTE_US = 60_000_000
CLOCK = ClockReading(NOW_US, 10 * MINUTE_US, "boot-1", synchronised=True)


def held(monotonic_us: int, **changes: object) -> Held:
    data = {"kind": "host", "interval_ms": 500, "values": {"cpu_pct": 1.0}}
    made = Held("id", "boot-1", monotonic_us, NOW_US, "sample.taken", "rig_01", data)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "started_us", "verdict"),
    [
        ({}, 0, Trust.SYNCED),
        ({"synchronised": False, "monotonic_us": MINUTE_US - 1}, 0, Trust.WAIT),
        ({"synchronised": False, "monotonic_us": MINUTE_US}, 0, Trust.UNSYNCED),
        ({"synchronised": False, "monotonic_us": MINUTE_US + 5}, MINUTE_US, Trust.UNSYNCED),
        ({"wall_us": 0}, 10 * MINUTE_US - 5, Trust.WAIT),
        ({"wall_us": 0}, 9 * MINUTE_US, Trust.UNSYNCED),
        ({"wall_us": 5 * NOW_US}, 10 * MINUTE_US, Trust.WAIT),
    ],
)
def test_a_clock_is_waited_for_until_a_minute_after_boot_or_after_the_start_when_it_is_surely_wrong(
    changes: dict[str, object], started_us: int, verdict: Trust
) -> None:
    assert trust(replace(CLOCK, **changes), started_us) is verdict  # type: ignore[arg-type]


def test_a_held_event_gets_the_time_at_which_it_happened_by_the_clock_of_now() -> None:
    stamped = Stamper().stamp(held(7 * MINUTE_US), CLOCK, synced=True)

    assert stamped.time_us == NOW_US - 3 * MINUTE_US
    assert not stamped.unsynced


def test_an_event_of_an_earlier_boot_keeps_what_the_wall_clock_said_then_and_is_flagged() -> None:
    left = held(7 * MINUTE_US, boot_id="boot-0", wall_us=NOW_US - 77)

    stamped = Stamper().stamp(left, CLOCK, synced=True)

    assert stamped.time_us == NOW_US - 77
    assert stamped.unsynced


def test_a_small_step_back_of_the_clock_does_not_turn_samples_round() -> None:
    stamper = Stamper()
    stepped = replace(CLOCK, wall_us=CLOCK.wall_us - 800_000)

    before = stamper.stamp(held(CLOCK.monotonic_us), CLOCK, synced=True)
    during = stamper.stamp(held(CLOCK.monotonic_us + 500_000), stepped, synced=True)
    after = stamper.stamp(held(CLOCK.monotonic_us + 1_000_000), stepped, synced=True)

    assert before.time_us < during.time_us < after.time_us
    assert after.time_us == NOW_US + 200_000


def test_after_a_large_step_back_the_new_time_holds() -> None:
    stamper = Stamper()
    stamper.stamp(held(CLOCK.monotonic_us), CLOCK, synced=True)
    stepped = replace(CLOCK, wall_us=CLOCK.wall_us - 60 * MINUTE_US)

    stamped = stamper.stamp(held(CLOCK.monotonic_us), stepped, synced=True)

    assert stamped.time_us == NOW_US - 60 * MINUTE_US


@given(
    st.lists(st.tuples(st.integers(1, 2_000_000), st.integers(-900_000, 900_000)), min_size=2, max_size=50)
)
def test_samples_of_one_device_keep_their_order_whatever_small_steps_the_clock_makes(
    polls: list[tuple[int, int]],
) -> None:
    stamper, clock, times = Stamper(), CLOCK, []
    offset_us = 0
    for gap_us, step_us in polls:
        offset_us = max(-900_000, min(900_000, offset_us + step_us))
        monotonic_us = clock.monotonic_us + gap_us
        clock = replace(clock, monotonic_us=monotonic_us, wall_us=NOW_US + monotonic_us + offset_us)
        times.append(stamper.stamp(held(monotonic_us), clock, synced=True).time_us)

    assert times == sorted(set(times))


def test_what_waits_survives_a_crash_but_for_a_line_that_was_cut_off() -> None:
    waiting = [held(1), held(2, subject="rig_02")]

    assert list(load(dump(waiting))) == waiting
    assert list(load(dump(waiting)[:-5])) == waiting[:1]


def test_the_spool_keeps_what_waits_until_the_outbox_surely_has_it(tmp_path: Path) -> None:
    path = tmp_path / "producers" / "host.held"
    spool = Spool(path)
    spool.keep([held(1)], now_us=10_000_000)
    spool.keep([held(1), held(2)], now_us=10_500_000)

    assert Spool(path).load() == [held(1)]

    spool.keep([held(1), held(2)], now_us=12_000_000)
    spool.released(20_000_000)
    assert Spool(path).load() == [held(1), held(2)]

    spool.released(25_000_000)
    assert not path.exists()
    assert Spool(path).load() == []
