"""What a GX and the devices behind it say they are. Pure.

Versions are numbers in Victron's own coding: 0x0164 is 1.64, 0x0106ff is 1.06, where the ff says "released".
"""

from collections.abc import Mapping
from typing import Any

from producers.adapter import Description
from producers.victron.mirror import Service

_MAKER = "Victron Energy"
_NUMBERS = frozenset({"rated_w", "capacity_ah"})
_SHORT, _LONG = 0xFFFF, 0xFFFFFF
_RELEASED = 0xFF


def description_of(service: Service) -> Description:
    """Tell what a service is; None where it does not say."""
    said: dict[str, Any] = {}
    for leaf in service.leaves.values():
        if leaf.field and (value := _told(leaf.field, service.value(leaf.path), service.type)) is not None:
            said.setdefault(leaf.field, value)
    return Description(**said)


def description_of_gx(said: Mapping[str, Any], portal_id: str) -> Description:
    """Tell what the GX is; without a serial number of its own it is known by its portal id."""
    known = {field: _told(field, value, "platform") for field, value in said.items()}
    known["serial"] = known.get("serial") or portal_id
    return Description(maker=_MAKER, **known)


def version(number: int, type_: str) -> str:
    """Write a version as Victron's own screens do."""
    if type_ == "vebus":
        return f"{number:x}"
    if not _RELEASED < number <= _LONG:
        return str(number)
    if number <= _SHORT:
        return f"{number >> 8:x}.{number & 0xFF:02x}"
    build = number & 0xFF
    return f"{number >> 16:x}.{number >> 8 & 0xFF:02x}" + ("" if build == _RELEASED else f"~{build:x}")


def _told(field: str, value: Any, type_: str) -> Any:
    if isinstance(value, str):
        return value.strip() or None if field not in _NUMBERS and field != "phases" else None
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # noqa: PLR0124 - NaN
        return None
    if field in _NUMBERS:
        return float(value)
    if field == "phases":
        return int(value) if 0 < value <= 3 else None  # noqa: PLR2004 - there are three
    if field == "firmware" and 0 < value <= _LONG:
        return version(int(value), type_)
    return f"{value:g}" if isinstance(value, float) else str(value)
