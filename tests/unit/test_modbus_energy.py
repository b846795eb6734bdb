"""The unit of energy counters is compared with power over time."""

import pytest

from producers.modbus.energy import LONGEST_GAP_S, EnergyWatch


def drawn(watch: EnergyWatch, *, hours: float, watts: float, growth: float, begin: float = 5_000.0) -> None:
    """Draw power for a time while the counter grows `growth` times as fast as it should."""
    for second in range(int(hours * 3600) + 1):
        watch.power(float(second), {"ac_power_w": watts})
        if second % 10 == 0:
            counted = begin + growth * max(watts, 0.0) * second / 3600
            watch.counter({"ac_energy_import_wh": counted // 1})


@pytest.mark.parametrize(
    ("growth", "suggested"),
    [(1.0, None), (0.1, 1.0), (0.01, 10.0), (10.0, 0.01), (100.0, 0.001), (1.3, None)],
)
def test_a_wrong_power_of_ten_is_found(growth: float, suggested: float | None) -> None:
    watch = EnergyWatch("ac", 0.1)

    drawn(watch, hours=1, watts=7_000, growth=growth)

    assert watch.suggests == (None if suggested is None else pytest.approx(suggested))


def test_what_is_neither_is_not_judged() -> None:
    watch = EnergyWatch("ac", 0.1)

    drawn(watch, hours=1, watts=7_000, growth=0.33)

    assert watch.suggests is None


def test_little_energy_says_nothing() -> None:
    watch = EnergyWatch("ac", 0.1)

    drawn(watch, hours=1, watts=1_000, growth=10)

    assert watch.suggests is None


def test_feeding_back_says_nothing_about_the_import_counter() -> None:
    watch = EnergyWatch("ac", 0.1)

    drawn(watch, hours=2, watts=-7_000, growth=10)

    assert watch.suggests is None


def test_a_gap_in_the_readings_ends_the_window() -> None:
    watch = EnergyWatch("ac", 0.1)
    for hour in range(20):
        watch.power(hour * 3600.0, {"ac_power_w": 7_000})
        watch.power(hour * 3600.0 + LONGEST_GAP_S, {"ac_power_w": 7_000})
        watch.counter({"ac_energy_import_wh": hour * 7_000.0})
    assert watch.suggests is None, "most of the energy passed unseen"


def test_a_counter_that_was_cleared_begins_anew() -> None:
    watch = EnergyWatch("ac", 0.1)
    drawn(watch, hours=0.4, watts=7_000, growth=1, begin=1e9)
    drawn(watch, hours=1, watts=7_000, growth=1, begin=0)
    assert watch.suggests is None


def test_once_it_agrees_it_is_not_suggested_any_more() -> None:
    watch = EnergyWatch("ac", 0.1)
    drawn(watch, hours=1, watts=7_000, growth=0.1)
    assert watch.suggests == pytest.approx(1.0)
    drawn(watch, hours=1, watts=7_000, growth=1, begin=1e6)
    assert watch.suggests is None
