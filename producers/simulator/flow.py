"""Where the power of one battery system goes at one moment.

Pure. The balance that always holds (signs as everywhere: battery positive = charging, AC input positive =
    import): AC side    inverter_ac = ac_in - ac_out             what the inverter/charger takes (+) or
    gives (-) DC side    battery = pv + inverter_dc
    together   ac_in + pv = ac_out + battery + losses, and losses are never negative
"""

from collections.abc import Sequence
from dataclasses import dataclass

from producers.simulator.electricity import NOTHING, Phase, Phases, total_w
from producers.simulator.noise import mean_noise, seed_of
from producers.simulator.scenario import Load, Rig, Scenario

_TAPER_FROM = 0.97
_THIRDS = 3
_GRID_WANDER = 0.012


@dataclass(frozen=True, slots=True)
class Moment:
    """A stretch of time that is taken as a whole: in the middle of it, its noise averaged."""

    begin_s: float
    end_s: float

    @property
    def middle_s(self) -> float:
        """Give its middle."""
        return (self.begin_s + self.end_s) / 2


@dataclass(frozen=True, slots=True)
class Flow:
    """All powers and voltages of one battery system."""

    grid: bool
    running: bool
    frequency_hz: float
    ac_in: Phases
    ac_out: Phases
    feeds: tuple[Phases, ...]
    inverter_dc_w: float
    battery_w: float
    pv_w: float

    @property
    def losses_w(self) -> float:
        """Give what became heat in the inverter/charger."""
        return total_w(self.ac_in) - total_w(self.ac_out) - self.inverter_dc_w


def flow(scenario: Scenario, rig: Rig, soc: float, moment: Moment, *, running: bool) -> Flow:
    """Work out the flows of a system at a state of charge.

    An inverter that shut down for want of battery is not `running`; the grid makes it run anyway.
    """
    time_s = moment.middle_s
    grid = not scenario.grid.outages.hold(time_s)
    running = running or grid
    voltages = _voltages(scenario, moment) if grid else (scenario.grid.voltage_v,) * _THIRDS
    feeds = _feeds(scenario, rig, moment, voltages) if running else _dead(scenario, rig)
    ac_out = _sum(feeds, voltages) if running else NOTHING
    load_w = total_w(ac_out)
    accepted_w = charge_limit(rig, soc, moment)
    pv_w = rig.pv_w * _sunshine(scenario, moment)
    ac_in_w, inverter_dc_w = _invert(rig, soc, load_w, pv_w, accepted_w, grid=grid, running=running)
    battery_w = pv_w + inverter_dc_w
    if battery_w > accepted_w:  # the solar charger holds back what nobody takes
        pv_w, battery_w = max(0.0, pv_w - (battery_w - accepted_w)), accepted_w
        battery_w = pv_w + inverter_dc_w
    return Flow(
        grid=grid,
        running=running,
        frequency_hz=_frequency(scenario, moment) if grid else scenario.grid.frequency_hz,
        ac_in=_shared(ac_out, ac_in_w, voltages) if grid else NOTHING,
        ac_out=ac_out,
        feeds=feeds,
        inverter_dc_w=inverter_dc_w,
        battery_w=battery_w,
        pv_w=pv_w,
    )


def charge_limit(rig: Rig, soc: float, moment: Moment) -> float:
    """Give the most the battery takes: less when nearly full, and never more than fits in the moment."""
    taper = min(1.0, (1.0 - soc) / (1.0 - _TAPER_FROM))
    limit_w = rig.charge_w * max(0.0, taper)
    length_s = moment.end_s - moment.begin_s
    if length_s > 0:
        fits_w = (1.0 - soc) * rig.capacity_wh * 3600.0 / (length_s * rig.battery_efficiency)
        limit_w = min(limit_w, max(0.0, fits_w))
    return limit_w


