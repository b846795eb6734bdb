"""The UPSes of a site, behind one upsd."""

import asyncio
import logging
from collections.abc import Sequence

from producers.simulator.faces import HOST, Entry
from producers.simulator.noise import seed_of
from producers.simulator.scenario import Fault, Ups
from producers.simulator.tell import LiveSite
from producers.simulator.upsd import Upsd
from producers.simulator.upsd_file import Ups as NutUps
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)


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
