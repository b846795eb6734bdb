"""The devices of a site as one meets them: real servers on loopback that tell what the physics say.

Rules that must stay true here:
- a device keeps its port over restarts of the site, unless another program has taken it;
- what goes wrong goes wrong at the protocol: no producer can tell it from the field.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from producers.simulator import modbus_server
from producers.simulator.gx_options import GxOptions
from producers.simulator.gx_products import PRODUCTS
from producers.simulator.gx_server import GxServer, Rates, Service
from producers.simulator.gx_service import Values
from producers.simulator.layouts.catalogue import units
from producers.simulator.modbus_pdu import Registers
from producers.simulator.modbus_server import Failure, ModbusServer
from producers.simulator.noise import seed_of
from producers.simulator.scenario import Fault, Rig, Scenario, Ups, Wiring
from producers.simulator.tell import LiveSite
from producers.simulator.upsd import Upsd
from producers.simulator.upsd_file import Ups as NutUps
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
_FAST_MS, _SLOW_MS = 500, 5_000
_PARTS: Mapping[str, int] = {"vebus": 276, "battery": 512, "temperature": 24}
_INVERTER_INSTANCE = 31
_GRID, _GENERATOR = 1, 2
_AWAY = frozenset({"unplugged", "reboots"})
_FAILURES: Mapping[str, Failure] = {
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


class GxFace:
    """A rig's GX."""

    def __init__(
        self, site: LiveSite, wiring: Wiring, directory: Path, speed: float, unix_s: Callable[[], float]
    ) -> None:
        rig = wiring.rig
        self.name = rig.system_id
        self._rig = rig
        self._portal_id = portal_id(site.scenario, rig)
        self._services = gx_services(site, wiring)
        self._directory = directory / "gx" / rig.system_id
        self._options = GxOptions(
            tls=bool(rig.options.get("tls", False)),
            password=rig.options.get("password"),
            firmware=str(rig.options.get("firmware", "v3.55")),
            system_name=rig.system_id,
            ac_inputs=(_GRID if rig.has_grid else 0, _GENERATOR if wiring.generator else 0),
            rates=Rates().at_speed(speed),
            unix_s=unix_s,
        )
        self._away: asyncio.Task[None] | None = None
        self._server = self._made(0)

    async def start(self, port: int) -> None:
        """Begin to serve, on this port when it is free."""
        self._server = self._made(port)
        try:
            await self._server.start()
        except TransientError:
            if not port:
                raise
            self._server = self._made(0)
            await self._server.start()

    async def run(self) -> None:
        """Live."""
        await self._server.run()

    async def befall(self, system_id: str, faults: Sequence[Fault], lasts_s: float) -> None:  # noqa: ARG002
        """Hang, wake, or be away for as long as it lasts."""
        kinds = {fault.what for fault in faults}
        if kinds & _AWAY:
            if self._away is None or self._away.done():
                self._away = asyncio.create_task(self._server.reboot(lasts_s), name=f"{self.name} is away")
        elif "hangs" in kinds:
            self._server.hang()
        else:
            self._server.wake()

    async def stop(self) -> None:
        """Switch it off."""
        if self._away is not None:
            self._away.cancel()
        self._server.wake()
        await self._server.stop()

    def port(self) -> int:
        """Give the port of its broker."""
        return self._server.port

    def entries(self) -> list[Entry]:
        """Say how it is reached."""
        entry = {
            "host": HOST,
            "port": self.port(),
            "portal_id": self._portal_id,
            "system_id": self.name,
            "name": self._rig.model,
        }
        if self._rig.options.get("password"):
            entry |= {"username": "ovr", "password": self._rig.options["password"]}
        if self._rig.options.get("tls"):
            entry |= {"tls": True, "insecure": True}
        return [("gx", entry)]

    def _made(self, port: int) -> GxServer:
        return GxServer(self._portal_id, self._services, self._directory, replace(self._options, port=port))


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
        failing = next((fault for fault in faults if fault.what in _FAILURES), None)
        if failing is None:
            await self._server.fail(None)
            return
        failure = _FAILURES[failing.what]
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


