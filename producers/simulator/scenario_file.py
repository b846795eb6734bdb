"""Scenario files: TOML that says what stands on a site, checked once and turned into frozen values.

`scenarios/festival.toml` explains every field. Rules that must stay true here:
- whatever a file says is checked before anything starts: an unknown field is a typing mistake and is refused;
- a message names the file, the table and what to change.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from math import sqrt
from pathlib import Path
from typing import Any

from bus.system_ids import canonical
from producers.simulator import faults
from producers.simulator.layouts.catalogue import LAYOUTS
from producers.simulator.scenario import (
    BACKUP,
    GX,
    NOBODY,
    SELF_USE,
    Action,
    Air,
    Fault,
    Generator,
    Grid,
    Inverter,
    Load,
    Meter,
    Rig,
    Scenario,
    Sun,
    Ups,
)
from producers.simulator.scenario_check import check
from producers.simulator.table import Table
from producers.simulator.timeline import DAY_S, Timeline
from schemas.errors import ConfigurationError, InputError
from schemas.measurements import MEASUREMENTS
from schemas.registry import Registry

HYBRIDS = ("fronius", "fronius_float", "sungrow_sh", "sma_sunny_island", "deye_hybrid", "deye_hybrid_hv")
METERS = (
    "acuvim_ii",
    "acuvim_l",
    "acuvim_l_fast",
    "acuvim_3",
    "fronius_meter",
    "fronius_meter_float",
    "datamanager_meter",
)
INVERTERS = ("fronius", "fronius_float")
_MODELS: Mapping[str, str] = {
    "acuvim_ii": "Acuvim II",
    "acuvim_l": "Acuvim L",
    "acuvim_l_fast": "Acuvim L",
    "acuvim_3": "Acuvim 3",
    "fronius": "Symo GEN24 10.0",
    "fronius_float": "Symo GEN24 10.0",
}
_GX_OPTIONS = ("firmware", "password", "tls", "latitude_deg", "longitude_deg")
_SYSTEM_ID = re.compile(r"[a-z0-9_]{1,40}")


def load(name: str, *, seed: int | None = None) -> Scenario:
    """Read a scenario: the path of a TOML file, or the name of one that comes with us.

    Raises:
        ConfigurationError: there is no such scenario, or it says something impossible.
    """
    path = Path(name)
    shipped = files("producers.simulator").joinpath("scenarios", f"{name}.toml")
    try:
        text = (
            path.read_text(encoding="utf-8")
            if path.suffix == ".toml"
            else shipped.read_text(encoding="utf-8")
        )
    except OSError as error:
        raise ConfigurationError(
            f"there is no scenario {name}: give a .toml file, or one of {', '.join(shipped_names())}"
        ) from error
    try:
        return _scenario(path.stem, Table(tomllib.loads(text)), seed)
    except (tomllib.TOMLDecodeError, ValueError) as error:
        raise ConfigurationError(f"scenario {name}: {error}") from error


def shipped_names() -> list[str]:
    """List the scenarios that come with us."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files("producers.simulator").joinpath("scenarios").iterdir()
        if item.name.endswith(".toml")
    )


def _scenario(name: str, table: Table, seed: int | None) -> Scenario:
    own = int(table.number("seed", 1))
    scenario = Scenario(
        name=table.text("name", name),
        seed=own if seed is None else seed,
        starts_at_s=table.time("starts_at", "12:00"),
        grid=_one(table, "grid", _grid),
        sun=_one(table, "sun", _sun),
        air=_one(table, "air", _air),
        rigs=_all(table, "rig", _rig),
        generators=_all(table, "generator", _generator),
        meters=_all(table, "meter", _meter),
        inverters=_all(table, "inverter", _inverter),
        upses=_all(table, "ups", _ups),
        loads=_all(table, "load", _load),
        faults=_all(table, "fault", _fault),
        actions=_all(table, "action", _action),
    )
    table.done()
    check(scenario)
    return scenario


def _one(table: Table, name: str, make: Callable[[Table], Any]) -> Any:
    inner = table.table(name)
    with _naming(name):
        made = make(inner)
        inner.done()
    return made


