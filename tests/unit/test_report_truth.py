"""What a report says of a simulated rig is what the simulation knows to be true."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from producers.simulator.scenario_file import load
from producers.simulator.tell import LiveSite
from reporter.facts import ReportSettings
from reporter.supply import supply
from reporter.system_report import stand
from tests import reporting

HOURS = 1.25
STEP_S = 3.0
SWITCHING_WH = STEP_S * 25_000 / 3600
"""What one switching between two samples may hide."""
SOURCES = {0.0: 1.0, 1.0: 2.0, 240.0: 240.0}
SUN = "fronius_21"


@dataclass(frozen=True)
class Simulated:
    """Hold the sections of a report, and how far each counter of the simulation went on in its window."""

    sections: Mapping[str, Any]
    counted: Mapping[str, float]


@pytest.fixture(scope="module")
def simulated() -> Simulated:
    """Let the first rig of the festival run from 17:25: grid lost, generator, sun on both sides."""
    scenario = load("festival")
    clock = [scenario.starts_at_s]
    site = LiveSite(scenario, lambda: clock[0], tick_s=STEP_S)
    clock[0] += 25 * 60
    rows, before = [], {}
    for step in range(int(HOURS * 3600 / STEP_S) + 1):
        rows.append(told(site))
        if step == 0:
            before = dict(site.energies()["rig_01"])
        clock[0] += STEP_S
    clock[0] -= STEP_S
    after = site.energies()["rig_01"]
    names = sorted(set().union(*rows))
    columns = {name: [float("nan") if row.get(name) is None else row[name] for row in rows] for name in names}
    seconds = np.arange(len(rows)) * STEP_S
    samples = reporting.samples(reporting.stream(seconds, columns, interval_ms=int(STEP_S * 1000)))
    registration = {"battery": {"capacity_wh": 81_600}}
    facts = reporting.facts(HOURS, registration=registration)
    made = supply(stand(samples, facts, ReportSettings(demand_charge_per_kw=9.5)).basis)
    return Simulated(made, {name: after[name] - before[name] for name in before})


def told(site: LiveSite) -> dict[str, Any]:
    """Tell what a GX tells: its devices, what supplies the input, and the PV inverter on its output."""
    row = dict(site.tell("rig_01")())
    row["ac_in_source_code"] = SOURCES[float(row["ac_in_active_code"] or 0.0)]
    row["pvinverter_power_w"] = site.tell(SUN)()["ac_out_power_w"]
    load_w = (row["ac_out_power_w"] or 0.0) + (row["pvinverter_power_w"] or 0.0)
    row["load_power_w"] = (
        load_w
        + (row["grid_power_w"] or 0.0)
        - (row["ac_in_power_w"] or 0.0) * (row["ac_in_source_code"] == SOURCES[0.0])
    )
    return row


@pytest.mark.parametrize(
    ("path", "counter"),
    [
        (("battery", "in_wh"), "battery_energy_charged_wh"),
        (("battery", "out_wh"), "battery_energy_discharged_wh"),
        (("grid", "import_wh"), "grid_energy_import_wh"),
        (("genset", "energy_wh"), "genset_energy_import_wh"),
        (("sources", "load_wh"), "load_energy_wh"),
    ],
)
def test_energies_are_those_of_the_simulation(
    simulated: Simulated, path: tuple[str, str], counter: str
) -> None:
    section, name = path
    figure = simulated.sections[section][name]

    assert simulated.counted[counter] > 0
    assert figure["value"] == pytest.approx(simulated.counted[counter], rel=0.001, abs=2 * SWITCHING_WH)
    assert figure["grade"] == "A"


def test_sun_on_both_sides_is_that_of_the_simulation(simulated: Simulated) -> None:
    of_side = {one["side"]: one["energy_wh"]["value"] for one in simulated.sections["pv"]["arrays"]}

    assert of_side["dc"] == pytest.approx(simulated.counted["pv_energy_wh"], rel=0.001)
    assert of_side["ac"] == pytest.approx(simulated.counted["pvinverter_energy_import_wh"], rel=0.001)


def test_what_is_stored_follows_from_what_went_in_and_out(simulated: Simulated) -> None:
    battery = simulated.sections["battery"]
    through = battery["in_wh"]["value"] - battery["out_wh"]["value"]

    assert battery["stored_change_wh"]["value"] == pytest.approx(through, rel=0.1, abs=100)
    assert battery["loss_wh"]["value"] is None or battery["loss_wh"]["value"] >= 0


def test_the_generator_ran_as_the_scenario_says(simulated: Simulated) -> None:
    genset = simulated.sections["genset"]

    assert genset["starts_count"]["value"] == 1
    assert genset["run_s"]["value"] == pytest.approx(300 + 60, abs=40)
    assert genset["rated_w"] == pytest.approx(24_000, rel=0.01)


def test_losses_are_those_of_an_inverter_and_not_negative(simulated: Simulated) -> None:
    losses = simulated.sections["sources"]["losses_pct"]["value"]

    assert 0 < losses < 12


def test_fuel_of_minutes_that_a_tank_does_not_show_is_worked_out(simulated: Simulated) -> None:
    made = simulated.sections["sustainability"]
    run_h, energy_kwh = (
        simulated.sections["genset"][name]["value"] / per
        for name, per in (("run_s", 3600), ("energy_wh", 1000))
    )

    assert made["actual_method"] == "modelled"
    assert made["actual_fuel"] == "diesel"
    assert made["actual_fuel_source"] == "tank"
    assert made["actual_l"]["value"] == pytest.approx(0.0255 * 24 * run_h + 0.248 * energy_kwh, rel=0.02)
