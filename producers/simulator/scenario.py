"""Scenarios as data: what stands on the site, what it feeds, when the grid fails and how the sun shines.

A scenario is a TOML file; `scenarios/festival.toml` explains every field. Everything a file says is
checked here, once, and becomes frozen values.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from math import isfinite, pi, sin, sqrt
from pathlib import Path
from typing import Any

from producers.simulator.timeline import DAY_S, Spans, Timeline
from schemas.errors import ConfigurationError

_PHASES = 3


@dataclass(frozen=True, slots=True)
class Grid:
    """The public grid, or whatever feeds the AC inputs."""

    voltage_v: float = 230.0
    frequency_hz: float = 50.0
    outages: Spans = field(default_factory=Spans)


@dataclass(frozen=True, slots=True)
class Sun:
    """The sun: a half sine from sunrise to sunset, and clouds that take up to `clouds` (0 to 1) of it."""

    rise_s: float
    set_s: float
    clouds: float

    def at(self, time_s: float) -> float:
        """Give the share of the peak power that a clear sky lets through at a time."""
        part = (time_s % DAY_S - self.rise_s) / (self.set_s - self.rise_s)
        return max(0.0, sin(pi * part)) ** 1.2 if 0.0 < part < 1.0 else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """Something that draws power, behind a meter or straight behind a system.

    Attributes:
        reactive_share: vars per watt.
        flicker: how far the power swings around its timeline, as a share; `beat_s` is how fast.
    """

    name: str
    on: str
    power_w: Timeline
    reactive_share: float
    phases: tuple[float, float, float]
    flicker: float
    beat_s: float


@dataclass(frozen=True, slots=True)
class Rig:
    """A battery system: three-phase inverter/charger, battery, solar charger."""

    system_id: str
    model: str
    rated_w: float
    capacity_wh: float
    cells: int
    soc: float
    soc_min: float
    charge_w: float
    grid_charge_w: float
    input_limit_w: float
    pv_w: float
    efficiency: float
    battery_efficiency: float
    standby_w: float
    resistance_ohm: float
    unplugged: Spans


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter in the feed behind a system."""

    system_id: str
    model: str
    on: str
    unplugged: Spans


@dataclass(frozen=True)
class Scenario:
    """A whole site."""

    name: str
    seed: int
    starts_at_s: float
    grid: Grid
    sun: Sun
    rigs: tuple[Rig, ...]
    meters: tuple[Meter, ...]
    loads: tuple[Load, ...]

    def behind(self, rig: Rig) -> tuple[Meter, ...]:
        """Give the meters behind a system."""
        return tuple(meter for meter in self.meters if meter.on == rig.system_id)

    @cached_property
    def feeds(self) -> Mapping[str, tuple[tuple[Load, ...], ...]]:
        """Give the loads behind each system: those of each of its meters, and last what is not metered."""
        return {
            rig.system_id: tuple(
                tuple(load for load in self.loads if load.on == place)
                for place in (*(meter.system_id for meter in self.behind(rig)), rig.system_id)
            )
            for rig in self.rigs
        }

    @cached_property
    def edges_s(self) -> tuple[float, ...]:
        """Give the times of day at which something begins, ends or bends."""
        edges = {*self.grid.outages.edges(), self.sun.rise_s, self.sun.set_s}
        for load in self.loads:
            edges.update(load.power_w.times_s)
        return tuple(sorted(edge % DAY_S for edge in edges))


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
            f"there is no scenario {name}: give a .toml file, or one of {shipped_names()}"
        ) from error
    try:
        document = tomllib.loads(text)
        return _scenario(path.stem, document, seed)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigurationError(f"scenario {name}: {said}") from error


def shipped_names() -> list[str]:
    """List the scenarios that come with us."""
    return sorted(
        item.name.removesuffix(".toml")
        for item in files("producers.simulator").joinpath("scenarios").iterdir()
        if item.name.endswith(".toml")
    )


def _scenario(name: str, document: Mapping[str, Any], seed: int | None) -> Scenario:
    grid, sun = document.get("grid", {}), document.get("sun", {})
    rigs = tuple(_rig(row) for row in document.get("rig", ()))
    meters = tuple(
        Meter(row["system_id"], row.get("model", "Acuvim II"), row["on"], _spans(row.get("unplugged", ())))
        for row in document.get("meter", ())
    )
    scenario = Scenario(
        name=document.get("name", name),
        seed=int(document.get("seed", 1)) if seed is None else seed,
        starts_at_s=_time(document.get("starts_at", "12:00")),
        grid=Grid(
            _number(grid, "voltage_v", 230.0, least=1.0),
            _number(grid, "frequency_hz", 50.0, least=1.0),
            _spans(grid.get("outages", ())),
        ),
        sun=Sun(
            _time(sun.get("rise", "06:00")),
            _time(sun.get("set", "20:00")),
            _number(sun, "clouds", 0.2, most=1.0),
        ),
        rigs=rigs,
        meters=meters,
        loads=tuple(_load(row) for row in document.get("load", ())),
    )
    _check(scenario)
    return scenario