def _all(table: Table, name: str, make: Callable[[Table], Any]) -> tuple[Any, ...]:
    made = []
    for number, inner in enumerate(table.tables(name), start=1):
        with _naming(f"{name} {inner.label() or number}"):
            made.append(make(inner))
            inner.done()
    return tuple(made)


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _grid(row: Table) -> Grid:
    return Grid(
        row.number("voltage_v", 230.0, least=1.0),
        row.number("frequency_hz", 50.0, least=1.0),
        row.spans("outages"),
    )


def _sun(row: Table) -> Sun:
    sun = Sun(row.time("rise", "06:00"), row.time("set", "20:00"), row.number("clouds", 0.2, most=1.0))
    if sun.set_s <= sun.rise_s:
        raise ValueError("set must be later than rise")
    return sun


def _air(row: Table) -> Air:
    return Air(row.number("mean_c", 18.0, least=-60.0, most=60.0), row.number("swing_c", 6.0, most=30.0))


def _rig(row: Table) -> Rig:
    rated_w = row.number("rated_w", 15_000.0, least=1.0)
    soc_min = row.number("soc_min_pct", 5.0, most=100.0) / 100
    face = row.choice("face", (GX, *HYBRIDS, NOBODY), GX)
    return Rig(
        system_id=_system_id(row),
        model=row.text("model", _MODELS.get(face, "MultiPlus-II 48/5000 x3")),
        face=face,
        strategy=row.choice("strategy", (BACKUP, SELF_USE), BACKUP if face == GX else SELF_USE),
        has_grid=row.flag("has_grid", default=True),
        rated_w=rated_w,
        capacity_wh=row.number("capacity_wh", 30_000.0, least=1.0),
        cells=int(row.number("cells", 16, least=1)),
        soc=row.number("soc_pct", 80.0, least=soc_min * 100, most=100.0) / 100,
        soc_min=soc_min,
        reserve=row.number("reserve_pct", soc_min * 100, least=soc_min * 100, most=100.0) / 100,
        charge_w=row.number("charge_w", rated_w / 2),
        grid_charge_w=row.number("grid_charge_w", rated_w / 4),
        input_limit_w=row.number("input_limit_w", rated_w),
        feed_in_w=row.number("feed_in_w", 0.0),
        pv_w=row.number("pv_w", 0.0),
        efficiency=row.number("efficiency", 0.94, least=0.5, most=1.0),
        battery_efficiency=row.number("battery_efficiency", 0.975, least=0.5, most=1.0),
        standby_w=row.number("standby_w", 60.0),
        resistance_ohm=row.number("resistance_ohm", 0.004),
        grid_meter=row.flag("grid_meter", default=False),
        options=row.some(_GX_OPTIONS) if face == GX else {},
    )


def _generator(row: Table) -> Generator:
    tank_l = row.number("tank_l", 60.0, least=0.1)
    start_pct = row.number("start_soc_pct", 20.0, most=100.0)
    rated_w = row.number("rated_w", least=1.0)
    return Generator(
        on=row.text("on"),
        rated_w=rated_w,
        tank_l=tank_l,
        fuel_l=row.number("fuel_pct", 100.0, most=100.0) / 100 * tank_l,
        start_soc=start_pct / 100,
        stop_soc=row.number("stop_soc_pct", max(80.0, start_pct), least=start_pct, most=100.0) / 100,
        charge_w=row.number("charge_w", rated_w),
        warm_up_s=row.number("warm_up_s", 60.0, most=3600.0),
        cool_down_s=row.number("cool_down_s", 120.0, most=3600.0),
        idle_lph=row.number("idle_lph", 1.2, least=0.01),
        l_per_kwh=row.number("l_per_kwh", 0.26),
        runs=row.spans("runs"),
        controller=row.flag("controller", default=False),
        refuels_s=row.times("refuels"),
    )


