"""An event's report: who counts, which peaks meet, what is not known, and what to do otherwise next time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import process_time
from typing import Any

import numpy as np
import pytest

from reporter.event_members import SystemPart, members
from reporter.event_report import event_report, totals
from reporter.facts import Alarm, EventFacts, Occurred, ReportSettings
from reporter.profile import Profile, profile
from reporter.system_report import document, encode, stand
from tests import festival, report_schema, reporting

HOUR = 3600
PLAIN = ReportSettings(price_per_kwh=0.5)
FACTS = EventFacts("lakeside-2026", reporting.T0, reporting.at(2.0), reporting.MADE_FROM)


def part(
    system_id: str,
    watts: Any,
    *,
    begin: float = 0.0,
    hours: float = 2.0,
    settings: ReportSettings = PLAIN,
    place: str = "ac_out",
    gap: tuple[float, float] | None = None,
    **facts: Any,
) -> SystemPart:
    """Make the report of one window; `watts` is a function of hours since the event's begin, or a number."""
    seconds = np.arange(begin * HOUR, (begin + hours) * HOUR + 1.0, 10.0)
    if gap is not None:
        seconds = seconds[(seconds <= gap[0] * HOUR) | (seconds >= gap[1] * HOUR)]
    load = watts(seconds / HOUR) if callable(watts) else np.full(len(seconds), float(watts))
    kind = "acuvim" if place == "ac" else "victron"
    told = reporting.stream(seconds, {f"{place}_power_w": load}, kind=kind, interval_ms=10_000)
    own = replace(
        reporting.facts(hours, **facts),
        system_id=system_id,
        from_us=reporting.at(begin),
        to_us=reporting.at(begin + hours),
    )
    stands = stand(reporting.samples(told), own, settings)
    return SystemPart(document(stands), profile(system_id, stands.power), f"{system_id}/report.html")


def block(begin: float, end: float, watts: float, otherwise: float = 1000.0) -> Any:
    """Make a load of so many watts between two hours."""
    return lambda hours: np.where((hours >= begin) & (hours < end), watts, otherwise)


def reported(*parts: SystemPart, settings: ReportSettings = PLAIN, **facts: Any) -> dict[str, Any]:
    made = event_report(parts, replace(FACTS, **facts), settings)
    assert report_schema.faults(made) == []
    return made


def rows(made: Mapping[str, Any]) -> dict[str, Any]:
    return {row["system_id"]: row for row in made["systems"]}


def peak(made: Mapping[str, Any], seconds: int = 900) -> dict[str, Any]:
    return next(one for one in made["peaks"] if one["seconds"] == seconds)


def found(made: Mapping[str, Any], word: str) -> list[dict[str, Any]]:
    return [one for one in made["findings"] if one["finding"] == word]


def test_the_event_uses_what_its_systems_used() -> None:
    made = reported(part("rig_01", 3000), part("rig_02", 1000))

    assert made["totals"]["energy_wh"]["value"] == pytest.approx(8000.0)
    assert made["totals"]["energy_wh"]["systems_known"] == 2
    assert [(row["system_id"], row["rank"], row["share_pct"]) for row in made["systems"]] == [
        ("rig_01", 1, 75.0),
        ("rig_02", 2, 25.0),
    ]


def test_peaks_that_do_not_meet_are_diverse() -> None:
    early, late = block(0.0, 0.5, 9000.0), block(1.0, 1.5, 7000.0)

    made = peak(reported(part("rig_01", early), part("rig_02", late)))

    assert made["coincident_w"]["value"] == pytest.approx(10_000.0, abs=50)
    assert made["coincident_w"]["at"] == "2026-08-15T08:00:00Z"
    assert made["non_coincident_w"]["value"] == pytest.approx(16_000.0, abs=60)
    assert made["diversity_ratio"]["value"] == pytest.approx(1.6, abs=0.01)
    assert made["coincidence_ratio"]["value"] == pytest.approx(1 / 1.6, abs=0.01)
    assert [one["system_id"] for one in made["contributions"]] == ["rig_01", "rig_02"]


def test_a_block_in_which_one_system_is_silent_does_not_count_for_anyone() -> None:
    high = block(1.0, 1.25, 9000.0)

    made = peak(reported(part("rig_01", high), part("rig_02", 1000, gap=(1.05, 1.2))))

    assert (made["blocks"], made["blocks_dropped"]) == (8, 1)
    assert made["coincident_w"]["value"] == pytest.approx(2000.0, abs=60)
    assert made["coincident_w"]["grade"] == "D"
    assert made["dropped_at_least_w"] == pytest.approx(10_000.0, abs=50)


