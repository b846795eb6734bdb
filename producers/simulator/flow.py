"""Where the power of one rig and all that hangs on it goes at one moment. Pure.

Rules that must stay true here:
- what the meters measure is what leaves the output, and what its PV inverters give comes back on it;
- nothing flows where there is no voltage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from producers.simulator import rack_ups
from producers.simulator.electricity import NOTHING, Phases, add, even, three, total_w
from producers.simulator.noise import mean_noise, seed_of
from producers.simulator.rack_ups import UpsFlow
from producers.simulator.scenario import SELF_USE, Load, Rig, Scenario, Ups, Wiring
from producers.simulator.settle import Offer, Settled, settle

_TAPER_FROM = 0.97
_THIRDS = 3
_GRID_WANDER = 0.012
_GENERATOR_WANDER = 0.02
_GENERATOR_DROOP_HZ = 0.8
_GENERATOR_SHARE = 0.9
_SHIFT_HZ = 2.0
_NO_VOLTAGE = (0.0,) * _THIRDS


class Source(IntEnum):
    """What supplies the AC input."""

    NONE = 0
    GRID = 1
    GENERATOR = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of time that is taken as a whole: in the middle of it, its noise averaged."""

    begin_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        """Give its middle."""
        return (self.begin_s + self.end_s) / 2

    @property
    def seconds(self) -> float:
        """Give its length."""
        return self.end_s - self.begin_s

    def noise(self, period_s: float, *names: object) -> float:
        """Give the noise of this stretch, between -1 and 1."""
        return mean_noise(seed_of(*names), self.begin_s, self.end_s, period_s)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a rig stands at the begin of a moment.

    Attributes:
        running: the inverter has not shut down for want of battery.
        generator: it delivers; `turns`: it gives voltage.
        upses: states of charge, in the order of the wiring.
    """

    soc: float
    running: bool
    generator: bool
    turns: bool
    upses: Sequence[float]


@dataclass(frozen=True, slots=True)
class Flow:
    """All powers and voltages of one rig.

    Attributes:
        ac_in: at the input that is in use; `ac_out`: at the output, less what PV inverters give.
        feeds: what each output meter measures, and "" what is not metered.
        inputs: what each input meter measures; `beside`: what hangs beside the rig on the grid.
        inverters: what each PV inverter gives, in the order of the wiring.
        held_back: the share of the sun's offer on the output that nobody took.
    """

    source: Source
    grid: bool
    turns: bool
    running: bool
    in_hz: float
    out_hz: float
    ac_in: Phases
    ac_out: Phases
    feeds: Mapping[str, Phases]
    inputs: Mapping[str, Phases]
    beside: Phases
    inverters: Sequence[Phases]
    upses: Sequence[UpsFlow]
    inverter_dc_w: float
    battery_w: float
    pv_w: float
    held_back: float

    @property
    def load_w(self) -> float:
        """Give what hangs on the output draws."""
        return sum(total_w(feed) for feed in self.feeds.values())

    @property
    def losses_w(self) -> float:
        """Give what became heat in the inverter/charger."""
        return total_w(self.ac_in) - total_w(self.ac_out) - self.inverter_dc_w

    @property
    def grid_w(self) -> float:
        """Give what comes from the grid, or goes into it (-), at the house's connection."""
        return total_w(self.ac_in) * (self.source is Source.GRID) + total_w(self.beside)


