"""The site as it is now: one state a rig, moved on by the clock, and a function for each device to tell it.

Rules that must stay true here:
- all devices of a rig tell of the same tick, so that what they tell at one time adds up;
- nothing is worked out twice for one tick, however many ask.
"""

from collections.abc import Callable, Mapping
from math import floor
from typing import Any

from producers.simulator import counting, model, readings, rig_readings
from producers.simulator import demand as demands
from producers.simulator.model import RigState
from producers.simulator.readings import Told
from producers.simulator.rig_readings import alarms
from producers.simulator.scenario import GX, Scenario, Wiring

Values = Mapping[str, float | None]
Tell = Callable[[], Values]
TellPart = Callable[[], Values | None]
Clock = Callable[[], float]
"""The scenario's clock in seconds."""

_LONGEST_TICK_S = 60.0
_MOST_TICKS = 2_400
_ROUNDING = 1e-6


class LiveRig:
    """A rig that moves with the scenario's clock.

    Args:
        tick_s: how far it moves at once; longer only to catch up after a long time away.
    """

    def __init__(
        self,
        scenario: Scenario,
        wiring: Wiring,
        clock: Clock,
        state: RigState | None = None,
        tick_s: float = model.TICK_S,
    ) -> None:
        self.scenario = scenario
        self.wiring = wiring
        self.state = state or model.begin(scenario, wiring)
        self.flow = model.now(scenario, wiring, self.state)
        self._clock = clock
        self._tick_s = tick_s
        self._told: dict[str, Told] = {}

    def advance(self) -> None:
        """Move on to the last tick before now."""
        start_s = self.scenario.starts_at_s
        done = round((self.state.time_s - start_s) / self._tick_s)
        due = floor((self._clock() - start_s) / self._tick_s + _ROUNDING)
        if due <= done:
            return
        self._told.clear()
        stride = 1 if due - done < _MOST_TICKS else round(_LONGEST_TICK_S / self._tick_s) or 1
        while done < due:
            done = min(done + stride, due)
            to_s = start_s + done * self._tick_s
            self.state, self.flow = model.tick(self.scenario, self.wiring, self.state, to_s)

    def tell(self, system_id: str) -> Told:
        """Tell what a device measures now."""
        self.advance()
        if system_id not in self._told:
            self._told[system_id] = self._tell(system_id)
        return self._told[system_id]

    def _tell(self, system_id: str) -> Told:
        wiring, state, flow = self.wiring, self.state, self.flow
        rig = wiring.rig
        if system_id == rig.system_id:
            of_rig = rig_readings.rig if rig.face == GX else rig_readings.hybrid
            return of_rig(self.scenario, wiring, state, flow)
        told = self._of_device(system_id, state.counters.get(system_id, {}))
        return told | alarms(self.scenario.holding(system_id, state.time_s))

    def _of_device(self, system_id: str, counters: Mapping[str, float]) -> Told:
        wiring, flow, heat = self.wiring, self.flow, self.state.heat
        for meters, hz in ((flow.feeds, flow.out_hz), (flow.inputs, flow.in_hz)):
            if system_id in meters:
                measured = meters[system_id]
                demand = self.state.demands.get(system_id, demands.measured(measured))
                return readings.meter(measured, hz, counters, demand)
        for inverter, given in zip(wiring.inverters, flow.inverters, strict=True):
            if inverter.system_id == system_id:
                return readings.inverter(inverter, given, flow.out_hz, heat.inverter_c, counters)
        upses = zip(wiring.upses, self.state.upses, flow.upses, strict=True)
        ups, charge, through = next(one for one in upses if one[0].system_id == system_id)
        volts = flow.ac_out[ups.phase - 1].voltage_v
        return readings.ups(ups, charge, through, volts, flow.out_hz, heat.battery_c)


class LiveSite:
    """All rigs of a scenario; those without a state of an earlier run begin anew."""

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        states: Mapping[str, RigState] | None = None,
        tick_s: float = model.TICK_S,
    ) -> None:
        known = states or {}
        self.scenario = scenario
        self.clock = clock
        self.rigs = {
            name: LiveRig(scenario, wiring, clock, known.get(name), tick_s)
            for name, wiring in scenario.wirings.items()
        }
        self._behind = {name: live for live in self.rigs.values() for name in live.wiring.systems()}

    def systems(self) -> list[str]:
        """List every system."""
        return list(self._behind)

    def advance(self) -> None:
        """Move everything on to now."""
        for live in self.rigs.values():
            live.advance()

    def tell(self, system_id: str) -> Tell:
        """Give the function that tells what a device measures."""
        live = self._behind[system_id]
        return lambda: live.tell(system_id)

    def tell_part(self, system_id: str, part: str) -> TellPart:
        """Give the function that tells a part of a GX: None while the scenario has taken it away."""
        live = self._behind[system_id]

        def tell() -> Values | None:
            faults = self.scenario.holding(system_id, self.clock())
            return (
                None
                if any(one.what == "left" and one.part == part for one in faults)
                else live.tell(system_id)
            )

        return tell

    def energies(self) -> dict[str, dict[str, float]]:
        """Give what every counter of every system says, but for those that begin anew each day."""
        return {
            system_id: {
                name: counted[name] for name in readings.rounded(counted) if counting.TODAY not in name
            }
            for live in self.rigs.values()
            for system_id, counted in live.state.counters.items()
        }

    def dump(self) -> dict[str, Any]:
        """Write all states down."""
        return {name: model.to_json(live.state) for name, live in self.rigs.items()}


def restore(scenario: Scenario, document: Any) -> dict[str, RigState]:
    """Read the states that `LiveSite.dump` wrote; what does not fit this scenario is left out."""
    said = document if isinstance(document, dict) else {}
    states = {name: model.from_json(said.get(name), wiring) for name, wiring in scenario.wirings.items()}
    return {name: state for name, state in states.items() if state is not None}
