"""Samples and facts for tests of reports: small ones by hand, and a festival day that looks like a real
one.

The day is synthetic and the same every time: a battery rig behind a generator feeds a stage from ten in the
morning to half past one; its data have gaps, idle ends, sags, alarms, notes and photos.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from bus import instants
from reporter.columns import Columns, Flags, Floats, Instants, Samples
from reporter.facts import (
    Alarm,
    Branding,
    Dropped,
    MadeFrom,
    Occurred,
    Remark,
    ReportSettings,
    Segment,
    SystemFacts,
)
from reporter.system_report import encode, system_report

SAMPLE: Final = Path(__file__).parent / "samples" / "report_system.json"
S: Final = 1_000_000
T0: Final = instants.parse("2026-08-15T08:00:00Z")
HOURS: Final = 15.5
MADE_FROM: Final = MadeFrom(
    journal="6f1c2a90b7d34e55",
    incarnation="a41be07c55d0923f",
    cut_position=1_284_077,
    journal_hash="5d3f1c0e9a7b4826f0c1d2e3a4b5c6d7e8f90123456789abcdef0123456789ab",
    software="1.0.0",
    configuration_sha256="0c7e1f4a2b3d5968776655443322110fedcba9876543210ffeeddccbbaa99887",
)
SETTINGS: Final = ReportSettings(
    time_zone="Europe/Berlin",
    region="eu",
    currency="EUR",
    price_per_kwh=0.42,
    demand_charge_per_kw=9.5,
    grid_factor_kg_per_kwh=0.363,
    branding=Branding(client="Lakeside Festival", company="OVR Energy Systems", colour="#0b6e4f"),
    base_url="https://reports.example.com",
)


def stream(
    seconds: Any,
    values: Mapping[str, Any],
    *,
    kind: str = "victron",
    interval_ms: int = 1000,
    begin_us: int = T0,
    flags: Mapping[str, Any] | None = None,
) -> Columns:
    """Make a stream of columns (a number stands in every row) at these seconds after the begin."""
    time_us: Instants = begin_us + np.round(np.asarray(seconds, np.float64) * S).astype(np.int64)
    columns = {
        name: np.broadcast_to(np.asarray(value, np.float64), time_us.shape) for name, value in values.items()
    }
    position = np.arange(1, len(time_us) + 1, dtype=np.int64)
    return Columns.ordered(kind, interval_ms, time_us, position, columns, flags)


def samples(*streams: Columns) -> Samples:
    return Samples("rig_01", streams)


def facts(hours: float, **other: Any) -> SystemFacts:
    made = SystemFacts(
        event_id="lakeside-2026",
        system_id="rig_01",
        from_us=T0,
        to_us=T0 + round(hours * 3600) * S,
        made_from=MADE_FROM,
    )
    return replace(made, **other)


def at(hours: float) -> int:
    return T0 + round(hours * 3600) * S


def festival_samples(interval_s: float = 1.0) -> Samples:
    """Make the samples of the day: readings every second, counters every 5 s."""
    chance = np.random.default_rng(20260815)
    seconds = np.arange(-30.0, HOURS * 3600 + 30.0, interval_s)
    hours = seconds / 3600
    load_w = _load(hours, seconds, chance)
    shares = np.stack((0.46 + 0.03 * np.sin(hours), 0.33 - 0.02 * np.sin(hours * 1.3)))
    shares = np.vstack((shares, 1.0 - shares.sum(axis=0)))
    phase_w = [np.round(load_w * share) for share in shares]
    out_w = phase_w[0] + phase_w[1] + phase_w[2]
    factor = (0.94, 0.97, 0.92)
    volts = [np.round(230.4 - 0.00062 * watts + chance.normal(0.0, 0.35, len(hours)), 1) for watts in phase_w]
    sag = (hours > 11.204) & (hours < 11.2068)
    volts[0] = np.where(sag, 198.7, volts[0])
    amps = [np.round(watts / v / pf, 2) for watts, v, pf in zip(phase_w, volts, factor, strict=True)]
    running = ((hours > 5.0) & (hours < 8.2)) | ((hours > 11.6) & (hours < 13.4))
    sun = np.maximum(0.0, np.sin((hours - 0.5) / 10.0 * np.pi))
    cloud = 0.75 + 0.25 * np.sin(hours * 9.0)
    pv_w = np.where(hours < 10.4, np.round(6200.0 * sun * cloud), 0.0)
    in_w = np.where(running, np.round(21_000.0 + 1500.0 * np.sin(hours * 5.0)), 0.0)
    battery_w = np.round(in_w + pv_w - out_w * 1.04 - 45.0)
    stored_wh = np.cumsum(np.where(battery_w > 0, battery_w * 0.96, battery_w)) * interval_s / 3600
    soc = np.clip(92.0 + 100.0 * stored_wh / 150_000.0, 12.0, 100.0)
    told: dict[str, Any] = {
        "ac_out_power_w": out_w,
        "ac_out_apparent_power_va": np.round(
            np.asarray([watts / pf for watts, pf in zip(phase_w, factor, strict=True)]).sum(axis=0)
        ),
        "ac_out_frequency_hz": np.round(
            50.0 + 0.02 * np.sin(hours * 40) + 0.25 * running * np.sin(hours * 300), 2
        ),
        "ac_in_power_w": in_w,
        "ac_in_source_code": np.where(running, 2.0, 240.0),
        "ac_in_active_code": np.where(running, 1.0, 240.0),
        "genset_power_w": in_w,
        "battery_power_w": battery_w,
        "battery_voltage_v": np.round(51.2 + 0.02 * (soc - 50.0) + battery_w * 2e-5, 2),
        "soc_pct": np.round(soc, 1),
        "pv_power_w": pv_w,
    }
    for phase, watts, v, a in zip(("l1", "l2", "l3"), phase_w, volts, amps, strict=True):
        told |= {
            f"ac_out_{phase}_power_w": watts,
            f"ac_out_{phase}_voltage_v": v,
            f"ac_out_{phase}_current_a": a,
        }
    counters = {
        "energy_inverter_to_out_wh": np.where(running, 0.0, out_w),
        "energy_in1_to_out_wh": np.where(running, out_w, 0.0),
        "battery_energy_charged_wh": np.maximum(battery_w, 0.0),
        "battery_energy_discharged_wh": np.maximum(-battery_w, 0.0),
        "genset_energy_import_wh": in_w,
    }
    slow = {
        name: np.floor((418_000.0 + np.cumsum(watts) * interval_s / 3600) / 10.0) * 10.0
        for name, watts in counters.items()
    }
    slow["ac_out_nominal_power_w"] = np.full(len(hours), 45_000.0)
    slow["ac_out_phases_count"] = np.full(len(hours), 3.0)
    kept = ~_lost(hours)
    every = kept & (np.arange(len(hours)) % round(5 / interval_s) == 0)
    unsynced = seconds[kept] < 90.0
    return samples(
        stream(
            seconds[kept],
            {name: column[kept] for name, column in told.items()},
            interval_ms=round(interval_s * 1000),
            flags={"unsynced": unsynced},
        ),
        stream(seconds[every], {name: column[every] for name, column in slow.items()}, interval_ms=5000),
    )


def festival_facts() -> SystemFacts:
    """Tell what was said and counted on that day."""
    return facts(
        HOURS,
        started_by="alice",
        ended_by="bob",
        segments=(Segment("Warehouse", T0, at(1.5)), Segment("Main stage", at(1.5), at(HOURS))),
        registration={
            "name": "Rig 1 - main stage",
            "kind": "bess",
            "maker": "Victron Energy",
            "rated_w": 45_000,
            "phases": 3,
            "nominal_voltage_v": 230,
            "battery": {"chemistry": "lifepo4", "cells": 16, "capacity_wh": 150_000, "usable_pct": 90},
            "counterfactual_generator": {
                "rated_va": 100_000,
                "count": 1,
                "fuel": "diesel",
                "idle_lph": 4.9,
                "slope_l_per_kwh": 0.24,
                "source": "maker's fuel table",
            },
        },
        described=(
            {
                "device": "vebus/276",
                "kind": "victron",
                "maker": "Victron Energy",
                "model": "Quattro 48/15000/200-2x100",
                "serial": "HQ2132ABCDE",
                "firmware": "556",
                "rated_w": 36_000,
                "phases": 3,
            },
            {
                "device": "genset/40",
                "kind": "victron",
                "maker": "Fischer Panda",
                "model": "AGT-DC 30",
                "serial": "FP-30218",
                "rated_w": 30_000,
            },
        ),
        remarks=(
            Remark(at(1.5), "alice", "location", "Main stage", system_id="rig_01"),
            Remark(
                at(1.7), "alice", "note", "Distribution connected; generator on standby.", system_id="rig_01"
            ),
            Remark(
                at(4.1),
                "alice",
                "photo",
                "",
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                media_type="image/jpeg",
                caption="Distribution board after rewiring the lighting towers",
                system_id="rig_01",
            ),
            Remark(
                at(8.35),
                "bob",
                "note",
                "Network switch at the stage was rebooted (16:21).",
                system_id="rig_01",
            ),
            Remark(
                at(11.21),
                "bob",
                "note",
                "Lights dimmed for a moment when the line array came up.",
                system_id="rig_01",
            ),
        ),
        alarms=(
            Alarm("overload", "warning", "vebus/276", "l1", "", at(11.2041), at(11.2069), "rig_01"),
            Alarm("high_temperature", "warning", "vebus/276", "", "", at(12.6), at(13.05), "rig_01"),
        ),
        occurrences=(
            Occurred("ups.ac_power_restored", "info", at(5.0), None, None, "rig_01"),
            Occurred("ups.ac_power_loss", "warning", at(8.2), 12_240.0, None, "rig_01"),
            Occurred("ups.ac_power_restored", "info", at(11.6), None, None, "rig_01"),
            Occurred("ups.ac_power_loss", "warning", at(13.4), None, None, "rig_01"),
        ),
        dropped=(Dropped(at(8.352), at(8.42), 245, "outbox_full"),),
        late_samples=118,
    )


def _load(hours: Floats, seconds: Floats, chance: np.random.Generator) -> Floats:
    """Make the load of a stage: idle, rigging, sound check, acts that grow, the headliner, taking down."""
    known_h = (
        -1.0,
        0.6,
        0.601,
        1.5,
        1.6,
        4.0,
        4.02,
        5.2,
        5.25,
        7.9,
        8.0,
        9.4,
        9.5,
        9.6,
        11.0,
        11.1,
        13.5,
        13.52,
        14.7,
        14.701,
        17.0,
    )
    known_w = (
        28,
        31,
        900,
        1100,
        2600,
        3200,
        9800,
        9200,
        3900,
        4300,
        12800,
        13600,
        6200,
        14800,
        16500,
        24800,
        26800,
        4200,
        2900,
        33,
        30,
    )
    base = np.interp(hours, known_h, known_w)
    beat = (
        np.abs(np.sin(seconds / 2.9))
        * np.abs(np.sin(seconds / 171.0))
        * 0.34
        * np.maximum(base - 6000.0, 0.0)
    )
    rough = chance.normal(0.0, 1.0, len(hours)) * np.where(base > 100.0, 0.018 * base, 1.5)
    surge = np.where(np.abs(hours - 12.3412) < 0.0011, 7800.0, 0.0)
    return np.maximum(0.0, np.round(base + beat + rough + surge))


def _lost(hours: Floats) -> Flags:
    holes = ((8.352, 8.42), (10.183, 10.1955), (13.9, 13.988))
    lost = np.zeros(len(hours), np.bool_)
    for begin, end in holes:
        lost |= (hours > begin) & (hours < end)
    return lost


def main() -> None:
    """Write the documents of the day anew."""
    SAMPLE.write_bytes(encode(system_report(festival_samples(), festival_facts(), SETTINGS)))


if __name__ == "__main__":
    main()