def test_a_system_that_takes_part_later_is_not_missing_before() -> None:
    made = reported(part("rig_01", 3000), part("rig_02", 2000, begin=1.0, hours=1.0))

    assert peak(made)["blocks_dropped"] == 0
    assert peak(made)["coincident_w"]["value"] == pytest.approx(5000.0)
    assert made["profile"]["missing"] == []
    late = made["profile"]["systems"][1]
    assert late["present"] == [[60, 119]]
    assert late["mean_w"][59:61] == [None, 2000.0]
    assert made["profile"]["total_w"][59:61] == [3000.0, 5000.0]


def test_a_gap_is_missing_in_the_profile_and_no_zero() -> None:
    made = reported(part("rig_01", 3000, gap=(0.5, 0.75)), part("rig_02", 1000))["profile"]

    assert made["missing"] == [[30, 44]]
    assert made["total_w"][35] is None
    assert made["systems"][0]["mean_w"][35] is None
    assert made["systems"][0]["present"] == [[0, 119]]


def test_the_heat_map_has_the_mean_of_every_local_hour() -> None:
    late = part("rig_01", block(1.0, 1.5, 3000.0), begin=0.5, hours=1.5)

    made = reported(late, from_us=reporting.at(0.5))["heat"]

    assert made["from"] == "2026-08-15T08:00:00Z"
    assert made["systems"][0]["mean_w"] == [pytest.approx(1000, abs=10), pytest.approx(2000, abs=10)]


def test_several_windows_of_one_system_are_one_row() -> None:
    made = reported(
        part("rig_01", 2000, hours=0.5), part("rig_01", 6000, begin=1.0, hours=1.0), part("rig_02", 1000)
    )

    row = rows(made)["rig_01"]
    assert made["totals"]["systems_count"] == 2
    assert made["totals"]["windows_count"] == 3
    assert row["energy_wh"]["value"] == pytest.approx(7000.0)
    assert row["peak_15min_w"]["value"] == pytest.approx(6000.0)
    assert row["mean_w"]["value"] == pytest.approx(7000 / 1.5, abs=0.1)
    assert [one["energy_wh"] for one in row["windows"]] == [pytest.approx(1000.0), pytest.approx(6000.0)]


def test_what_is_behind_another_system_is_shown_and_not_added() -> None:
    settings = replace(PLAIN, behind={"meter_01": "rig_01"})

    made = reported(part("rig_01", 3000), part("meter_01", 2000, place="ac"), settings=settings)

    assert made["totals"]["energy_wh"]["value"] == pytest.approx(6000.0)
    assert peak(made)["coincident_w"]["value"] == pytest.approx(3000.0)
    assert rows(made)["meter_01"]["why_not"] == "behind"
    assert rows(made)["meter_01"]["behind"] == "rig_01"
    assert "some_are_behind" in made["quality"]["notes"]
    assert made["billing"]["energy_wh"] == pytest.approx(6000.0)


def test_behind_reaches_over_systems_that_do_not_take_part() -> None:
    settings = replace(PLAIN, behind={"meter_02": "meter_01", "meter_01": "rig_01", "rig_01": "meter_02"})

    of = members([part("rig_01", 1), part("meter_02", 1)], settings)

    assert {one.system_id: one.behind for one in of} == {"rig_01": "meter_02", "meter_02": "rig_01"}
    alone = members([part("meter_02", 1)], settings)
    assert alone[0].counts


def test_a_rig_and_a_meter_without_a_word_on_how_they_are_wired_are_doubtful() -> None:
    made = reported(part("rig_01", 3000, registration={"kind": "bess"}), part("meter_01", 2000, place="ac"))

    assert "may_count_twice" in made["quality"]["notes"]


def test_a_system_without_power_takes_part_and_does_not_count() -> None:
    made = reported(part("rig_01", 3000), part("probe_01", 20.0, place="x_probe"))

    assert rows(made)["probe_01"]["why_not"] == "no_power"
    assert rows(made)["probe_01"]["energy_wh"]["value"] is None
    assert made["quality"]["coverage_pct"] == 100.0
    assert rows(made)["probe_01"]["rank"] == 2


