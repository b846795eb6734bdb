"""What is recorded of a virtual site against what is true of it: energies, coverage, and what occurred."""

from functools import partial
from pathlib import Path

import orjson
import pytest

from bus import instants
from projectors.counter_queries import Counters
from tests.node import Node, check_journal, running
from tests.truth import FIGURES, Compared, Figure, compare_node
from tests.waiting import until

SPEED = "10"
KILLS = (
    (20, ("victron",)),
    (35, ("modbus",)),
    (50, ("mosquitto", "recorder")),
    (70, ("victron", "modbus", "host")),
    (95, ("simulator",)),
)
LOSS = "ups.ac_power_loss"
WITHIN, SHORTLY = 0.001, 0.005
"""How far off a figure may be: over two hours, and over minutes, which average less of the noise."""

SMALL = """
name = "small"
seed = 3
starts_at = "12:00"
[sun]
rise = "06:00"
set = "20:00"
clouds = 0.3
[[rig]]
system_id = "rig_01"
rated_w = 12000
capacity_wh = 20000
soc_pct = 60
charge_w = 6000
grid_charge_w = 2000
input_limit_w = 9000
[[meter]]
system_id = "acuvim_11"
on = "rig_01"
[[inverter]]
system_id = "fronius_21"
on = "rig_01"
pv_w = 4000
rated_w = 4000
[[load]]
name = "stage"
on = "acuvim_11"
power_w = [["12:00", 4000], ["12:10", 6000]]
power_factor = 0.9
flicker = 0.15
beat_s = 20
[[fault]]
what = "unplugged"
on = "acuvim_11"
when = [["12:03", "12:04"]]
"""
SMALL_FIGURES = tuple(one for one in FIGURES if one.system in {"rig_01", "acuvim_11", "fronius_21"})


def rows(node: Node) -> int:
    path = node.data / "simulator" / "truth.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def agree(found: list[Compared], within: float) -> None:
    """Assert that every figure is right wherever there are samples."""
    for one in found:
        assert one.covered, f"{one.figure}: nothing is covered"
        assert one.off <= within, (
            f"{one.figure}: {one.recorded_wh:.1f} Wh recorded, {one.true_wh:.1f} Wh true"
        )


def passed(node: Node, minute: int) -> bool:
    return rows(node) > minute


def covered(found: list[Compared], figure: Figure) -> int:
    return next(one.covered for one in found if one.figure == figure)


@pytest.mark.soak
def test_energies_are_true_wherever_there_are_samples(tmp_path: Path) -> None:
    scenario = tmp_path / "small.toml"
    scenario.write_text(SMALL)
    with running(tmp_path, "--scenario", str(scenario), "--speed", SPEED) as node:
        until(lambda: rows(node) >= 3, "two minutes of the site are over")
        node.kill("victron", "modbus")
        node.kill("mosquitto")
        until(lambda: rows(node) >= 8, "seven minutes of the site are over")
        check_journal(node)
        found = compare_node(node.data, SMALL_FIGURES)

    agree(found, SHORTLY)
    meter, inverter = SMALL_FIGURES[0], SMALL_FIGURES[-1]
    assert covered(found, meter) < covered(found, inverter), "the minute without the meter is not covered"


def outages(node: Node, system: str, least_s: float) -> int:
    """Count, from what is true of the site, how often a system was without its input for so long."""
    path = node.data / "simulator" / "occurred.jsonl"
    begun: int | None = None
    number = 0
    for line in path.read_bytes().splitlines():
        said = orjson.loads(line)
        if (said["system_id"], said["what"]) != (system, "grid_lost"):
            continue
        time_us = instants.parse(said["time"])
        if said["holds"]:
            begun = time_us
        elif begun is not None:
            number += time_us - begun >= least_s * 1e6
            begun = None
    return number


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hours_of_cuts_faults_and_restarts(tmp_path: Path) -> None:
    with running(tmp_path, "--scenario", "truth", "--speed", SPEED) as node:
        for minute, names in KILLS:
            until(partial(passed, node, minute), f"{minute} minutes are over", within_s=400)
            node.kill(*names)
        until(lambda: rows(node) > 121, "two hours are over", within_s=400)
        check_journal(node)
        found = compare_node(node.data)
        agree(found, WITHIN)
        now_us = instants.now_us()
        counters = Counters.open(node.data)
        for system in ("rig_01", "rig_02"):
            counted = {one.occurrence.type: one.total for one in counters.show(now_us, system)}
            assert counted.get(LOSS, 0) == outages(node, system, 6), system
        counters.close()
