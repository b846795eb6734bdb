"""A simulated GX without its network: its services, and what clients set. No IO, no clock.

Rules that must stay true here:
- measurements come from each service's `tell`; a function that several services share is asked once a look;
- a restart forgets everything but what was set: nobody keeps the device alive afterwards.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from producers.simulator import gx_systemcalc
from producers.simulator.gx_core import GxCore, Key, Node, Publication
from producers.simulator.gx_options import GxOptions
from producers.simulator.gx_products import PRODUCTS
from producers.simulator.gx_service import (
    Gauge,
    Service,
    Tell,
    Values,
    described,
    renamed,
    settings,
    writable,
)

_SYSTEM: Key = ("system", 0)
_SETTINGS: Key = ("settings", 0)
_PLATFORM: Key = ("platform", 0)
_AC_INPUTS = ("/Settings/SystemSetup/AcInput1", "/Settings/SystemSetup/AcInput2")
_BATTERIES_TICKS = 8
_TIMERS_S = 10.0
_TIMERS = {1.0: "on_grid", 3.0: "on_grid", 2.0: "on_generator", 240.0: "on_inverter", 0.0: "off"}


@dataclass(slots=True)
class _Device:
    service: Service
    gauge: Gauge
    present: bool = False
    values: Values | None = None


class GxDevice:
    """What a GX publishes, given its services, the requests of clients and the time."""

    def __init__(self, portal_id: str, services: Iterable[Service], options: GxOptions) -> None:
        self._portal_id = portal_id
        self._options = options
        self._devices = [
            _Device(service, Gauge(service.type, options.rates, turn))
            for turn, service in enumerate(services)
        ]
        self._system_gauge = Gauge("system", options.rates, len(self._devices))
        self._set: dict[tuple[Key, str], Any] = {}
        self._timers = dict.fromkeys(sorted(set(_TIMERS.values())), 0.0)
        self._core = self._new_core()
        self._tick = 0
        self._counted_at = 0.0

    @property
    def alive(self) -> bool:
        """Somebody keeps it alive."""
        return self._core.alive

    def value(self, service_type: str, instance: int, path: str) -> Any:
        """Return the D-Bus value of a path now."""
        return self._core.value((service_type, instance), path)

    def boot(self, now_s: float, unix_s: float) -> list[Publication]:
        """Start, or start again."""
        self._core = self._new_core()
        self._timers = dict.fromkeys(self._timers, 0.0)
        self._counted_at = now_s
        for device in self._devices:
            device.present = False
        self._core.start()
        self._put_settings()
        return self.look(now_s, unix_s)

    def receive(self, topic: str, payload: bytes, now_s: float, unix_s: float) -> list[Publication]:
        """Take a client's request."""
        self._core.receive(topic, payload, now_s, unix_s)
        return self._core.take()

    def look(self, now_s: float, unix_s: float) -> list[Publication]:
        """Take every service's measurements; return what is to be told of them."""
        self._tick += 1
        told: dict[Tell, Values | None] = {}
        moved = False
        for device in self._devices:
            tell = device.service.tell
            if tell not in told:
                told[tell] = tell()
            moved |= self._update(device, told[tell], unix_s)
        self._update_system(now_s, everything=moved)
        self._core.tick(now_s, unix_s)
        return self._core.take()

    def _new_core(self) -> GxCore:
        return GxCore(
            self._portal_id,
            legacy=_release(self._options.firmware) < (3, 20),
            keepalive_s=self._options.keepalive_s,
            on_write=self._written,
        )

    def _written(self, key: Key, path: str, value: Any) -> None:
        """Set a value, unless the site takes it: then its measurements tell what became of it."""
        if self._options.on_write is not None and self._options.on_write(*key, path, value):
            return
        self._set[key, path] = value
        self._core.change(key, path, value)

    def _update(self, device: _Device, told: Values | None, unix_s: float) -> bool:
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
                self._core.change(key, "/UtcTimestamp", int(unix_s))
            return False
        items = {**described(service), **device.gauge.first(values), **self._set_on(key)}
        self._core.appear(key, Node(items, writable=writable(service.type)))
        return True

    def _update_system(self, now_s: float, *, everything: bool) -> None:
        devices = [
            (device.service.type, device.service.instance, device.values)
            for device in self._devices
            if device.values is not None
        ]
        first, second = (self._core.value(_SETTINGS, path) for path in _AC_INPUTS)
        values = gx_systemcalc.system(devices, (first, second))
        self._count(now_s, values["ac_in_source_code"] or 0.0)
        values = {**values, **{f"timer_{name}_s": seconds for name, seconds in self._timers.items()}}
        gauge = self._system_gauge
        if not self._core.has(_SYSTEM):
            items = _own("system", {"/Serial": self._portal_id}) | gauge.first(values) | self._set_on(_SYSTEM)
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

    def _count(self, now_s: float, source: float) -> None:
        """Count where the power came from, as the GX does, every ten seconds since it started."""
        if now_s - self._counted_at >= _TIMERS_S:
            self._timers[_TIMERS.get(source, "off")] += now_s - self._counted_at
            self._counted_at = now_s

    def _put_settings(self) -> None:
        options = self._options
        inputs = dict(zip(_AC_INPUTS, options.ac_inputs, strict=True))
        name = {"/Settings/SystemSetup/SystemName": options.system_name}
        values, limits = settings({**inputs, **name, **self._set_on(_SETTINGS)})
        self._core.appear(_SETTINGS, Node(values, limits, writable("settings")))
        platform = {
            "/Firmware/Installed/Version": options.firmware,
            "/Device/Model": options.model,
            "/Device/UniqueId": self._portal_id,
        }
        self._core.appear(_PLATFORM, Node(_own("platform", platform)))

    def _set_on(self, key: Key) -> dict[str, Any]:
        """Return what clients have written to a service."""
        return {path: value for (where, path), value in self._set.items() if where == key}


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
