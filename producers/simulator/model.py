"""How a rig and all that hangs on it moves on in time: a pure step from state to state.

Rules that must stay true here:
- time moves in ticks that do not depend on who asks when: the same seed and times give the same figures;
- a tick is cut wherever something begins, ends or bends, and where the battery passes a mark at which
  something changes;
- the charge of the battery is the integral of its power, less its own losses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from producers.simulator import counting, demand, engine, heat, rack_ups
from producers.simulator.counting import Counters
from producers.simulator.demand import Demand
from producers.simulator.electricity import total_w
from producers.simulator.engine import EngineState
from producers.simulator.flow import Flow, Moment, Source, Standing, flow, has_grid
from producers.simulator.heat import Heat, Strain
from producers.simulator.scenario import Rig, Scenario, Wiring
from producers.simulator.timeline import DAY_S, next_edge

TICK_S = 0.5
_RESTART_ABOVE = 0.05
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class RigState:
    """One rig at one time of the scenario.

    Attributes:
        time_s: the scenario's clock; it counts on over midnight.
        soc: 0 to 1.
        running: the inverter has not shut down for want of battery.
        upses: states of charge, in the order of the wiring.
        counters: since the start, by system.
        demands: of each meter.
    """

    time_s: float
    soc: float
    running: bool
    engine: EngineState | None
    heat: Heat
    upses: tuple[float, ...]
    counters: Counters = field(default_factory=dict)
    demands: Mapping[str, Demand] = field(default_factory=dict)


def begin(scenario: Scenario, wiring: Wiring) -> RigState:
    """Give the state in which a rig enters the scenario."""
    return RigState(
        time_s=scenario.starts_at_s,
        soc=wiring.rig.soc,
        running=True,
        engine=engine.begin(wiring.generator) if wiring.generator else None,
        heat=heat.begin(scenario.air.at(scenario.starts_at_s)),
        upses=(1.0,) * len(wiring.upses),
    )


def tick(scenario: Scenario, wiring: Wiring, state: RigState, to_s: float) -> tuple[RigState, Flow]:
    """Move a rig on by a tick; give the flows of its end too."""
    while True:
        state, flows = _step(scenario, wiring, state, min(to_s, next_edge(scenario.edges_s, state.time_s)))
        if state.time_s >= to_s:
            return state, flows


def now(scenario: Scenario, wiring: Wiring, state: RigState) -> Flow:
    """Work out the flows at the very time of a state."""
    state = _decided(scenario, wiring, state)
    return flow(scenario, wiring, _standing(state), Moment(state.time_s, state.time_s))


def to_json(state: RigState) -> dict[str, Any]:
    """Write a state down, so that a restarted site goes on from it."""
    document = {name: getattr(state, name) for name in RigState.__slots__}
    if state.engine is not None:
        document["engine"] = {name: getattr(state.engine, name) for name in EngineState.__slots__}
    return document | {"heat": {name: getattr(state.heat, name) for name in Heat.__slots__}}


def from_json(document: Any, wiring: Wiring) -> RigState | None:
    """Read a state; None when it is none, or one of another scenario."""
    try:
        said = document["engine"]
        state = RigState(
            time_s=float(document["time_s"]),
            soc=float(document["soc"]),
            running=bool(document["running"]),
            engine=None if said is None else EngineState(**_enums(said)),
            heat=Heat(**document["heat"]),
            upses=tuple(map(float, document["upses"])),
            counters={
                str(system_id): {str(name): float(value) for name, value in counted.items()}
                for system_id, counted in document["counters"].items()
            },
            demands={str(name): tuple(map(float, one)) for name, one in document["demands"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    fits = len(state.upses) == len(wiring.upses) and (state.engine is None) == (wiring.generator is None)
    return state if fits and 0.0 <= state.soc <= 1.0 else None


def _enums(said: dict[str, Any]) -> dict[str, Any]:
    return {**said, "phase": engine.Phase(said["phase"]), "cause": engine.Cause(said["cause"])}


def _step(scenario: Scenario, wiring: Wiring, state: RigState, end_s: float) -> tuple[RigState, Flow]:
    """Move on to a time, or to where something changes before it."""
    rig, generator = wiring.rig, wiring.generator
    state = _decided(scenario, wiring, state)
    flows = flow(scenario, wiring, _standing(state), Moment(state.time_s, end_s))
    seconds = end_s - state.time_s
    gain = _stored_w(rig, flows.battery_w) / (rig.capacity_wh * _HOUR_S)
    engine_w = total_w(flows.ac_in) if flows.source is Source.GENERATOR else 0.0
    if generator is not None and state.engine is not None:
        seconds = min(seconds, engine.lasts_s(generator, state.engine, state.time_s, engine_w))
    soc = state.soc + gain * seconds
    for mark in _marks(wiring):
        if min(state.soc, soc) < mark < max(state.soc, soc):
            soc, seconds = mark, (mark - state.soc) / gain
    soc = min(1.0, max(0.0, soc))
    whole = seconds == end_s - state.time_s
    time_s = end_s if whole else state.time_s + seconds
    running_engine = state.engine
    if generator is not None and running_engine is not None:
        running_engine = engine.run(generator, running_engine, engine_w, seconds)
        if any(next_edge((edge_s,), state.time_s) <= time_s for edge_s in generator.refuels_s):
            running_engine = engine.refuelled(generator, running_engine)
    after = RigState(
        time_s=time_s,
        soc=soc,
        running=flows.running,
        engine=running_engine,
        heat=heat.warmed(
            state.heat, scenario.air.at(time_s), _strain(scenario, wiring, flows, state), seconds
        ),
        upses=tuple(
            rack_ups.moved(ups, charge, through, seconds)
            for ups, charge, through in zip(wiring.upses, state.upses, flows.upses, strict=True)
        ),
        counters=counting.counted(
            state.counters,
            counting.powers(wiring, flows),
            seconds / _HOUR_S,
            midnight=state.time_s % DAY_S == 0.0,
        ),
        demands=demand.followed(state.demands, {**flows.feeds, **flows.inputs}, seconds),
    )
    return after, flows


def _decided(scenario: Scenario, wiring: Wiring, state: RigState) -> RigState:
    """Take what changes at once: the generator's phase, and whether the inverter runs."""
    rig, generator = wiring.rig, wiring.generator
    grid = has_grid(scenario, rig, state.time_s)
    machine = state.engine
    if generator is not None and machine is not None:
        machine = engine.decide(generator, machine, state.time_s, state.soc, grid=grid)
    source = grid or (machine is not None and machine.delivers)
    running = state.running
    if source or state.soc >= rig.soc_min + _RESTART_ABOVE:
        running = True
    elif state.soc <= rig.soc_min:
        running = False
    return replace(state, running=running, engine=machine)


