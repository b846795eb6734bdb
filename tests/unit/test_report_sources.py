"""Battery, sources, generator and peak shaving, on cases that a pencil can follow."""

from typing import Any

import numpy as np
import pytest

from reporter.basis import Basis
from reporter.battery import round_trip_ratio
from reporter.energy import Energy
from reporter.facts import ReportSettings
from reporter.flows import flows, kept, values_at
from reporter.genset import prime_mean_pct
from reporter.supply import supply
from reporter.system_report import stand
from reporter.track import Track, track
from tests import reporting

HOUR = 3600
UTC_PRICED = ReportSettings(demand_charge_per_kw=10.0)


def basis(values: dict[str, Any], hours: float = 2.0, **other: Any) -> Basis:
    """Make the basis of a system that told these every 10 s (a number stands in every row)."""
    settings = other.pop("settings", UTC_PRICED)
    seconds = np.arange(0.0, hours * HOUR + 1.0, 10.0)
    told = reporting.samples(reporting.stream(seconds, values, interval_ms=10_000))
    return stand(told, reporting.facts(hours, **other), settings).basis


def grid_s(hours: float = 2.0) -> Any:
    return np.arange(0.0, hours * HOUR + 1.0, 10.0)


def ramp(begin: float, end: float, hours: float = 2.0) -> Any:
    return np.linspace(begin, end, len(grid_s(hours)))


def line(*points: tuple[float, float]) -> Track:
    """Make a track through points (seconds, value), all joined."""
    time_us = np.array([round(at * 1e6) for at, _ in points], np.int64)
    value = np.array([value for _, value in points])
    joined = np.ones(len(points) - 1, np.bool_)
    return Track(int(time_us[0]), int(time_us[-1]), time_us, value, joined)


def test_battery_energy_is_split_where_its_power_crosses_zero() -> None:
    made = supply(basis({"ac_out_power_w": 100.0, "battery_power_w": ramp(3600.0, -3600.0)}))["battery"]

    assert made["in_wh"]["value"] == pytest.approx(1800.0)
    assert made["out_wh"]["value"] == pytest.approx(1800.0)
    assert made["peak_charge_w"]["value"] == 3600.0
    assert made["peak_discharge_w"]["value"] == 3600.0


def test_state_of_charge_tells_begin_end_lowest_and_the_time_below_20_percent() -> None:
    soc = np.interp(grid_s(), [0, HOUR, 2 * HOUR], [40.0, 10.0, 30.0])

    made = supply(basis({"ac_out_power_w": 100.0, "soc_pct": soc}))["battery"]

    assert [made["soc_pct"][one]["value"] for one in ("start", "end", "min", "max")] == [40, 30, 10, 40]
    assert made["soc_pct"]["min"]["at"] == "2026-08-15T09:00:00Z"
    # From 20 down to 10 takes a third of the first hour, and up to 20 half of the second.
    assert made["below_20_pct_s"]["value"] == pytest.approx(HOUR / 3 + HOUR / 2)


def test_cycles_are_counted_in_what_is_used_and_the_store_in_what_is_nominal() -> None:
    registration = {"battery": {"capacity_wh": 10_000, "usable_pct": 80}}
    values = {"ac_out_power_w": 100.0, "battery_power_w": -6000.0, "soc_pct": ramp(90.0, 10.0)}

    made = supply(basis(values, registration=registration))["battery"]

    assert made["out_wh"]["value"] == pytest.approx(12_000.0)
    assert made["cycles"]["value"] == pytest.approx(12_000 / 8_000)
    assert made["stored_change_wh"]["value"] == pytest.approx(-8_000.0)
    assert made["round_trip_ratio"]["why"] == "does_not_add_up"


def test_without_a_capacity_there_are_no_cycles_and_a_word_says_why() -> None:
    made = supply(basis({"ac_out_power_w": 100.0, "battery_power_w": -6000.0, "soc_pct": 50.0}))["battery"]

    assert made["capacity_wh"] is None
    assert made["cycles"] == made["cycles"] | {"value": None, "why": "no_capacity"}


