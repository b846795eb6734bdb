"""Laws of events: parts add up to the whole, peaks are diverse, what is stored comes back."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.columns import Samples, Series
from reporter.emissions import Range
from reporter.event_members import SystemPart, members
from reporter.event_peaks import grid, loads, peaks
from reporter.event_profile import stacked
from reporter.event_report import event_report
from reporter.facts import EventFacts, ReportSettings
from reporter.fuel import drawn
from reporter.genset import bands
from reporter.profile import MINUTE_US, Profile, on_grid, profile
from reporter.system_report import document, stand
from reporter.track import Track, track
from tests import report_schema
from tests.reporting import MADE_FROM, SETTINGS, T0, facts, samples, stream

S = 1_000_000
HOUR_S = 3600
watts = st.floats(-2e4, 5e4, allow_nan=False).map(lambda value: round(value, 1))
zones = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"])


@st.composite
def powers(draw: st.DrawFn, least: int = 2, most: int = 60) -> Track:
    """Give a power whose samples lie 1 to 90 s apart; more than 30 s is a gap."""
    steps = draw(st.lists(st.integers(1, 90), min_size=least, max_size=most))
    begin = T0 + draw(st.integers(0, HOUR_S)) * S
    time_us = begin + np.cumsum([0, *steps]) * S
    values = draw(st.lists(watts, min_size=len(time_us), max_size=len(time_us)))
    series = Series(time_us.astype(np.int64), np.array(values, np.float64))
    return track(series, int(time_us[0]), int(time_us[-1]), 30 * S)


def made_part(system_id: str, power: Track) -> SystemPart:
    told: dict[str, Any] = {
        "window": {"duration_s": power.span_s},
        "system": {"device": {"family": "victron", "place": "ac_out"}},
    }
    return SystemPart(told, profile(system_id, power))


@given(powers())
def test_a_profile_keeps_energy_and_covered_time(power: Track) -> None:
    made = profile("rig_01", power)

    area = np.nansum(made.mean_w * made.covered_s)
    assert area == pytest.approx(power.integral(), abs=1e-3)
    assert made.covered_s.sum() == pytest.approx(power.covered_s)
    assert (made.covered_s <= made.present_s + 1e-9).all()
    assert made.present_s.sum() == pytest.approx(power.span_s)


@given(powers(), st.floats(0.0, 1.0))
def test_profiles_of_two_windows_are_together_that_of_the_whole(power: Track, share: float) -> None:
    between_us = power.from_us + round((power.to_us - power.from_us) * share)
    series = Series(power.time_us, power.value)
    both = [
        profile("rig_01", track(series, from_us, to_us, 30 * S))
        for from_us, to_us in ((power.from_us, between_us), (between_us, power.to_us))
    ]
    first = power.from_us // MINUTE_US

    whole = on_grid(profile("rig_01", power), first, 1, 120)
    added = on_grid(both[0], first, 1, 120) + on_grid(both[1], first, 1, 120)

    assert added.area_ws == pytest.approx(whole.area_ws, abs=1.0)
    assert added.covered_s == pytest.approx(whole.covered_s, abs=1e-3)


@given(powers(), st.sampled_from([1, 2, 5, 15, 60]), zones)
def test_a_coarser_grid_holds_the_same_energy(power: Track, minutes: int, zone: str) -> None:
    cut = grid(power.from_us, power.to_us, minutes, zone)

    laid = on_grid(profile("rig_01", power), cut.first_minute, cut.minutes, cut.steps)

    assert laid.area_ws.sum() == pytest.approx(power.integral(), abs=1e-3)
    assert laid.covered_s.sum() == pytest.approx(power.covered_s)


@given(powers())
def test_a_stored_profile_comes_back(power: Track) -> None:
    made = profile("rig_01", power)

    assert Profile.of_stored(made.stored()).stored() == made.stored()


@given(st.lists(powers(least=10), min_size=1, max_size=5), st.sampled_from([1, 15]), zones)
def test_peaks_are_diverse_and_meet_at_most_at_their_sum(of: list[Track], minutes: int, zone: str) -> None:
    members_ = members([made_part(f"rig_{n}", power) for n, power in enumerate(of)], ReportSettings())
    from_us, to_us = min(one.from_us for one in of), max(one.to_us for one in of)

    made = peaks(members_, from_us, to_us, minutes, zone)

    if made["coincident_w"]["value"] is not None:
        assert made["coincident_w"]["value"] <= made["non_coincident_w"]["value"] + 1e-6
        shared = [one["power_w"] for one in made["contributions"]]
        assert sum(shared) == pytest.approx(made["coincident_w"]["value"], abs=1e-6)
    ratio = made["diversity_ratio"]["value"]
    if ratio is not None:
        assert ratio >= 1.0 - 1e-9
        assert ratio * made["coincidence_ratio"]["value"] == pytest.approx(1.0)
    assert made["blocks_dropped"] <= made["blocks"]


@given(st.lists(powers(), min_size=1, max_size=4), zones)
def test_a_total_is_the_sum_wherever_it_is_told(of: list[Track], zone: str) -> None:
    members_ = members([made_part(f"rig_{n}", power) for n, power in enumerate(of)], ReportSettings())
    from_us, to_us = min(one.from_us for one in of), max(one.to_us for one in of)

    made = stacked(members_, from_us, to_us, zone)

    cut = grid(from_us, to_us, made["step_s"] // 60, zone)
    together = loads(members_, cut).total
    for step, total in enumerate(made["total_w"]):
        if total is not None:
            assert total == pytest.approx(together[step], abs=1e-6)
    missing = {step for first, last in made["missing"] for step in range(first, last + 1)}
    assert all(made["total_w"][step] is None for step in missing)


@given(powers(), st.floats(1e3, 1e5))
def test_bands_share_all_running_time_and_energy(power: Track, rated_w: float) -> None:
    made = bands(power, rated_w)

    assert sum(one["duration_s"] for one in made) == pytest.approx(power.covered_s, abs=1e-6)
    assert sum(one["energy_wh"] for one in made) == pytest.approx(power.integral() / 3600.0, abs=1e-6)


@given(st.lists(st.floats(0.0, 200.0), min_size=1, max_size=50))
def test_falls_of_a_tank_are_never_negative_and_at_least_the_net_fall(level: list[float]) -> None:
    taken = drawn(np.array(level))

    assert taken >= 0.0
    assert taken >= level[0] - level[-1] - 0.02 * max(level) - 1e-9


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 10))
def test_ranges_keep_their_value_between_their_ends(one: float, other: float, factor: float) -> None:
    unsure = 0.15
    first, second = Range.around(one, unsure), Range.around(other, unsure)

    for made in (first.less(second), first.plus(second), first.times(factor)):
        assert made.low <= made.value <= made.high
    assert first.less(second).plus(second).value == pytest.approx(first.value, abs=1e-6)


NAMES = (
    "ac_out_power_w",
    "ac_power_w",
    "ac_in_power_w",
    "ac_in_l2_power_w",
    "ac_in_source_code",
    "ac_in_active_code",
    "ac_in_1_type_code",
    "grid_power_w",
    "grid_l1_power_w",
    "genset_power_w",
    "genset_engine_load_pct",
    "genset_engine_speed_rpm",
    "genset_engine_fuel_used_l",
    "genset_engine_fuel_rate_lph",
    "generator_state_code",
    "tank_remaining_m3",
    "tank_fluid_code",
    "pv_power_w",
    "pv_on_output_l1_power_w",
    "pvinverter_power_w",
    "solarcharger_2_power_w",
    "battery_power_w",
    "battery_voltage_v",
    "battery_current_a",
    "battery_capacity_ah",
    "soc_pct",
    "load_power_w",
)
numbers = st.one_of(
    st.just(float("nan")),
    st.just(0.0),
    st.sampled_from([1.0, 2.0, 3.0, 7.0, 240.0, 100.0]),
    st.floats(-1e5, 1e5, allow_nan=False),
)
registrations = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["bess", "meter", "inverter", "genset", "ups", "host"]),
        "rated_w": st.floats(0, 1e6),
        "rated_va": st.floats(0, 1e6),
        "battery": st.fixed_dictionaries(
            {},
            optional={
                "capacity_wh": st.floats(0, 1e6),
                "capacity_ah": st.floats(0, 1e4),
                "nominal_voltage_v": st.floats(0, 800),
                "usable_pct": st.floats(0, 100),
            },
        ),
        "counterfactual_generator": st.fixed_dictionaries(
            {},
            optional={
                "rated_va": st.floats(0, 1e6),
                "count": st.integers(1, 5),
                "fuel": st.sampled_from(["diesel", "hvo", "petrol"]),
                "idle_lph": st.floats(0, 100),
                "slope_l_per_kwh": st.floats(0, 10),
            },
        ),
    },
)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[Samples, dict[str, Any]]:
    """Give anything a system may tell in half an hour, and what it may be registered as."""
    count = draw(st.integers(0, 40))
    steps = draw(st.lists(st.integers(1, 120), min_size=count, max_size=count))
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=12))
    columns = {name: draw(st.lists(numbers, min_size=count, max_size=count)) for name in names}
    told = samples(stream(np.cumsum(steps) - 60.0, columns)) if count else samples()
    return told, draw(registrations)


@given(tellings())
def test_whatever_is_told_the_reports_are_well_formed(telling: tuple[Samples, dict[str, Any]]) -> None:
    told, registration = telling
    stands = stand(told, facts(0.5, registration=registration), SETTINGS)
    made = document(stands)

    assert report_schema.faults(made) == []

    event = EventFacts("lakeside-2026", T0, T0 + HOUR_S // 2 * S, MADE_FROM, attendance=9)
    parts = [
        SystemPart(made, profile("rig_01", stands.power)),
        SystemPart(made, profile("rig_02", stands.power)),
    ]
    whole = event_report(parts, event, replace(SETTINGS, behind={"rig_02": "rig_01"}))
    assert report_schema.faults(whole) == []
