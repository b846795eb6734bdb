"""The registers of a simulated device, made from its readings at the moment they are asked for.

Rules that must stay true here:
- all registers of one answer are of one moment: the readings are told once for each request;
- what a layout does not name is not there, and reading over it is refused as a real device does;
- a number that does not fit its register loses its high bits, as it does in the device.
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from producers.simulator.modbus_pdu import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    READ_HOLDING,
    Refused,
    Registers,
)

Told = Mapping[str, float | None]
Tell = Callable[[], Told]
_FLOATS = {"f32": (">f", 2), "f64": (">d", 4)}
_BITS = {"u16": 16, "i16": 16, "u32": 32, "i32": 32, "u64": 64, "i64": 64}


@dataclass(frozen=True, slots=True)
class Cell:
    """A reading in a register, or in several.

    Attributes:
        per: what one count of the register is worth in the reading's unit; negative where the device counts
            the other way.
        absent: the raw number that stands for no value; for floats the value itself.
    """

    address: int
    type: str
    name: str
    per: float = 1.0
    absent: float = 0

    @property
    def count(self) -> int:
        """Give how many registers it takes."""
        return _FLOATS[self.type][1] if self.type in _FLOATS else _BITS[self.type] // 16

    def encode(self, value: float | None) -> bytes:
        """Give its bytes, high word first."""
        if self.type in _FLOATS:
            return struct.pack(_FLOATS[self.type][0], self.absent if value is None else value / self.per)
        raw = round(self.absent if value is None else value / self.per)
        bits = _BITS[self.type]
        return (raw & ((1 << bits) - 1)).to_bytes(bits // 8, "big")


@dataclass(frozen=True, slots=True)
class Fixed:
    """Registers that never change."""

    address: int
    content: bytes

    @property
    def count(self) -> int:
        """Give how many registers it takes."""
        return len(self.content) // 2


Part = Cell | Fixed


def cells(address: int, kind: str, *names: str, per: float = 1.0, absent: float = 0) -> list[Part]:
    """Lay readings of one type side by side; an empty name is a reserved place that reads zero."""
    parts: list[Part] = []
    for name in names:
        cell = Cell(address, kind, name, per, absent)
        parts.append(cell if name else Fixed(address, bytes(2 * cell.count)))
        address += cell.count
    return parts


def numbers(address: int, *values: int) -> Fixed:
    """Lay 16-bit numbers side by side."""
    return Fixed(address, b"".join((value & 0xFFFF).to_bytes(2, "big") for value in values))


def text(address: int, count: int, content: str) -> Fixed:
    """Lay a text of `count` registers, filled with zeros."""
    return Fixed(address, content.encode()[: 2 * count].ljust(2 * count, b"\0"))


def filled(start: int, end: int, parts: Iterable[Part], word: int = 0) -> list[Part]:
    """Fill the gaps from `start` up to, but without, `end` with a word, where devices answer whole blocks."""
    content = (word & 0xFFFF).to_bytes(2, "big")
    whole: list[Part] = []
    for part in sorted(parts, key=lambda part: part.address):
        if part.address > start:
            whole.append(Fixed(start, content * (part.address - start)))
        whole.append(part)
        start = part.address + part.count
    return whole if start >= end else [*whole, Fixed(start, content * (end - start))]


class Image:
    """The registers of one unit.

    Args:
        functions: which reading functions it answers.
        swapped: numbers of several registers have their low word first.
    """

    def __init__(
        self,
        tell: Tell,
        parts: Iterable[Part],
        *,
        functions: Sequence[int] = (READ_HOLDING,),
        swapped: bool = False,
    ) -> None:
        self._tell = tell
        self._functions = functions
        self._swapped = swapped
        self._areas = _areas(sorted(parts, key=lambda part: part.address))

    @property
    def cells(self) -> list[Cell]:
        """Give all cells, by address."""
        return [cell for area in self._areas for cell in area.cells]

    def read(self, function: int, address: int, count: int) -> bytes:
        """Give registers as they are now."""
        if function not in self._functions:
            raise Refused(ILLEGAL_FUNCTION)
        for area in self._areas:
            if area.start <= address and address + count <= area.end:
                return self._encode(area, address, count)
        raise Refused(ILLEGAL_ADDRESS)

    def _encode(self, area: "_Area", address: int, count: int) -> bytes:
        told = self._tell()
        registers = bytearray(area.content)
        for cell in area.between(address, address + count):
            encoded = cell.encode(told.get(cell.name))
            at = 2 * (cell.address - area.start)
            registers[at : at + len(encoded)] = _words_swapped(encoded) if self._swapped else encoded
        at = 2 * (address - area.start)
        return bytes(registers[at : at + 2 * count])


class Several:
    """Registers of several makes behind one unit: the first that has what is asked for answers."""

    def __init__(self, *registers: Registers) -> None:
        self._registers = registers

    def read(self, function: int, address: int, count: int) -> bytes:
        """Give registers as they are now."""
        refused = Refused(ILLEGAL_ADDRESS)
        for registers in self._registers:
            try:
                return registers.read(function, address, count)
            except Refused as said:
                refused = said
        raise refused


@dataclass(frozen=True, slots=True)
class _Area:
    """Registers without a gap."""

    start: int
    end: int
    content: bytes
    cells: Sequence[Cell]
    starts: Sequence[int]

    def between(self, start: int, end: int) -> Sequence[Cell]:
        first = bisect_left(self.starts, start)
        while first > 0 and self.cells[first - 1].address + self.cells[first - 1].count > start:
            first -= 1
        return self.cells[first : bisect_left(self.starts, end)]


def _areas(parts: Sequence[Part]) -> list[_Area]:
    groups: list[list[Part]] = []
    end = -1
    for part in parts:
        assert part.address >= end, f"two things at register {part.address}"
        if part.address != end:
            groups.append([])
        groups[-1].append(part)
        end = part.address + part.count
    return [_area(group) for group in groups]


def _area(parts: Sequence[Part]) -> _Area:
    found = [part for part in parts if isinstance(part, Cell)]
    content = b"".join(part.content if isinstance(part, Fixed) else bytes(2 * part.count) for part in parts)
    start = parts[0].address
    return _Area(start, start + len(content) // 2, content, found, [cell.address for cell in found])


def _words_swapped(content: bytes) -> bytes:
    return b"".join(content[at : at + 2] for at in range(len(content) - 2, -1, -2))