def _invert(
    rig: Rig, soc: float, load_w: float, pv_w: float, accepted_w: float, *, grid: bool, running: bool
) -> tuple[float, float]:
    """Decide what comes in from the grid, and what the inverter/charger does on its DC side."""
    if not running:
        return 0.0, 0.0
    if not grid:
        return 0.0, _to_dc(rig, -load_w)
    wanted_w = min(accepted_w, pv_w + rig.grid_charge_w) - pv_w
    ac_in_w = load_w + _to_ac(rig, wanted_w)
    limit_w = rig.input_limit_w
    if soc <= rig.soc_min:  # an empty battery cannot help the grid
        limit_w = max(limit_w, load_w + _to_ac(rig, 0.0))
    ac_in_w = max(0.0, min(ac_in_w, limit_w))
    return ac_in_w, _to_dc(rig, ac_in_w - load_w)


def _to_dc(rig: Rig, ac_w: float) -> float:
    """Give the DC power of an AC power that the inverter/charger takes (+) or gives (-)."""
    return (ac_w * rig.efficiency if ac_w > 0 else ac_w / rig.efficiency) - rig.standby_w


def _to_ac(rig: Rig, dc_w: float) -> float:
    """Give the AC power that the inverter/charger takes for a DC power: `_to_dc` the other way round."""
    needed_w = dc_w + rig.standby_w
    return needed_w / rig.efficiency if needed_w > 0 else needed_w * rig.efficiency


def _shared(ac_out: Phases, ac_in_w: float, voltages: Sequence[float]) -> Phases:
    """Spread the input over the phases: as the loads when the battery helps them, evenly what it takes."""
    load_w = total_w(ac_out)
    extra_w = max(0.0, ac_in_w - load_w) / _THIRDS
    share = min(1.0, ac_in_w / load_w) if load_w else 1.0
    one, two, three = (
        Phase(voltage_v, phase.power_w * share + extra_w, phase.reactive_var * share)
        for phase, voltage_v in zip(ac_out, voltages, strict=True)
    )
    return one, two, three


def _feeds(scenario: Scenario, rig: Rig, moment: Moment, voltages: Sequence[float]) -> tuple[Phases, ...]:
    """Give what each meter behind the system measures, and last what is not metered."""
    feeds = scenario.feeds[rig.system_id]
    return tuple(_draw(loads, scenario.seed, moment, voltages) for loads in feeds)


def _dead(scenario: Scenario, rig: Rig) -> tuple[Phases, ...]:
    return (NOTHING,) * len(scenario.feeds[rig.system_id])


def _draw(loads: Sequence[Load], seed: int, moment: Moment, voltages: Sequence[float]) -> Phases:
    active, reactive = [0.0] * _THIRDS, [0.0] * _THIRDS
    for load in loads:
        swing = mean_noise(seed_of(seed, load.name), moment.begin_s, moment.end_s, load.beat_s)
        power_w = load.power_w.at(moment.middle_s) * (1.0 + load.flicker * swing)
        for index, share in enumerate(load.phases):
            active[index] += power_w * share
            reactive[index] += power_w * share * load.reactive_share
    one, two, three = (Phase(*values) for values in zip(voltages, active, reactive, strict=True))
    return one, two, three


def _sum(feeds: Sequence[Phases], voltages: Sequence[float]) -> Phases:
    one, two, three = (
        Phase(
            voltage_v,
            sum(feed[index].power_w for feed in feeds),
            sum(feed[index].reactive_var for feed in feeds),
        )
        for index, voltage_v in enumerate(voltages)
    )
    return one, two, three


def _voltages(scenario: Scenario, moment: Moment) -> tuple[float, ...]:
    nominal_v = scenario.grid.voltage_v
    return tuple(
        nominal_v
        * (1.0 + _GRID_WANDER * mean_noise(seed_of(scenario.seed, "grid", phase), *_span(moment), 17.0))
        for phase in range(_THIRDS)
    )


def _frequency(scenario: Scenario, moment: Moment) -> float:
    return scenario.grid.frequency_hz + 0.03 * mean_noise(seed_of(scenario.seed, "hz"), *_span(moment), 23.0)


def _sunshine(scenario: Scenario, moment: Moment) -> float:
    clear = scenario.sun.at(moment.middle_s)
    if clear == 0.0:
        return 0.0
    cover = 0.5 + 0.5 * mean_noise(seed_of(scenario.seed, "clouds"), *_span(moment), 90.0)
    return clear * (1.0 - scenario.sun.clouds * cover)


def _span(moment: Moment) -> tuple[float, float]:
    return moment.begin_s, moment.end_s
