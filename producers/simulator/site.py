"""The simulated site as devices: each adapter moves its battery system on to now and tells what it measures.

A system and the meters behind it share one state, so that what they tell at one time adds up.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from producers.adapter import Description, DeviceError, DeviceSpec, Read
from producers.simulator import model, readings
from producers.simulator.model import RigState
from producers.simulator.scenario import Meter, Rig, Scenario

FAST_MS = 500
SLOW_MS = 5_000
Clock = Callable[[], float]
"""The scenario's clock in seconds."""


class LiveRig:
    """A battery system that moves with the scenario's clock."""

    def __init__(self, scenario: Scenario, rig: Rig, clock: Clock, state: RigState | None = None) -> None:
        self.scenario = scenario
        self.rig = rig
        self.clock = clock
        self.state = state or model.begin(scenario, rig)

    def read(self, told: readings.Readings) -> Read:
        """Move on to now, and tell."""
        self.state = model.advance(self.scenario, self.rig, self.state, self.clock())
        return Read(told(self.state, model.now(self.scenario, self.rig, self.state)))


class SimulatedDevice:
    """Reads one simulated device at one pace."""

    def __init__(self, live: LiveRig, device: Rig | Meter, told: readings.Readings) -> None:
        self._live = live
        self._device = device
        self._told = told

    async def read(self) -> Read:
        """Read, unless the scenario has unplugged the device."""
        if self._device.unplugged.hold(self._live.clock()):
            raise DeviceError("the scenario has unplugged it", reason="silent")
        return self._live.read(self._told)

    async def describe(self) -> Description:
        """Name the model; the serial number says that it is no real one."""
        device = self._device
        rig = device if isinstance(device, Rig) else None
        return Description(
            maker="simulated",
            model=device.model,
            serial=f"SIM-{device.system_id}",
            rated_w=rig.rated_w if rig else None,
            phases=3,
            capacity_ah=round(rig.capacity_wh / (rig.cells * 3.2), 1) if rig else None,
        )

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class Site:
    """All devices of a scenario; systems without a state of an earlier run begin anew."""

    def __init__(
        self, scenario: Scenario, clock: Clock, states: Mapping[str, RigState] | None = None
    ) -> None:
        known = states or {}
        self.rigs = [LiveRig(scenario, rig, clock, known.get(rig.system_id)) for rig in scenario.rigs]

    def specs(self) -> Iterator[DeviceSpec]:
        """Give every poll of every device."""
        for live in self.rigs:
            rig = live.rig
            yield from _specs(live, rig, "victron", readings.rig_fast(rig), readings.rig_slow(rig))
            for index, meter in enumerate(live.scenario.behind(rig)):
                fast, slow = readings.meter_fast(index), readings.meter_slow(index)
                yield from _specs(live, meter, "acuvim", fast, slow)

    def dump(self) -> dict[str, Any]:
        """Write all states down."""
        return {live.rig.system_id: model.to_json(live.state) for live in self.rigs}


def restore(scenario: Scenario, document: Any) -> dict[str, RigState]:
    """Read the states that `Site.dump` wrote; what does not fit this scenario is left out."""
    states: dict[str, RigState] = {}
    for rig in scenario.rigs:
        said = document.get(rig.system_id) if isinstance(document, dict) else None
        state = model.from_json(said, len(scenario.behind(rig)) + 1) if isinstance(said, dict) else None
        if state is not None:
            states[rig.system_id] = state
    return states


def _specs(
    live: LiveRig, device: Rig | Meter, kind: str, fast: readings.Readings, slow: readings.Readings
) -> Sequence[DeviceSpec]:
    return [
        DeviceSpec(
            system_id=device.system_id,
            kind=kind,
            interval_ms=interval_ms,
            adapter=SimulatedDevice(live, device, told),
            address="simulator",
        )
        for interval_ms, told in ((FAST_MS, fast), (SLOW_MS, slow))
    ]
