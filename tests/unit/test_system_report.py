"""A system's document: methods side by side, what it says when it knows little, changes, the sample."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import orjson
import pytest

from reporter.columns import Samples
from reporter.facts import Document
from reporter.figures import digits_of, figure, grade, instant, rounded
from reporter.system_report import changes, encode, system_report, totals
from tests.report_schema import faults
from tests.reporting import SAMPLE, SETTINGS, T0, S, facts, festival_facts, festival_samples, samples, stream

SECONDS = np.arange(0, 3601)
VICTRON: dict[str, Any] = {
    "ac_out_power_w": 9000.0,
    "ac_out_apparent_power_va": 10_000.0,
    "ac_out_l1_power_w": 4000.0,
    "ac_out_l2_power_w": 3000.0,
    "ac_out_l3_power_w": 2000.0,
    "ac_out_l1_voltage_v": 230.0,
    "ac_out_l2_voltage_v": 230.0,
    "ac_out_l3_voltage_v": 230.0,
    "ac_out_l1_current_a": 20.0,
    "ac_out_l2_current_a": 15.0,
    "ac_out_l3_current_a": 10.0,
}


@cache
def festival() -> Document:
    return system_report(festival_samples(), festival_facts(), SETTINGS)


def words(document: Document) -> dict[str, Any]:
    return {one["method"]: one for one in document["energy"]["methods"]}


def test_the_sample_document_is_what_the_day_gives() -> None:
    assert SAMPLE.read_bytes() == encode(festival()), "write it anew: python -m tests.reporting"


@pytest.mark.parametrize("name", ["report_system.json", "report_event.json"])
def test_the_samples_are_as_the_schema_says(name: str) -> None:
    assert faults(orjson.loads((SAMPLE.parent / name).read_bytes())) == []


def test_a_key_that_the_schema_does_not_know_is_noticed() -> None:
    assert faults(festival() | {"more": 1}) != []


def test_a_victron_system_has_its_four_methods_side_by_side() -> None:
    found = words(system_report(samples(stream(SECONDS, VICTRON)), facts(1), SETTINGS))

    assert {word: (one["import_wh"], one["unit"], one["why"]) for word, one in found.items()} == {
        "total_power": (9000.0, "Wh", "chosen"),
        "apparent_power": (10_000.0, "VAh", "counts_reactive_power"),
        "sum_of_phases": (9000.0, "Wh", "agrees"),
        "volts_times_amps": (10_350.0, "VAh", "ignores_phase_angle"),
    }
    assert found["volts_times_amps"]["difference_pct"] == 15.0


def test_an_acuvim_meter_has_its_three_methods_side_by_side() -> None:
    values = {"ac_power_w": 4000.0, "ac_reactive_power_var": 3000.0, "ac_apparent_power_va": 5100.0}
    values |= {"ac_l1_voltage_v": 250.0, "ac_l1_current_a": 21.0, "ac_l1_power_w": 4000.0}

    found = words(system_report(samples(stream(SECONDS, values, kind="acuvim")), facts(1), SETTINGS))

    assert {word: one["import_wh"] for word, one in found.items()} == {
        "total_power": 4000.0,
        "root_of_squares": 5000.0,
        "volts_times_amps": 5250.0,
    }


def test_another_system_has_all_methods_that_it_has_measurements_for() -> None:
    values = {"ac_out_l1_power_w": 500.0, "ac_out_l1_voltage_v": 230.0, "ac_out_l1_current_a": 2.5}

    document = system_report(samples(stream(SECONDS, values, kind="sma")), facts(1), SETTINGS)

    assert list(words(document)) == ["sum_of_phases", "volts_times_amps"]
    assert document["energy"]["chosen"] == "sum_of_phases"
    assert "sum_of_phases_used" in document["quality"]["notes"]


def test_a_ups_that_tells_its_load_only_is_counted_by_its_rating_and_says_so() -> None:
    document = system_report(
        samples(stream(SECONDS, {"ac_out_load_pct": 50.0, "ac_out_power_w": np.nan}, kind="ups")),
        facts(1, registration={"name": "U", "rated_w": 1000}),
        SETTINGS,
    )

    assert document["summary"]["energy_wh"]["value"] == 500.0
    assert document["energy"]["chosen"] == "load_of_rating"
    assert "load_of_rating_used" in document["quality"]["notes"]


def test_the_sum_of_phases_is_chosen_where_it_covers_more() -> None:
    values = VICTRON | {"ac_out_power_w": np.where(SECONDS < 1800, 9000.0, np.nan)}

    document = system_report(samples(stream(SECONDS, values)), facts(1), SETTINGS)

    assert document["energy"]["chosen"] == "sum_of_phases"
    assert document["summary"]["energy_wh"]["value"] == 9000.0
    assert words(document)["total_power"]["why"] == "covers_other_time"


@pytest.mark.parametrize(
    ("of", "why", "note"),
    [
        (Samples("rig_01"), "no_power_measured", "no_samples"),
        (samples(stream(SECONDS, {"cpu_pct": 5.0}, kind="host")), "no_power_measured", "no_power_measured"),
        (samples(stream(SECONDS, {"ac_out_power_w": np.nan})), "no_power_measured", "no_power_measured"),
        (samples(stream([5.0], {"ac_out_power_w": 10.0})), "no_data", "gaps"),
        (samples(stream(SECONDS[::100], {"ac_out_power_w": 10.0})), "no_data", "gaps"),
    ],
    ids=["no samples", "no power", "nulls", "one sample", "all gaps"],
)
def test_what_is_not_known_is_null_and_says_why(of: Samples, why: str, note: str) -> None:
    document = system_report(of, facts(1), SETTINGS)

    energy = document["summary"]["energy_wh"]
    assert (energy["value"], energy["why"], energy["grade"]) == (None, why, "D")
    assert note in document["quality"]["notes"]
    assert document["billing"] is None
    assert document["load"] is None
    assert faults(document) == []


def test_the_window_before_the_samples_is_a_gap() -> None:
    document = system_report(samples(stream(SECONDS[1800:], {"ac_out_power_w": 100.0})), facts(1), SETTINGS)

    assert document["quality"]["coverage_pct"] == 50.0
    assert [(one["from"], one["duration_s"]) for one in document["quality"]["gaps"]] == [
        ("2026-08-15T08:00:00Z", 1800.0)
    ]
    assert document["summary"]["mean_w"]["value"] == 100.0
    assert document["quality"]["peak_may_hide"]


def test_energy_counts_the_window_and_means_count_what_is_not_idle() -> None:
    watts = np.where(SECONDS < 1800, 36.0, 3600.0)

    document = system_report(samples(stream(SECONDS, {"ac_out_power_w": watts})), facts(1), SETTINGS)

    assert document["summary"]["energy_wh"]["value"] == pytest.approx(18.0 + 1800.0, abs=0.6)
    assert document["summary"]["mean_w"]["value"] == pytest.approx(3600.0, abs=2.0)
    assert document["window"]["removed"][0]["energy_wh"] == pytest.approx(18.0, abs=0.1)


def test_power_that_stood_still_to_the_last_digit_is_noted() -> None:
    watts = np.random.default_rng(4).normal(1000, 20, len(SECONDS))
    watts[1000:1700] = 1000.0

    document = system_report(samples(stream(SECONDS, {"ac_out_power_w": watts})), facts(1), SETTINGS)

    assert document["quality"]["frozen_s"] == 699.0
    assert "frozen_value" in document["quality"]["notes"]


def test_the_curve_keeps_every_peak_and_every_hole() -> None:
    seconds = np.concatenate((np.arange(0, 20_000), np.arange(30_000, 86_401)))
    watts = np.where(seconds == 40_001, 9999.0, 1000.0)

    told = system_report(samples(stream(seconds, {"ac_out_power_w": watts})), facts(24), SETTINGS)["curve"]

    points = told["points"]
    assert (told["step_s"], len(points)) == (60, 1440)
    assert max(point[3] for point in points if point) == 9999.0
    assert [index for index, point in enumerate(points) if point is None] == list(range(334, 500))


def test_alarms_and_remarks_are_told_in_order_and_as_they_were_written() -> None:
    document = festival()

    assert [one["kind"] for one in document["remarks"]] == ["location", "note", "photo", "note", "note"]
    assert document["photos"][0]["file"].startswith("photos/9f86d081")
    assert document["alarms"][0]["duration_s"] == pytest.approx(10.0)


def test_a_revision_says_which_figures_changed() -> None:
    before = totals(festival())
    later = replace(festival_facts(), revision=2, previous=before | {"energy_wh": 1.0})

    document = system_report(festival_samples(), later, SETTINGS)

    after = before["energy_wh"]
    assert document["changed"] == [{"figure": "energy_wh", "before": 1.0, "after": after}]
    assert changes(None, before) == []
    assert changes(before, before) == []


def test_totals_are_flat_numbers() -> None:
    told = totals(festival())

    assert told["coverage_pct"] == 98.91
    assert all(value is None or isinstance(value, float) for value in told.values())


@pytest.mark.parametrize(
    ("coverage", "delta", "expected"),
    [
        (100.0, None, "A"),
        (99.5, 1.0, "A"),
        (99.4, 0.0, "B"),
        (100.0, -1.5, "B"),
        (100.0, 3.0, "C"),
        (90.0, None, "C"),
        (89.9, None, "D"),
    ],
)
def test_a_figure_is_graded_by_coverage_and_by_the_counter(
    coverage: float, delta: float | None, expected: str
) -> None:
    assert grade(coverage, delta) == expected


def test_numbers_are_rounded_by_the_unit_of_their_key_or_of_the_key_above() -> None:
    told = rounded(
        {
            "power_w": {"mean": 1.26, "value": -0.01},
            "ratio": 1 / 3,
            "price_per_kwh": 0.123456,
            "plain": 2 / 3,
            "list_w": [1.26, [float("nan")]],
            "count": 7,
        }
    )

    assert told == {
        "power_w": {"mean": 1.3, "value": 0.0},
        "ratio": 0.3333,
        "price_per_kwh": 0.1235,
        "plain": 0.6667,
        "list_w": [1.3, [None]],
        "count": 7,
    }
    assert orjson.dumps(told["power_w"]["value"]) == b"0.0"
    assert digits_of("energy_wh") == 1


def test_a_figure_that_is_no_number_is_null() -> None:
    assert figure(float("inf"), 100.0) == {
        "value": None,
        "coverage_pct": 100.0,
        "grade": "D",
        "why": "no_data",
    }


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (T0, "2026-08-15T08:00:00Z"),
        (T0 + S // 2, "2026-08-15T08:00:00.500Z"),
        (T0 + 1, "2026-08-15T08:00:00.000001Z"),
        (None, None),
    ],
)
def test_instants_are_written_as_short_as_they_are(us: int | None, text: str | None) -> None:
    assert instant(us) == text