def test_an_event_without_systems_is_a_report_that_knows_nothing() -> None:
    made = reported()

    assert made["totals"]["energy_wh"]["value"] is None
    assert peak(made)["coincident_w"]["value"] is None
    assert made["quality"]["notes"] == ["no_systems"]


def test_energy_per_person_and_day_needs_to_know_how_many_came() -> None:
    rig = part("rig_01", 3000)

    assert reported(rig)["sustainability"]["per_person_day"] is None
    made = reported(rig, attendance=30)["sustainability"]
    assert made["person_days"] == {"attendance": 30, "days": 1, "person_days": 30}
    assert made["per_person_day"]["energy_kwh"]["value"] == pytest.approx(0.2)


def test_two_nights_and_a_day_are_more_than_one_day() -> None:
    made = reported(part("rig_01", 3000), attendance=10, to_us=reporting.at(30.0))["sustainability"]

    assert made["person_days"]["days"] == 2


def test_only_systems_with_a_stated_generator_are_compared() -> None:
    stated = {"counterfactual_generator": {"rated_va": 10_000, "idle_lph": 1.0, "slope_l_per_kwh": 0.25}}

    made = reported(part("rig_01", 3000, registration=stated), part("rig_02", 1000))["sustainability"]

    assert made["baseline_l"]["value"] == pytest.approx(2 * 1.0 + 6 * 0.25)
    assert made["baseline_l"]["coverage_pct"] == 100.0
    assert (made["stated"], made["not_stated"]) == (["rig_01"], ["rig_02"])


def test_a_rig_behind_a_meter_is_compared_though_its_energy_is_in_the_meters() -> None:
    settings = replace(PLAIN, behind={"rig_01": "meter_01"})
    stated = {"counterfactual_generator": {"rated_va": 10_000, "idle_lph": 1.0, "slope_l_per_kwh": 0.25}}
    rig = part("rig_01", 3000, registration=stated)

    made = reported(part("meter_01", 3100, place="ac"), rig, settings=settings)

    assert made["totals"]["energy_wh"]["value"] == pytest.approx(6200.0)
    assert made["sustainability"]["stated"] == ["rig_01"]
    assert made["sustainability"]["baseline_l"]["value"] == pytest.approx(2 * 1.0 + 6 * 0.25)


def test_litres_of_a_generator_count_once_where_two_systems_measure_it() -> None:
    settings = replace(PLAIN, behind={"rig_01": "gen_01"})
    generator = {"kind": "genset", "rated_va": 10_000}
    gen = part("gen_01", 4000, place="ac", registration=generator)
    rig = part("rig_01", 3900, registration=generator)
    alone = part("gen_02", 4000, place="ac", registration=generator)

    one = reported(gen, rig, settings=settings)
    two = reported(gen, rig, alone, settings=settings)

    assert one["totals"]["genset_wh"]["value"] == pytest.approx(8000.0)
    assert two["totals"]["genset_wh"]["value"] == pytest.approx(16_000.0)
    litres = one["sustainability"]["actual_l"]["value"]
    assert two["sustainability"]["actual_l"]["value"] == pytest.approx(2 * litres, abs=0.02)


def test_alarms_are_counted_by_name_with_their_time() -> None:
    alarms = (
        Alarm("overload", "warning", "", "l1", "", reporting.at(0.5), reporting.at(0.6), "rig_01"),
        Alarm("overload", "warning", "", "l2", "", reporting.at(1.5), None, "rig_02"),
    )
    occurrences = (Occurred("battery_low", "warning", reporting.at(1.0), 60.0, None, "rig_01"),)

    made = reported(part("rig_01", 1000), part("rig_02", 900), alarms=alarms, occurrences=occurrences)

    assert made["alarm_counts"] == [
        {
            "name": "overload",
            "level": "warning",
            "count": 2,
            "duration_s": pytest.approx(360 + 1800),
            "active_count": 1,
            "systems": ["rig_01", "rig_02"],
        }
    ]
    assert rows(made)["rig_01"]["alarms_count"] == 1
    assert rows(made)["rig_01"]["occurrences_count"] == 1
    assert made["occurrences"]["counts"][0]["count"] == 1


def test_the_lines_of_a_bill_add_up_to_it() -> None:
    made = reported(part("rig_01", 3333), part("rig_02", 1111), part("rig_03", 777))["billing"]

    assert made["amount"] == pytest.approx(sum(one["amount"] for one in made["systems"]))


