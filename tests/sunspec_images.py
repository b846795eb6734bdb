"""SunSpec devices as registers, laid out by the SunSpec Alliance's model files and read by its own reader."""

import json
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from sunspec2.modbus.client import (  # type: ignore[import-untyped]
    SunSpecModbusClientDevice,
    SunSpecModbusClientError,
)

from producers.modbus.registers import RefusedError
from producers.modbus.sunspec_chain import MARKER

Raws = Mapping[str, int | float | str]
"""Raw values by the names of the points; what is left out is not implemented."""

MISSING: Final[Mapping[str, int]] = {
    "int16": 0x8000,
    "uint16": 0xFFFF,
    "acc16": 0,
    "enum16": 0xFFFF,
    "bitfield16": 0xFFFF,
    "count": 0xFFFF,
    "pad": 0x8000,
    "sunssf": 0x8000,
    "uint32": 0xFFFFFFFF,
    "acc32": 0,
    "bitfield32": 0xFFFFFFFF,
    "acc64": 0,
    "float32": 0x7FC00000,
}


@cache
def definition(number: int) -> dict[str, Any]:
    path = files("sunspec2").joinpath(f"models/json/model_{number}.json")
    group: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["group"]
    return group


def offsets(points: Sequence[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """Give the points by their offset."""
    found: dict[int, Mapping[str, Any]] = {}
    at = 0
    for point in points:
        found[at] = point
        at += point["size"]
    return found


def model(number: int, raws: Raws, modules: Sequence[Raws] = (), *, length: int | None = None) -> list[int]:
    """Lay out one model with its head; `length` is another one than it has."""
    group = definition(number)
    words = [word for point in group["points"] for word in _words(point, raws.get(point["name"]))]
    for module in modules:
        words += [
            word
            for point in group["groups"][0]["points"]
            for word in _words(point, module.get(point["name"]))
        ]
    told = len(words) - 2 if length is None else length
    words += [0] * (told + 2 - len(words))
    return [number, told, *words[2 : told + 2]]


def common(maker: str = "Fronius", *, padded: bool = False, **raws: str) -> list[int]:
    """Lay out model 1; Fronius' has no padding register."""
    return model(
        1, {"Mn": maker, "Md": "Symo", "Vr": "1.2", "SN": "123", **raws}, length=66 if padded else 65
    )


def unknown(number: int, length: int) -> list[int]:
    """Lay out a model that nobody knows; its registers are a trap."""
    return [number, length, *[0xDEAD] * length]


def chain(*models: Sequence[int], ended: bool = True) -> list[int]:
    """Lay models out behind the marker."""
    end = [0xFFFF, 0] if ended else []
    return [*MARKER, *(word for each in models for word in each), *end]


def _words(point: Mapping[str, Any], raw: float | str | None) -> list[int]:
    size = point["size"]
    if point["type"] == "string":
        content = str(raw or "").encode()[: 2 * size].ljust(2 * size, b"\0")
    elif raw is None:
        content = MISSING[point["type"]].to_bytes(2 * size, "big")
    elif point["type"] == "float32":
        content = struct.pack(">f", raw)
    else:
        content = (int(raw) % 2 ** (16 * size)).to_bytes(2 * size, "big")
    return list(struct.unpack(f">{size}H", content))


class Memory:
    """The registers of one unit; what is not there is refused.

    Attributes:
        asked: every request.
    """

    def __init__(self, words: Sequence[int], base: int = 40_000) -> None:
        self.words = dict(enumerate(words, base))
        self.gap_s = 0.0
        self.asked: list[tuple[int, int]] = []

    async def read(self, function: int, address: int, count: int, unit: int | None = None) -> list[int]:
        assert function == 3
        assert unit is None
        self.asked.append((address, count))
        assert address >= 0
        assert address + count <= 0x10000
        assert 1 <= count <= 125
        try:
            return [self.words[at] for at in range(address, address + count)]
        except KeyError:
            raise RefusedError("there are no such registers", reason="refused") from None


class Oracle(SunSpecModbusClientDevice):  # type: ignore[misc]
    """The Alliance's own reader, of the same registers."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory
        self.scan()

    def read(self, addr: int, count: int) -> bytes:
        try:
            words = [self._memory.words[at] for at in range(int(addr), int(addr) + int(count))]
        except KeyError as error:
            raise SunSpecModbusClientError("no such registers") from error
        return struct.pack(f">{int(count)}H", *words)