def _standing(state: RigState) -> Standing:
    machine = state.engine
    return Standing(
        soc=state.soc,
        running=state.running,
        generator=machine is not None and machine.delivers,
        turns=machine is not None and machine.turns,
        upses=state.upses,
    )


def _marks(wiring: Wiring) -> Iterator[float]:
    """Give the states of charge at which something changes."""
    rig, generator = wiring.rig, wiring.generator
    yield from (rig.soc_min, rig.soc_min + _RESTART_ABOVE, rig.reserve)
    if generator is not None:
        yield from (generator.start_soc, generator.stop_soc)


def _strain(scenario: Scenario, wiring: Wiring, flows: Flow, state: RigState) -> Strain:
    rig, generator = wiring.rig, wiring.generator
    through_w = max(abs(total_w(flows.ac_out)), abs(flows.inverter_dc_w))
    from_engine_w = total_w(flows.ac_in) if flows.source is Source.GENERATOR else 0.0
    blocked = (fault for fault in scenario.holding(rig.system_id, state.time_s) if fault.what == "overheats")
    return Strain(
        inverter=through_w / rig.rated_w,
        battery=abs(flows.battery_w) / rig.rated_w,
        engine=from_engine_w / generator.rated_w if generator else 0.0,
        turns=flows.turns,
        blocked_c=sum(fault.amount for fault in blocked),
    )


def _stored_w(rig: Rig, battery_w: float) -> float:
    """Give the power that reaches the cells, or leaves them: the battery's own losses are between."""
    return battery_w * rig.battery_efficiency if battery_w > 0 else battery_w / rig.battery_efficiency
