"""Idle ends, demand, bins and load figures on hand-computed cases."""

from dataclasses import replace

import numpy as np
import pytest

from reporter import trimming
from reporter.columns import Second, Series, Stretch
from reporter.demand import fixed, one_second, sliding
from reporter.facts import Document
from reporter.load import below
from reporter.system_report import system_report
from reporter.track import Track, track
from tests.reporting import SETTINGS, T0, S, facts, samples, stream

GUARD = 10 * S


def power(seconds: object, watts: object, end_s: float) -> Track:
    at = T0 + np.round(np.asarray(seconds, np.float64) * S).astype(np.int64)
    return track(Series(at, np.asarray(watts, np.float64), 1000), T0, T0 + round(end_s * S), GUARD)


def report(seconds: object, watts: object, hours: float, **settings: object) -> Document:
    made = replace(SETTINGS, **settings)  # type: ignore[arg-type] # a test's own words
    return system_report(samples(stream(np.asarray(seconds), {"ac_out_power_w": watts})), facts(hours), made)


def test_idle_ends_of_a_minute_or_more_are_taken_off_with_their_energy() -> None:
    seconds = np.arange(0, 1001)
    watts = np.where((seconds >= 100) & (seconds < 800), 5000.0, 36.0)

    found = trimming.trim(power(seconds, watts, 1000), GUARD)

    assert found.threshold_w == 100.0
    assert [(one.place, (one.from_us - T0) / S, (one.to_us - T0) / S) for one in found.removed] == [
        ("start", 0, 99),
        ("end", 800, 1000),
    ]
    assert [one.energy_wh for one in found.removed] == pytest.approx([36 * 99 / 3600, 36 * 200 / 3600])
    assert ((found.from_us - T0) / S, (found.to_us - T0) / S) == (99, 800)


def test_an_idle_end_shorter_than_a_minute_stays() -> None:
    seconds = np.arange(0, 601)

    found = trimming.trim(power(seconds, np.where(seconds < 60, 0.0, 5000.0), 600), GUARD)

    assert found.removed == ()


def test_below_2500_w_of_peak_the_threshold_is_50_w() -> None:
    seconds = np.arange(0, 301)
    watts = np.where(seconds < 100, 49.0, np.where(seconds < 200, 51.0, 1000.0))

    found = trimming.trim(power(seconds, watts, 300), GUARD)

    assert (found.threshold_w, (found.from_us - T0) / S) == (50.0, 99)


def test_export_is_not_idle() -> None:
    seconds = np.arange(0, 301)

    assert trimming.trim(power(seconds, np.where(seconds < 150, -3000.0, 1000.0), 300), GUARD).removed == ()


def test_what_was_not_measured_is_not_called_idle() -> None:
    seconds = np.concatenate((np.arange(0, 101), np.arange(400, 801)))
    watts = np.where(seconds < 600, 10.0, 5000.0)

    found = trimming.trim(power(seconds, watts, 800), GUARD)

    assert [((one.from_us - T0) / S, (one.to_us - T0) / S) for one in found.removed] == [(0, 100)]


def test_a_window_that_begins_with_a_gap_is_not_trimmed_there() -> None:
    seconds = np.arange(300, 801)

    assert trimming.trim(power(seconds, np.where(seconds < 600, 10.0, 5000.0), 800), GUARD).removed == ()


def test_a_window_that_is_idle_throughout_keeps_all_of_its_time() -> None:
    found = trimming.trim(power(np.arange(0, 601), np.full(601, 30.0), 600), GUARD)

    assert found.idle_throughout
    assert (found.from_us, found.to_us) == (T0, T0 + 600 * S)


def burst() -> Track:
    """Give ten minutes of 60 kW on 5 kW, five minutes on each side of a quarter of an hour."""
    seconds = np.arange(0, 3601, 0.5)
    return power(seconds, np.where((seconds >= 600) & (seconds < 1200), 60_000.0, 5000.0), 3600)


def test_fixed_and_sliding_demand_of_a_burst_across_a_quarter_of_an_hour() -> None:
    assert fixed(burst(), 900, "UTC")["power_w"]["value"] == pytest.approx(23_333.3, abs=16)
    assert sliding(burst(), 900)["power_w"]["value"] == pytest.approx(41_666.7, abs=16)