def _meter(row: Table) -> Meter:
    map_ = row.choice("map", METERS, "acuvim_ii")
    return Meter(
        system_id=_system_id(row),
        model=row.text("model", _MODELS.get(map_, "Smart Meter TS 65A-3")),
        on=row.text("on"),
        at_input=row.flag("at_input", default=False),
        options={"map": map_},
    )


def _inverter(row: Table) -> Inverter:
    map_ = row.choice("map", INVERTERS, "fronius")
    pv_w = row.number("pv_w", least=1.0)
    return Inverter(
        system_id=_system_id(row),
        model=row.text("model", _MODELS[map_]),
        on=row.text("on"),
        rated_w=row.number("rated_w", pv_w, least=1.0),
        pv_w=pv_w,
        options={"map": map_},
    )


def _ups(row: Table) -> Ups:
    rated_w = row.number("rated_w", 2700.0, least=1.0)
    return Ups(
        system_id=_system_id(row),
        model=row.text("model", "Smart-UPS 3000"),
        on=row.text("on"),
        phase=int(row.number("phase", 1, least=1, most=3)),
        rated_w=rated_w,
        capacity_wh=row.number("capacity_wh", rated_w / 4, least=1.0),
        load_w=row.number("load_w", rated_w / 3),
        charge_w=row.number("charge_w", rated_w / 10),
        efficiency=row.number("efficiency", 0.93, least=0.5, most=1.0),
    )


def _load(row: Table) -> Load:
    points = row.points("power_w")
    times = tuple(at for at, _ in points)
    if not times or list(times) != sorted(set(times)) or times[-1] >= DAY_S:
        raise ValueError("give the points of power_w in order of time, within one day")
    shares = row.numbers("phases", (1.0, 1.0, 1.0))
    if len(shares) != 3 or min(shares) < 0 or sum(shares) <= 0:  # noqa: PLR2004 - phases
        raise ValueError("phases are three shares, such as [1, 1, 1]")
    return Load(
        name=row.text("name"),
        on=row.text("on"),
        power_w=Timeline(times, tuple(value for _, value in points)),
        reactive_share=sqrt(1.0 / row.number("power_factor", 0.95, least=0.1, most=1.0) ** 2 - 1.0),
        phases=(shares[0] / sum(shares), shares[1] / sum(shares), shares[2] / sum(shares)),
        flicker=row.number("flicker", 0.1, most=1.0),
        beat_s=row.number("beat_s", 10.0, least=0.1),
    )


def _fault(row: Table) -> Fault:
    what = row.choice("what", tuple(faults.FAULTS))
    kind = faults.FAULTS[what]
    if missing := [name for name in sorted(kind.needs) if name not in row]:
        raise ValueError(f"a fault that {what} needs {missing[0]}: {kind.meaning}")
    part = row.choice("part", faults.PARTS, "") if "part" in row else ""
    names = row.texts("names")
    alarm = row.text("alarm", "")
    head = "battery_alarm" if part == "battery" else "alarm"
    for name in (*names, *([f"{head}_{alarm}_code"] if alarm else [])):
        if name not in MEASUREMENTS:
            raise ValueError(f"{name} is no measurement")
    return Fault(
        what=what,
        on=row.text("on"),
        when=row.spans("when", needed=True),
        part=part,
        names=frozenset(names),
        amount=row.number("amount", kind.default or 0.0, least=-1e9),
        alarm=alarm,
        level=row.choice("level", ("warning", "alarm"), "alarm"),
    )


def _action(row: Table) -> Action:
    registry = Registry.load()
    type_ = row.choice("type", tuple(sorted(registry.types())))
    data = row.any("data")
    try:
        registry.check(type_, registry.newest(type_), data)
    except InputError as error:
        raise ValueError(f"data does not fit {type_}: {error}") from error
    return Action(at_s=row.time("at"), on=row.text("on"), type=type_, data=data)


def _system_id(row: Table) -> str:
    said = row.text("system_id")
    if not _SYSTEM_ID.fullmatch(said) or canonical(said) != said:
        raise ValueError(f"system_id must be at most 40 of a-z, 0-9 and _, got {said!r}")
    return said


assert {*HYBRIDS, *METERS, *INVERTERS} <= set(LAYOUTS)
