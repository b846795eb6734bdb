"""What can go wrong on a simulated site: the kinds of faults, and whom each can befall. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass

GX, HYBRID, MODBUS, NUT = "a GX", "a hybrid inverter", "a Modbus device", "a UPS"
PARTS = (
    "vebus",
    "battery",
    "solarcharger",
    "grid",
    "genset",
    "generator",
    "tank",
    "temperature",
    "pvinverter",
)
"""The services of a GX that can leave."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        befalls: what it can happen to.
        needs: what its table must say besides.
        default: of its amount; None when it has none.
    """

    meaning: str
    befalls: frozenset[str]
    needs: frozenset[str] = frozenset()
    default: float | None = None


def _kind(meaning: str, *befalls: str, needs: str = "", default: float | None = None) -> Kind:
    return Kind(meaning, frozenset(befalls), frozenset(needs.split()), default)


FAULTS: Mapping[str, Kind] = {
    "unplugged": _kind("nobody answers at its address", GX, HYBRID, MODBUS, NUT),
    "hangs": _kind("it takes connections and says nothing", GX, HYBRID, MODBUS, NUT),
    "reboots": _kind("it is away and comes back as after a power cut", GX),
    "left": _kind("a device left the GX: `part` is its service", GX, needs="part"),
    "nulls": _kind("readings have no value: `names`", GX, HYBRID, MODBUS, NUT, needs="names"),
    "clock_wrong": _kind("its clock is wrong by so many seconds", GX, default=3_600.0),
    "overheats": _kind("its air is blocked: so many °C more in the end", GX, HYBRID, default=60.0),
    "alarm": _kind("it raises `alarm`, as a `warning` or an `alarm`", GX, needs="alarm"),
    "resets": _kind("it cuts connections when it is asked something", HYBRID, MODBUS),
    "slow": _kind("it answers after so many seconds", HYBRID, MODBUS, default=1.5),
    "refuses": _kind("it answers with this Modbus exception", HYBRID, MODBUS, default=4.0),
}
