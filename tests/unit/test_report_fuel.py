"""Fuel and CO2: measured before modelled, and nothing compared with what nobody stated."""

from typing import Any

import numpy as np
import pytest

from bus import instants
from reporter.factors import COMBUSTION, Factor, Table, table
from reporter.facts import ReportSettings
from reporter.fuel import Curve, drawn, typical
from reporter.supply import supply
from reporter.system_report import stand
from tests import reporting

HOUR = 3600
STATED = {
    "rated_va": 50_000,
    "fuel": "diesel",
    "idle_lph": 2.0,
    "slope_l_per_kwh": 0.25,
    "source": "data sheet",
}
UK = ReportSettings(region="uk")
SECONDS = np.arange(0.0, 2 * HOUR + 1.0, 10.0)
ISLAND = {
    "ac_out_power_w": 10_000.0,
    "battery_power_w": -10_500.0,
    "soc_pct": np.linspace(90, 70, len(SECONDS)),
}
CAPACITY = {"battery": {"capacity_wh": 100_000}}


def told(values: dict[str, Any], settings: ReportSettings = UK, **facts: Any) -> dict[str, Any]:
    """Give the section of two hours at one sample every 10 s."""
    samples = reporting.samples(reporting.stream(SECONDS, values, interval_ms=10_000))
    made: dict[str, Any] = supply(stand(samples, reporting.facts(2.0, **facts), settings).basis)[
        "sustainability"
    ]
    return made


def test_a_stated_generator_burns_its_idle_and_its_slope_for_all_the_time() -> None:
    made = told(ISLAND, registration=CAPACITY | {"counterfactual_generator": STATED})

    assert made["baseline_l"]["value"] == pytest.approx(2.0 * 2 + 0.25 * 20)
    assert made["baseline_l"]["low"] == pytest.approx(0.85 * 9)
    assert made["counterfactual"]["curve"] == "stated"
    assert made["counterfactual"]["mean_load_pct"] == pytest.approx(25.0)


def test_several_generators_idle_together_and_share_the_load() -> None:
    made = told(ISLAND, registration={"counterfactual_generator": STATED | {"count": 3}})

    assert made["baseline_l"]["value"] == pytest.approx(3 * 2.0 * 2 + 0.25 * 20)


def test_a_minute_with_a_gap_in_it_is_not_the_highest_that_a_generator_must_carry() -> None:
    high = (SECONDS >= 600) & (SECONDS <= 640)
    load = np.where(high, 40_000.0, np.where((SECONDS > 640) & (SECONDS < 700), np.nan, 10_000.0))

    made = told(ISLAND | {"ac_out_power_w": load}, registration={"counterfactual_generator": STATED})

    assert made["counterfactual"]["peak_load_pct"] == pytest.approx(31.25)


def test_without_a_stated_generator_nothing_is_avoided_and_the_section_says_so() -> None:
    made = told(ISLAND)

    assert made["counterfactual"] == {"stated": False, "why": "no_counterfactual"}
    for name in ("baseline_l", "avoided_l", "baseline_co2_kg", "avoided_co2_kg"):
        assert made[name]["value"] is None
        assert made[name]["why"] == "no_counterfactual"
        assert "low" not in made[name]
    assert "no_counterfactual" in made["notes"]


def test_what_the_site_states_is_for_systems_for_which_nothing_was_registered() -> None:
    settings = ReportSettings(region="uk", counterfactual=STATED | {"idle_lph": 4.0})

    default = told(ISLAND, settings)
    registered = told(ISLAND, settings, registration={"counterfactual_generator": STATED})

    assert default["counterfactual"]["source"] == "settings"
    assert default["baseline_l"]["value"] == pytest.approx(4.0 * 2 + 0.25 * 20)
    assert registered["counterfactual"]["source"] == "registration"


def test_a_curve_that_nobody_states_is_the_typical_one_and_says_so() -> None:
    made = told(ISLAND, registration={"counterfactual_generator": {"rated_va": 50_000}})

    assert made["counterfactual"]["curve"] == "typical"
    assert made["baseline_l"]["value"] == pytest.approx(0.0255 * 40 * 2 + 0.248 * 20)
    assert {"typical_curve", "counterfactual_fuel_assumed"} <= set(made["notes"])


