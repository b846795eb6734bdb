"""The devices of a site as one meets them: what their servers have in common, and those that speak Modbus.

Rules that must stay true here:
- a device keeps its port over restarts of the site, unless another program has taken it;
- what goes wrong goes wrong at the protocol: no producer can tell it from the field.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from producers.simulator import modbus_server
from producers.simulator.layouts.catalogue import units
from producers.simulator.modbus_pdu import Registers
from producers.simulator.modbus_server import Failure, ModbusServer
from producers.simulator.noise import seed_of
from producers.simulator.scenario import Fault
from producers.simulator.tell import LiveSite

HOST = "127.0.0.1"
_FAST_MS, _SLOW_MS = 500, 5_000
FAILURES: Mapping[str, Failure] = {
    "unplugged": Failure.GONE,
    "hangs": Failure.SILENT,
    "resets": Failure.RESET,
    "slow": Failure.SLOW,
    "refuses": Failure.REFUSING,
}
_SUNSPEC = frozenset(
    {"fronius", "fronius_float", "fronius_meter", "fronius_meter_float", "datamanager_meter"}
)
_MAPS: Mapping[str, str] = {
    **dict.fromkeys(_SUNSPEC, "sunspec"),
    "deye_hybrid": "deye_hybrid_3p",
    "deye_hybrid_hv": "deye_hybrid_3p",
}
_PARAMETERS: Mapping[str, Mapping[str, float]] = {"deye_hybrid_hv": {"power_scale": 10}}
_WITH_SERIAL = frozenset({"acuvim_ii", "sungrow_sh"}) | _SUNSPEC

Entry = tuple[str, dict[str, Any]]
"""An array of the devices file, and a table for it."""


class Face(Protocol):
    """One server of the site."""

    name: str

    async def start(self, port: int) -> None:
        """Begin to serve, on this port when it is free; 0 for any."""
        ...

    async def run(self) -> None:
        """Live beside the others, until cancelled."""
        ...

    async def befall(self, system_id: str, faults: Sequence[Fault], lasts_s: float) -> None:
        """Suffer what holds from now on."""
        ...

    async def stop(self) -> None:
        """End."""
        ...

    def port(self) -> int:
        """Give where it serves."""
        ...

    def entries(self) -> list[Entry]:
        """Say how producers reach it."""
        ...


class ModbusFace:
    """A device with a port of its own."""

    def __init__(self, site: LiveSite, system_id: str, layout: str) -> None:
        self.name = system_id
        self._layout = layout
        serial = f"{seed_of(site.scenario.seed, system_id, 'serial') % 10**8:08d}"
        options = {"serial": serial} if layout in _WITH_SERIAL else {}
        self._units = dict[int, Registers](units(layout, site.tell(system_id), **options))
        self._server = ModbusServer(self._units)

    async def start(self, port: int) -> None:
        """Begin to serve, on this port when it is free."""
        self._server = ModbusServer(self._units, port=port)
        try:
            await self._server.start()
        except OSError:
            if not port:
                raise
            self._server = ModbusServer(self._units)
            await self._server.start()

    async def run(self) -> None:
        """Live: it answers whoever asks."""
        await asyncio.Event().wait()

    async def befall(self, system_id: str, faults: Sequence[Fault], lasts_s: float) -> None:  # noqa: ARG002
        """Fail as the first of the faults says."""
        failing = next((fault for fault in faults if fault.what in FAILURES), None)
        if failing is None:
            await self._server.fail(None)
            return
        failure = FAILURES[failing.what]
        code = int(failing.amount) if failing.what == "refuses" else 4
        await self._server.fail(modbus_server.Fault(failure, failing.amount, code))

    async def stop(self) -> None:
        """Give the port back."""
        await self._server.close()

    def port(self) -> int:
        """Give its port."""
        return self._server.port

    def entries(self) -> list[Entry]:
        """Say how it is reached."""
        entry: dict[str, Any] = {
            "host": HOST,
            "port": self.port(),
            "unit": min(self._units),
            "map": _MAPS.get(self._layout, self._layout),
            "system_id": self.name,
            "fast_ms": _FAST_MS,
            "slow_ms": _SLOW_MS,
        }
        if self._layout in _PARAMETERS:
            entry["parameters"] = dict(_PARAMETERS[self._layout])
        return [("devices", entry)]
