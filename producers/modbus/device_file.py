"""What a device file says, as frozen values: one map of one kind of device.

A file holds no conditions: what depends on the device is a parameter of the site, a scale that the device
tells, or one of the tables that code understands: `transformers`, `power_check`, `energy_check`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from producers.modbus.points import MOST_REGISTERS, Check, Hole, Parameter, Point


@dataclass(frozen=True, slots=True)
class Probe:
    """What a device of this map reads at one place; without any values it must only answer.

    Attributes:
        equals: values that hold.
        within: limits between which every value holds.
        named: values that hold too when the site says that it is such a device: nothing measured, say.
        text: how a text must begin.
    """

    point: Point
    equals: tuple[float, ...] = ()
    within: tuple[float, float] | None = None
    named: tuple[float, ...] = ()
    text: str = ""

    def holds(self, value: float | str | None, *, named: bool = False) -> bool:
        """Tell whether a device with this value can be one of these."""
        if self.text:
            return isinstance(value, str) and value.startswith(self.text)
        if not self.equals and self.within is None:
            return True
        if value is None or isinstance(value, str):
            return False
        if named and value in self.named:
            return True
        return value in self.equals or (self.within is not None and self.within[0] <= value <= self.within[1])


@dataclass(frozen=True, slots=True)
class Unverified:
    """A block whose order nobody has confirmed: printed by a probe, polled only when a site confirms it.

    Attributes:
        orders: measurements in order of address, the likeliest order first; empty where there is no guess.
    """

    id: str
    points: tuple[Point, ...]
    orders: tuple[tuple[str, ...], ...]
    meaning: str


@dataclass(frozen=True, slots=True)
class Transformers:
    """Where a meter keeps the ratios of its transformers, and whether it has worked them in already.

    Gives the parameters `pt_ratio` and `ct_ratio`: 1 unless the point `mode` reads `secondary`.

    Attributes:
        pt: ids of the primary and the secondary voltage.
        ct: ids of the primary and the secondary current.
        ct_secondary: the secondary currents that count; any other (a sensor of 333 mV) stands for 1.
    """

    mode: str
    secondary: float
    pt: tuple[str, str]
    ct: tuple[str, str]
    ct_secondary: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """Registers with known values.

    Attributes:
        words: what the registers hold.
        confirm: an unverified block to read by its likely names.
    """

    address: int
    function: int
    words: tuple[int, ...]
    values: Mapping[str, float | None]
    alarms: Mapping[str, str]
    identity: Mapping[str, Any]
    parameters: Mapping[str, float]
    confirm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFile:
    """One map.

    Attributes:
        priority: maps with a lower one are looked for first.
        bridge: how many unused registers cost as much as a request of their own.
    """

    name: str
    maker: str
    model: str
    kind: str
    source: str
    notes: str
    points: tuple[Point, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    holes: tuple[Hole, ...] = ()
    examples: tuple[Example, ...] = ()
    unverified: tuple[Unverified, ...] = ()
    transformers: Transformers | None = None
    power_check: Check | None = None
    energy_check: Check | None = None
    max_registers: int = MOST_REGISTERS
    min_gap_ms: int = 0
    bridge: int = 24
    unit: int = 1
    port: int = 502
    priority: int = 50