def flow(scenario: Scenario, wiring: Wiring, standing: Standing, moment: Moment) -> Flow:
    """Work out the flows of a rig; an inverter that shut down runs when there is a source."""
    rig = wiring.rig
    grid = has_grid(scenario, rig, moment.middle_s)
    source = Source.GRID if grid else Source.GENERATOR if standing.generator else Source.NONE
    running = standing.running or source is not Source.NONE
    volts = _voltages(scenario, rig, moment, source)
    upses = tuple(
        rack_ups.through(ups, soc, moment.seconds, live=running)
        for ups, soc in zip(wiring.upses, standing.upses, strict=True)
    )
    feeds = _feeds(scenario, wiring, moment, volts if running else _NO_VOLTAGE, upses)
    load = add(volts, feeds.values()) if running else NOTHING
    sun = _sunshine(scenario, moment)
    offer_w = [min(one.rated_w, one.pv_w * sun) if running else 0.0 for one in wiring.inverters]
    settled = _settled(wiring, standing, moment, source, total_w(load), sum(offer_w), rig.pv_w * sun, running)
    taken = settled.pv_ac_w / sum(offer_w) if settled.pv_ac_w else 0.0
    inverters = tuple(even(volts, watts * taken) if running else NOTHING for watts in offer_w)
    ac_out = add(volts, [load, even(volts, -settled.pv_ac_w)]) if running else NOTHING
    ac_in = _input(ac_out, settled.ac_in_w, volts) if source is not Source.NONE else NOTHING
    grid_volts = volts if grid else _NO_VOLTAGE
    beside = {name: _draw(loads, scenario.seed, moment, grid_volts) for name, loads in wiring.inputs.items()}
    through = ac_in if source is Source.GRID else NOTHING
    held_back = 1.0 - taken if any(offer_w) else 0.0
    return Flow(
        source=source,
        grid=grid,
        turns=standing.turns,
        running=running,
        in_hz=_frequency(scenario, moment, source, settled.ac_in_w / rig.rated_w),
        out_hz=_frequency(scenario, moment, source, settled.ac_in_w / rig.rated_w)
        + _shift(source, held_back),
        ac_in=ac_in,
        ac_out=ac_out,
        feeds=feeds,
        inputs={name: add(grid_volts, [through, drawn]) for name, drawn in beside.items()},
        beside=add(grid_volts, beside.values()),
        inverters=inverters,
        upses=upses,
        inverter_dc_w=settled.dc_w,
        battery_w=settled.battery_w,
        pv_w=settled.pv_w,
        held_back=held_back,
    )


def has_grid(scenario: Scenario, rig: Rig, time_s: float) -> bool:
    """Tell whether there is grid at a rig's input."""
    return rig.has_grid and not scenario.grid.outages.hold(time_s)


def charge_limit(rig: Rig, soc: float, moment: Moment) -> float:
    """Give the most the battery takes: less when nearly full, and never more than fits in the moment."""
    taper = min(1.0, (1.0 - soc) / (1.0 - _TAPER_FROM))
    limit_w = rig.charge_w * max(0.0, taper)
    if moment.seconds > 0:
        fits_w = (1.0 - soc) * rig.capacity_wh * 3600.0 / (moment.seconds * rig.battery_efficiency)
        limit_w = min(limit_w, max(0.0, fits_w))
    return limit_w


def _settled(
    wiring: Wiring,
    standing: Standing,
    moment: Moment,
    source: Source,
    load_w: float,
    pv_ac_w: float,
    pv_w: float,
    running: bool,
) -> Settled:
    rig, generator = wiring.rig, wiring.generator
    accepts_w = charge_limit(rig, standing.soc, moment)
    if not running:
        return Settled(0.0, 0.0, min(pv_w, accepts_w), 0.0)
    self_use = rig.strategy == SELF_USE and source is Source.GRID
    offer = Offer(
        load_w=load_w,
        pv_w=pv_w,
        pv_ac_w=pv_ac_w,
        accepts_w=accepts_w,
        empty=standing.soc <= (max(rig.soc_min, rig.reserve) if self_use else rig.soc_min),
        most_w=rig.input_limit_w,
        least_w=-rig.feed_in_w,
        charge_w=rig.grid_charge_w,
        balanced=self_use,
    )
    if source is Source.GENERATOR and generator is not None:
        offer = Offer(
            load_w=load_w,
            pv_w=pv_w,
            pv_ac_w=pv_ac_w,
            accepts_w=accepts_w,
            empty=offer.empty,
            most_w=generator.rated_w * _GENERATOR_SHARE,
            least_w=0.0,
            charge_w=generator.charge_w,
            balanced=False,
        )
    return settle(rig, offer, source=source is not Source.NONE)


