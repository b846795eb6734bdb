"""Energy against closed forms: constant, ramp, step, sine, sign change, gaps, edges, nothing at all."""

import numpy as np
import pytest

from reporter.basis import guard
from reporter.coarse import means, step_s
from reporter.columns import NOTHING, Columns, Samples, Series, gap_guard_us
from reporter.energy import energy
from reporter.system_report import system_report
from reporter.track import Track, spans, track
from tests.reporting import SETTINGS, T0, S, facts, samples, stream

GUARD = 10 * S


def series(seconds: object, watts: object) -> Series:
    at = T0 + np.round(np.asarray(seconds, np.float64) * S).astype(np.int64)
    return Series(at, np.broadcast_to(np.asarray(watts, np.float64), at.shape), 1000)


def over(of: Series, begin_s: float, end_s: float, guard_us: int = GUARD) -> Track:
    return track(of, T0 + round(begin_s * S), T0 + round(end_s * S), guard_us)


def test_a_constant_power_is_exact() -> None:
    found = energy(over(series(np.arange(0, 3601), 1000.0), 0, 3600))

    assert found.plus_wh == pytest.approx(1000.0, rel=1e-14)
    assert found.minus_wh == 0.0
    assert found.coverage_pct == 100.0


def test_a_ramp_is_exact_however_irregular_the_samples() -> None:
    seconds = np.sort(np.random.default_rng(1).uniform(0, 3600, 2000))
    seconds = np.concatenate(([0.0], seconds, [3600.0]))

    found = energy(over(series(seconds, 2.0 * seconds), 0, 3600, guard_us=60 * S))

    assert found.plus_wh == pytest.approx(3600.0, rel=1e-9)


def test_a_step_is_half_known_in_the_interval_in_which_it_happens() -> None:
    seconds = np.arange(0, 3601)

    found = energy(over(series(seconds, np.where(seconds < 1800, 0.0, 7200.0)), 0, 3600))

    assert found.plus_wh == pytest.approx(3600.0 + 7200.0 * 0.5 / 3600)


def test_a_sine_over_whole_periods_gives_its_lobes_both_ways() -> None:
    seconds = np.arange(0, 3600.5, 0.5)

    found = energy(over(series(seconds, 1000.0 * np.sin(2 * np.pi * seconds / 600.0)), 0, 3600))

    lobe = 1000.0 * 600.0 / np.pi / 3600
    assert found.plus_wh == pytest.approx(6 * lobe, rel=1e-5)
    assert found.minus_wh == pytest.approx(6 * lobe, rel=1e-5)
    assert found.net_wh == pytest.approx(0.0, abs=1e-9)


def test_a_change_of_sign_between_two_samples_is_split_where_the_line_crosses() -> None:
    found = energy(over(series([0, 4], [300.0, -100.0]), 0, 4))

    assert found.plus_wh == pytest.approx(300.0 * 3 / 2 / 3600)
    assert found.minus_wh == pytest.approx(100.0 * 1 / 2 / 3600)


def test_a_window_edge_between_two_samples_is_interpolated() -> None:
    found = energy(over(series([0, 4, 8], [0.0, 400.0, 800.0]), 1, 7))

    assert found.plus_wh == pytest.approx((100 + 700) / 2 * 6 / 3600)
    assert found.coverage_pct == 100.0


def test_a_window_between_two_samples_has_the_energy_of_the_line_between_them() -> None:
    found = energy(over(series([0, 8], [0.0, 800.0]), 2, 3))

    assert found.plus_wh == pytest.approx(250.0 / 3600)


def test_a_gap_longer_than_the_guard_gives_no_energy_and_no_coverage() -> None:
    seconds = np.concatenate((np.arange(0, 101), np.arange(200, 301)))

    found = energy(over(series(seconds, 3600.0), 0, 300))

    assert found.plus_wh == pytest.approx(200.0)
    assert found.coverage_pct == pytest.approx(100 * 200 / 300)


