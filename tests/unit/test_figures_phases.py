"""Phases: configuration by ratios, imbalance by formula, power factor by energies, excursions by class."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reporter.device import detect
from reporter.facts import Document
from reporter.imbalance import iec, nema, neutral
from reporter.phasing import configuration
from reporter.system_report import system_report
from tests.reporting import SETTINGS, facts, samples, stream

SECONDS = np.arange(0, 3601)


def report(values: dict[str, Any], seconds: Any = SECONDS, **registered: Any) -> Document:
    of = samples(stream(seconds, values, kind="acuvim"))
    known = {"registration": {"name": "M", **registered}} if registered else {}
    return system_report(of, facts(float(seconds[-1]) / 3600, **known), SETTINGS)


def phases(volts: tuple[float, ...], amps: tuple[float, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for number, (v, a) in enumerate(zip(volts, amps, strict=True), start=1):
        told[f"ac_l{number}_voltage_v"] = v
        told[f"ac_l{number}_current_a"] = a
        told[f"ac_l{number}_power_w"] = v * a
    told["ac_power_w"] = sum(v * a for v, a in zip(volts, amps, strict=True))
    return told


@pytest.mark.parametrize(
    ("to_neutral", "between", "expected"),
    [
        ((230.0,), (), "single_phase"),
        ((230.0, 0.0, 0.0), (), "single_phase"),
        ((230.0, 229.0, 231.0), (398.0, 399.0, 400.0), "three_phase_wye"),
        ((230.0, 229.0, 231.0), (), "three_phase_wye"),
        ((120.0, 121.0), (241.0,), "split_phase"),
        ((120.0, 121.0), (208.0,), "two_legs_of_wye"),
        ((120.0, 121.0), (), "two_phase"),
        ((120.0, 121.0), (2.0,), "parallel_single_phase"),
        ((120.0, 208.0, 120.0), (240.0, 240.0, 240.0), "high_leg_delta"),
        ((0.0, 0.0, 0.0), (480.0, 481.0, 479.0), "three_phase_delta"),
        ((230.0, 230.0, 230.0), (1.0, 1.0, 1.0), "parallel_single_phase"),
        ((), (), "unknown"),
    ],
)
def test_the_configuration_follows_from_ratios(
    to_neutral: tuple[float, ...], between: tuple[float, ...], expected: str
) -> None:
    neutral_v = {f"l{n}": v for n, v in enumerate(to_neutral, start=1)}

    assert configuration(neutral_v, {f"line{n}": v for n, v in enumerate(between)}) == expected


@pytest.mark.parametrize(
    ("region", "volts", "hertz", "nominal", "source"),
    [
        ("eu", 226.0, 50.02, 230.0, "region"),
        ("us", 122.0, 59.98, 120.0, "region"),
        ("us", 281.0, 60.0, 277.0, "region"),
        ("ca", 351.0, 60.0, 347.0, "region"),
        ("latam", 216.0, 60.0, 220.0, "region"),
        ("us", 229.0, 50.0, 230.0, "detected"),
        ("eu", 70.0, 50.0, None, "unknown"),
    ],
)
def test_the_nominal_voltage_is_one_of_the_region(
    region: str, volts: float, hertz: float, nominal: float | None, source: str
) -> None:
    of = samples(stream(SECONDS, {"ac_power_w": 1.0, "ac_l1_voltage_v": volts, "ac_frequency_hz": hertz}))

    found = detect(of, facts(1), replace(SETTINGS, region=region)).nominal

    assert (found.voltage_v, found.voltage_source) == (nominal, source)
    assert found.frequency_hz == round(hertz, -1)


def test_what_was_registered_goes_over_what_was_detected() -> None:
    document = report(phases((230.0,) * 3, (1.0,) * 3), phases=1, nominal_voltage_v=240, rated_w=9000)

    device = document["system"]["device"]
    assert device["nominal"]["voltage_v"] == 240.0
    assert device["phases"]["configuration"] == "single_phase"
    assert device["phases"]["source"] == "registered"
    assert device["phases"]["evidence"]["detected"] == "three_phase_wye"
    assert "phases_differ_from_registration" in document["quality"]["notes"]


@pytest.mark.parametrize(
    ("kind", "name", "family", "place"),
    [
        ("victron", "ac_out_power_w", "victron", "ac_out"),
        ("acuvim", "ac_power_w", "acuvim", "ac"),
        ("sunspec", "ac_out_power_w", "sunspec", "ac_out"),
        ("sunspec", "ac_power_w", "sunspec", "ac"),
        ("sma", "ac_out_l1_power_w", "sma", "ac_out"),
        ("deye", "grid_power_w", "deye", "grid"),
        ("victron", "grid_l1_power_w", "victron", "grid"),
        ("ups", "ac_out_power_w", "ups", "ac_out"),
        ("host", "cpu_pct", "host", None),
    ],
)
def test_family_and_place_follow_from_what_is_measured(
    kind: str, name: str, family: str, place: str | None
) -> None:
    found = detect(samples(stream(SECONDS, {name: 5.0}, kind=kind)), facts(1), SETTINGS)

    assert (found.family, found.place) == (family, place)


def test_203_210_212_volts_are_unbalanced_by_2_56_percent_and_by_2_61() -> None:
    lines = [np.array([203.0]), np.array([210.0]), np.array([212.0])]

    assert nema(lines)[0] == pytest.approx(2.56, abs=0.005)
    assert iec(lines)[0] == pytest.approx(2.61, abs=0.005)


def test_the_iec_form_of_magnitudes_is_that_of_phasors() -> None:
    chance = np.random.default_rng(5)
    turn = np.exp(2j * np.pi / 3)
    one = chance.uniform(0.9, 1.1, 500) * np.exp(1j * chance.uniform(-0.1, 0.1, 500))
    two = turn**2 * chance.uniform(0.9, 1.1, 500) * np.exp(1j * chance.uniform(-0.1, 0.1, 500))
    last = turn * chance.uniform(0.9, 1.1, 500) * np.exp(1j * chance.uniform(-0.1, 0.1, 500))
    u12, u23, u31 = one - two, two - last, last - one
    positive = u12 + turn * u23 + turn**2 * u31
    negative = u12 + turn**2 * u23 + turn * u31

    found = iec([np.abs(u12), np.abs(u23), np.abs(u31)])

    assert found == pytest.approx(100 * np.abs(negative) / np.abs(positive), abs=1e-6)


def test_120_80_40_amperes_put_69_in_the_neutral_and_are_unbalanced_by_half() -> None:
    told = report(phases((230.0,) * 3, (120.0, 80.0, 40.0)))["imbalance"]

    amps = [np.array([120.0]), np.array([80.0]), np.array([40.0])]
    assert neutral(amps)[0] == pytest.approx(69.28, abs=0.01)
    assert told["current_nema_pct"]["mean"] == 50.0
    assert told["neutral_a"] == told["neutral_a"] | {"mean": 69.28, "measured": False}
    assert told["hours_above"]["hours"] == {"10": 1.0, "20": 1.0, "30": 1.0}


@pytest.mark.parametrize(
    ("between_v", "neutral_a"), [(240.0, 60.0), (208.0, 87.18), (None, None)], ids=["split", "wye", "unknown"]
)
def test_the_neutral_of_two_legs_is_their_difference_or_that_of_a_wye(
    between_v: float | None, neutral_a: float | None
) -> None:
    values = phases((120.0, 120.0), (100.0, 40.0)) | ({"ac_l12_voltage_v": between_v} if between_v else {})

    told = report(values)["imbalance"]["neutral_a"]

    assert (told and told["mean"]) == neutral_a


def test_half_of_the_difference_is_suggested_to_move() -> None:
    suggestion = report(phases((230.0,) * 3, (120.0, 80.0, 40.0)))["imbalance"]["suggestion"]

    assert (suggestion["from"], suggestion["to"], suggestion["current_a"]) == ("l1", "l3", 40.0)
    assert (suggestion["before_pct"], suggestion["after_pct"]) == (50.0, 0.0)


def test_a_measured_neutral_and_measured_line_voltages_go_over_estimates() -> None:
    lines = {"ac_l12_voltage_v": 203.0, "ac_l23_voltage_v": 210.0, "ac_l31_voltage_v": 212.0}
    values = phases((120.0,) * 3, (10.0,) * 3) | lines | {"ac_n_current_a": 4.0}

    told = report(values)["imbalance"]

    assert told["neutral_a"] == told["neutral_a"] | {"mean": 4.0, "measured": True}
    assert told["voltage_source"] == "between_phases"
    assert (told["voltage_nema_pct"]["mean"], told["voltage_iec_pct"]["mean"]) == (2.56, 2.61)


def test_a_single_phase_has_no_imbalance() -> None:
    assert report(phases((230.0,), (10.0,)))["imbalance"] is None


def test_the_power_factor_is_that_of_the_energies() -> None:
    half = SECONDS < 1800
    watts, variables = np.where(half, 1000.0, 9000.0), np.where(half, 3000.0, 0.0)

    summary = report({"ac_power_w": watts, "ac_reactive_power_var": variables})["summary"]

    assert summary["power_factor_ratio"]["value"] == pytest.approx(5000 / np.hypot(5000, 1500), abs=5e-4)
    assert summary["power_factor_ratio"]["source"] == "reactive"
    assert summary["reactive_energy_varh"]["value"] == pytest.approx(1500, abs=1)


def test_phases_tell_their_peaks_with_times_and_their_shares() -> None:
    values = phases((230.0,) * 3, (10.0, 20.0, 10.0))
    values["ac_l2_power_w"] = np.where(SECONDS == 1234, 9000.0, 4600.0)

    told = report(values)["phases"]

    assert told["l2"]["peak_w"]["value"] == 9000.0
    assert told["l2"]["peak_w"]["at"] == "2026-08-15T08:20:34Z"
    assert told["l1"]["share_pct"] == pytest.approx(25.0, abs=0.02)
    assert told["l1"]["voltage_v"]["mean"] == 230.0


def test_a_phase_of_a_meter_that_flows_backwards_is_noted() -> None:
    values = phases((230.0,) * 3, (10.0, 10.0, 10.0))
    values |= {"ac_l2_power_w": -2300.0, "ac_power_w": 2300.0}

    assert "a_phase_flows_backwards" in report(values)["quality"]["notes"]
    assert "flows_backwards" in report({"ac_power_w": -500.0})["quality"]["notes"]
    assert "flows_backwards" not in report({"ac_power_w": 500.0})["quality"]["notes"]


def test_sags_swells_and_interruptions_are_told_by_class_depth_and_length() -> None:
    volts = np.full(3601, 230.0)
    volts[100:105] = 200.0
    volts[1000:1100] = 190.0
    volts[2000:2002] = 260.0
    volts[3000:3070] = 5.0

    told = report({"ac_power_w": 1000.0, "ac_l1_voltage_v": volts})["excursions"]

    assert [(one["class"], one["duration_s"], one["worst_v"]) for one in told["events"]] == [
        ("sag", 5.0, 200.0),
        ("undervoltage", 100.0, 190.0),
        ("swell", 2.0, 260.0),
        ("sustained_interruption", 70.0, 5.0),
    ]
    below_ten = next(
        one for one in told["voltage"]["limits"] if (one["limit_pct"], one["direction"]) == (10.0, "below")
    )
    assert (below_ten["count"], below_ten["duration_s"], below_ten["longest_s"]) == (3, 175.0, 100.0)
    assert (below_ten["worst_v"], below_ten["at"]) == (5.0, "2026-08-15T08:50:00Z")


def test_a_voltage_that_flickers_around_its_limit_is_counted_and_the_list_is_bounded() -> None:
    seconds = np.arange(0, 43_201, 0.5)
    volts = np.where(np.arange(len(seconds)) % 2 == 0, 230.0, 200.0)

    told = report({"ac_power_w": 1000.0, "ac_l1_voltage_v": volts}, seconds=seconds)["excursions"]

    assert told["events_count"] == 43_200
    assert len(told["events"]) == 200


def test_a_gap_ends_an_excursion() -> None:
    seconds = np.concatenate((np.arange(0, 101), np.arange(300, 601)))
    volts = np.where((seconds > 90) & (seconds < 310), 190.0, 230.0)

    told = report({"ac_power_w": 1000.0, "ac_l1_voltage_v": volts}, seconds=seconds)["excursions"]

    assert [one["duration_s"] for one in told["events"]] == [9.5, 9.5]


def test_a_frequency_counts_only_while_there_is_one() -> None:
    hertz = np.full(3601, 50.0)
    hertz[100:200] = 0.0
    hertz[300:310] = 51.2

    told = report({"ac_power_w": 1000.0, "ac_frequency_hz": hertz})["excursions"]["frequency"]

    assert told["frequency_hz"]["min"] == 50.0
    assert [(one["limit_pct"], one["count"], one["duration_s"]) for one in told["limits"]] == [
        (1.0, 1, 10.0),
        (2.0, 1, 10.0),
        (6.0, 0, 0.0),
    ]
    assert told["limits"][0]["worst_hz"] == 51.2


def test_the_sum_of_phases_is_of_all_that_tell_a_power_whatever_their_voltages() -> None:
    powers = dict.fromkeys(("ac_l1_power_w", "ac_l2_power_w", "ac_l3_power_w"), 1000.0)
    late = SECONDS >= 3500

    one_voltage = report(powers | {"ac_l1_voltage_v": 230.0})
    switched_on = report(
        powers
        | {"ac_l1_voltage_v": 230.0, "ac_l2_voltage_v": 230.0, "ac_l3_voltage_v": np.where(late, 230.0, 0.0)}
        | {"ac_l3_power_w": np.where(late, 18_000.0, 0.0)}
    )

    assert one_voltage["energy"]["chosen"] == "sum_of_phases"
    assert one_voltage["summary"]["energy_wh"]["value"] == 3000.0
    assert switched_on["summary"]["energy_wh"]["value"] == pytest.approx(2500.0, abs=2.6)


def test_a_phase_that_hardly_ever_told_a_power_does_not_hide_the_others() -> None:
    seldom = np.where(SECONDS % 100 == 0, 5.0, np.nan)

    found = report({"ac_l1_power_w": 1000.0, "ac_l2_power_w": 1000.0, "ac_l3_power_w": seldom})

    assert found["summary"]["energy_wh"]["value"] == 2000.0
    assert found["energy"]["methods"][0]["names"] == ["ac_l1_power_w", "ac_l2_power_w"]
