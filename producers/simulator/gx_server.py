"""A simulated Victron GX device: its services behave on MQTT as those of Venus OS do, on a broker of its own.

Rules that must stay true here:
- time is the event loop's alone, so that a loop whose time runs faster simulates faster;
- a broker that ends by itself is started again, as after a restart of the device.
"""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bus.mqtt import Message
from producers.simulator.gx_broker import DEVICE_USER, HOST, GxBroker
from producers.simulator.gx_device import GxDevice
from producers.simulator.gx_link import GxLink
from producers.simulator.gx_options import GxOptions
from producers.simulator.gx_service import Rates, Service
from schemas.errors import TransientError

__all__ = ["GxOptions", "GxServer", "Rates", "Service"]

_TRY_AGAIN_S = 0.5


class GxServer:
    """Runs one simulated GX: `await start()`, then `run()` beside others, `await stop()` at the end."""

    def __init__(
        self, portal_id: str, services: Iterable[Service], directory: Path, options: GxOptions | None = None
    ) -> None:
        self.portal_id = portal_id
        self._options = options = options or GxOptions()
        self._device_password = secrets.token_hex(16)
        self._broker = GxBroker(
            directory,
            port=options.port,
            tls=options.tls,
            password=options.password,
            usernames=options.usernames,
            device_password=self._device_password,
        )
        self._device = GxDevice(portal_id, services, options)
        self._away = False
        self._link: GxLink | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def host(self) -> str:
        """Where clients connect."""
        return HOST

    @property
    def port(self) -> int:
        """Where clients connect; known once it started."""
        return self._broker.port

    @property
    def certificate(self) -> Path:
        """The certificate that clients see, with TLS."""
        return self._broker.certificate

    @property
    def alive(self) -> bool:
        """Somebody keeps it alive."""
        return self._device.alive

    def value(self, service_type: str, instance: int, path: str) -> Any:
        """Return the D-Bus value of a path now."""
        return self._device.value(service_type, instance, path)

    async def start(self) -> None:
        """Start the broker and put every service that is there on the bus.

        Raises:
            TransientError: the broker does not start.
            ConfigurationError: Mosquitto is not installed.
        """
        await self._broker.start()
        await self._boot()

    async def run(self) -> None:
        """Live: look at the measurements and tell what changed, until cancelled."""
        loop = asyncio.get_running_loop()
        tick_s = self._options.rates.tick_s
        due = loop.time() + tick_s
        while True:
            await asyncio.sleep(due - loop.time())
            due = max(due + tick_s, loop.time())
            if self._link is not None and self._listening is not None and not self._listening.done():
                self._link.publish(self._device.look(loop.time(), self._options.unix_s()))
            elif not self._away:
                with suppress(TransientError):  # another has its port: try again
                    await self.reboot(_TRY_AGAIN_S)

    async def reboot(self, away_s: float) -> None:
        """Restart the device: its broker goes away at once and comes back after a while.

        Raises:
            TransientError: the broker does not start again; `run` tries further.
        """
        self._away = True
        try:
            self._broker.kill()
            await self._leave()
            await self._broker.stop()
            await asyncio.sleep(away_s)
            await self._broker.start()
            await self._boot()
        finally:
            self._away = False

    def hang(self) -> None:
        """Let it hang, as when its network is gone: connections stay, and nothing comes."""
        self._broker.pause()

    def wake(self) -> None:
        """Let it go on after it hung."""
        self._broker.resume()

    async def stop(self) -> None:
        """Switch it off."""
        await self._leave()
        await self._broker.stop()

    async def _boot(self) -> None:
        protected = self._options.password is not None
        link = await GxLink.connect(
            HOST,
            self._broker.inner_port,
            self.portal_id,
            DEVICE_USER if protected else None,
            self._device_password if protected else None,
        )
        link.publish(self._device.boot(asyncio.get_running_loop().time(), self._options.unix_s()))
        self._link = link
        self._listening = asyncio.create_task(link.listen(self._receive))

    async def _leave(self) -> None:
        link, self._link = self._link, None
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        if link is not None:
            await link.close()

    def _receive(self, message: Message) -> None:
        now_s, unix_s = asyncio.get_running_loop().time(), self._options.unix_s()
        if self._link is not None:
            self._link.publish(self._device.receive(message.topic, message.payload, now_s, unix_s))