def test_a_generator_without_size_and_curve_is_not_enough_to_compare_with() -> None:
    made = told(ISLAND, registration={"counterfactual_generator": {"fuel": "diesel"}})

    assert made["counterfactual"] == {"stated": False, "why": "counterfactual_incomplete"}


def test_a_stated_generator_that_could_not_carry_the_load_is_told() -> None:
    small = STATED | {"rated_va": 10_000}

    made = told(ISLAND, registration={"counterfactual_generator": small})

    assert made["counterfactual"]["peak_load_pct"] == pytest.approx(125.0)
    assert "counterfactual_too_small" in made["notes"]


@pytest.mark.parametrize(
    ("share_pct", "litres_a_kwh"),
    [
        (5, 0.76),
        (10, 0.50),
        (15, 0.42),
        (20, 0.38),
        (25, 0.35),
        (30, 0.33),
        (40, 0.31),
        (50, 0.30),
        (60, 0.29),
    ],
)
def test_the_typical_curve_gives_the_published_litres_a_kwh(share_pct: float, litres_a_kwh: float) -> None:
    rated_w = 100_000.0
    watts = rated_w * share_pct / 100

    assert typical(rated_w).burnt_l(1.0, watts) / (watts / 1000) == pytest.approx(litres_a_kwh, abs=0.006)


def test_energy_and_hours_are_all_that_a_curve_needs() -> None:
    assert Curve(2.0, 0.25, "stated").burnt_l(3.0, 8_000.0) == 8.0


def test_fuel_of_a_counter_goes_before_its_rate_and_that_before_the_curve() -> None:
    genset = {"ac_out_power_w": 10_000.0, "genset_power_w": 12_000.0, "genset_engine_load_pct": 60.0}
    counter = {"genset_engine_fuel_used_l": np.round(np.linspace(700.0, 708.0, len(SECONDS)), 3)}
    rate = {"genset_engine_fuel_rate_lph": 3.5}

    assert told(genset)["actual_method"] == "modelled"
    assert told(genset)["actual_l"]["value"] == pytest.approx(0.0255 * 20 * 2 + 0.248 * 24)
    assert told(genset | rate)["actual_method"] == "rate"
    assert told(genset | rate)["actual_l"]["value"] == pytest.approx(7.0)
    assert told(genset | rate | counter)["actual_method"] == "counter"
    assert told(genset | rate | counter)["actual_l"]["value"] == pytest.approx(8.0)
    assert "low" not in told(genset | counter)["actual_l"]


def test_a_fuel_counter_that_starts_anew_goes_on() -> None:
    genset = {"ac_out_power_w": 10_000.0, "genset_power_w": 12_000.0}
    used = np.where(SECONDS < HOUR, 700.0 + SECONDS / HOUR * 4, (SECONDS - HOUR) / HOUR * 4)

    made = told(genset | {"genset_engine_fuel_used_l": used})

    assert made["actual_l"]["value"] == pytest.approx(8.0, abs=0.03)


def test_a_tank_of_diesel_tells_the_fuel_and_how_much_of_it_was_drawn() -> None:
    genset = {"ac_out_power_w": 10_000.0, "genset_power_w": 12_000.0}
    level = np.where(SECONDS < HOUR, 0.100 - SECONDS / HOUR * 0.010, 0.190 - (SECONDS - HOUR) / HOUR * 0.010)

    made = told(genset | {"tank_remaining_m3": level, "tank_fluid_code": 7.0})

    assert made["actual_method"] == "tank"
    assert made["actual_fuel_source"] == "tank"
    assert made["actual_l"]["value"] == pytest.approx(20.0, abs=0.5)


def test_a_tank_of_water_is_no_fuel() -> None:
    genset = {"ac_out_power_w": 10_000.0, "genset_power_w": 12_000.0}

    made = told(genset | {"tank_remaining_m3": np.linspace(0.2, 0.1, len(SECONDS)), "tank_fluid_code": 1.0})

    assert made["actual_method"] == "modelled"
    assert made["actual_l"]["why"] == "no_rating"


def test_swinging_of_a_tank_is_no_consumption() -> None:
    level = 0.1 + 0.0004 * np.sin(np.arange(500.0))

    assert drawn(level) == 0.0
    assert drawn(level - np.linspace(0.0, 0.03, 500)) == pytest.approx(0.03, abs=0.001)


