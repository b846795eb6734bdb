"""A generator: when it starts, warms up, delivers, cools down and stops, and what it burns. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum

from producers.simulator.scenario import Generator


class Phase(StrEnum):
    """Where it is in its run."""

    STOPPED = "stopped"
    WARM_UP = "warm-up"
    RUNNING = "running"
    COOL_DOWN = "cool-down"
    DRY = "stopped by tank level"


class Cause(StrEnum):
    """Why it runs."""

    NONE = "none"
    PLAN = "plan"
    SOC = "soc"


@dataclass(frozen=True, slots=True)
class EngineState:
    """A generator at one time.

    Attributes:
        until_s: when the phase ends, for those that take a set time.
        since_s: when it last started.
    """

    phase: Phase
    cause: Cause
    until_s: float
    since_s: float
    fuel_l: float
    used_l: float
    operating_s: float
    starts: int

    @property
    def turns(self) -> bool:
        """Tell whether it burns fuel and gives voltage."""
        return self.phase in {Phase.WARM_UP, Phase.RUNNING, Phase.COOL_DOWN}

    @property
    def delivers(self) -> bool:
        """Tell whether the rig may take power from it."""
        return self.phase is Phase.RUNNING


def begin(generator: Generator) -> EngineState:
    """Give the state in which it enters the scenario."""
    return EngineState(Phase.STOPPED, Cause.NONE, 0.0, 0.0, generator.fuel_l, 0.0, 0.0, 0)


def decide(generator: Generator, state: EngineState, time_s: float, soc: float, *, grid: bool) -> EngineState:
    """Take the next phase, when it is time."""
    wanted = _wanted(generator, state, time_s, soc, grid=grid)
    match state.phase:
        case Phase.STOPPED | Phase.DRY if wanted is not Cause.NONE and state.fuel_l > 0.0:
            until_s = time_s + generator.warm_up_s
            return replace(
                state,
                phase=Phase.WARM_UP,
                cause=wanted,
                until_s=until_s,
                since_s=time_s,
                starts=state.starts + 1,
            )
        case Phase.DRY if state.fuel_l > 0.0:
            return replace(state, phase=Phase.STOPPED)
        case Phase.WARM_UP | Phase.RUNNING | Phase.COOL_DOWN if state.fuel_l <= 0.0:
            return replace(state, phase=Phase.DRY, cause=Cause.NONE)
        case Phase.WARM_UP if time_s >= state.until_s:
            return replace(
                state, phase=Phase.RUNNING, cause=wanted if wanted is not Cause.NONE else state.cause
            )
        case Phase.RUNNING if wanted is Cause.NONE:
            return replace(state, phase=Phase.COOL_DOWN, until_s=time_s + generator.cool_down_s)
        case Phase.COOL_DOWN if wanted is not Cause.NONE:
            return replace(state, phase=Phase.RUNNING, cause=wanted)
        case Phase.COOL_DOWN if time_s >= state.until_s:
            return replace(state, phase=Phase.STOPPED, cause=Cause.NONE)
    return state


def lasts_s(generator: Generator, state: EngineState, time_s: float, power_w: float) -> float:
    """Tell how long nothing changes by itself: until the phase ends or the tank is empty."""
    if not state.turns:
        return float("inf")
    dry_s = 3600.0 * state.fuel_l / burns_lph(generator, state, power_w)
    timed = state.phase in {Phase.WARM_UP, Phase.COOL_DOWN} and state.until_s > time_s
    return min(dry_s, state.until_s - time_s) if timed else dry_s


def run(generator: Generator, state: EngineState, power_w: float, seconds: float) -> EngineState:
    """Move it on for a while at a power."""
    if not state.turns:
        return state
    burnt_l = min(state.fuel_l, burns_lph(generator, state, power_w) * seconds / 3600.0)
    fuel_l = state.fuel_l - burnt_l
    return replace(
        state,
        fuel_l=fuel_l if fuel_l > 1e-9 else 0.0,  # noqa: PLR2004 - what rounding leaves in the tank
        used_l=state.used_l + burnt_l,
        operating_s=state.operating_s + seconds,
    )


def refuelled(generator: Generator, state: EngineState) -> EngineState:
    """Fill the tank."""
    return replace(state, fuel_l=generator.tank_l)


def burns_lph(generator: Generator, state: EngineState, power_w: float) -> float:
    """Give the litres an hour at a power."""
    return generator.idle_lph + generator.l_per_kwh * power_w / 1000.0 if state.turns else 0.0


def _wanted(generator: Generator, state: EngineState, time_s: float, soc: float, *, grid: bool) -> Cause:
    if generator.runs.hold(time_s):
        return Cause.PLAN
    if grid:
        return Cause.NONE
    goes_on = state.cause is Cause.SOC and state.phase is not Phase.COOL_DOWN and soc < generator.stop_soc
    return Cause.SOC if goes_on or soc <= generator.start_soc else Cause.NONE
