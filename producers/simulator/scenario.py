"""What a simulated site is made of: frozen values that `scenario_file` reads and the physics live by. Pure.

Rules that must stay true here:
- all that draws, gives or measures power hangs on one rig, so that rigs live apart from each other;
- times are seconds of the scenario's day, which repeats for ever.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import pi, sin
from typing import Any

from producers.simulator.timeline import DAY_S, Spans, Timeline

GX, NOBODY = "gx", "none"
BACKUP, SELF_USE = "backup", "self_use"


@dataclass(frozen=True, slots=True)
class Grid:
    """The public grid."""

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
class Air:
    """The air around: warmest in the afternoon, coldest before sunrise."""

    mean_c: float = 18.0
    swing_c: float = 6.0

    def at(self, time_s: float) -> float:
        """Give the temperature at a time."""
        return self.mean_c + self.swing_c * sin(2.0 * pi * (time_s - 9.0 * 3600.0) / DAY_S)


@dataclass(frozen=True, slots=True)
class Load:
    """Something that draws power, behind a meter or straight behind a rig.

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
    """A battery system: three-phase inverter/charger, battery, solar charger.

    Attributes:
        face: what it speaks: a GX, a hybrid inverter's Modbus registers, or nothing.
        strategy: `backup` keeps the battery full; `self_use` lives off it, and the grid gives what is short.
        has_grid: whether its input 1 is connected at all.
        grid_charge_w: the most it takes from the grid to charge.
        input_limit_w: above it the battery helps.
        feed_in_w: the most it gives to the grid.
        reserve: where `self_use` stops discharging while there is a grid.
        grid_meter: its GX has a meter at the grid connection.
        options: of its face, such as a GX's `password`.
    """

    system_id: str
    model: str
    face: str
    strategy: str
    has_grid: bool
    rated_w: float
    capacity_wh: float
    cells: int
    soc: float
    soc_min: float
    reserve: float
    charge_w: float
    grid_charge_w: float
    input_limit_w: float
    feed_in_w: float
    pv_w: float
    efficiency: float
    battery_efficiency: float
    standby_w: float
    resistance_ohm: float
    grid_meter: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generator:
    """An engine on input 2 of a rig.

    Attributes:
        start_soc: it starts below it while there is no grid, and stops at `stop_soc` or with the grid.
        runs: it runs whatever else.
        charge_w: the most the rig charges from it.
        controller: it tells its own measurements to the GX.
        refuels_s: when somebody fills the tank.
    """

    on: str
    rated_w: float
    tank_l: float
    fuel_l: float
    start_soc: float
    stop_soc: float
    charge_w: float
    warm_up_s: float = 60.0
    cool_down_s: float = 120.0
    idle_lph: float = 1.2
    l_per_kwh: float = 0.26
    runs: Spans = field(default_factory=Spans)
    controller: bool = False
    refuels_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Meter:
    """A Modbus meter in a rig's feed: of what hangs on it, or `at_input` of what comes from the grid."""

    system_id: str
    model: str
    on: str
    at_input: bool
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inverter:
    """A PV inverter on a rig's output."""

    system_id: str
    model: str
    on: str
    rated_w: float
    pv_w: float
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ups:
    """A UPS in a rack, behind a rig or one of its meters, on one phase."""

    system_id: str
    model: str
    on: str
    phase: int
    rated_w: float
    capacity_wh: float
    load_w: float
    charge_w: float
    efficiency: float = 0.93


Device = Meter | Inverter | Ups
"""What hangs on a rig and speaks for itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong for a while; `what` is a key of `scenario_file.FAULTS`.

    Attributes:
        part: of a GX, the service; empty for all of the system.
        names: readings that are null.
        amount: what the kind says: °C, seconds of a clock, a delay, an exception code.
        level: of an alarm.
    """

    what: str
    on: str
    when: Spans
    part: str = ""
    names: frozenset[str] = frozenset()
    amount: float = 0.0
    alarm: str = ""
    level: str = "alarm"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that an operator does."""

    at_s: float
    on: str
    type: str
    data: Mapping[str, Any]


Feed = tuple[tuple[Load, ...], tuple[Ups, ...]]


@dataclass(frozen=True)
class Wiring:
    """All that hangs on one rig.

    Attributes:
        feeds: the loads and UPSes behind each output meter, by its system id, and what is not metered by "".
        inputs: the loads beside the rig behind each of its input meters.
    """

    rig: Rig
    generator: Generator | None
    inverters: tuple[Inverter, ...]
    upses: tuple[Ups, ...]
    feeds: Mapping[str, Feed]
    inputs: Mapping[str, tuple[Load, ...]]

    def systems(self) -> Iterator[str]:
        """Give every system, the rig first."""
        yield self.rig.system_id
        yield from (name for name in (*self.feeds, *self.inputs) if name)
        yield from (inverter.system_id for inverter in self.inverters)
        yield from (ups.system_id for ups in self.upses)


@dataclass(frozen=True)
class Scenario:
    """A whole site."""

    name: str
    seed: int
    starts_at_s: float
    grid: Grid
    sun: Sun
    air: Air
    rigs: tuple[Rig, ...]
    generators: tuple[Generator, ...] = ()
    meters: tuple[Meter, ...] = ()
    inverters: tuple[Inverter, ...] = ()
    upses: tuple[Ups, ...] = ()
    loads: tuple[Load, ...] = ()
    faults: tuple[Fault, ...] = ()
    actions: tuple[Action, ...] = ()

    @cached_property
    def wirings(self) -> Mapping[str, Wiring]:
        """Give what hangs on each rig, by its system id."""
        return {rig.system_id: self._wiring(rig) for rig in self.rigs}

    @cached_property
    def edges_s(self) -> tuple[float, ...]:
        """Give the times of day at which something begins, ends or bends, midnight among them."""
        edges = {0.0, *self.grid.outages.edges(), self.sun.rise_s, self.sun.set_s}
        for load in self.loads:
            edges.update(load.power_w.times_s)
        for generator in self.generators:
            edges.update((*generator.runs.edges(), *generator.refuels_s))
        for fault in self.faults:
            edges.update(fault.when.edges())
        return tuple(sorted(edge % DAY_S for edge in edges))

    @property
    def devices(self) -> tuple[Device, ...]:
        """Give what speaks for itself besides the rigs."""
        return (*self.meters, *self.inverters, *self.upses)

    def holding(self, on: str, time_s: float) -> list[Fault]:
        """Give the faults of a system at a time."""
        return [fault for fault in self.faults if fault.on == on and fault.when.hold(time_s)]

    def _wiring(self, rig: Rig) -> Wiring:
        behind = [meter for meter in self.meters if meter.on == rig.system_id]
        outputs = {meter.system_id: meter.system_id for meter in behind if not meter.at_input}
        feeds = {
            name: (
                tuple(load for load in self.loads if load.on == place),
                tuple(ups for ups in self.upses if ups.on == place),
            )
            for name, place in {**outputs, "": rig.system_id}.items()
        }
        return Wiring(
            rig=rig,
            generator=next((one for one in self.generators if one.on == rig.system_id), None),
            inverters=tuple(one for one in self.inverters if one.on == rig.system_id),
            upses=tuple(ups for _, upses in feeds.values() for ups in upses),
            feeds=feeds,
            inputs={
                meter.system_id: tuple(load for load in self.loads if load.on == meter.system_id)
                for meter in behind
                if meter.at_input
            },
        )
