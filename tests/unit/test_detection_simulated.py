"""Occurrences of simulated sites, every type counted against what was physically true of each system."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from producers.simulator import scenario_file
from producers.simulator.scenario import Scenario
from tests.detecting import detected
from tests.simulated import Played, Truth, play, spells
from tests.streams import Said

USABLE_PCT = 90
VOLTS = 230.0
TROUBLE = """
name = "trouble"
seed = 5
starts_at = "12:00"
[sun]
rise = "06:00"
set = "20:00"
clouds = 0.4
[grid]
outages = [
  ["12:02", "12:02:03"], ["12:03", "12:03:05"], ["12:04", "12:04:08"], ["12:04:11", "12:04:40"],
  ["12:06", "12:07"], ["12:10", "12:24"],
]
[[rig]]
system_id = "rig_01"
rated_w = 9000
capacity_wh = 500
soc_pct = 99
soc_min_pct = 5
charge_w = 6000
grid_charge_w = 6000
input_limit_w = 15000
[[rig]]
system_id = "rig_02"
has_grid = false
rated_w = 5000
capacity_wh = 3000
soc_pct = 60
soc_min_pct = 10
pv_w = 2500
[[meter]]
system_id = "acuvim_11"
on = "rig_01"
[[ups]]
system_id = "ups_foh"
on = "acuvim_11"
rated_w = 1500
load_w = 800
capacity_wh = 60
[[load]]
name = "stage"
on = "acuvim_11"
power_w = [["12:00", 3000], ["12:25", 3000], ["12:27", 9800], ["12:30", 10800], ["12:31", 2000]]
power_factor = 0.9
flicker = 0.15
beat_s = 7
[[load]]
name = "camp"
on = "rig_02"
power_w = [["12:00", 1500], ["12:20", 1200]]
flicker = 0.9
beat_s = 20
[[fault]]
what = "overheats"
on = "rig_02"
amount = 60
when = [["12:05", "12:15"], ["12:30", "12:38"]]
"""


def _registered(scenario: Scenario) -> Iterator[Said]:
    for wiring in scenario.wirings.values():
        rig = wiring.rig
        data = {
            "rated_w": rig.rated_w,
            "nominal_voltage_v": VOLTS,
            "battery": {"capacity_wh": rig.capacity_wh, "usable_pct": USABLE_PCT},
        }
        yield Said("system.registered", rig.system_id, 0, data)


def _of_rig(truth: Truth, step_s: int, capacity_wh: float) -> Iterator[tuple[str, int]]:
    losses, returns = spells(truth["lost"], step_s, bool, hold_s=6, rearm_s=6, silent=True)
    yield from (("ac_power_loss", losses), ("ac_power_restored", returns))
    charge = truth["charge_pct"]
    low, recovered = spells(charge, step_s, lambda p: p < 20, lambda p: p >= 25, hold_s=30, rearm_s=60)
    yield from (("battery_low", low), ("battery_recovered", recovered))
    overload, _ = spells(
        truth["load_ratio"], step_s, lambda r: r > 1.1, lambda r: r <= 1.05, hold_s=5, rearm_s=10
    )
    yield "overcurrent_detected", overload
    blocked, free = spells(truth["blocked"], step_s, bool, hold_s=2, rearm_s=5, silent=True)
    yield from (("dc_output_loss", blocked), ("dc_output_restored", free))
    charging, _ = spells(
        truth["battery_w"], step_s, lambda w: w > 100, lambda w: w <= 30, hold_s=30, rearm_s=120, silent=True
    )
    yield "charging_started", charging
    discharged = truth["discharged_wh"]
    yield "charge_cycle_count", int((discharged[-1] - discharged[0]) / (capacity_wh * USABLE_PCT / 100))
    hot_and_off = [
        hot and off for hot, off in zip(_hot(truth["hottest_c"], step_s), truth["off"], strict=True)
    ]
    shutdowns, _ = spells(hot_and_off, step_s, bool, hold_s=2, rearm_s=60)
    yield "thermal_shutdown", shutdowns


def _hot(degrees: list[float], step_s: int) -> list[float]:
    """Tell, step by step, whether it has been hot for so long that it counts, and is not yet over."""
    found, since = list[float](), 0
    for celsius in degrees:
        holds = celsius > 55 if since else celsius > 60
        since = since + step_s if holds else 0
        found.append(float(since > 10))
    return found


def _of_ups(truth: Truth, step_s: int) -> Iterator[tuple[str, int]]:
    losses, returns = spells(truth["lost"], step_s, bool, hold_s=6, rearm_s=6, silent=True)
    yield from (("ac_power_loss", losses), ("ac_power_restored", returns))
    low, recovered = spells(truth["low"], step_s, bool, hold_s=30, rearm_s=60)
    yield from (("battery_low", low), ("battery_recovered", recovered))
    off, on = spells(truth["off"], step_s, bool, hold_s=2, rearm_s=5, silent=True)
    yield from (("dc_output_loss", off), ("dc_output_restored", on))
    charging, _ = spells(truth["battery_w"], step_s, lambda w: w > 0, hold_s=30, rearm_s=120, silent=True)
    yield "charging_started", charging
    charge = truth["charge_pct"]
    drops = sum(max(0.0, before - after) for before, after in pairwise(charge))
    yield "charge_cycle_count", int(drops / 100 + 1e-9)


def _of_any(truth: Truth, step_s: int) -> Iterator[tuple[str, int]]:
    """Count what every system can have, each where something is known of it."""
    if "charge_pct" in truth:
        charge = truth["charge_pct"]
        critical, _ = spells(charge, step_s, lambda p: p < 8, lambda p: p >= 12, hold_s=10, rearm_s=60)
        yield "battery_critical", critical
        full, _ = spells(
            charge, step_s, lambda p: p > 99.4, lambda p: p <= 96.4, hold_s=120, rearm_s=120, silent=True
        )
        yield "charging_completed", full
        stopped, started = spells(truth["off"], step_s, bool, hold_s=5, rearm_s=5, silent=True)
        yield from (("system_shutdown", stopped), ("system_startup", started))
    if "hottest_c" in truth:
        hot, _ = spells(
            truth["hottest_c"], step_s, lambda c: c > 60, lambda c: c <= 55, hold_s=10, rearm_s=60
        )
        yield "temperature_high", hot
    if "volts" in truth:
        dead, live = spells(
            truth["volts"],
            step_s,
            lambda v: v < 0.3 * VOLTS,
            lambda v: v >= 0.5 * VOLTS,
            hold_s=6,
            rearm_s=6,
            silent=True,
        )
        yield from (("ac_power_loss", dead), ("ac_power_restored", live))


def true_counts(scenario: Scenario, played: Played, step_s: int) -> Counter[tuple[str, str]]:
    """Count, by system and type, what occurred in truth."""
    found = Counter[tuple[str, str]]()
    capacities = {one.rig.system_id: one.rig.capacity_wh for one in scenario.wirings.values()}
    upses = {ups.system_id for one in scenario.wirings.values() for ups in one.upses}
    for system, truth in played.truth.items():
        counts = dict(_of_any(truth, step_s))
        if system in capacities:
            counts |= dict(_of_rig(truth, step_s, capacities[system]))
        elif system in upses:
            counts |= dict(_of_ups(truth, step_s))
        found += Counter({(system, type_): number for type_, number in counts.items()})
    return found


def counted(scenario: Scenario, played: Played) -> Counter[tuple[str, str]]:
    """Count what the detector confirms."""
    told = detected([*_registered(scenario), *played.said])
    return Counter(
        (event.subject, event.type.removeprefix("ups."))
        for event in told
        if event.data["stage"] == "confirmed"
    )


def test_every_occurrence_of_an_hour_of_trouble_is_counted_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "trouble.toml"
    path.write_text(TROUBLE)
    scenario = scenario_file.load(str(path))
    played = play(scenario, 0.75)
    true = true_counts(scenario, played, 1)

    assert counted(scenario, played) == true
    assert true["rig_01", "ac_power_loss"] == 3, "the flickers do not count, the cut in two does as one"


@pytest.mark.soak
@pytest.mark.parametrize(
    ("name", "hours", "step_s"),
    [
        ("truth", 2.0, 1),
        ("relief", 24.0, 5),
        (
            "festival",
            12.0,
            7,
        ),  # its cuts are as long as limits are: with 7 s between, none lasts just so long
    ],
)
def test_every_occurrence_of_a_scenario_is_counted_and_no_other(name: str, hours: float, step_s: int) -> None:
    scenario = scenario_file.load(name)
    played = play(scenario, hours, step_s)

    assert counted(scenario, played) == true_counts(scenario, played, step_s)