def test_capacity_in_ampere_hours_counts_at_the_median_voltage() -> None:
    values = {"ac_out_power_w": 1.0, "soc_pct": 50.0, "battery_capacity_ah": 200.0, "battery_voltage_v": 51.2}

    made = supply(basis(values))["battery"]

    assert made["capacity_wh"] == pytest.approx(10_240.0)
    assert made["capacity_source"] == "measured_ah"


@pytest.mark.parametrize(
    ("in_wh", "out_wh", "stored_wh", "usable_wh", "ratio", "why"),
    [
        (11_000.0, 9_000.0, 1_000.0, 8_000.0, 0.9, ""),
        (11_000.0, 7_000.0, 1_000.0, 8_000.0, None, "less_than_a_cycle"),
        (9_000.0, 9_500.0, 1_000.0, 8_000.0, None, "does_not_add_up"),
        (1_000.0, 9_500.0, 1_000.0, 8_000.0, None, "does_not_add_up"),
        (11_000.0, 9_000.0, None, 8_000.0, None, "no_capacity"),
        (11_000.0, 9_000.0, 0.0, None, None, "no_capacity"),
    ],
)
def test_round_trip_counts_what_is_still_stored(
    in_wh: float,
    out_wh: float,
    stored_wh: float | None,
    usable_wh: float | None,
    ratio: float | None,
    why: str,
) -> None:
    found, word = round_trip_ratio(Energy(in_wh, out_wh, 3600.0, 100.0), stored_wh, usable_wh)

    assert (found if found is None else pytest.approx(found)) == ratio
    assert word == why


def test_the_input_is_grid_generator_or_nothing_by_what_supplies_it() -> None:
    source = np.select([grid_s() < 1800, grid_s() < 3600], [1.0, 2.0], 240.0)
    into = np.where(source < 240, 5000.0, 0.0)

    found = flows(basis({"ac_out_power_w": 4000.0, "ac_in_power_w": into, "ac_in_source_code": source}))

    assert found.grid is not None
    assert found.genset is not None
    assert found.grid.method == found.genset.method == "input_by_source"
    assert found.grid.power.coverage_pct == 100.0
    assert found.grid.power.integral() / HOUR == pytest.approx(2500.0, abs=10)
    assert found.genset.power.integral() / HOUR == pytest.approx(2500.0, abs=15)


def test_an_input_that_is_not_connected_gives_nothing_even_where_it_is_silent() -> None:
    source = np.where(grid_s() < HOUR, 1.0, 240.0)
    into = np.where(grid_s() < HOUR, 5000.0, np.nan)

    found = flows(basis({"ac_out_power_w": 1.0, "ac_in_power_w": into, "ac_in_source_code": source})).grid

    assert found is not None
    assert found.power.coverage_pct == 100.0
    assert float(found.power.value[-1]) == 0.0


def test_what_supplies_the_input_follows_from_its_number_and_what_is_connected_there() -> None:
    values = {
        "ac_out_power_w": 1000.0,
        "ac_in_power_w": 1200.0,
        "ac_in_active_code": np.where(grid_s() < HOUR, 0.0, 1.0),
        "ac_in_1_type_code": 1.0,
        "ac_in_2_type_code": 2.0,
    }

    found = flows(basis(values))

    assert found.grid is not None
    assert found.genset is not None
    assert found.grid.power.integral() / HOUR == pytest.approx(1200.0, abs=10)
    assert found.genset.power.integral() / HOUR == pytest.approx(1200.0, abs=10)


def test_a_meter_goes_before_the_input_unless_it_is_covered_worse() -> None:
    values = {"ac_out_power_w": 1.0, "ac_in_power_w": 900.0, "ac_in_source_code": 1.0}
    torn = np.where((grid_s() > 600) & (grid_s() < 2600), np.nan, 1000.0)

    whole = flows(basis(values | {"grid_power_w": 1000.0})).grid
    holes = flows(basis(values | {"grid_power_w": torn})).grid

    assert whole is not None
    assert holes is not None
    assert whole.method == "meter"
    assert holes.method == "input_by_source"


