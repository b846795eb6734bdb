"""The meter's own counters: edges, resets, coarse ones, gaps that they bridge, and what billing stands on."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reporter.facts import Document
from reporter.registers import _resolution_wh, register
from reporter.system_report import system_report
from tests.reporting import SETTINGS, T0, S, facts, samples, stream

SECONDS = np.arange(-30, 3631)
EVERY_5 = np.arange(-30, 3631, 5)


def counted(since_wh: Any, seconds: Any = EVERY_5, most_w: float = 1e6, hours: float = 1.0) -> Any:
    of = samples(stream(seconds, {"ac_energy_import_wh": since_wh}, kind="acuvim", interval_ms=5000))
    return register(of, "ac", "import", T0, T0 + round(hours * 3600) * S, most_w)


def report(watts: Any, since_wh: Any, lost: Any = None, **settings: Any) -> Document:
    kept = np.ones(len(SECONDS), np.bool_) if lost is None else ~lost
    fast = stream(SECONDS[kept], {"ac_power_w": np.asarray(watts)[kept]}, kind="acuvim")
    every = kept[::5]
    slow = stream(
        EVERY_5[every],
        {"ac_energy_import_wh": np.asarray(since_wh)[every]},
        kind="acuvim",
        interval_ms=5000,
    )
    return system_report(samples(fast, slow), facts(1.0), replace(SETTINGS, **settings))


def test_readings_at_the_edges_are_interpolated() -> None:
    found = counted(1000.0 + (EVERY_5 + 2.5) * 0.5, seconds=EVERY_5 + 2.5)

    assert found.counted_wh == pytest.approx(1800.0)
    assert found.reaches
    assert found.counters[0].first_wh == pytest.approx(1000.0)


def test_a_counter_that_begins_late_tells_of_a_shorter_time_and_says_so() -> None:
    late = EVERY_5[EVERY_5 >= 1200]

    found = counted(late * 0.5, seconds=late)

    assert found.counted_wh == pytest.approx(1200.0)
    assert not found.reaches


def test_a_reset_begins_a_new_segment_and_is_listed() -> None:
    since = np.where(EVERY_5 < 1800, 5000.0 + EVERY_5 * 0.5, (EVERY_5 - 1800) * 0.5)

    found = counted(since)

    assert found.counted_wh == pytest.approx(1800.0, abs=2.6)
    assert [(one.kind, one.after_wh) for one in found.counters[0].breaks] == [("reset", 0.0)]


def test_a_meter_that_was_replaced_by_one_that_counted_more_adds_nothing() -> None:
    since = EVERY_5 * 0.5 + np.where(EVERY_5 < 1800, 0.0, 9e6)

    found = counted(since, most_w=2000.0)

    assert found.counted_wh == pytest.approx(1800.0, abs=2.6)
    assert [one.kind for one in found.counters[0].breaks] == ["jump"]


def test_one_step_back_of_a_counter_is_no_reset() -> None:
    since = 100.0 * np.floor(EVERY_5 / 50.0)
    since[400] -= 100.0

    found = counted(since)

    assert found.counters[0].breaks == ()
    assert found.counted_wh == pytest.approx(7200.0)


def test_a_counter_with_one_reading_counts_nothing() -> None:
    assert counted([5.0], seconds=[0.0]) is None


def test_all_counters_of_an_inverters_output_are_counted_together() -> None:
    of = samples(
        stream(
            EVERY_5,
            {
                "energy_inverter_to_out_wh": EVERY_5 * 0.5,
                "energy_in1_to_out_wh": np.where(EVERY_5 < 1800, EVERY_5 * 0.25, 0.0),
            },
            interval_ms=5000,
        )
    )

    found = register(of, "ac_out", "import", T0, T0 + 3600 * S, 1e6)

    assert found is not None
    assert [one.name for one in found.counters] == ["energy_in1_to_out_wh", "energy_inverter_to_out_wh"]
    assert found.counted_wh == pytest.approx(1800 + 450, abs=1.5)


def test_a_counter_that_agrees_is_what_is_billed() -> None:
    document = report(np.full(len(SECONDS), 1800.0), 7000.0 + EVERY_5 * 0.5, price_per_kwh=0.5)

    assert document["billing"] == document["billing"] | {
        "energy_wh": 1800.0,
        "source": "register",
        "amount": 0.9,
        "currency": "EUR",
    }
    assert document["quality"]["register_delta_pct"] == 0.0
    assert document["summary"]["energy_wh"]["grade"] == "A"


def test_a_counter_knows_the_energy_of_a_gap() -> None:
    watts = np.where((SECONDS >= 1000) & (SECONDS < 1600), 3600.0, 1800.0)
    lost = (SECONDS > 1000) & (SECONDS < 1600)
    since = np.interp(EVERY_5, [-30, 1000, 1600, 3630], [485, 1000, 1600, 2615])

    document = report(watts, since, lost)

    gap = document["quality"]["gaps"][0]
    assert (gap["duration_s"], gap["energy_wh"]) == (600.0, pytest.approx(600.0, abs=0.5))
    assert document["energy"]["methods"][-1]["why"] == "register_bridges_gaps"
    assert document["billing"]["energy_wh"] == pytest.approx(2100.0, abs=0.1)
    assert {"gaps", "register_differs_much"} <= set(document["quality"]["notes"])
    assert document["summary"]["energy_wh"]["grade"] == "D"


def test_a_counter_of_the_wrong_scale_is_not_billed() -> None:
    document = report(np.full(len(SECONDS), 1800.0), EVERY_5 * 5.0)

    assert document["billing"]["source"] == "integration"
    assert document["billing"]["why"] == "register_doubtful"
    assert document["billing"]["energy_wh"] == 1800.0


def test_a_coarse_counter_is_neither_billed_nor_held_against_the_integral() -> None:
    document = report(np.full(len(SECONDS), 1800.0), 1000.0 * np.floor((EVERY_5 + 1000) / 2000))

    assert document["billing"]["why"] == "register_coarse"
    assert document["summary"]["energy_wh"]["grade"] == "A"
    assert document["quality"]["register_delta_pct"] is None


def unread(watts: float, first: float, last: float, lost: Any = None) -> Document:
    """Report an hour of which a counter was read from one second to another only."""
    kept = np.ones(len(SECONDS), np.bool_) if lost is None else ~lost
    read = np.arange(first, last + 1, 5)
    fast = stream(SECONDS[kept], {"ac_power_w": watts}, kind="acuvim")
    slow = stream(read, {"ac_energy_import_wh": read * watts / 3600}, kind="acuvim", interval_ms=5000)
    return system_report(samples(fast, slow), facts(1.0), replace(SETTINGS, price_per_kwh=1.0))


def test_what_was_measured_where_a_counter_was_not_read_is_added_to_it_and_told() -> None:
    document = unread(36_000.0, 10, 3590)

    row, billed = document["energy"]["methods"][-1], document["billing"]
    assert (row["import_wh"], row["coverage_pct"], row["grade"]) == (36_000.0, 100.0, "A")
    assert (row["measured_ends_wh"], row["why"]) == (200.0, "agrees")
    assert (billed["energy_wh"], billed["amount"], billed["source"]) == (36_000.0, 36.0, "register")
    assert billed["measured_ends_wh"] == 200.0
    assert document["energy"]["registers"][0]["difference_wh"] == 35_800.0


def test_an_end_that_neither_counter_nor_power_tells_of_lowers_the_grade() -> None:
    row = unread(36_000.0, -30, 3560, SECONDS > 3560)["energy"]["methods"][-1]

    assert (row["import_wh"], row["coverage_pct"], row["grade"]) == (35_600.0, 98.89, "B")
    assert "measured_ends_wh" not in row


def test_a_counter_that_was_read_to_both_ends_has_nothing_measured_in_it() -> None:
    document = report(np.full(len(SECONDS), 1800.0), EVERY_5 * 0.5)

    assert "measured_ends_wh" not in document["billing"]
    assert "measured_ends_wh" not in document["energy"]["methods"][-1]


def test_a_counter_that_was_read_seldom_is_not_coarse() -> None:
    read = np.arange(-60, 3661, 60)
    lost = (read > 1200) & (read < 2400)
    since = np.floor(1e6 + (read + 60) * 10_000 / 3600)
    kept = SECONDS[(SECONDS <= 1200) | (SECONDS >= 2400)]
    fast = stream(kept, {"ac_power_w": 10_000.0}, kind="acuvim")
    slow = stream(read[~lost], {"ac_energy_import_wh": since[~lost]}, kind="acuvim", interval_ms=60_000)

    document = system_report(samples(fast, slow), facts(1.0), SETTINGS)

    assert document["energy"]["registers"][0]["resolution_wh"] == 1.0
    assert (document["billing"]["source"], document["billing"]["energy_wh"]) == ("register", 10_000.0)
    assert document["quality"]["bridged_wh"] == pytest.approx(3333.3, abs=1.0)


@pytest.mark.parametrize(
    ("readings", "step_wh"),
    [
        ([5000.0, 7000.0, 8000.0], 1000.0),
        ([5000.0, 7010.0, 8000.0], 10.0),
        ([1_234_567.0, 1_234_568.0], 1.0),
        ([1.2, 1.4, 3.0], 0.1),
        ((np.array([12345.6, 12345.9, 12346.2], np.float32) * 1000.0).tolist(), 100.0),
        ([1.23456, 2.34567], None),
        ([5000.0, 5000.0], None),
    ],
)
def test_how_fine_a_counter_counts_is_told_by_its_digits(
    readings: list[float], step_wh: float | None
) -> None:
    found = counted(readings, seconds=np.linspace(0, 3600, len(readings)), hours=1.0)

    assert found.counters[0].resolution_wh == step_wh


def steps(step_wh: float, watts: Any, every_s: int = 5, shown_wh: float = 0.0) -> Any:
    """Read a counter of such a step for an hour; a display rounds down to `shown_wh`."""
    seconds = np.arange(0, 3601, every_s)
    used = np.cumsum(np.broadcast_to(watts, seconds.shape) * (every_s / 3600.0)) + 0.9 * step_wh
    since = (5003 + np.floor(used / step_wh)) * step_wh
    return counted(np.floor(since / shown_wh) * shown_wh if shown_wh else since, seconds=seconds)


@pytest.mark.parametrize(
    ("found", "step_wh"),
    [
        (steps(240.0, 3000.0), 240.0),
        (steps(240.0, 10_000.0, 60), 240.0),
        (steps(240.0, 40_000.0 + 5000.0 * np.sin(np.arange(61)), 60), 240.0),
        (steps(25.0, 3000.0), 25.0),
        (steps(312.5, 5000.0), 312.5),
        (steps(1000 / 3, 5000.0), 1000 / 3),
        (steps(1000 / 3, 5000.0, shown_wh=1.0), 1000 / 3),
        (steps(312.5, 5000.0, shown_wh=100.0), 312.5),
        (steps(240.0, 1000.0), 240.0),
        (steps(100.0, 5000.0), 100.0),
    ],
)
def test_a_counter_that_stands_still_between_its_steps_counts_as_fine_as_they_are(
    found: Any, step_wh: float
) -> None:
    assert found.counters[0].resolution_wh == pytest.approx(step_wh, rel=0.02)
    assert found.coarse


@pytest.mark.parametrize(
    ("found", "step_wh"),
    [
        (steps(1.0, 3600.0, 10), 1.0),
        (steps(1.0, 3600.0, 60), 1.0),
        (steps(1.0, 10_000.0, 60), 1.0),
        (steps(1.0, 3600.0 * (np.arange(61) % 20 < 10), 60), 1.0),
        (steps(1.0, 5000.0 + 3000.0 * np.sin(np.arange(61)), 60), 1.0),
        (steps(1.0, 900.0 + 700.0 * np.sin(np.arange(721))), 1.0),
        (steps(10.0, 40_000.0 + 9000.0 * np.sin(np.arange(361)), 10), 10.0),
        (steps(0.1, 7000.0), 0.1),
    ],
)
def test_a_fine_counter_is_not_coarse_however_even_the_load_is(found: Any, step_wh: float) -> None:
    assert found.counters[0].resolution_wh == pytest.approx(step_wh)
    assert not found.coarse


def test_a_counter_told_in_32_bits_is_as_fine_as_before_they_rounded_it() -> None:
    seconds = np.arange(0, 3601, 5)
    since = np.float32(1234.5 + np.floor(seconds * 50_000 / 3600 / 10) * 0.01).astype(np.float64) * 1000.0
    coarse = np.float32(1234.5 + np.floor(seconds * 5000 / 3600 / 240) * 0.24).astype(np.float64) * 1000.0

    found, stepped = counted(since, seconds=seconds), counted(coarse, seconds=seconds)

    assert (found.counters[0].resolution_wh, found.coarse) == (pytest.approx(10.0, rel=0.02), False)
    assert (stepped.counters[0].resolution_wh, stepped.coarse) == (pytest.approx(240.0, rel=0.01), True)


def test_a_counter_of_steps_that_are_no_power_of_ten_is_not_billed() -> None:
    shown = 1_200_000.0 + 240.0 * np.floor((EVERY_5 * (3000 / 3600) + 216) / 240)

    billing = report(np.full(len(SECONDS), 3000.0), shown)["billing"]

    assert (billing["source"], billing["why"]) == ("integration", "register_coarse")
    assert billing["energy_wh"] == pytest.approx(3000.0)


def test_without_a_price_there_is_no_amount() -> None:
    billing = report(np.full(len(SECONDS), 1800.0), EVERY_5 * 0.5, price_per_kwh=None)["billing"]

    assert (billing["amount"], billing["price_per_kwh"]) == (None, None)


def test_a_reading_beyond_all_measure_breaks_nothing() -> None:
    for absurd in (1e25, 1e300):
        assert _resolution_wh(np.array([1.0, 2.0, 2.0, 5.0, absurd])) is not None
