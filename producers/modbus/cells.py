"""The words of one block into raw values: numbers and bytes as the device keeps them.

The words are put in the order in which `struct` can take all values at once, whatever their word order; texts
are never swapped.

Rules that must stay true here:
- a 32-bit float is given by the shortest number that stands for it, which loses nothing: 230.1, not
  230.10000610351562.
"""

from collections.abc import Mapping, Sequence
from math import nan
from operator import eq
from struct import Struct, pack, unpack
from types import MappingProxyType
from typing import Any, Final

from producers.modbus.plan import Block
from producers.modbus.points import width

Words = Sequence[int]
CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "u16": "H",
        "i16": "h",
        "u32": "I",
        "i32": "i",
        "u64": "Q",
        "i64": "q",
        "f32": "f",
        "f64": "d",
        "acc16": "H",
        "acc32": "I",
        "acc64": "Q",
        "bits": "H",
        "bits32": "I",
    }
)


class Cells:
    """Takes the raw value of every point out of the words of one block."""

    def __init__(self, block: Block) -> None:
        self.points = block.points
        order: list[int] = []
        codes = ">"
        for point in block.points:
            at = point.address - block.address
            own = range(at, at + point.width)
            swapped = point.word_order == "little" and point.type in CODES
            order.extend(reversed(own) if swapped else own)
            codes += CODES.get(point.type) or f"{2 * width(point.type)}s"
        self._values = Struct(codes)
        self._packed = Struct(f">{len(order)}H")
        self._order = None if order == list(range(block.count)) else order
        self._floats = [at for at, point in enumerate(block.points) if point.type == "f32"]
        self._all_floats = len(self._floats) == len(block.points)

    def unpack(self, words: Words) -> Sequence[Any]:
        """Give the raw values in the order of the block's points."""
        picked = words if self._order is None else [words[at] for at in self._order]
        values = self._values.unpack(self._packed.pack(*picked))
        if self._all_floats:
            return shortest(values)
        if not self._floats:
            return values
        told = list(values)
        for at, number in zip(self._floats, shortest([values[at] for at in self._floats]), strict=True):
            told[at] = number
        return told


def shortest(numbers: Sequence[float]) -> list[float]:
    """Give the shortest decimal number for each 32-bit float; those that are none stay as they are."""
    found = _decimal(7, numbers)
    wrong = [at for at, same in enumerate(map(eq, numbers, _floats(found))) if not same]
    for digits in (8, 9):
        if not wrong:
            break
        more = _decimal(digits, [numbers[at] for at in wrong])
        still = []
        for at, decimal, back in zip(wrong, more, _floats(more), strict=True):
            found[at] = decimal
            if back != numbers[at]:
                still.append(at)
        wrong = still
    return found


def _decimal(digits: int, numbers: Sequence[float]) -> list[float]:
    return [float(text) for text in (f"%.{digits}g " * len(numbers) % tuple(numbers)).split()]


def _floats(decimals: Sequence[float]) -> Sequence[float]:
    """Give the 32-bit floats that decimal numbers stand for; nothing when one of them is beyond them."""
    form = f">{len(decimals)}f"
    try:
        return unpack(form, pack(form, *decimals))
    except OverflowError:
        return [nan] * len(decimals)
