"""The simulator as a producer: a scenario that runs with the machine's clock and survives a restart."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from producers.adapter import Description, DeviceError, DeviceSpec, Read
from producers.simulator import scenario_file
from producers.simulator.scenario import GX, Scenario
from producers.simulator.tell import LiveSite, restore
from producers.source import Setting, Source

log = logging.getLogger(__name__)

_LONGEST_GAP_US = 7 * 86_400 * 1_000_000


class _Device:
    def __init__(self, site: LiveSite, system_id: str, model: str) -> None:
        self._site, self._system_id, self._model = site, system_id, model
        self._tell = site.tell(system_id)

    async def read(self) -> Read:
        """Read, unless the scenario has unplugged the device."""
        faults = self._site.scenario.holding(self._system_id, self._site.clock())
        if any(fault.what in {"unplugged", "hangs", "reboots"} for fault in faults):
            raise DeviceError("the scenario has unplugged it", reason="silent")
        return Read(self._tell())

    async def describe(self) -> Description:
        """Name the model; the serial number says that it is no real one."""
        return Description(maker="simulated", model=self._model, serial=f"SIM-{self._system_id}", phases=3)

    async def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class SimulatorSource(Source):
    """Gives a scenario as devices, and goes on where an earlier run of the same scenario ended."""

    def __init__(self, setting: Setting) -> None:
        options = setting.options
        self._setting = setting
        self._scenario = scenario_file.load(
            str(options.get("scenario") or "festival"), seed=options.get("seed")
        )
        clock = setting.clock.read()
        said = self._remembered(clock.wall_us)
        begins_s = self._scenario.starts_at_s
        if said:
            begins_s = said["time_s"] + (clock.wall_us - said["wall_us"]) / 1e6
        self._zero_us = clock.monotonic_us - round(begins_s * 1e6)
        self._site = LiveSite(self._scenario, self._time_s, restore(self._scenario, said.get("systems")))

    def specs(self) -> Iterable[DeviceSpec]:
        """Give every poll of every device."""
        for system_id, kind, model in _devices(self._scenario):
            adapter = _Device(self._site, system_id, model)
            for interval_ms in (500, 5_000):
                yield DeviceSpec(system_id, kind, interval_ms, adapter, address="simulator")

    def save(self) -> None:
        """Write down where every system is."""
        document = {
            "scenario": self._scenario.name,
            "seed": self._scenario.seed,
            "wall_us": self._setting.clock.read().wall_us,
            "time_s": self._time_s(),
            "systems": self._site.dump(),
        }
        path = self._setting.state
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(orjson.dumps(document))
        part.replace(path)

    def _time_s(self) -> float:
        return (self._setting.clock.monotonic_us() - self._zero_us) / 1e6

    def _remembered(self, now_us: int) -> dict[str, Any]:
        """Read what `save` wrote, if it is of this scenario and not too long ago."""
        try:
            said: dict[str, Any] = orjson.loads(self._setting.state.read_bytes())
            fits = (said["scenario"], said["seed"]) == (self._scenario.name, self._scenario.seed)
            recent = 0 <= now_us - int(said["wall_us"]) <= _LONGEST_GAP_US
            float(said["time_s"])
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read, the scenario begins anew: %s", self._setting.state, error)
            return {}
        return said if fits and recent else {}


def _devices(site: Scenario) -> Iterator[tuple[str, str, str]]:
    yield from ((rig.system_id, "victron", rig.model) for rig in site.rigs if rig.face == GX)
    yield from ((meter.system_id, "acuvim", meter.model) for meter in site.meters)