def test_what_changed_is_told_against_the_revision_before() -> None:
    before = totals(reported(part("rig_01", 3000, gap=(0.5, 0.75))))

    made = reported(part("rig_01", 3000), previous=before, revision=2)

    changed = {one["figure"]: (one["before"], one["after"]) for one in made["changed"]}
    assert changed["energy_wh"] == (pytest.approx(5250.0), pytest.approx(6000.0))
    assert "coverage_pct" in changed
    assert "coincident_1min_w" not in changed


def test_the_same_parts_in_any_order_give_the_same_bytes() -> None:
    parts = [part("rig_02", 1000), part("rig_01", 3000), part("rig_01", 100, begin=2.0, hours=0.5)]

    assert encode(reported(*parts)) == encode(reported(*reversed(parts)))


def test_a_profile_comes_back_from_where_it_was_stored_to_the_last_digit() -> None:
    made = part("rig_01", block(0.3, 0.7, 1234.5), gap=(1.0, 1.5)).profile

    back = Profile.of_stored(made.stored())

    assert back.stored() == made.stored()
    assert np.array_equal(back.mean_w, made.mean_w, equal_nan=True)


def rated(system_id: str, watts: Any, rated_w: float, **other: Any) -> SystemPart:
    return part(system_id, watts, registration={"rated_w": rated_w, **other.pop("registration", {})}, **other)


def test_a_system_that_used_less_than_half_of_its_rating_is_too_big() -> None:
    (made,) = found(reported(rated("rig_01", 9000, 45_000)), "oversized")

    assert made["used_pct"] == pytest.approx(20.0)
    assert made["enough_w"] == 15_000.0


def test_a_peak_near_the_rating_is_a_warning() -> None:
    near = reported(rated("rig_01", 9500, 10_000), rated("rig_02", 10_500, 10_000))

    assert [one["system_id"] for one in found(near, "near_rating")] == ["rig_01"]
    assert [one["system_id"] for one in found(near, "over_rating")] == ["rig_02"]


def test_no_size_is_advised_where_a_peak_may_hide_in_gaps() -> None:
    made = reported(rated("rig_01", 9000, 45_000, gap=(0.5, 1.5)))

    assert found(made, "oversized") == []
    (coverage,) = found(made, "coverage")
    assert coverage["severity"] == "warning"
    assert coverage["missing_s"] == pytest.approx(HOUR)


def test_systems_that_could_do_each_others_work_are_to_be_swapped() -> None:
    made = reported(rated("rig_01", 9500, 10_000), rated("rig_02", 2000, 30_000), rated("rig_03", 900, 8000))

    (swap,) = found(made, "swap")
    assert (swap["system_id"], swap["other_system_id"]) == ("rig_01", "rig_02")
    assert swap["would_use_pct"] == pytest.approx(100 * 9500 / 30_000, abs=0.01)


def test_idle_ends_are_a_finding_when_they_are_long() -> None:
    made = reported(part("rig_01", block(0.0, 1.0, 5000.0, otherwise=10.0)))

    (idle,) = found(made, "idle")
    assert idle["idle_pct"] == pytest.approx(50.0, abs=0.5)


def test_findings_begin_with_warnings() -> None:
    made = reported(rated("rig_02", 9500, 10_000), rated("rig_01", 900, 45_000))["findings"]

    assert [one["severity"] for one in made] == sorted(
        (one["severity"] for one in made), key=["warning", "advice", "info"].index
    )


@pytest.fixture(scope="module")
def festival_parts() -> Sequence[SystemPart]:
    return festival.parts()


def test_the_festival_day_is_the_sample(festival_parts: Sequence[SystemPart]) -> None:
    made = event_report(festival_parts, festival.EVENT_FACTS, festival.SETTINGS)

    assert report_schema.faults(made) == []
    assert encode(made) == festival.SAMPLE.read_bytes()


def test_a_hundred_systems_take_seconds_and_not_minutes(festival_parts: Sequence[SystemPart]) -> None:
    many = [
        replace(one, profile=replace(one.profile, system_id=f"{one.profile.system_id}_{copy}"))
        for copy in range(12)
        for one in festival_parts
    ]

    begin = process_time()
    made = event_report(many, festival.EVENT_FACTS, festival.SETTINGS)

    assert len(made["systems"]) == 96
    assert process_time() - begin < 10.0
