"""A simulated Victron GX device: its services behave on MQTT as those of Venus OS do, on a broker of its own.

Rules that must stay true here:
- time is the event loop's alone, so that a loop whose time runs faster simulates faster;
- measurements come from each service's `tell`; a function that several services share is asked once a look;
- a restart of the device forgets everything but what was set: nobody keeps it alive afterwards.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.mqtt import Message
from producers.simulator import gx_systemcalc
from producers.simulator.gx_broker import DEVICE_USER, HOST, GxBroker
from producers.simulator.gx_core import KEEPALIVE_S, GxCore, Key, Node
from producers.simulator.gx_link import GxLink
from producers.simulator.gx_products import PRODUCTS
from producers.simulator.gx_service import (
    CALM,
    Gauge,
    Rates,
    Service,
    Tell,
    Values,
    described,
    renamed,
    settings,
    writable,
)

__all__ = ["GxOptions", "GxServer", "Rates", "Service"]

OnWrite = Callable[[str, int, str, Any], bool]
_SYSTEM: Key = ("system", 0)
_SETTINGS: Key = ("settings", 0)
_BATTERIES_TICKS = 8
_USERNAMES = ("ovr", "victron", "gx", "admin", "root", "homeassistant", "nobody")
_TIMERS_S = 10.0
_TIMERS = {1.0: "on_grid", 3.0: "on_grid", 2.0: "on_generator", 240.0: "on_inverter", 0.0: "off"}


@dataclass(frozen=True, slots=True)
class GxOptions:
    """How a simulated GX is set up.

    Attributes:
        port: where its broker listens; 0 takes a free one.
        tls: clients connect with TLS; the certificate is self-signed.
        password: the password of its security profile.
        usernames: the user names that may come with the password; a real one does not look at them.
        firmware: releases before 3.20 speak the old protocol, in which everything is retained.
        ac_inputs: what is at AC input 1 and 2: 0 nothing, 1 grid, 2 generator, 3 shore.
        unix_s: its wall clock, which may be wrong.
        on_write: is told what clients write, as service type, instance, path, value; True when it sees to it,
            else the value is kept as written.
    """

    port: int = 0
    tls: bool = False
    password: str | None = None
    usernames: Sequence[str] = _USERNAMES
    firmware: str = "v3.55"
    model: str = "Cerbo GX"
    system_name: str = ""
    ac_inputs: tuple[int, int] = (1, 0)
    rates: Rates = CALM
    keepalive_s: float = KEEPALIVE_S
    unix_s: Callable[[], float] = time.time
    on_write: OnWrite | None = None


@dataclass(slots=True)
class _Device:
    service: Service
    gauge: Gauge
    present: bool = False
    values: Values | None = None


class GxServer:
    """Runs one simulated GX: `await start()`, then `run()` beside others, `await stop()` at the end."""

    def __init__(
        self, portal_id: str, services: Iterable[Service], directory: Path, options: GxOptions | None = None
    ) -> None:
        self.portal_id = portal_id
        self.options = options = options or GxOptions()
        self._device_password = secrets.token_hex(16)
        self._broker = GxBroker(
            directory,
            port=options.port,
            tls=options.tls,
            password=options.password,
            usernames=options.usernames,
            device_password=self._device_password,
        )
        self._devices = [
            _Device(service, Gauge(service.type, options.rates, turn))
            for turn, service in enumerate(services)
        ]
        self._system_gauge = Gauge("system", options.rates, len(self._devices))
        self._set: dict[tuple[Key, str], Any] = {}
        self._timers = dict.fromkeys(sorted(set(_TIMERS.values())), 0.0)
        self._core = self._new_core()
        self._link: GxLink | None = None
        self._listening: asyncio.Task[None] | None = None
        self._tick = 0
        self._counted_at = 0.0

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
        return self._core.alive

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
        tick_s = self.options.rates.tick_s
        due = loop.time() + tick_s
        while True:
            await asyncio.sleep(due - loop.time())
            due = max(due + tick_s, loop.time())
            if self._listening is not None and self._listening.done():
                await self.reboot(0.0)
            elif self._link is not None:
                self._look()

    async def reboot(self, away_s: float) -> None:
        """Restart the device: its broker goes away at once and comes back after a while."""
        self._broker.kill()
        await self._leave()
        await asyncio.sleep(away_s)
        await self._broker.start()
        await self._boot()

    async def stop(self) -> None:
        """Switch it off."""
        await self._leave()
        await self._broker.stop()

    def value(self, service_type: str, instance: int, path: str) -> Any:
        """Return the D-Bus value of a path now."""
        return self._core.value((service_type, instance), path)

    async def _boot(self) -> None:
        protected = self.options.password is not None
        self._core = self._new_core()
        self._timers = dict.fromkeys(self._timers, 0.0)
        self._counted_at = asyncio.get_running_loop().time()
        for device in self._devices:
            device.present = False
        self._link = await GxLink.connect(
            HOST,
            self._broker.inner_port,
            self.portal_id,
            DEVICE_USER if protected else None,
            self._device_password if protected else None,
        )
        self._core.start()
        self._put_settings()
        self._look()
        self._listening = asyncio.create_task(self._link.listen(self._receive))

    async def _leave(self) -> None:
        link, self._link = self._link, None
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
        if link is not None:
            await link.close()

    def _new_core(self) -> GxCore:
        options = self.options
        return GxCore(
            self.portal_id,
            legacy=_release(options.firmware) < (3, 20),
            keepalive_s=options.keepalive_s,
            on_write=self._written,
        )

    def _receive(self, message: Message) -> None:
        now_s = asyncio.get_running_loop().time()
        self._core.receive(message.topic, message.payload, now_s, self.options.unix_s())
        self._publish()

    def _written(self, key: Key, path: str, value: Any) -> None:
        """Set a value, unless the site takes it: then its measurements tell what became of it."""
        if self.options.on_write is not None and self.options.on_write(*key, path, value):
            return
        self._set[key, path] = value
        self._core.change(key, path, value)

    def _look(self) -> None:
        """Take every service's measurements and publish what changed."""
        self._tick += 1
        told: dict[Tell, Values | None] = {}
        moved = False
        for device in self._devices:
            tell = device.service.tell
            if tell not in told:
                told[tell] = tell()
            moved |= self._update(device, told[tell])
        self._update_system(everything=moved)
        self._core.tick(asyncio.get_running_loop().time(), self.options.unix_s())
        self._publish()

    def _update(self, device: _Device, told: Values | None) -> bool:
        """Note a device's measurements; True when it came or left."""
        service = device.service
        key = (service.type, service.instance)
        was_present, device.present = device.present, told is not None
        if told is None:
            device.values = None
            if was_present:
                self._core.leave(key)
            return was_present
        device.values = values = _completed(service, told)
        if was_present:
            self._change(key, device.gauge.look(values, self._tick))
            if service.type == "gps":
                self._core.change(key, "/UtcTimestamp", int(self.options.unix_s()))
            return False
        items = {**described(service), **device.gauge.first(values), **self._set_on(key)}
        self._core.appear(key, Node(items, writable=writable(service.type)))
        return True

    def _update_system(self, *, everything: bool) -> None:
        devices = [
            (device.service.type, device.service.instance, device.values)
            for device in self._devices
            if device.values is not None
        ]
        values = gx_systemcalc.system(devices, self.options.ac_inputs)
        self._count(values["ac_in_source_code"] or 0.0)
        values = {**values, **{f"timer_{name}_s": seconds for name, seconds in self._timers.items()}}
        gauge = self._system_gauge
        if not self._core.has(_SYSTEM):
            items = _own("system", {"/Serial": self.portal_id}) | gauge.first(values) | self._set_on(_SYSTEM)
            self._core.appear(_SYSTEM, Node(items, writable=writable("system")))
        else:
            self._change(_SYSTEM, gauge.all(values) if everything else gauge.look(values, self._tick))
        if everything or self._tick % _BATTERIES_TICKS == 0:
            batteries = [device for device in devices if device[0] == "battery"]
            self._change(_SYSTEM, gx_systemcalc.battery_list(batteries).items())

    def _change(self, key: Key, changes: Iterable[tuple[str, Any]]) -> None:
        for path, value in changes:
            if (key, path) not in self._set:
                self._core.change(key, path, value)

    def _count(self, source: float) -> None:
        """Count where the power came from, as the GX does, every ten seconds since it started."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._counted_at >= _TIMERS_S:
            self._timers[_TIMERS.get(source, "off")] += now_s - self._counted_at
            self._counted_at = now_s

    def _put_settings(self) -> None:
        options = self.options
        inputs = {f"/Settings/SystemSetup/AcInput{n}": kind for n, kind in enumerate(options.ac_inputs, 1)}
        name = {"/Settings/SystemSetup/SystemName": options.system_name}
        values, limits = settings({**inputs, **name, **self._set_on(_SETTINGS)})
        self._core.appear(_SETTINGS, Node(values, limits, writable("settings")))
        platform = {
            "/Firmware/Installed/Version": options.firmware,
            "/Device/Model": options.model,
            "/Device/UniqueId": self.portal_id,
        }
        self._core.appear(("platform", 0), Node(_own("platform", platform)))

    def _set_on(self, key: Key) -> dict[str, Any]:
        """Return what clients have written to a service."""
        return {path: value for (where, path), value in self._set.items() if where == key}

    def _publish(self) -> None:
        if self._link is not None:
            self._link.publish(self._core.take())


def _completed(service: Service, told: Values) -> Values:
    """Give a service's measurements their usual names, and add what the device works out itself."""
    values = renamed(service, told)
    match service.type:
        case "vebus" | "multi":
            return gx_systemcalc.inverter(values)
        case "solarcharger":
            return gx_systemcalc.solarcharger(values)
        case "grid" | "genset" | "pvinverter" | "acload":
            return gx_systemcalc.meter(values, service.type)
        case _:
            return values


def _own(service_type: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Describe one of the GX's own services."""

    def nothing() -> Values:
        return {}

    return described(Service(service_type, 0, nothing, product=PRODUCTS[service_type], values=values))


def _release(firmware: str) -> tuple[int, int]:
    """Read a release as `v3.20` or `3.20~14`."""
    major, _, rest = firmware.removeprefix("v").partition(".")
    minor = rest[:2]
    return int(major), int(minor) if minor.isdecimal() else 0