def _input(ac_out: Phases, ac_in_w: float, volts: Sequence[float]) -> Phases:
    """Spread the input over the phases: as the loads when the battery helps them, evenly what it takes."""
    out_w = total_w(ac_out)
    if out_w <= 0.0 or ac_in_w <= 0.0:
        return even(volts, ac_in_w)
    extra_w, share = max(0.0, ac_in_w - out_w) / _THIRDS, min(1.0, ac_in_w / out_w)
    return three(
        volts,
        [phase.power_w * share + extra_w for phase in ac_out],
        [phase.reactive_var * share for phase in ac_out],
    )


def _feeds(
    scenario: Scenario, wiring: Wiring, moment: Moment, volts: Sequence[float], flows: Sequence[UpsFlow]
) -> dict[str, Phases]:
    through = dict(zip(wiring.upses, flows, strict=True))
    return {
        name: add(
            volts,
            [
                _draw(loads, scenario.seed, moment, volts),
                *(_on_phase(ups, through[ups], volts) for ups in upses),
            ],
        )
        for name, (loads, upses) in wiring.feeds.items()
    }


def _on_phase(ups: Ups, through: UpsFlow, volts: Sequence[float]) -> Phases:
    watts = [through.in_w if phase == ups.phase else 0.0 for phase in (1, 2, 3)]
    return three(volts, watts, (0.0,) * _THIRDS)


def _draw(loads: Sequence[Load], seed: int, moment: Moment, volts: Sequence[float]) -> Phases:
    active, reactive = [0.0] * _THIRDS, [0.0] * _THIRDS
    if not any(volts):
        return NOTHING
    for load in loads:
        swing = moment.noise(load.beat_s, seed, load.name)
        power_w = load.power_w.at(moment.middle_s) * (1.0 + load.flicker * swing)
        for index, share in enumerate(load.phases):
            active[index] += power_w * share
            reactive[index] += power_w * share * load.reactive_share
    return three(volts, active, reactive)


def _voltages(scenario: Scenario, rig: Rig, moment: Moment, source: Source) -> tuple[float, ...]:
    nominal_v = scenario.grid.voltage_v
    if source is Source.NONE:
        return (nominal_v,) * _THIRDS
    name, wander = "grid", _GRID_WANDER
    if source is Source.GENERATOR:
        name, wander = rig.system_id, _GENERATOR_WANDER
    return tuple(
        nominal_v * (1.0 + wander * moment.noise(17.0, scenario.seed, name, phase))
        for phase in range(_THIRDS)
    )


def _frequency(scenario: Scenario, moment: Moment, source: Source, load: float) -> float:
    nominal_hz = scenario.grid.frequency_hz
    match source:
        case Source.GRID:
            return nominal_hz + 0.03 * moment.noise(23.0, scenario.seed, "hz")
        case Source.GENERATOR:
            return (
                nominal_hz
                + _GENERATOR_DROOP_HZ * (0.5 - load)
                + 0.1 * moment.noise(5.0, scenario.seed, "rpm")
            )
        case _:
            return nominal_hz


def _shift(source: Source, held_back: float) -> float:
    """Give how far an island's frequency is raised, to make PV inverters hold back."""
    return _SHIFT_HZ * held_back if source is Source.NONE else 0.0


def _sunshine(scenario: Scenario, moment: Moment) -> float:
    clear = scenario.sun.at(moment.middle_s)
    if clear == 0.0:
        return 0.0
    cover = 0.5 + 0.5 * moment.noise(90.0, scenario.seed, "clouds")
    return clear * (1.0 - scenario.sun.clouds * cover)
