"""What stands in a device's registers: one frozen value for each thing that can be read.

Points come from device files, or from a walk through a SunSpec device; planner and decoder know nothing else.

Rules that must stay true here:
- addresses are those on the wire, from 0;
- a point without a role (name, alarm or identity) is read for others only, which call it by its id;
- `missing` holds raw patterns as unsigned numbers, whatever the type.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, get_args

from producers.adapter import Description
from schemas.errors import ConfigurationError

Poll = Literal["fast", "slow", "once"]
WordOrder = Literal["big", "little"]
Merge = Literal["", "sum", "all", "first"]
Identity = Literal[
    "maker",
    "model",
    "serial",
    "firmware",
    "hardware",
    "product_id",
    "rated_w",
    "rated_va",
    "rated_a",
    "phases",
    "capacity_ah",
]
POLLS: Final[tuple[Poll, ...]] = get_args(Poll)
IDENTITIES: Final[tuple[str, ...]] = get_args(Identity)
DYNAMIC: Final = "sf:"
"""Begins a scale that another point holds: `sf:W_SF` is ten to the power of the point with the id W_SF."""

MOST_REGISTERS: Final = 125
"""The protocol's limit of one read."""

_WIDTHS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "u16": 1,
        "i16": 1,
        "u32": 2,
        "i32": 2,
        "u64": 4,
        "i64": 4,
        "f32": 2,
        "f64": 4,
        "acc16": 1,
        "acc32": 2,
        "acc64": 4,
        "bits": 1,
        "bits32": 2,
    }
)
_STRING: Final = re.compile(r"str:([1-9]\d{0,2})")


def width(type_: str) -> int:
    """Give the number of registers that a type takes.

    Raises:
        ConfigurationError: there is no such type.
    """
    if (known := _WIDTHS.get(type_)) is not None:
        return known
    text = _STRING.fullmatch(type_)
    if text is None or int(text[1]) > MOST_REGISTERS:
        kinds = ", ".join(_WIDTHS)
        raise ConfigurationError(
            f"type must be one of {kinds}, or str:N of at most 125 registers, got {type_!r}"
        )
    return int(text[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One value in the registers.

    Attributes:
        type: u16 i16 u32 i32 u64 i64 f32 f64 · acc16 acc32 acc64 (a counter whose 0 means no value) ·
            bits bits32 (a bit field) · str:N (N registers of text).
        name: of the measurement that it is; empty when it is none.
        id: how `sf:` scales, `[transformers]` and warnings call it.
        register: the vendor's name.
        scale: factors: numbers, names of parameters, `sf:<id>`; the value is raw * factors + offset.
        missing: raw patterns that mean "no value". NaN and infinity always do.
        word_order: of values wider than a register; big is the high word first.
        unit: another unit behind the same connection than the device's own.
        poll: once is at connect, and now and then.
        flip: give the value the other sign.
        bit: take one bit of the raw value: 0 or 1.
        share: the value is a share that some devices give in percent: what is above 1 is taken for percent.
        merge: several points of one name become one value: `sum` of those that have a value, `all` the sum
            when all of them have one (counters), `first` the first that has one other than 0.
        alarm: its word; raw 0 is none, 1 a warning and more an alarm, unless `level` says what all but 0 is,
            or `when` which values are one.
        identity: which field of the device's description it is.
        expect: what it reads when all is well; `warning` says what it means when it does not.
    """

    address: int
    type: str
    name: str = ""
    id: str = ""
    register: str = ""
    scale: tuple[float | str, ...] = ()
    offset: float = 0.0
    missing: frozenset[int] = frozenset()
    word_order: WordOrder = "big"
    function: int = 3
    unit: int | None = None
    poll: Poll = "fast"
    flip: bool = False
    bit: int | None = None
    share: bool = False
    merge: Merge = ""
    alarm: str = ""
    level: str = ""
    when: tuple[float, ...] = ()
    phase: str = ""
    identity: str = ""
    expect: tuple[float, ...] = ()
    warning: str = ""

    @property
    def width(self) -> int:
        """Give the number of registers it takes."""
        return width(self.type)

    @property
    def end(self) -> int:
        """Give the address behind it."""
        return self.address + self.width

    @property
    def needs(self) -> tuple[str, ...]:
        """Give the ids of the points that its scale is made of."""
        return tuple(text.removeprefix(DYNAMIC) for text in self._texts if text.startswith(DYNAMIC))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Give the names of the parameters that its scale is made of."""
        return tuple(text for text in self._texts if not text.startswith(DYNAMIC))

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(each for each in self.scale if isinstance(each, str))

    @property
    def label(self) -> str:
        """Name it for people."""
        return self.name or self.alarm or self.identity or self.id or f"{self.type} at {self.address}"


@dataclass(frozen=True, slots=True)
class Hole:
    """Registers that no point takes.

    Attributes:
        first: the first address.
        last: the last address.
        readable: the device answers them; otherwise no request may touch them.
    """

    first: int
    last: int
    function: int = 3
    readable: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a site may have to say about a device, because the device does not.

    Attributes:
        choices: the values it can have; any when empty.
    """

    name: str
    default: float
    meaning: str
    choices: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """Which parameter hangs on the device's firmware or settings, and is checked against other readings.

    Attributes:
        place: whose measurements are compared, such as `ac`.
    """

    parameter: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What was found on one unit: everything that polls of it need.

    Attributes:
        map: the name of the map.
        kind: of the samples.
        points: all that can be read, of all polls.
        factors: the parameters that scales name, with what was read from the device worked in.
        description: what is known about the device without asking more.
        warnings: what a person should look at.
        power_check: the unit of power is checked against voltage times current.
        energy_check: the unit of energy is checked against power over time.
        bridge: how many unused registers cost as much as a request of their own.
        asleep: a measurement, and those of its values after which it is normal that the device falls silent.
    """

    map: str
    kind: str
    points: Sequence[Point]
    holes: Sequence[Hole] = ()
    factors: Mapping[str, float] = field(default_factory=dict)
    description: Description = field(default_factory=Description)
    warnings: Sequence[str] = ()
    power_check: Check | None = None
    energy_check: Check | None = None
    max_registers: int = MOST_REGISTERS
    bridge: int = 24
    min_gap_ms: int = 0
    asleep: tuple[str, frozenset[float]] | None = None
