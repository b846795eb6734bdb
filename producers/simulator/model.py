"""How a battery system moves on in time: charge and energy counters, a pure step from state to state.

Rules that must stay true here:
- a step is cut wherever something begins, ends or bends, and where the battery runs empty, so that its length
  changes the energies only by what noise averages to;
- what the counters say is what the flows said: energy in = energy out + change of the battery + losses.
"""

from dataclasses import dataclass
from typing import Any

from producers.simulator.electricity import Phases, total_w
from producers.simulator.flow import Flow, Moment, flow
from producers.simulator.scenario import Rig, Scenario
from producers.simulator.timeline import next_edge

_LONGEST_STEP_S = 60.0
_RESTART_ABOVE = 0.05
_NO_FEED = (0.0,) * 6
Feed = tuple[float, ...]
"""Energy counters of one feed: Wh of three phases, then varh of three phases."""


@dataclass(frozen=True, slots=True)
class RigState:
    """One battery system at one time of the scenario. Energies are counters in Wh, since the start.

    Attributes:
        time_s: the scenario's clock; it counts on over midnight.
        soc: 0 to 1.
        running: the inverter has not shut down for want of battery.
        feeds: the counters of the meters behind it, and last of what is not metered.
    """

    time_s: float
    soc: float
    running: bool
    ac_in_wh: float
    ac_out_wh: float
    charged_wh: float
    discharged_wh: float
    pv_wh: float
    losses_wh: float
    in_to_out_wh: float
    in_to_inverter_wh: float
    inverter_to_out_wh: float
    feeds: tuple[Feed, ...]


def begin(scenario: Scenario, rig: Rig) -> RigState:
    """Give the state in which a system enters the scenario."""
    return RigState(
        scenario.starts_at_s,
        rig.soc,
        True,
        *(0.0,) * 9,
        feeds=(_NO_FEED,) * (len(scenario.behind(rig)) + 1),
    )


def advance(scenario: Scenario, rig: Rig, state: RigState, to_s: float) -> RigState:
    """Move a system on to a later time; an earlier one changes nothing."""
    while state.time_s < to_s:
        end_s = min(to_s, state.time_s + _LONGEST_STEP_S, next_edge(scenario.edges_s, state.time_s))
        state = _step(scenario, rig, state, end_s)
    return state


def now(scenario: Scenario, rig: Rig, state: RigState) -> Flow:
    """Work out the flows at the very time of a state."""
    return flow(scenario, rig, state.soc, Moment(state.time_s, state.time_s), running=state.running)


def to_json(state: RigState) -> dict[str, Any]:
    """Write a state down, so that a restarted simulator goes on from it."""
    return {name: getattr(state, name) for name in RigState.__slots__}


def from_json(document: dict[str, Any], feeds: int) -> RigState | None:
    """Read a state; None when it is none, or one of another scenario."""
    try:
        state = RigState(
            **{**document, "feeds": tuple(tuple(map(float, feed)) for feed in document["feeds"])}
        )
    except (KeyError, TypeError, ValueError):
        return None
    return state if len(state.feeds) == feeds and 0.0 <= state.soc <= 1.0 else None


def _step(scenario: Scenario, rig: Rig, state: RigState, end_s: float) -> RigState:
    moment = Moment(state.time_s, end_s)
    flows = flow(scenario, rig, state.soc, moment, running=state.running)
    seconds = end_s - state.time_s
    gain = _stored_w(rig, flows.battery_w) / (rig.capacity_wh * 3600.0)
    running = flows.running
    soc = min(1.0, state.soc + gain * seconds)
    if gain < 0.0 and soc <= rig.soc_min:
        running = flows.grid
        if state.soc > rig.soc_min or not running:  # an empty battery beside a grid takes part in nothing
            seconds = max(0.0, (rig.soc_min - state.soc) / gain)
        soc = rig.soc_min
    if not running and soc >= rig.soc_min + _RESTART_ABOVE:
        running = True
    return _counted(state, flows, state.time_s + seconds, soc, running=running)


def _stored_w(rig: Rig, battery_w: float) -> float:
    """Give the power that reaches the cells, or leaves them: the battery's own losses are between."""
    return battery_w * rig.battery_efficiency if battery_w > 0 else battery_w / rig.battery_efficiency


def _counted(state: RigState, flows: Flow, time_s: float, soc: float, *, running: bool) -> RigState:
    hours = (time_s - state.time_s) / 3600.0
    in_w, out_w = total_w(flows.ac_in), total_w(flows.ac_out)
    return RigState(
        time_s=time_s,
        soc=soc,
        running=running,
        ac_in_wh=state.ac_in_wh + in_w * hours,
        ac_out_wh=state.ac_out_wh + out_w * hours,
        charged_wh=state.charged_wh + max(0.0, flows.battery_w) * hours,
        discharged_wh=state.discharged_wh + max(0.0, -flows.battery_w) * hours,
        pv_wh=state.pv_wh + flows.pv_w * hours,
        losses_wh=state.losses_wh + flows.losses_w * hours,
        in_to_out_wh=state.in_to_out_wh + min(in_w, out_w) * hours,
        in_to_inverter_wh=state.in_to_inverter_wh + max(0.0, in_w - out_w) * hours,
        inverter_to_out_wh=state.inverter_to_out_wh + max(0.0, out_w - in_w) * hours,
        feeds=tuple(_fed(before, feed, hours) for before, feed in zip(state.feeds, flows.feeds, strict=True)),
    )


def _fed(before: Feed, feed: Phases, hours: float) -> Feed:
    powers = (*(phase.power_w for phase in feed), *(phase.reactive_var for phase in feed))
    return tuple(total + power * hours for total, power in zip(before, powers, strict=True))
