"""Figures of a simulated site against what is true of it: its own counters, unrounded, and its physics."""

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest

from producers.simulator import scenario_file
from producers.simulator.tell import LiveRig
from reporter.columns import Columns, Samples
from reporter.facts import Document
from reporter.system_report import system_report
from reporter.wanted import NAMES
from tests.reporting import SETTINGS, T0, S, facts

MINUTES = 8
BEGIN_S = 3 * 3600.0
KINDS = {"rig_01": "victron", "acuvim_13": "acuvim", "fronius_21": "sunspec"}


@cache
def site() -> tuple[Mapping[str, Samples], Mapping[str, Mapping[str, float]]]:
    """Give what one rig and what hangs on it told every second, and what their counters truly counted."""
    scenario = scenario_file.load("festival")
    now_s = [scenario.starts_at_s + BEGIN_S]
    live = LiveRig(scenario, scenario.wirings["rig_01"], lambda: now_s[0])
    told: dict[str, list[Mapping[str, float | None]]] = {system: [] for system in KINDS}
    truth: list[dict[str, dict[str, float]]] = []
    for _ in range(MINUTES * 60 + 1):
        for system, rows in told.items():
            rows.append(dict(live.tell(system)))
        truth.append({system: dict(live.state.counters.get(system, {})) for system in KINDS})
        now_s[0] += 1.0
    counted = {
        system: {name: truth[-1][system][name] - wh for name, wh in truth[0][system].items()}
        for system in KINDS
    }
    return {system: _columns(system, rows) for system, rows in told.items()}, counted


def _columns(system: str, rows: list[Mapping[str, float | None]]) -> Samples:
    names = sorted({name for row in rows for name in row})
    values = {name: np.array([row.get(name) for row in rows], np.float64) for name in names}
    times = T0 + np.arange(len(rows), dtype=np.int64) * S
    return Samples(system, (Columns(KINDS[system], 1000, times, np.arange(len(rows)), values),))


@cache
def report(system: str) -> Document:
    return system_report(site()[0][system], facts(MINUTES / 60, system_id=system), SETTINGS)


@pytest.mark.parametrize(
    ("system", "counter"),
    [
        ("rig_01", "ac_out_energy_import_wh"),
        ("acuvim_13", "ac_energy_import_wh"),
        ("fronius_21", "ac_out_energy_import_wh"),
    ],
)
def test_energy_is_within_a_thousandth_of_what_is_true(system: str, counter: str) -> None:
    true_wh = site()[1][system][counter]

    assert report(system)["summary"]["energy_wh"]["value"] == pytest.approx(true_wh, rel=1e-3, abs=0.1)


def test_the_meters_own_counter_agrees_with_the_integral() -> None:
    assert abs(report("acuvim_13")["energy"]["registers"][0]["compared_pct"]) < 0.5


def test_every_method_of_a_meter_comes_from_the_same_three_phases() -> None:
    methods = {one["method"]: one["import_wh"] for one in report("acuvim_13")["energy"]["methods"]}

    assert methods["volts_times_amps"] >= methods["root_of_squares"] * 0.999 > methods["total_power"]


@pytest.mark.parametrize("system", KINDS)
def test_a_report_needs_no_other_measurements_than_those_that_it_names(system: str) -> None:
    fewer = site()[0][system].only(NAMES)

    assert len(fewer.names()) < len(site()[0][system].names())
    assert system_report(fewer, facts(MINUTES / 60, system_id=system), SETTINGS) == report(system)


def test_each_system_is_recognised() -> None:
    found = {system: report(system)["system"]["device"] for system in KINDS}

    assert {system: (one["family"], one["place"]) for system, one in found.items()} == {
        "rig_01": ("victron", "ac_out"),
        "acuvim_13": ("acuvim", "ac"),
        "fronius_21": ("sunspec", "ac_out"),
    }
    assert {one["phases"]["configuration"] for one in found.values()} == {"three_phase_wye"}
    assert {one["nominal"]["voltage_v"] for one in found.values()} == {230.0}