def test_blocks_begin_at_the_quarter_of_an_hour_of_the_place() -> None:
    of = burst()

    found = fixed(of, 3600, "Asia/Kolkata")

    assert found["power_w"]["why"] == "too_many_gaps"
    assert fixed(of, 1800, "Asia/Kolkata")["power_w"]["at"] == "2026-08-15T08:00:00Z"
    assert fixed(of, 900, "Asia/Kathmandu")["power_w"]["at"] == "2026-08-15T08:00:00Z"


def test_a_block_that_is_covered_by_less_than_nine_tenths_is_no_peak() -> None:
    seconds = np.concatenate((np.arange(0, 101), np.arange(200, 1801)))
    watts = np.where(seconds <= 100, 50_000.0, 1000.0)

    found = fixed(power(seconds, watts, 1800), 900, "UTC")

    assert found["power_w"]["value"] == 1000.0
    assert found["power_w"]["at"] == "2026-08-15T08:15:00Z"


def test_a_window_shorter_than_a_block_has_no_demand_and_says_why() -> None:
    found = fixed(power(np.arange(0, 301), np.full(301, 1000.0), 300), 900, "UTC")

    assert (found["power_w"]["value"], found["power_w"]["why"]) == (None, "too_short")


def test_the_peak_of_a_second_is_the_mean_of_its_samples_or_the_reading_where_they_are_rarer() -> None:
    seconds = np.arange(0, 61, 0.5)
    spike = np.where(seconds == 30, 9000.0, 1000.0)

    twice_a_second, once = (
        one_second(power(seconds, spike, 60)),
        one_second(power(seconds[::2], spike[::2], 60)),
    )

    assert (twice_a_second["kind"], twice_a_second["power_w"]["value"]) == ("sliding", 5000.0)
    assert (once["kind"], once["power_w"]["value"]) == ("reading", 9000.0)
    assert once["power_w"]["at"] == "2026-08-15T08:00:30Z"


def in_steps(values: dict[str, object], kept: tuple[Stretch, ...]) -> Document:
    of = samples(stream(np.arange(0, 3601, 10), values, interval_ms=500))
    known = facts(1, registration={"name": "R", "rated_w": 10_000})
    found: Document = system_report(replace(of, step_s=10, stretches=kept), known, SETTINGS)
    return dict(found["demand"]["peaks"][0])


def test_the_highest_second_of_a_window_in_steps_is_that_of_its_samples_or_nothing() -> None:
    names, burst_at = ("ac_out_power_w",), T0 + 30 * S
    told = frozenset({"ac_out_power_w"})
    kept = (
        Stretch(told, {names: Second(9000.0, burst_at, "reading")}),
        Stretch(told, {names: None}),
        Stretch(frozenset(), {}),
    )

    found = in_steps({"ac_out_power_w": 1000.0}, kept)
    unknown = in_steps({"ac_out_power_w": 1000.0}, (*kept, Stretch(told, {})))

    assert (found["power_w"]["value"], found["kind"]) == (9000.0, "reading")
    assert found["power_w"]["at"] == "2026-08-15T08:00:30Z"
    assert (unknown["power_w"]["value"], unknown["power_w"]["why"]) == (None, "in_steps")
    assert in_steps({"ac_out_power_w": 1000.0}, ())["power_w"]["why"] == "in_steps"


def test_the_highest_second_of_a_load_in_percent_is_of_the_rating() -> None:
    kept = (Stretch(frozenset({"ac_out_load_pct"}), {("ac_out_load_pct",): Second(80.0, T0, "reading")}),)

    assert in_steps({"ac_out_load_pct": 10.0}, kept)["power_w"]["value"] == 8000.0


@pytest.mark.parametrize("jitter_us", [-50_000, -100, 100, 50_000])
def test_a_tenth_of_a_millisecond_does_not_turn_a_reading_into_a_mean(jitter_us: int) -> None:
    seconds = np.arange(0, 61) * (S + jitter_us) / S

    found = one_second(power(seconds, np.where(np.arange(61) == 30, 10_000.0, 1000.0), float(seconds[-1])))

    assert (found["kind"], found["power_w"]["value"]) == ("reading", 10_000.0)


def test_nine_tenths_of_a_second_are_enough_to_the_microsecond() -> None:
    seconds = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])

    found = one_second(power(seconds, [0.0, 0.0, 1000.0, 0.0, 0.0, 0.0], 1.0))

    assert found["power_w"]["value"] == pytest.approx(200 / 0.9)


