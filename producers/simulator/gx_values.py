"""What a GX writes for a D-Bus value: JSON as its MQTT service does.

Rules that must stay true here:
- a device's floats are single precision and become doubles on D-Bus: 20.43 is told as 20.43000030517578;
- an invalid value is `null`, a whole number of a double has its `.0`, keys are in alphabetical order.
"""

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["int", "single", "double"]
Scalar = int | float | None
_SINGLE = struct.Struct("<f")
_COMPACT = (",", ":")
_SPACED = (", ", ": ")
_LARGEST_SINGLE = 3.4028234663852886e38


def dbus_number(value: float | None, kind: Kind, step: float) -> Scalar:
    """Turn a number into what D-Bus has for it: rounded to the device's resolution, in the path's type."""
    if value is None or not math.isfinite(value):
        return None
    steps = round(value / step)
    if kind == "int":
        return round(steps * step)
    rounded = steps * step if step >= 1.0 else steps / round(1.0 / step)
    if kind == "double" or abs(rounded) > _LARGEST_SINGLE:
        return float(rounded)
    return promoted(rounded)


def promoted(value: float) -> float:
    """Return the double that a single-precision value becomes."""
    single: float = _SINGLE.unpack(_SINGLE.pack(value))[0]
    return single


def value_json(value: Any, limits: Mapping[str, Any] | None = None, *, spaced: bool = False) -> bytes:
    """Write the payload of a value; settings have their limits beside it."""
    return object_json({**(limits or {}), "value": value}, spaced=spaced)


def object_json(members: Mapping[str, Any], *, spaced: bool = False) -> bytes:
    """Write an object as the GX does; releases before 3.20 put a space after colons and commas."""
    separators = _SPACED if spaced else _COMPACT
    return json.dumps(members, separators=separators, sort_keys=True).encode()