def test_several_solar_chargers_and_pv_inverters_add_up() -> None:
    values = {
        "ac_out_power_w": 1000.0,
        "solarcharger_power_w": 400.0,
        "solarcharger_2_power_w": 300.0,
        "pvinverter_power_w": 1000.0,
        "pvinverter_3_power_w": 500.0,
    }

    made = supply(basis(values))["pv"]

    assert made["energy_wh"]["value"] == pytest.approx(4400.0)
    assert [(one["side"], one["energy_wh"]["value"]) for one in made["arrays"]] == [
        ("dc", pytest.approx(1400.0)),
        ("ac", pytest.approx(3000.0)),
    ]


def test_shares_are_of_what_was_supplied_and_losses_are_the_rest() -> None:
    values = {
        "ac_out_power_w": 4000.0,
        "ac_in_power_w": 2000.0,
        "ac_in_source_code": 1.0,
        "pv_power_w": 1000.0,
        "battery_power_w": -1300.0,
    }

    made = supply(basis(values))["sources"]

    shares = {one["source"]: one["energy_wh"]["value"] for one in made["shares"]}
    assert shares == {"grid": pytest.approx(4000), "pv": pytest.approx(2000), "battery": pytest.approx(2600)}
    assert made["supplied_wh"]["value"] == pytest.approx(8600.0)
    assert made["losses_wh"]["value"] == pytest.approx(600.0)
    assert sum(one["share_pct"] for one in made["shares"]) == pytest.approx(100.0)


def test_time_without_any_input_is_told_with_what_was_used_in_it() -> None:
    source = np.where((grid_s() >= 1800) & (grid_s() < 5400), 240.0, 1.0)
    into = np.where(source < 240, 3000.0, 0.0)
    values = {"ac_out_power_w": 3000.0, "ac_in_power_w": into, "ac_in_source_code": source}

    made = supply(basis(values))["sources"]["islanded"]

    assert made["duration_s"]["value"] == pytest.approx(3600.0)
    assert made["count"] == 1
    assert made["energy_wh"]["value"] == pytest.approx(3000.0)


def test_a_meter_alone_has_no_sources_and_says_so_by_null() -> None:
    made = supply(basis({"ac_power_w": 3000.0}))

    assert {made[one] for one in ("sources", "grid", "pv", "genset", "battery", "shaving")} == {None}


def test_generator_hours_are_by_load_while_it_runs_and_starts_are_counted() -> None:
    hours = grid_s() / HOUR
    watts = np.select([hours < 0.5, hours < 1.0, hours < 1.5], [0.0, 2000.0, 0.0], 9000.0)
    values = {
        "ac_out_power_w": 1000.0,
        "genset_power_w": watts,
        "genset_engine_speed_rpm": np.where(watts > 0, 1500.0, 0.0),
    }
    described = ({"device": "genset/1", "rated_w": 10_000.0},)

    made = supply(basis(values, described=described))["genset"]

    assert made["starts_count"]["value"] == 2
    assert made["run_s"]["value"] == pytest.approx(3600.0)
    assert made["below_30_pct_s"]["value"] == pytest.approx(1800.0, abs=20)
    seconds = [one["duration_s"] for one in made["bands"]]
    assert seconds == [pytest.approx(1800, abs=20), pytest.approx(0, abs=20), pytest.approx(0, abs=20),
                       pytest.approx(1800, abs=20), 0.0]  # fmt: skip
    assert sum(one["energy_wh"] for one in made["bands"]) == pytest.approx(5500.0, abs=20)


def test_rating_of_a_generator_follows_from_its_engine_load_where_nobody_states_it() -> None:
    values = {"ac_out_power_w": 1.0, "genset_power_w": 12_000.0, "genset_engine_load_pct": 60.0}

    made = supply(basis(values))["genset"]

    assert made["rated_w"] == pytest.approx(20_000.0)
    assert made["rated_source"] == "engine_load"
    assert made["mean_load_pct"]["value"] == pytest.approx(60.0)


