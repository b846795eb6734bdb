"""A festival day of eight systems, made up: samples as producers would deliver them, the same every time.

Rules that must stay true here: no clock and no chance; what the systems are and do is in one table.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from reporter.columns import Columns, Flags, Floats, Samples
from reporter.event_members import SystemPart
from reporter.event_report import event_report
from reporter.facts import (
    Alarm,
    Branding,
    EventFacts,
    MadeFrom,
    Occurred,
    Remark,
    ReportSettings,
    Segment,
    SystemFacts,
)
from reporter.profile import profile
from reporter.system_report import document, encode, stand

SAMPLE: Final = Path(__file__).parent / "samples" / "report_event.json"
EVENT = "Summer Festival, day 1"
STEP_S = 10
SETTINGS = ReportSettings(
    time_zone="Europe/Berlin",
    region="eu",
    currency="EUR",
    price_per_kwh=0.42,
    demand_charge_per_kw=9.5,
    grid_factor_kg_per_kwh=0.363,
    behind={"acuvim_13": "rig_01"},
    branding=Branding(client="Lakeside Festival GmbH", company="Ridgeline Power", colour="#0b6e4f"),
)


def us(text: str) -> int:
    """Read a local time of the day (CEST): `4 18:30` is 18:30 on the fourth of July 2026."""
    day, clock = text.split()
    hour, minute = clock.split(":")
    at = datetime(2026, 7, int(day), int(hour), int(minute), tzinfo=UTC)
    return int(at.timestamp() * 1e6) - 7_200_000_000


BEGIN, END = us("4 12:00"), us("5 02:00")
MADE_FROM = MadeFrom(
    journal="4d2f6a0c9b1e7f35",
    incarnation="9c07d1b2e4a85f60",
    cut_position=2_481_337,
    journal_hash="b7" * 32,
    software="0.1.0",
    configuration_sha256="5e" * 32,
)
DIESEL = {
    "rated_va": 60000,
    "count": 1,
    "fuel": "diesel",
    "idle_lph": 2.6,
    "slope_l_per_kwh": 0.251,
    "source": "hire company's data sheet, 60 kVA",
}


@dataclass(frozen=True)
class Made:
    """Say what a system is and how its load goes: hour after the event's begin, watts."""

    system_id: str
    name: str
    kind: str
    rated_w: float
    load: Sequence[tuple[float, float]]
    windows: Sequence[tuple[int, int, str]]
    phases: tuple[float, float, float] = (0.34, 0.33, 0.33)
    capacity_wh: float = 0.0
    pv_w: float = 0.0
    grid_w: float = 0.0
    soc_pct: float = 90.0
    genset_w: float = 0.0
    holes: Sequence[tuple[int, int]] = ()
    outages: Sequence[tuple[int, int]] = ()
    registration: Mapping[str, Any] = field(default_factory=dict)


def _bess(wh: float) -> dict[str, Any]:
    return {"battery": {"chemistry": "lifepo4", "cells": 16, "capacity_wh": wh, "usable_pct": 90}}


ALL_DAY = (BEGIN, END)
SMALL = DIESEL | {"rated_va": 20000, "idle_lph": 0.77, "slope_l_per_kwh": 0.258}
SYSTEMS = (
    Made(
        "rig_01",
        "Main stage left",
        "bess",
        36_000,
        ((0, 5e3), (3, 9e3), (6, 15e3), (10, 24e3), (11.5, 29e3), (12.5, 8e3), (14, 5e3)),
        ((*ALL_DAY, "Main stage"),),
        (0.36, 0.34, 0.30),
        capacity_wh=81_600,
        pv_w=5_200,
        grid_w=22_000,
        soc_pct=82,
        outages=((us("4 17:31"), us("4 17:38")),),
        registration=_bess(81_600) | {"counterfactual_generator": DIESEL},
    ),
    Made(
        "rig_02",
        "Main stage right",
        "bess",
        36_000,
        ((0, 4e3), (4, 8e3), (8, 18e3), (11.5, 33.2e3), (12.6, 6e3), (14, 4e3)),
        ((*ALL_DAY, "Main stage"),),
        capacity_wh=81_600,
        grid_w=24_000,
        soc_pct=88,
        registration=_bess(81_600) | {"counterfactual_generator": DIESEL},
    ),
    Made(
        "rig_03",
        "Second stage",
        "bess",
        45_000,
        ((0, 2e3), (3, 6e3), (7, 11e3), (11, 9e3), (12, 2e3), (14, 1.2e3)),
        ((us("4 13:30"), us("5 01:30"), "Second stage"),),
        (0.44, 0.33, 0.23),
        capacity_wh=40_800,
        pv_w=3_100,
        soc_pct=96,
        genset_w=24_000,
        holes=((us("4 20:05"), us("4 20:31")),),
        registration=_bess(40_800) | {"counterfactual_generator": DIESEL},
    ),
    Made(
        "rig_04",
        "Food court",
        "bess",
        45_000,
        ((0, 7e3), (2, 12e3), (6, 16e3), (9, 15e3), (12, 7e3), (14, 3e3)),
        ((BEGIN, us("4 23:00"), "Food court"), (us("4 23:40"), END, "Food court")),
        (0.25, 0.45, 0.30),
        capacity_wh=81_600,
        grid_w=20_000,
        soc_pct=71,
        registration=_bess(81_600),
    ),
    Made(
        "rig_05",
        "Campsite lights",
        "bess",
        20_000,
        ((0, 0), (2.5, 0), (2.6, 9e2), (8, 2.4e3), (10, 3.1e3), (13, 2.2e3), (13.1, 0), (14, 0)),
        ((*ALL_DAY, "Campsite"),),
        (0.5, 0.3, 0.2),
        capacity_wh=20_400,
        pv_w=2_000,
        soc_pct=99,
        registration=_bess(20_400) | {"counterfactual_generator": SMALL},
    ),
    Made(
        "gen_01",
        "Backstage generator",
        "genset",
        80_000,
        ((0, 9e3), (4, 14e3), (9, 21e3), (12, 16e3), (14, 8e3)),
        ((*ALL_DAY, "Backstage"),),
        registration={"rated_va": 100_000},
    ),
    Made(
        "acuvim_13",
        "Main stage left, sound",
        "meter",
        0,
        ((0, 2e3), (3, 5e3), (6, 8e3), (10, 13e3), (11.5, 16e3), (12.5, 3e3), (14, 2e3)),
        ((us("4 14:00"), us("5 01:00"), "Main stage"),),
        (0.37, 0.34, 0.29),
    ),
    Made(
        "acuvim_21",
        "Catering, house connection",
        "meter",
        63_000,
        ((0, 11e3), (2, 21e3), (6, 26e3), (9, 23e3), (12, 9e3), (14, 6e3)),
        ((*ALL_DAY, "Catering"),),
        (0.31, 0.37, 0.32),
        holes=((us("4 16:40"), us("4 16:44")),),
    ),
)