def test_what_the_battery_was_charged_with_elsewhere_counts_as_grid_electricity() -> None:
    settings = ReportSettings(region="eu", grid_factor_kg_per_kwh=0.4)

    made = told(ISLAND, settings, registration=CAPACITY | {"counterfactual_generator": STATED})

    assert made["off_site_charge_wh"]["value"] == pytest.approx(20_000.0)
    assert made["actual_l"]["value"] == 0.0
    assert made["actual_co2_kg"]["value"] == pytest.approx(20 * 0.4)
    assert made["baseline_co2_kg"]["value"] == pytest.approx(9 * 2.57082)
    assert made["avoided_co2_kg"]["value"] == pytest.approx(9 * 2.57082 - 8)
    assert made["avoided_co2_kg"]["low"] == pytest.approx(0.85 * 9 * 2.57082 - 8)
    assert made["avoided_wtt_kg"]["value"] == pytest.approx(9 * 0.62665)
    assert "charged_elsewhere" in made["notes"]


def test_without_a_factor_of_the_grid_nothing_is_called_avoided() -> None:
    made = told(
        ISLAND, ReportSettings(region="eu"), registration={"counterfactual_generator": STATED} | CAPACITY
    )

    assert made["actual_co2_kg"]["why"] == "no_grid_factor"
    assert made["avoided_co2_kg"]["why"] == "no_grid_factor"
    assert made["avoided_l"]["value"] == pytest.approx(9.0)
    assert "no_grid_factor" in made["notes"]


def test_hvo_is_never_zero_without_its_line_outside_of_the_scopes() -> None:
    hvo = STATED | {"fuel": "hvo"}

    made = told(ISLAND, registration=CAPACITY | {"counterfactual_generator": hvo})

    assert made["baseline_co2_kg"]["value"] == pytest.approx(9 * 0.03558)
    assert made["baseline_outside_scopes_kg"]["value"] == pytest.approx(9 * 2.43)
    assert made["avoided_wtt_kg"]["why"] == "no_factor_wtt"


def test_a_fuel_that_the_table_does_not_have_has_litres_and_no_co2() -> None:
    made = told(ISLAND, registration=CAPACITY | {"counterfactual_generator": STATED | {"fuel": "petrol"}})

    assert made["baseline_l"]["value"] == pytest.approx(9.0)
    assert made["baseline_co2_kg"]["why"] == "no_factor_1"


def test_of_a_meter_nobody_knows_what_was_burnt_for_it() -> None:
    made = told({"ac_power_w": 10_000.0}, registration={"counterfactual_generator": STATED})

    assert made["actual_l"]["why"] == "sources_not_measured"
    assert made["avoided_l"]["value"] is None
    assert made["baseline_l"]["value"] == pytest.approx(9.0)


def test_every_factor_that_was_used_is_printed_with_its_year_and_source() -> None:
    made = told(ISLAND, registration=CAPACITY | {"counterfactual_generator": STATED})

    assert {one["id"] for one in made["factors"]} == {
        "uk-2025-diesel-1", "uk-2025-diesel-wtt", "uk-2025-electricity-2"
    }  # fmt: skip
    assert all(one["source"] and one["year"] and one["status"] for one in made["factors"])
    assert "factors_at_second_hand" in made["notes"]
    assert "factors_of_another_region" not in made["notes"]


def test_every_row_of_the_table_is_dated_sourced_and_its_own() -> None:
    rows = table().rows

    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert row.status in {"primary", "secondary"}
        assert row.unit == ("kg_per_kwh" if row.fuel == "electricity" else "kg_per_l")
        assert 0 < row.factor < 4
        assert 2000 < row.year < 2100
        assert row.source
    assert set(table().regions.values()) <= {row.region for row in rows}


def test_the_newest_row_that_is_not_after_the_window_counts() -> None:
    def row(year: int) -> Factor:
        return Factor(
            str(year), "uk", "diesel", "", year, COMBUSTION, 2.5, "kg_per_l", "co2e", "s", "primary"
        )

    rows = Table((row(2027), row(2024), row(2026)), {"eu": "uk"})

    def of(time: str) -> str:
        found = rows.find("eu", "diesel", COMBUSTION, instants.parse(time))
        return found.id if found else ""

    assert of("2026-12-31T23:00:00Z") == "2026"
    assert of("2030-01-01T00:00:00Z") == "2027"
    assert of("2020-01-01T00:00:00Z") == "2024"
    assert rows.find("eu", "hvo", COMBUSTION, 0) is None