def test_a_generator_without_a_rating_has_no_bands_and_says_why() -> None:
    made = supply(basis({"ac_out_power_w": 1.0, "genset_power_w": 12_000.0}))["genset"]

    assert made["bands"] == []
    assert made["mean_load_pct"]["why"] == "no_rating"
    assert made["running_by"] == "power"


def test_a_system_registered_as_generator_is_one() -> None:
    registration = {"kind": "genset", "rated_va": 100_000}

    made = supply(basis({"ac_power_w": 20_000.0}, registration=registration))["genset"]

    assert made["rated_w"] == 80_000.0
    assert made["energy_wh"]["value"] == pytest.approx(40_000.0)
    assert made["mean_load_pct"]["value"] == pytest.approx(25.0)


def test_the_24_hour_mean_counts_low_load_as_30_percent_and_standstill_not() -> None:
    half_low = line((0, 1000.0), (HOUR, 1000.0), (HOUR + 1, 7000.0), (2 * HOUR + 1, 7000.0))

    assert prime_mean_pct(half_low, 10_000.0) == pytest.approx((30.0 + 70.0) / 2, abs=0.01)


def test_the_24_hour_mean_is_the_highest_of_any_24_hours() -> None:
    day = 24 * HOUR
    rising = line((0, 4000.0), (day, 4000.0), (day + 1, 8000.0), (2 * day, 8000.0), (3 * day, 8000.0))

    assert prime_mean_pct(rising, 10_000.0) == pytest.approx(80.0, abs=0.1)


def shaved(**other: Any) -> dict[str, Any]:
    """Give the section of two hours in which the battery carries a peak of 9 kW over 5 kW of grid."""
    load = np.where((grid_s() >= HOUR) & (grid_s() < 2 * HOUR), 9000.0, 4000.0)
    into = np.where(load > 5000.0, 5000.0, 4500.0)
    values = {
        "ac_out_power_w": load,
        "ac_in_power_w": into,
        "grid_power_w": into + 1000.0,
        "ac_in_source_code": 1.0,
        "battery_power_w": into - load,
    } | other.pop("values", {})
    made: dict[str, Any] = supply(basis(values, **other))["shaving"]
    return made


def test_grid_peak_without_the_battery_is_what_the_loads_would_have_drawn() -> None:
    made = shaved()

    assert made["method"] == "ac_balance"
    assert made["peak_w"]["value"] == pytest.approx(6000.0)
    assert made["peak_without_w"]["value"] == pytest.approx(10_000.0)
    assert made["shaved_w"]["value"] == pytest.approx(4000.0)
    assert made["saving_amount"]["value"] == pytest.approx(40.0)


def test_without_a_price_nothing_is_saved_and_a_word_says_why() -> None:
    assert shaved(settings=ReportSettings())["saving_amount"]["why"] == "no_price"


def test_times_without_grid_do_not_count_for_peaks() -> None:
    made = shaved(values={"ac_in_source_code": np.where(grid_s() < HOUR, 1.0, 240.0)})

    assert made["blocks"] == 4
    assert made["peak_without_w"]["value"] == pytest.approx(5000.0)


def test_kept_samples_are_joined_only_where_neighbours_were() -> None:
    of = line((0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0))

    left = kept(of, np.array([True, True, False, True]))

    assert left.value.tolist() == [1.0, 2.0, 4.0]
    assert left.joined.tolist() == [True, False]


def test_values_between_samples_are_on_the_line_and_absent_in_gaps() -> None:
    series = reporting.stream([0, 10, 100], {"x": [0.0, 10.0, 100.0]}).series("x")
    of = track(series, reporting.T0, reporting.T0 + 100_000_000, 20_000_000)

    found = values_at(of, reporting.T0 + np.array([5_000_000, 10_000_000, 50_000_000, 100_000_000]))

    assert found[0] == 5.0
    assert found[1] == 10.0
    assert np.isnan(found[2])