def samples(made: Made, from_us: int, to_us: int, step_s: int = STEP_S) -> Samples:
    """Make what a system told in a window, and a minute around it."""
    time_us = np.arange(from_us - 60_000_000, to_us + 60_000_000, step_s * 1_000_000)
    for begin_us, end_us in made.holes:
        time_us = time_us[(time_us < begin_us) | (time_us > end_us)]
    hour = (time_us - BEGIN) / 3.6e9
    load = _load(made, hour)
    place = "ac" if made.kind in ("meter", "genset") else "ac_out"
    values = _phases(place, load, made.phases)
    if made.kind in ("meter", "genset"):
        register = np.cumsum(load) * step_s / 3600.0 + 1_250_000.0
        values[f"{place}_energy_import_wh"] = np.round(register, 0)
    else:
        away = np.zeros(len(time_us), np.bool_)
        for begin_us, end_us in made.outages:
            away |= (time_us >= begin_us) & (time_us < end_us)
        values |= _rig(made, hour, load, away, step_s)
    kind = "victron" if place == "ac_out" else "acuvim"
    position = np.arange(len(time_us)) + 1
    return Samples(made.system_id, (Columns.ordered(kind, step_s * 1000, time_us, position, values),))


def _load(made: Made, hour: Floats) -> Floats:
    seed = sum(made.system_id.encode())
    beat = np.sin(hour * 611 + seed) * np.sin(hour * 97 + seed / 3) + 0.5 * np.sin(hour * 2437 + seed)
    mean = np.interp(hour, [at for at, _ in made.load], [watts for _, watts in made.load])
    return np.maximum(0.0, mean * (1.0 + 0.12 * beat))


def _phases(place: str, load: Floats, shares: Sequence[float]) -> dict[str, Floats]:
    values: dict[str, Floats] = {f"{place}_power_w": np.round(load, 1)}
    factor = 0.93
    for phase, share in zip(("l1", "l2", "l3"), shares, strict=True):
        watts = load * share
        volts = 231.0 - watts / 9000.0
        values[f"{place}_{phase}_power_w"] = np.round(watts, 1)
        values[f"{place}_{phase}_voltage_v"] = np.round(volts, 2)
        values[f"{place}_{phase}_current_a"] = np.round(watts / factor / volts, 3)
        values[f"{place}_{phase}_apparent_power_va"] = np.round(watts / factor, 1)
    values[f"{place}_apparent_power_va"] = np.round(load / factor, 1)
    values[f"{place}_frequency_hz"] = 50.0 + 0.02 * np.sin(load)
    return values


