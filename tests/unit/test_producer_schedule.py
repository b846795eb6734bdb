"""When polls are due: pure, on a clock of integers."""

from hypothesis import given
from hypothesis import strategies as st

from producers.schedule import Jitter, Schedule, Slot, backoff_us, percentiles_ms, spread

GRID = Schedule(interval_us=500_000, phase_us=120_000)


def test_slots_lie_on_a_grid_that_never_drifts() -> None:
    slot = Slot(0, 120_000, 0)
    for _ in range(10_000):
        slot = GRID.after(slot, slot.due_us + 70_001)

    assert slot == Slot(10_000, 120_000 + 10_000 * 500_000, 0)


def test_a_poll_that_overruns_a_little_is_followed_by_the_slot_that_has_begun() -> None:
    assert GRID.after(Slot(3, 1_620_000, 0), 2_300_000) == Slot(4, 2_120_000, 0)


def test_slots_that_are_over_are_skipped_and_counted() -> None:
    assert GRID.after(Slot(3, 1_620_000, 0), 4_000_000) == Slot(7, 3_620_000, 3)


def test_a_sample_more_than_half_an_interval_behind_its_slot_is_late() -> None:
    slot = Slot(3, 1_620_000, 0)

    assert not GRID.is_late(slot, 1_870_000)
    assert GRID.is_late(slot, 1_870_001)


def test_the_first_poll_comes_within_a_second_even_on_a_slow_grid() -> None:
    slow = Schedule(interval_us=60_000_000, phase_us=30_400_000)

    first = slow.first(5_000_000)

    assert first == Slot(-1, 5_400_000, 0)
    assert slow.after(first, 5_410_000).due_us == 30_400_000


def test_devices_are_spread_over_the_interval_and_always_the_same_way() -> None:
    phases = [spread(f"meter_{number}", 1_000_000).phase_us for number in range(100)]

    assert phases == [spread(f"meter_{number}", 1_000_000).phase_us for number in range(100)]
    assert all(0 <= phase < 1_000_000 for phase in phases)
    tenths = {phase // 100_000 for phase in phases}
    assert len(tenths) == 10


def test_a_dead_device_is_asked_less_and_less_often_down_to_once_a_minute() -> None:
    assert [backoff_us(failures, 1.0) for failures in (1, 2, 3, 7, 1_000)] == [
        1_000_000,
        2_000_000,
        4_000_000,
        60_000_000,
        60_000_000,
    ]
    assert backoff_us(3, 0.0) == 2_000_000


@given(
    st.integers(1_000, 10_000_000),
    st.integers(0, 10_000_000),
    st.lists(st.integers(0, 30_000_000), min_size=1, max_size=50),
)
def test_every_slot_is_polled_or_counted_as_missed_and_none_is_made_up_for(
    interval_us: int, phase_us: int, delays_us: list[int]
) -> None:
    grid = Schedule(interval_us, phase_us % interval_us)
    slot = first = Slot(0, grid.phase_us, 0)
    missed = 0

    for delay_us in delays_us:
        ended_us = slot.due_us + delay_us
        following = grid.after(slot, ended_us)
        missed += following.missed
        assert following.number > slot.number
        assert following.due_us > ended_us - interval_us
        slot = following

    assert slot.number - first.number == len(delays_us) + missed


def noted(*lateness: tuple[float, int]) -> Jitter:
    jitter = Jitter()
    for second, late_us in lateness:
        due_us = round(second * 1e6)
        jitter.note(Slot(0, due_us, 0), due_us + late_us)
    return jitter


def test_jitter_is_told_of_all_polls_together_as_half_and_nearly_all_of_their_reads() -> None:
    told = percentiles_ms([noted(*((n, 1_000) for n in range(10))), noted(*((n, 3_000) for n in range(5)))])

    assert told == {"jitter_p50_ms": 1.0, "jitter_p99_ms": 3.0}
    assert percentiles_ms([Jitter()]) == {}


@given(st.lists(st.integers(0, 40_000_000), min_size=1, max_size=60))
def test_jitter_remembers_the_last_reads_and_nothing_older_than_half_a_minute(gaps_us: list[int]) -> None:
    jitter, now_us = Jitter(), 10**9
    all_us: list[int] = []
    for gap_us in gaps_us:
        now_us += gap_us
        jitter.note(Slot(0, now_us - len(all_us), 0), now_us)
        all_us.append(now_us)

    kept = set(jitter.last())
    ages_us = {number: now_us - at_us for number, at_us in enumerate(all_us)}
    assert len(kept) == len(jitter.last())
    assert {number for number, age_us in ages_us.items() if age_us < 1} <= kept
    assert all(ages_us[number] < 30_000_000 for number in kept)
    assert kept == set(range(min(kept), len(all_us)))