class UpsFace:
    """All UPSes of the site, behind one upsd."""

    name = "upsd"

    def __init__(self, site: LiveSite, upses: Sequence[Ups], every_s: float) -> None:
        self._upses = upses
        self._every_s = every_s
        self._nut = {
            ups.system_id: NutUps(
                site.tell(ups.system_id),
                model=ups.model,
                serial=f"AS{seed_of(site.scenario.seed, ups.system_id) % 10**10:010d}",
            )
            for ups in upses
        }
        self._upsd: Upsd | None = None

    async def start(self, port: int) -> None:
        """Begin to serve, on this port when it is free; without NUT there are no UPSes."""
        for wanted in (port, 0):
            upsd = Upsd(self._nut, port=wanted)
            try:
                await upsd.start()
            except ConfigurationError as error:
                log.warning("the UPSes of the scenario are left out: %s", error)
                return
            except TransientError:
                await upsd.close()
                if not wanted:
                    raise
            else:
                self._upsd = upsd
                return

    async def run(self) -> None:
        """Live."""
        if self._upsd is None:
            await asyncio.Event().wait()
        else:
            await self._upsd.run(self._every_s)

    async def befall(self, system_id: str, faults: Sequence[Fault], lasts_s: float) -> None:  # noqa: ARG002
        """Unplug or freeze one of them, or let it go on."""
        if self._upsd is None:
            return
        kinds = {fault.what for fault in faults}
        if "unplugged" in kinds:
            await self._upsd.unplug(system_id)
        elif "hangs" in kinds:
            self._upsd.freeze(system_id)
        else:
            await self._upsd.plug(system_id)

    async def stop(self) -> None:
        """End it."""
        if self._upsd is not None:
            await self._upsd.close()

    def port(self) -> int:
        """Give the port of upsd; 0 when there is none."""
        return 0 if self._upsd is None else self._upsd.port

    def entries(self) -> list[Entry]:
        """Say how they are reached."""
        if self._upsd is None:
            return []
        return [
            ("upsd", {"host": HOST, "port": self.port(), "ups": ups.system_id, "system_id": ups.system_id})
            for ups in self._upses
        ]


def gx_services(site: LiveSite, wiring: Wiring) -> list[Service]:
    """Give the services of a rig's GX."""
    rig = wiring.rig
    instances = dict(_PARTS)
    if rig.pv_w:
        instances["solarcharger"] = 288
    if rig.grid_meter:
        instances["grid"] = 30
    if wiring.generator is not None:
        instances |= {"generator": 0, "tank": 3}
        if wiring.generator.controller:
            instances["genset"] = 40
    services = [
        Service(
            part,
            instance,
            site.tell_part(rig.system_id, part),
            serial=_serial(site.scenario, rig.system_id, part) if PRODUCTS[part].serial else "",
            values={"/ProductName": rig.model} if part == "vebus" else {},
        )
        for part, instance in instances.items()
    ]
    for number, inverter in enumerate(wiring.inverters):
        tell = _seen_by_gx(site, rig.system_id, inverter.system_id)
        serial = _serial(site.scenario, inverter.system_id, "serial")
        services.append(
            Service(
                "pvinverter",
                _INVERTER_INSTANCE + number,
                tell,
                place="ac_out",
                serial=serial,
                custom_name=inverter.system_id,
            )
        )
    return services


def portal_id(scenario: Scenario, rig: Rig) -> str:
    """Name a rig's GX: the same in every run."""
    return f"c0619a{seed_of(scenario.seed, rig.system_id, 'portal') % (1 << 24):06x}"


def _seen_by_gx(site: LiveSite, rig: str, inverter: str) -> Callable[[], Values | None]:
    """Give what a GX knows of a PV inverter: nothing while one of them is cut off."""
    part, tell = site.tell_part(rig, "pvinverter"), site.tell(inverter)

    def told() -> Values | None:
        faults = site.scenario.holding(inverter, site.clock())
        cut_off = any(fault.what in _FAILURES for fault in faults)
        return None if cut_off or part() is None else tell()

    return told


def _serial(scenario: Scenario, system_id: str, part: str) -> str:
    return f"HQ{seed_of(scenario.seed, system_id, part) % 10**9:09d}"
