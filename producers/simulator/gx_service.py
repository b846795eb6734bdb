"""A device on a GX: what it tells of a virtual device's measurements, and how often.

Rules that must stay true here:
- the measurements come from a function in canonical names; a device that is gone tells None;
- phases are told first and their sum a moment later, as devices do: they need not agree at every instant;
- what was written to a path by a client stays, whatever the measurements say.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from producers.simulator.gx_paths import PATHS, PLACES
from producers.simulator.gx_products import PRODUCTS, SETTINGS, WRITABLE, Product
from producers.simulator.gx_rows import Pace, Row
from producers.simulator.gx_values import Scalar, dbus_number

Values = Mapping[str, float | None]
Tell = Callable[[], Values | None]
_NOTHING = object()
_BRISK = 10.0


@dataclass(frozen=True, slots=True)
class Rates:
    """How often values are looked at, in seconds; slower ones for a calmer GX.

    The defaults give about 140 messages a second for a full three-phase site, `BUSY` about 300.
    """

    fast_s: float = 0.5
    medium_s: float = 2.0
    slow_s: float = 10.0

    @property
    def tick_s(self) -> float:
        """The time between two looks: sums come half a period after their phases."""
        return self.fast_s / 2

    def at_speed(self, speed: float) -> "Rates":
        """Slow down in fast simulations, so that clients have to hear ten times as much and no more."""
        factor = max(1.0, speed / _BRISK)
        return Rates(self.fast_s * factor, self.medium_s * factor, self.slow_s * factor)


CALM = Rates()
BUSY = Rates(fast_s=0.25, medium_s=1.0, slow_s=5.0)


@dataclass(frozen=True, slots=True)
class Service:
    """A device to simulate.

    Attributes:
        tell: gives its measurements now, None while it is unplugged or off.
        place: what its names begin with, when that is not the place of its type: `tank_2`, `ac`.
        values: further D-Bus paths with values that do not change.
    """

    type: str
    instance: int
    tell: Tell
    place: str = ""
    product: Product | None = None
    custom_name: str = ""
    serial: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


class Gauge:
    """Reads one service's paths from its measurements, each at its pace."""

    def __init__(self, service_type: str, rates: Rates, turn: int) -> None:
        self._rows = PATHS.get(service_type, ())
        self._raw: dict[str, float | None] = {}
        self._fast: list[list[Row]] = [[], []]
        self._medium = _spread(self._rows, Pace.MEDIUM, rates.medium_s / rates.tick_s)
        self._slow = _spread(self._rows, Pace.SLOW, rates.slow_s / rates.tick_s)
        for row in self._rows:
            if row.pace in {Pace.FAST, Pace.STATE}:
                self._fast[row.total].append(row)
        self._turn = turn

    def first(self, values: Values) -> dict[str, Scalar]:
        """Return every path that the device has."""
        self._raw.clear()
        return dict(self.all(values))

    def all(self, values: Values) -> list[tuple[str, Scalar]]:
        """Return every path whose measurement moved, whether or not it is its turn."""
        return self._read(self._rows, values)

    def look(self, values: Values, tick: int) -> list[tuple[str, Scalar]]:
        """Return the paths whose turn it is and whose measurement moved."""
        at = tick + self._turn
        found = self._read(self._fast[at % 2], values)
        found += self._read(self._medium[at % len(self._medium)], values)
        found += self._read(self._slow[at % len(self._slow)], values)
        return found

    def _read(self, rows: Sequence[Row], values: Values) -> list[tuple[str, Scalar]]:
        found: list[tuple[str, Scalar]] = []
        for row in rows:
            for name in row.names:
                if name in values:
                    raw = values[name]
                    break
            else:
                if row.path not in self._raw and not row.always:
                    continue
                raw = row.default
            if self._raw.get(row.path, _NOTHING) == raw:
                continue
            self._raw[row.path] = raw
            scaled = None if raw is None else raw * row.scale
            found.append((row.path, dbus_number(scaled, row.kind, row.step)))
        return found


def renamed(service: Service, values: Values) -> Values:
    """Give a service's measurements the place of its type: its second tank is its tank."""
    place = PLACES.get(service.type, "")
    if not service.place or service.place == place:
        return values
    head = service.place + "_"
    own = {f"{place}_{name[len(head) :]}": value for name, value in values.items() if name.startswith(head)}
    return {**values, **own}


def described(service: Service) -> dict[str, Any]:
    """Return what a service says about itself, by path."""
    product = service.product or PRODUCTS[service.type]
    about: dict[str, Any] = {
        "/Mgmt/Connection": product.connection,
        "/Mgmt/ProcessName": product.process,
        "/Mgmt/ProcessVersion": product.process_version,
        "/ProductName": product.name,
        "/ProductId": product.product_id,
        "/FirmwareVersion": product.firmware,
        "/HardwareVersion": None,
        "/DeviceInstance": service.instance,
        "/Connected": 1,
    }
    if service.type not in {"system", "platform", "settings", "generator"}:
        about["/CustomName"] = service.custom_name
    serial = service.serial or product.serial
    if serial is not None:
        about["/Serial"] = serial
    return {**about, **service.values}


def settings(changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the settings of a GX and their limits, by path."""
    values = {path: value for path, (value, _, _) in SETTINGS.items()} | dict(changes)
    limits = {path: {"min": low, "max": high} for path, (_, low, high) in SETTINGS.items() if low is not None}
    return values, limits


def writable(service_type: str) -> frozenset[str]:
    """Return the paths of a service that clients may write."""
    return WRITABLE.get(service_type, frozenset())


def _spread(rows: Sequence[Row], pace: Pace, ticks: float) -> list[list[Row]]:
    """Deal the rows of a pace over the ticks of its period, so that they do not come in one burst."""
    slots: list[list[Row]] = [[] for _ in range(max(1, round(ticks)))]
    for index, row in enumerate(row for row in rows if row.pace is pace):
        slots[index % len(slots)].append(row)
    return slots