def test_an_edge_across_a_gap_is_not_invented() -> None:
    found = energy(over(series([-60, 30, 31], [500.0, 500.0, 500.0]), 0, 40))

    assert found.covered_s == 1.0


def test_a_fifth_of_the_samples_lost_at_random_hardly_matters() -> None:
    chance = np.random.default_rng(2)
    seconds = np.arange(0, 86_401)
    watts = 8000 + 3000 * np.sin(seconds / 900) + 500 * np.sin(seconds / 7)
    whole = energy(over(series(seconds, watts), 0, 86_400)).plus_wh

    kept = chance.random(len(seconds)) < 0.8
    found = energy(over(series(seconds[kept], watts[kept]), 0, 86_400)).plus_wh

    assert found == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("of", [NOTHING, series([5], [100.0])], ids=["nothing", "one sample"])
def test_without_two_samples_there_is_no_energy(of: Series) -> None:
    found = energy(over(of, 0, 10))

    assert (found.plus_wh, found.minus_wh, found.covered_s) == (0.0, 0.0, 0.0)


def test_a_span_of_no_length_has_no_coverage() -> None:
    assert over(series([0, 1], [1.0, 1.0]), 1, 1).coverage_pct == 0.0


def test_the_largest_values_that_a_sample_may_have_stay_finite() -> None:
    found = energy(over(series([0, 1, 2], [1e15, -1e15, 1e15]), 0, 2))

    assert np.isfinite([found.plus_wh, found.minus_wh, found.net_wh]).all()


def test_a_device_that_is_asked_every_two_minutes_is_covered() -> None:
    assert gap_guard_us(500, np.empty(0, np.int64)) == 10 * S
    assert gap_guard_us(5000, np.empty(0, np.int64)) == 15 * S
    assert gap_guard_us(30_000, np.empty(0, np.int64)) == 60 * S
    assert gap_guard_us(120_000, np.empty(0, np.int64)) == 180 * S
    assert gap_guard_us(0, np.arange(5) * 4 * S) == 12 * S


def test_a_mean_is_weighted_by_time() -> None:
    assert over(series([0, 1, 2, 10], [0.0, 0.0, 0.0, 0.0 + 90]), 0, 10).mean() == pytest.approx(36.0)


def test_even_quantiles_are_those_of_numpy() -> None:
    value = np.random.default_rng(3).normal(50, 9, 5001)
    found = over(series(np.arange(5001), value), 0, 5000).quantiles([0.01, 0.5, 0.99])

    assert found == pytest.approx(np.quantile(value, [0.01, 0.5, 0.99]), rel=1e-3)


def test_uneven_quantiles_weigh_what_lasted_longer() -> None:
    of = over(series([0, 1, 2, 3, 13, 23, 33], [9.0, 9.0, 9.0, 1.0, 1.0, 1.0, 1.0]), 0, 33)

    assert of.quantiles([0.5])[0] == pytest.approx(1.0)


def test_stretches_of_true_are_found() -> None:
    begins, ends = spans(np.array([True, True, False, True]))

    assert (begins.tolist(), ends.tolist()) == ([0, 3], [2, 4])


def test_samples_out_of_order_are_sorted_and_the_later_position_wins() -> None:
    columns = Columns.ordered(
        "x",
        1000,
        np.array([3, 1, 3, 2], np.int64),
        np.array([7, 8, 5, 6], np.int64),
        {"a_w": np.array([30.0, 10.0, 99.0, np.nan])},
        {"late": np.array([True, False, False, False])},
    )

    assert columns.time_us.tolist() == [1, 2, 3]
    assert columns.position.tolist() == [8, 6, 7]
    assert columns.series("a_w").value.tolist() == [10.0, 30.0]
    assert Samples("s", (columns,)).flagged("late").tolist() == [3]