def test_a_peak_ends_with_the_window_that_cuts_its_block() -> None:
    at_us = T0 + np.arange(0, 3601) * S
    of = Series(at_us, np.where(at_us < T0 + 900 * S, 5000.0, 1000.0), 1000)

    first = fixed(track(of, T0 + 60 * S, T0 + 3000 * S, GUARD), 900, "UTC")
    last = fixed(track(of, T0 - 60 * S, T0 + 850 * S, GUARD), 900, "UTC")

    assert (first["power_w"]["at"], first["to"]) == ("2026-08-15T08:01:00Z", "2026-08-15T08:15:00Z")
    assert last["to"] == "2026-08-15T08:14:10Z"


def test_time_below_a_level_follows_the_line_between_samples() -> None:
    of = power([0, 10], [0.0, 1000.0], 10)

    seconds, wh = below(of, 250.0)

    assert seconds == 2.5
    assert wh == pytest.approx(2.5 * 125 / 3600)


def test_six_bins_of_a_staircase_hold_their_seconds_and_energy() -> None:
    seconds = np.arange(0, 6000.1, 0.1)
    watts = np.minimum(np.floor(seconds / 1000), 5) * 2000.0 + 1000.0

    document = report(seconds, watts, 6000 / 3600)

    bins, whole_wh = document["load"]["histogram"], document["summary"]["energy_wh"]["value"]
    assert document["load"]["basis"] == "peak"
    assert document["load"]["basis_w"] == 11_000.0
    assert [one["from_pct"] for one in bins] == [0, 20, 40, 60, 80, 100]
    assert [one["duration_s"] for one in bins] == pytest.approx([1000, 1000, 1000, 1000, 2000, 0], abs=1.0)
    assert sum(one["energy_wh"] for one in bins) == pytest.approx(whole_wh, abs=1)


def test_a_registered_rating_is_what_the_bins_are_of() -> None:
    seconds = np.arange(0, 3601)
    columns = samples(stream(seconds, {"ac_out_power_w": np.where(seconds < 1800, 4000.0, 12_000.0)}))

    document = system_report(columns, facts(1, registration={"name": "R", "rated_w": 10_000}), SETTINGS)

    told = document["load"]
    assert (told["basis"], told["basis_w"]) == ("rating", 10_000.0)
    assert [one["duration_s"] for one in told["histogram"]] == pytest.approx([0, 1800, 0, 0, 0, 1800], abs=1)
    assert [one["duration_s"] for one in told["bands"]] == pytest.approx([0, 1800, 0, 0, 1800], abs=1)


def test_export_is_beside_the_bins_and_not_in_them() -> None:
    seconds = np.arange(0, 3601)

    told = report(seconds, np.where(seconds < 1800, -1000.0, 4000.0), 1)["load"]

    assert told["below_zero"]["duration_s"] == pytest.approx(1800, abs=1)
    assert told["below_zero"]["energy_wh"] == pytest.approx(-500, abs=0.3)
    assert sum(one["duration_s"] for one in told["histogram"]) == pytest.approx(1800, abs=1)


def test_the_highest_export_is_told_with_its_time() -> None:
    seconds = np.arange(0, 3601)

    found = report(seconds, np.where(seconds == 100, -2500.0, 4000.0), 1)["summary"]["peak_export_w"]

    assert (found["value"], found["at"]) == (2500.0, "2026-08-15T08:01:40Z")


def test_the_duration_curve_says_what_was_exceeded_for_how_long() -> None:
    seconds = np.arange(0, 1001)

    told = report(seconds, 10.0 * seconds + 100, 1000 / 3600)["load"]

    assert told["duration"][0] == [0.0, 10_100.0]
    assert told["duration"][-1][0] == 100.0
    assert told["exceeded_w"]["10"] == pytest.approx(9100, abs=25)
    assert told["exceeded_w"]["90"] == pytest.approx(1100, abs=125)


def test_load_factor_is_the_mean_over_the_highest_quarter_of_an_hour() -> None:
    seconds = np.arange(0, 3601)

    summary = report(seconds, np.where((seconds >= 900) & (seconds < 1800), 8000.0, 2000.0), 1)["summary"]

    assert summary["load_factor_ratio"]["value"] == pytest.approx(3500 / 8000, abs=1e-3)
    assert summary["load_factor_ratio"]["of_seconds"] == 900


def test_a_contract_of_half_an_hour_has_its_own_demand() -> None:
    seconds = np.arange(0, 3601)

    peaks = report(seconds, np.full(3601, 2000.0), 1, demand_minutes=30)["demand"]["peaks"]

    assert [(one["seconds"], one["kind"]) for one in peaks if one["seconds"] == 1800] == [
        (1800, "fixed"),
        (1800, "sliding"),
    ]