def _rig(made: Made, hour: Floats, load: Floats, away: Flags, step_s: int) -> dict[str, Floats]:
    """Follow a battery: sun first, then what the input gives up to its limit, the rest from the battery."""
    sun = made.pv_w * np.clip(np.sin((hour + 12.0 - 5.5) / 16.0 * np.pi), 0.0, None) * (hour < 9.5)
    soc, running = made.soc_pct, False
    battery, into, charge = np.zeros(len(load)), np.zeros(len(load)), np.zeros(len(load))
    for index in range(len(load)):
        need = load[index] * 1.05 - sun[index] + 60.0
        if made.genset_w:
            running = soc < 35.0 or (running and soc < 75.0)
            given = min(made.genset_w, max(need + 9_000.0, 0.0)) if running else 0.0
        else:
            given = 0.0 if away[index] else min(made.grid_w, max(0.0, need + 4_000.0 * (soc < 92.0)))
        into[index] = given
        battery[index] = given - need if soc < 100.0 or given < need else min(0.0, given - need)
        soc = float(np.clip(soc + battery[index] * step_s / 36.0 / made.capacity_wh, 4.0, 100.0))
        charge[index] = soc
    code = (
        np.where(into > 0, 2.0, 240.0) if made.genset_w else np.where((made.grid_w > 0) & ~away, 1.0, 240.0)
    )
    values: dict[str, Floats] = {
        "battery_power_w": np.round(battery),
        "battery_voltage_v": np.round(51.2 + charge / 50.0 + battery / 20_000.0, 2),
        "soc_pct": np.round(charge, 2),
        "ac_in_power_w": np.round(into),
        "ac_in_source_code": code,
        "ac_out_nominal_power_w": np.full(len(load), made.rated_w),
    }
    if made.pv_w:
        values["pv_power_w"] = np.round(sun)
    if made.genset_w:
        values["genset_power_w"] = np.round(into)
        values["genset_engine_load_pct"] = np.round(100.0 * into / made.genset_w, 1)
        values["genset_engine_speed_rpm"] = np.where(into > 0, 1500.0, 0.0)
    elif made.grid_w:
        values["grid_power_w"] = np.round(into)
    return values


def system_facts(made: Made, from_us: int, to_us: int, location: str) -> SystemFacts:
    """Say what else is known of a system in one of its windows."""
    rated = {"rated_w": made.rated_w} if made.rated_w else {}
    return SystemFacts(
        event_id=EVENT,
        system_id=made.system_id,
        from_us=from_us,
        to_us=to_us,
        made_from=MADE_FROM,
        started_by="anna",
        ended_by="ben",
        segments=(Segment(location, from_us, to_us),),
        registration={"name": made.name, "kind": made.kind, "phases": 3, **rated, **made.registration},
        alarms=tuple(one for one in ALARMS if one.system_id == made.system_id),
        occurrences=tuple(one for one in OCCURRENCES if one.system_id == made.system_id),
    )


ALARMS = (
    Alarm("grid_lost", "alarm", "vebus/276", "", "", us("4 17:31"), us("4 17:38"), "rig_01"),
    Alarm("overload", "warning", "vebus/276", "l2", "", us("4 23:26"), us("4 23:29"), "rig_02"),
    Alarm("low_soc", "warning", "battery/1", "", "", us("4 19:12"), us("4 19:40"), "rig_03"),
    Alarm("high_temperature", "warning", "vebus/276", "", "", us("4 21:15"), None, "rig_04"),
)
OCCURRENCES = (
    Occurred("ac_power_loss", "warning", us("4 17:31"), 420.0, "grid lost", "rig_01"),
    Occurred("ac_power_restored", "info", us("4 17:38"), None, None, "rig_01"),
    Occurred("battery_low", "warning", us("4 19:12"), 1680.0, None, "rig_03"),
    Occurred("communication_error", "error", us("4 20:05"), 1560.0, "no answer", "rig_03"),
    Occurred("communication_error", "error", us("4 16:40"), 240.0, "no answer", "acuvim_21"),
)


def _note(clock: str, client: str, text: str, system_id: str) -> Remark:
    return Remark(us(clock), client, "note", text, system_id=system_id)


EVENT_FACTS = EventFacts(
    event_id=EVENT,
    from_us=BEGIN,
    to_us=END,
    made_from=MADE_FROM,
    attendance=8_500,
    remarks=(
        _note("4 12:02", "anna", "All systems up, main stage on site grid.", "rig_01"),
        _note("4 17:40", "ben", "Grid was away for seven minutes, nobody noticed.", "rig_01"),
        _note("4 20:20", "ben", "Network cable at second stage cut by a fork lift, replaced.", "rig_03"),
    ),
    alarms=ALARMS,
    occurrences=OCCURRENCES,
    late_samples=0,
)


def parts() -> list[SystemPart]:
    """Make the reports and profiles of all windows, with the places where they would be."""
    made = []
    for system in SYSTEMS:
        for number, (from_us, to_us, location) in enumerate(system.windows, 1):
            facts = system_facts(system, from_us, to_us, location)
            stands = stand(samples(system, from_us, to_us), facts, SETTINGS)
            folder = system.system_id if number == 1 else f"{system.system_id}_{number}"
            made.append(
                SystemPart(document(stands), profile(system.system_id, stands.power), f"{folder}/report.html")
            )
    return made


if __name__ == "__main__":
    SAMPLE.write_bytes(encode(event_report(parts(), EVENT_FACTS, SETTINGS)))