def test_of_rows_at_one_time_each_measurement_is_the_latest_that_was_told() -> None:
    nan = np.nan
    columns = Columns.ordered(
        "x",
        1000,
        np.array([2, 1, 2, 1, 2, 3], np.int64),
        np.array([9, 1, 8, 2, 7, 3], np.int64),
        {
            "a_w": np.array([nan, 1.0, 22.0, nan, 21.0, nan]),
            "b_v": np.array([nan, nan, nan, 48.0, 47.0, nan]),
        },
        {
            "late": np.array([False, True, False, False, False, False]),
            "partial": np.array([False, False, False, False, True, False]),
            "unsynced": np.array([False, False, True, False, False, True]),
        },
    )

    assert (columns.time_us.tolist(), columns.position.tolist()) == ([1, 2, 3], [2, 9, 3])
    assert columns.series("a_w").value.tolist() == [1.0, 22.0]
    assert columns.series("b_v").value.tolist() == [48.0, 47.0]
    assert {name: flag.tolist() for name, flag in columns.flags.items()} == {
        "late": [True, False, False],
        "partial": [False, True, False],
        "unsynced": [False, True, True],
    }


def test_the_flags_of_a_row_that_was_told_anew_in_full_are_gone() -> None:
    time_us, position = np.array([5, 5], np.int64), np.array([1, 2], np.int64)
    partial = {"partial": np.array([True, False])}
    columns = Columns.ordered("x", 1000, time_us, position, {"a_w": np.array([1.0, 2.0])}, partial)

    assert columns.flags["partial"].tolist() == [False]


def test_of_two_streams_the_fuller_one_counts_and_the_other_fills_its_silence() -> None:
    fast = Columns.ordered(
        "x", 1000, np.array([0, 1, 2, 100, 101]) * S, np.arange(5), {"a_w": np.full(5, 1.0)}
    )
    slow = Columns.ordered("x", 5000, np.array([0, 50, 101]) * S, np.arange(3), {"a_w": np.full(3, 2.0)})

    found = Samples("s", (slow, fast)).series("a_w")

    assert (found.time_us // S).tolist() == [0, 1, 2, 50, 100, 101]
    assert found.value.tolist() == [1.0, 1.0, 1.0, 2.0, 1.0, 1.0]


def test_several_measurements_are_given_at_the_times_that_all_have() -> None:
    columns = Columns.ordered(
        "x",
        1000,
        np.arange(4) * S,
        np.arange(4),
        {"a_w": np.array([1.0, np.nan, 3.0, 4.0]), "b_w": np.array([1.0, 2.0, np.nan, 4.0])},
    )

    one, two = Samples("s", (columns,)).together(["a_w", "b_w"])

    assert (one.time_us // S).tolist() == [0, 3] == (two.time_us // S).tolist()


@pytest.mark.parametrize("interval_ms", [0, 500, 1000])
@pytest.mark.parametrize("days", [2, 4, 10, 20, 30, 400])
def test_no_window_is_so_long_that_its_gaps_are_joined(days: float, interval_ms: int) -> None:
    step = step_s(round(days * 86_400 * S))
    seconds = np.arange(0, 3600, 0.5)
    seconds = seconds[seconds % 100 <= 80]
    of = stream(seconds, {"ac_out_power_w": 3600.0}, interval_ms=interval_ms)

    kept = means(of, T0, T0 + 3600 * S, step, lambda series: guard(series, SETTINGS)).series("ac_out_power_w")

    found = track(kept, T0, T0 + 3600 * S, guard(kept, SETTINGS))
    assert energy(found).plus_wh == pytest.approx(36 * 80)
    assert int((~found.joined).sum()) == 35


@pytest.mark.parametrize(("last_s", "may_hide"), [(3600.0, False), (3599.5, False), (3595.0, True)])
def test_a_peak_may_hide_where_samples_do_not_reach_the_end_of_the_window(
    last_s: float, may_hide: bool
) -> None:
    seconds = np.append(np.arange(0, 3594, 0.5), last_s)

    quality = system_report(samples(stream(seconds, {"ac_out_power_w": 1.0})), facts(1), SETTINGS)["quality"]

    assert (quality["gaps_count"], quality["peak_may_hide"]) == (0, may_hide)
