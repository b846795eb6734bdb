"""A rig's GX on a site: its services tell what the physics say, and it fails as the scenario says."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from producers.simulator.faces import FAILURES, HOST, Entry
from producers.simulator.gx_options import GxOptions
from producers.simulator.gx_products import PRODUCTS
from producers.simulator.gx_server import GxServer, Rates, Service
from producers.simulator.gx_service import Values
from producers.simulator.noise import seed_of
from producers.simulator.scenario import Fault, Rig, Scenario, Wiring
from producers.simulator.tell import LiveSite
from schemas.errors import TransientError

_PARTS: Mapping[str, int] = {"vebus": 276, "battery": 512, "temperature": 24}
_INVERTER_INSTANCE = 31
_GRID, _GENERATOR = 1, 2
_AWAY = frozenset({"unplugged", "reboots"})


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
        cut_off = any(fault.what in FAILURES for fault in faults)
        return None if cut_off or part() is None else tell()

    return told


def _serial(scenario: Scenario, system_id: str, part: str) -> str:
    return f"HQ{seed_of(scenario.seed, system_id, part) % 10**9:09d}"
