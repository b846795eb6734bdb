"""A chain of SunSpec models as registers, made from readings at the moment they are asked for.

Rules that must stay true here:
- what has no reading says so with the sentinel of its type, a whole scale with no reading too;
- a scale factor is the finest at which all its points fit their registers, so it moves with the readings.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from producers.simulator.modbus_image import Tell, Told
from producers.simulator.modbus_pdu import ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, READ_HOLDING, Refused

MARKER = b"SunS"
_END = struct.pack(">HH", 0xFFFF, 0)
_FLOAT = "float32"
_NUMBERS: Mapping[str, tuple[int, bool, int]] = {  # registers, signed, raw that means "not implemented"
    "uint16": (1, False, 0xFFFF),
    "int16": (1, True, 0x8000),
    "enum16": (1, False, 0xFFFF),
    "bitfield16": (1, False, 0xFFFF),
    "count": (1, False, 0xFFFF),
    "sunssf": (1, True, 0x8000),
    "acc32": (2, False, 0),
    "uint32": (2, False, 0xFFFFFFFF),
    "bitfield32": (2, False, 0xFFFFFFFF),
    "acc64": (4, False, 0),
}
_COUNTERS = {"acc32", "acc64"}
_MEASURED = {"uint16", "int16", "acc32"}
_FINEST, _COARSEST = -2, 8
_NO_SCALE = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a model.

    Attributes:
        type: a SunSpec type; `string:N` has N registers.
        scale: the point with its scale factor.
        reading: the reading it tells, times `factor`.
        content: what a point without a reading says; None: it is not implemented.
    """

    name: str
    type: str
    scale: str = ""
    reading: str = ""
    factor: float = 1.0
    content: int | str | None = None

    @property
    def count(self) -> int:
        """Give how many registers it takes."""
        if self.type.startswith("string:"):
            return int(self.type.removeprefix("string:"))
        return 2 if self.type == _FLOAT else _NUMBERS[self.type][0]

    def value(self, told: Told) -> float | None:
        """Give its value in the model's unit."""
        if not self.reading:
            return self.content if isinstance(self.content, int) else None
        value = told.get(self.reading)
        return None if value is None else value * self.factor

    def limit(self) -> int:
        """Give the largest raw value that is not a sentinel."""
        registers, signed, _ = _NUMBERS[self.type]
        return (1 << (16 * registers - (1 if signed else 0))) - (1 if signed else 2)


@dataclass(frozen=True)
class Model:
    """A model of a chain."""

    number: int
    points: Sequence[Point]

    @cached_property
    def length(self) -> int:
        """Give the length that its head tells: all but the head."""
        return sum(point.count for point in self.points)

    def encode(self, told: Told) -> bytes:
        """Give its registers, with the head."""
        values = {point.name: point.value(told) for point in self.points}
        scales = self._scales(values)
        head = struct.pack(">HH", self.number, self.length)
        return head + b"".join(_encode(point, values[point.name], scales) for point in self.points)

    def _scales(self, values: Mapping[str, float | None]) -> dict[str, int | None]:
        scales: dict[str, int | None] = {}
        for point in self.points:
            value = values[point.name]
            if not point.scale or value is None or point.type == _FLOAT:
                continue
            fits = _NO_SCALE if point.type in _COUNTERS else _finest(abs(value), point.limit())
            known = scales.get(point.scale)
            scales[point.scale] = fits if known is None else max(known, fits)
        return scales


class SunSpecImage:
    """A chain of models behind its marker.

    Args:
        tell: gives the readings.
        models: in their order on the wire.
        base: where the marker is.
        derive: adds readings that the device works out itself.
    """

    def __init__(
        self,
        tell: Tell,
        models: Iterable[Model],
        *,
        base: int = 40_000,
        derive: Callable[[Told], Told] = lambda told: told,
    ) -> None:
        self._tell = tell
        self._derive = derive
        self.places: dict[int, Model] = {}
        self._base = base
        address = base + len(MARKER) // 2
        for model in models:
            self.places[address] = model
            address += 2 + model.length
        self._end = address + len(_END) // 2

    def read(self, function: int, address: int, count: int) -> bytes:
        """Give registers as they are now."""
        if function != READ_HOLDING:
            raise Refused(ILLEGAL_FUNCTION)
        if address < self._base or address + count > self._end:
            raise Refused(ILLEGAL_ADDRESS)
        told = self._derive(self._tell())
        start, content = self._content(told, address, address + count)
        at = 2 * (address - start)
        return content[at : at + 2 * count]

    def _content(self, told: Told, start: int, end: int) -> tuple[int, bytes]:
        """Encode the models that lie between two addresses, and say where the first begins."""
        pieces = [(at, piece) for at, piece in self._pieces(told, start, end) if piece]
        return pieces[0][0], b"".join(piece for _, piece in pieces)

    def _pieces(self, told: Told, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        yield self._base, MARKER if start < self._base + len(MARKER) // 2 else b""
        for address, model in self.places.items():
            wanted = address < end and address + 2 + model.length > start
            yield address, model.encode(told) if wanted else b""
        yield self._end - len(_END) // 2, _END if end > self._end - len(_END) // 2 else b""


def table(rows: str) -> list[Point]:
    """Read points from lines of `name type scale reading [factor]`; `-` is nothing, `=n` a fixed number."""
    points = []
    for row in rows.strip().splitlines():
        name, kind, scale, reading, *factor = row.split()
        points.append(
            Point(
                name,
                kind,
                "" if scale == "-" else scale,
                "" if reading == "-" or reading[0] == "=" else reading,
                float(factor[0]) if factor else 1.0,
                int(reading[1:]) if reading[0] == "=" else None,
            )
        )
    return points


def floating(points: Iterable[Point]) -> list[Point]:
    """Turn an integer model into its floating-point twin: no scale factors, and measurements are floats."""
    return [
        Point(point.name, _FLOAT, "", point.reading, point.factor) if point.type in _MEASURED else point
        for point in points
        if point.type != "sunssf"
    ]


def _finest(value: float, limit: int) -> int:
    for exponent in range(_FINEST, _COARSEST):
        if round(value / 10.0**exponent) <= limit:
            return exponent
    return _COARSEST


def _encode(point: Point, value: float | None, scales: Mapping[str, int | None]) -> bytes:
    if point.type.startswith("string:"):
        return str(point.content or "").encode()[: 2 * point.count].ljust(2 * point.count, b"\0")
    if point.type == _FLOAT:
        return struct.pack(">f", math.nan if value is None else value)
    registers, _, absent = _NUMBERS[point.type]
    if point.type == "sunssf":
        exponent = scales.get(point.name)
        raw = absent if exponent is None else exponent
    elif value is None:
        raw = absent
    else:
        raw = round(value / 10.0 ** (scales.get(point.scale) or 0))
    return (raw & ((1 << 16 * registers) - 1)).to_bytes(2 * registers, "big")
