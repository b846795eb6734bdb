"""The worked rules of the event counters specification as examples, its known faults mended."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from projectors.counter_answers import Statistics, trend
from projectors.counter_queries import Counters
from projectors.counters import CountersProjector
from projectors.generations import Generations
from projectors.runner import Runner
from schemas.errors import ConfigurationError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record

REGISTRY = Registry.load()
HOUR, DAY = 3600, 86_400
NOW_S = 60 * DAY
NOW_US = BASE_US + NOW_S * S


def happened(type_: str, ago_s: float, system: str = "rig_01", stage: str = "confirmed") -> Said:
    return Said(f"ups.{type_}", system, NOW_S - ago_s, {"stage": stage})


@contextmanager
def counting(said: Sequence[Said], *, observed_s: float = 60 * DAY) -> Iterator[Counters]:
    """Count a stream; rig_01 and rig_02 have been observed for so long."""
    seen = [
        Said("device.connected", system, NOW_S - observed_s, {"device": "gx"})
        for system in ("rig_01", "rig_02")
    ]
    journal = MemoryJournal()
    record(journal, [*seen, *said])
    with TemporaryDirectory() as directory:
        projector = CountersProjector(Generations(Path(directory, "counters")), REGISTRY)
        Runner(journal, projector, strict=True).finish()
        projector.close()
        with closing(Counters.open(Path(directory))) as counters:
            yield counters


def of_type(found: Sequence[Statistics], type_: str) -> Statistics:
    return next(one for one in found if one.occurrence.type == type_)


def test_without_counters_it_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ovr rebuild counters"):
        Counters.open(tmp_path)


@pytest.mark.parametrize(
    ("happenings", "score", "grade"),
    [
        ([], 100, "excellent"),
        ([("charging_started", 50)], 100, "excellent"),
        ([("ac_power_loss", 5)], 90, "excellent"),
        ([("ac_power_loss", 6)], 88, "good"),
        ([("thermal_shutdown", 2)], 80, "good"),
        ([("thermal_shutdown", 2), ("communication_error", 1), ("temperature_high", 2)], 71, "fair"),
        ([("overcurrent_detected", 3), ("i2c_error", 2)], 60, "poor"),
        ([("overcurrent_detected", 4), ("ac_power_loss", 1)], 58, "critical"),
        ([("dc_output_loss", 30)], 0, "critical"),
    ],
)
def test_health_loses_10_5_2_0_by_severity(
    happenings: list[tuple[str, int]], score: float, grade: str
) -> None:
    said = [happened(type_, HOUR + n) for type_, number in happenings for n in range(number)]
    with counting(said) as counters:
        health = counters.health(NOW_US, "rig_01")

    assert (health.score, health.grade) == (score, grade)


def test_one_chattering_contact_is_visible_as_the_one_cause() -> None:
    said = [happened("ac_power_loss", n * 60) for n in range(1, 61)] + [happened("thermal_shutdown", HOUR)]
    with counting(said) as counters:
        health = counters.health(NOW_US, "rig_01")

    assert health.score == 0
    assert [(one.occurrence.label, one.points) for one in health.factors] == [
        ("AC_POWER_LOSS", 120),
        ("THERMAL_SHUTDOWN", 10),
    ]


def test_health_forgets_after_seven_days() -> None:
    with counting([happened("thermal_shutdown", 7 * DAY + 1), happened("i2c_error", 7 * DAY)]) as counters:
        assert counters.health(NOW_US, "rig_01").score == 95


def test_the_fleets_health_is_the_mean_and_names_the_worst() -> None:
    with counting([happened("thermal_shutdown", HOUR, "rig_02")]) as counters:
        health = counters.health(NOW_US)

    assert (health.score, health.grade, health.worst) == (95.0, "excellent", "rig_02")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (0, 0, "insufficient_data"),
        (2, 2, "insufficient_data"),
        (0, 5, "increasing"),
        (10, 12, "stable"),
        (10, 13, "increasing"),
        (10, 8, "stable"),
        (10, 7, "decreasing"),
        (5, 0, "decreasing"),
    ],
)
def test_a_trend_is_more_than_a_fifth_between_the_halves_of_the_time(
    first: int, second: int, said: str
) -> None:
    assert trend(first, second) == said


def test_the_trend_splits_the_period_at_its_middle_time_not_at_its_middle_element() -> None:
    burst = [happened("battery_low", 2 * DAY + n) for n in range(8)]
    with counting([*burst, happened("battery_low", 20 * DAY)]) as counters:
        found = of_type(counters.statistics(NOW_US, 30, system_id="rig_01"), "ups.battery_low")

    assert (found.recent, found.trend) == (9, "increasing")


def test_the_daily_average_is_over_the_time_it_was_observed() -> None:
    said = [happened("ac_power_loss", n * HOUR) for n in range(1, 7)]
    with counting(said, observed_s=2 * DAY) as counters:
        young = of_type(counters.statistics(NOW_US, 30, system_id="rig_01"), "ups.ac_power_loss")
    with counting(said) as counters:
        old = of_type(counters.statistics(NOW_US, 30, system_id="rig_01"), "ups.ac_power_loss")

    assert (young.days, young.daily_average) == (2.0, 3.0)
    assert (old.days, old.daily_average) == (30.0, 0.2)


def test_a_burst_of_more_than_a_hundred_an_hour_is_not_cut_off() -> None:
    with counting([happened("i2c_error", n) for n in range(1, 301)]) as counters:
        assert counters.rate("ups.i2c_error", NOW_US, system_id="rig_01") == 300.0
        assert counters.rate("ups.i2c_error", NOW_US, 10 * 60 * S) == 300 * 6


def test_every_occurrence_shows_its_counts_and_the_fleet_is_their_sum() -> None:
    said = [
        happened("ac_power_loss", 3 * DAY, stage="edge"),
        happened("ac_power_loss", 3 * DAY),
        happened("ac_power_loss", 2 * HOUR, stage="edge"),
        happened("ac_power_loss", 2 * HOUR),
        happened("ac_power_loss", 600, "rig_02"),
        happened("ac_power_loss", 300, "rig_01", stage="edge"),
    ]
    with counting(said) as counters:
        (own,) = counters.show(NOW_US, "rig_01")
        (fleet,) = counters.show(NOW_US)

    assert (own.total, own.last_day, own.last_hour) == (2, 1, 0)
    assert own.flickers == 1
    assert (fleet.total, fleet.last_day, fleet.last_hour) == (3, 2, 1)
    assert fleet.occurrence.label == "AC_POWER_LOSS"


def test_a_reset_counts_anew_and_the_total_stays() -> None:
    said = [
        happened("ac_power_loss", 3 * DAY),
        happened("battery_low", 3 * DAY),
        Said(
            "counters.reset", "rig_01", NOW_S - 2 * DAY, {"reason": "tests", "types": ["ups.ac_power_loss"]}
        ),
        happened("ac_power_loss", 2 * DAY + 5),  # late: it happened before the reset
        happened("ac_power_loss", DAY),
    ]
    with counting(said) as counters:
        losses, lows = counters.show(NOW_US, "rig_01")
        (reset,) = counters.resets("rig_01")

    assert (losses.total, losses.since_reset) == (3, 1)
    assert (lows.total, lows.since_reset) == (1, 1)
    assert (reset["client"], reset["reason"]) == ("tester", "tests")


def test_time_on_battery_is_the_sum_of_outages_and_the_longest_is_known() -> None:
    said = [
        happened("ac_power_loss", 10 * HOUR),
        happened("ac_power_restored", 9 * HOUR),
        happened("ac_power_loss", 3 * HOUR),
        happened("ac_power_restored", 2.5 * HOUR),
        happened("ac_power_loss", HOUR / 2),
    ]
    with counting(said) as counters:
        ever = counters.durations(NOW_US)["ups.ac_power_loss"]
        lately = counters.durations(NOW_US, NOW_US - int(9.5 * HOUR) * S, "rig_01")["ups.ac_power_loss"]
        before = counters.durations(NOW_US - HOUR * S)["ups.ac_power_loss"]

    assert (ever.number, ever.total_s, ever.longest_s) == (3, 2 * HOUR, HOUR)
    assert ever.open_since_us == NOW_US - HOUR // 2 * S
    assert (lately.number, lately.total_s, lately.longest_s) == (3, 1.5 * HOUR, HOUR)
    assert before.number == 2


def test_an_end_that_arrives_late_shortens_the_outage_it_ended() -> None:
    said = [
        happened("ac_power_loss", 10 * HOUR),
        happened("ac_power_loss", 5 * HOUR),
        happened("ac_power_restored", 4 * HOUR),
        happened("ac_power_restored", 9 * HOUR),
    ]
    with counting(said) as counters:
        found = counters.durations(NOW_US)["ups.ac_power_loss"]

    assert (found.number, found.total_s) == (2, 2 * HOUR)


def test_history_is_told_newest_first_and_by_choice() -> None:
    said = [happened("battery_low", n * HOUR, f"rig_0{1 + n % 2}") for n in range(1, 6)]
    said += [happened("battery_low", 30, stage="edge"), happened("i2c_error", 20)]
    with counting(said) as counters:
        every = counters.history()
        some = counters.history(
            system_id="rig_02", types=["ups.battery_low"], since_us=NOW_US - 4 * HOUR * S, limit=1
        )
        edges = counters.history(stages=["edge"])

    assert [one.time_us for one in every] == sorted((one.time_us for one in every), reverse=True)
    assert len(every) == 6
    assert [(one.system_id, (NOW_US - one.time_us) // S) for one in some] == [("rig_02", HOUR)]
    assert len(edges) == 1


def test_counts_of_an_instant_are_those_that_were_told_then() -> None:
    """What is asked later of an earlier time is what was answered at that time, column by column."""
    said = [
        *(
            happened("ac_power_loss", ago_s * HOUR, stage=stage)
            for ago_s in (90, 80, 30, 20, 3)
            for stage in ("edge", "confirmed")
        ),
        happened("ac_power_loss", 4 * HOUR, stage="edge"),
        happened("ac_power_restored", 70 * HOUR),
        happened("ac_power_restored", 10 * HOUR),
        Said("counters.reset", "rig_01", NOW_S - 85 * HOUR, {"reason": "tests"}),
        Said("counters.reset", "all", NOW_S - 25 * HOUR, {"reason": "tests"}),
        happened("battery_low", 2 * HOUR),
    ]
    in_order = sorted(said, key=lambda one: one.at_s)
    with counting(in_order) as whole:
        for ago_s in (85 * HOUR + 1, 75 * HOUR, 40 * HOUR, 25 * HOUR - 1, 15 * HOUR, 3.5 * HOUR, 1):
            then_us = NOW_US - int(ago_s * S)
            with counting([one for one in in_order if one.at_s < NOW_S - ago_s]) as part:
                for system in (None, "rig_01", "rig_02"):
                    assert whole.show(then_us, system) == part.show(then_us, system)


def test_maintenance_is_counted_since_a_reset_that_named_its_type() -> None:
    cycle, loss = "ups.charge_cycle_count", "ups.ac_power_loss"
    said = [
        happened("charge_cycle_count", 9 * DAY),
        happened("ac_power_loss", 9 * DAY),
        Said("counters.reset", "rig_01", NOW_S - 8 * DAY, {"reason": "tested", "types": [cycle]}),
        happened("charge_cycle_count", 7 * DAY),
        Said("counters.reset", "all", NOW_S - 6 * DAY, {"reason": "new season"}),
        happened("charge_cycle_count", 5 * DAY),
    ]
    with counting(said) as counters:
        found = counters.since_named_reset({cycle, loss})

    assert found == {("rig_01", cycle): 2, ("rig_01", loss): 1, ("rig_02", cycle): 0, ("rig_02", loss): 0}