def _check(scenario: Scenario) -> None:
    rigs = [rig.system_id for rig in scenario.rigs]
    places = rigs + [meter.system_id for meter in scenario.meters]
    if not rigs or len(set(places)) < len(places):
        raise ValueError("give at least one [[rig]], and every system_id once")
    if scenario.sun.set_s <= scenario.sun.rise_s:
        raise ValueError("sun: set must be later than rise")
    for meter in scenario.meters:
        if meter.on not in rigs:
            raise ValueError(f"meter {meter.system_id} is on {meter.on}, which is no [[rig]]")
    for item in scenario.loads:
        if item.on not in places:
            raise ValueError(f"load {item.name} is on {item.on}, which is no [[rig]] and no [[meter]]")


def _rig(row: Mapping[str, Any]) -> Rig:
    rated_w = _number(row, "rated_w", 15_000.0, least=1.0)
    soc_min = _number(row, "soc_min_pct", 5.0, most=100.0) / 100
    return Rig(
        system_id=row["system_id"],
        model=row.get("model", "MultiPlus-II 48/5000 x3"),
        rated_w=rated_w,
        capacity_wh=_number(row, "capacity_wh", 30_000.0, least=1.0),
        cells=int(_number(row, "cells", 16, least=1)),
        soc=_number(row, "soc_pct", 80.0, least=soc_min * 100, most=100.0) / 100,
        soc_min=soc_min,
        charge_w=_number(row, "charge_w", rated_w / 2),
        grid_charge_w=_number(row, "grid_charge_w", rated_w / 4),
        input_limit_w=_number(row, "input_limit_w", rated_w),
        pv_w=_number(row, "pv_w", 0.0),
        efficiency=_number(row, "efficiency", 0.94, least=0.5, most=1.0),
        battery_efficiency=_number(row, "battery_efficiency", 0.975, least=0.5, most=1.0),
        standby_w=_number(row, "standby_w", 60.0),
        resistance_ohm=_number(row, "resistance_ohm", 0.004),
        unplugged=_spans(row.get("unplugged", ())),
    )


def _load(row: Mapping[str, Any]) -> Load:
    points = row["power_w"]
    rows = [("00:00", points)] if isinstance(points, int | float) else points
    times = tuple(_time(at) for at, _ in rows)
    if not times or list(times) != sorted(set(times)) or times[-1] >= DAY_S:
        raise ValueError(
            f"load {row.get('name')}: give the points of power_w in order of time, within one day"
        )
    shares = tuple(float(share) for share in row.get("phases", (1, 1, 1)))
    if len(shares) != _PHASES or min(shares) < 0 or sum(shares) <= 0:
        raise ValueError(f"load {row.get('name')}: phases are three shares, such as [1, 1, 1]")
    return Load(
        name=row["name"],
        on=row["on"],
        power_w=Timeline(times, tuple(_number({"power_w": value}, "power_w") for _, value in rows)),
        reactive_share=sqrt(1.0 / _number(row, "power_factor", 0.95, least=0.1, most=1.0) ** 2 - 1.0),
        phases=(shares[0] / sum(shares), shares[1] / sum(shares), shares[2] / sum(shares)),
        flicker=_number(row, "flicker", 0.1, most=1.0),
        beat_s=_number(row, "beat_s", 10.0, least=0.1),
    )


def _number(
    row: Mapping[str, Any], name: str, default: float | None = None, *, least: float = 0.0, most: float = 1e9
) -> float:
    value = row[name] if default is None else row.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must lie between {least:g} and {most:g}, got {value!r}")
    return float(value)


def _spans(rows: Sequence[Sequence[str]]) -> Spans:
    spans = tuple((_time(begin), _time(end)) for begin, end in rows)
    for (begin_s, end_s), row in zip(spans, rows, strict=True):
        if end_s <= begin_s:
            raise ValueError(f"{list(row)} ends before it begins")
    return Spans(spans)


def _time(text: str) -> float:
    """Read a time of day, `HH:MM` or `HH:MM:SS`, up to 24:00."""
    parts = text.split(":")
    if len(parts) not in {2, 3} or not all(part.isdecimal() for part in parts):
        raise ValueError(f"{text!r} is no time of day: write HH:MM or HH:MM:SS")
    hours, minutes, seconds = (int(part) for part in (*parts, "0")[:3])
    time_s = hours * 3600.0 + minutes * 60.0 + seconds
    if minutes >= 60 or seconds >= 60 or time_s > DAY_S:  # noqa: PLR2004 - of a clock
        raise ValueError(f"{text!r} is no time of day: write HH:MM or HH:MM:SS")
    return time_s
