"""Registers into values: one compiled decoder for all blocks of a poll.

A block is unpacked at once: its words are put in the order in which `struct` can take all its values,
whatever their word order, and each value then goes through one small function made for its point.

Rules that must stay true here:
- what the device does not have is None: its own patterns for that, NaN, infinity, a scale without value;
- a decimal scale gives the decimal number, not its neighbour: 2301 tenths are 230.1;
- a 32-bit float is given by the shortest number that stands for it, which loses nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, lcm
from operator import itemgetter
from struct import Struct
from typing import Any, Final

from producers.adapter import AlarmSeen
from producers.modbus.plan import Block
from producers.modbus.points import Point, width
from schemas.errors import ConfigurationError

Value = float | str | None
Words = Sequence[int]
Scale = tuple[Fraction, Fraction]
"""Factor and offset."""

_CODES: Final[Mapping[str, str]] = {
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
_FLOAT: Final = Struct(">f")
_MOST: Final = 1e15
_HIGHEST_POWER: Final = 10
_WORSE: Final = (None, "warning", "alarm")
_POWERS: Final = {power: Fraction(10) ** power for power in range(-_HIGHEST_POWER, _HIGHEST_POWER + 1)}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the registers of one poll say.

    Attributes:
        values: by the name of the measurement.
        alarms: the state of every alarm whose register was read.
        identity: by the field of the description.
        held: by the id of the point.
    """

    values: dict[str, float | None]
    alarms: tuple[AlarmSeen, ...]
    identity: dict[str, Value]
    held: dict[str, Value]


class Decoder:
    """Decodes the answers to the blocks of one poll.

    Args:
        blocks: as planned.
        factors: what the parameters that scales name stand for.

    Raises:
        ConfigurationError: a scale names a parameter that there is not.
    """

    def __init__(self, blocks: Iterable[Block], factors: Mapping[str, float]) -> None:
        self._blocks = [_Cells(block) for block in blocks]
        self._steps = [
            [(point, at, _reader(point, factors)) for at, point in enumerate(cells.points)]
            for cells in self._blocks
        ]
        points = [point for cells in self._blocks for point in cells.points]
        self._needed = {id_ for point in points for id_ in point.needs}

    def __call__(self, answers: Sequence[Words | None]) -> Decoded:
        """Decode one answer for each block; None for a block that was not read."""
        raws = [
            None if words is None else cells.unpack(words)
            for cells, words in zip(self._blocks, answers, strict=True)
        ]
        powers = self._powers(raws) if self._needed else {}
        decoded = Decoded({}, (), {}, {})
        alarms: dict[tuple[str, str], AlarmSeen] = {}
        for raw, steps in zip(raws, self._steps, strict=True):
            if raw is None:
                continue
            for point, at, read in steps:
                value = read(raw[at], powers)
                if point.name:
                    decoded.values[point.name] = _possible(value)
                elif point.alarm and value is not None:
                    _keep_worst(alarms, _alarm(point, value))
                elif point.identity:
                    decoded.identity[point.identity] = value
                if point.id:
                    decoded.held[point.id] = value
        return Decoded(decoded.values, tuple(alarms.values()), decoded.identity, decoded.held)

    def _powers(self, raws: Sequence[tuple[Any, ...] | None]) -> dict[str, Fraction]:
        """Read the dynamic scales first: ten to the power of a point."""
        found: dict[str, Fraction] = {}
        for raw, steps in zip(raws, self._steps, strict=True):
            for point, at, read in steps if raw is not None else ():
                if point.id in self._needed and raw is not None:
                    power = read(raw[at], {})
                    if power in _POWERS:
                        found[point.id] = _POWERS[power]  # type: ignore[index]  # `in` has looked
        return found


class _Cells:
    """Takes the raw value of every point out of the words of one block."""

    def __init__(self, block: Block) -> None:
        self.points = block.points
        self._words = Struct(f">{block.count}H")
        order: list[int] = []
        codes = ">"
        for point in block.points:
            at = point.address - block.address
            own = range(at, at + point.width)
            order.extend(reversed(own) if point.word_order == "little" else own)
            codes += _CODES.get(point.type) or f"{2 * width(point.type)}s"
        self._values = Struct(codes)
        self._straight = order == list(range(block.count))
        self._pick = itemgetter(*order) if len(order) > 1 else None
        self._picked = Struct(f">{len(order)}H")
        self._order = order

    def unpack(self, words: Words) -> tuple[Any, ...]:
        if self._straight:
            return self._values.unpack(self._words.pack(*words))
        if self._pick is None:
            return self._values.unpack(self._picked.pack(words[self._order[0]]))
        return self._values.unpack(self._picked.pack(*self._pick(words)))


Reader = Callable[[Any, Mapping[str, Fraction]], Value]


def _reader(point: Point, factors: Mapping[str, float]) -> Reader:
    """Make the function that turns one raw value of a point into its value."""
    if point.type.startswith("str:"):
        return _text
    factor, offset = _scale(point, factors)
    missing = _missing(point)
    if point.type[0] == "f":
        read = _float32 if point.type == "f32" else _float64
        return read(factor, offset, missing, point.needs)
    if point.bit is not None:
        return _bit(point.bit, missing)
    return _integer(factor, offset, missing, point.needs)


def _scale(point: Point, factors: Mapping[str, float]) -> Scale:
    factor = Fraction(1)
    for each in point.scale:
        if isinstance(each, str) and each in point.parameters:
            if each not in factors:
                raise ConfigurationError(f"{point.label}: the parameter {each} is not known")
            factor *= Fraction(str(factors[each]))
        elif not isinstance(each, str):
            factor *= Fraction(str(each))
    sign = -1 if point.flip else 1
    return sign * factor, sign * Fraction(str(point.offset))


def _missing(point: Point) -> frozenset[Any]:
    """Give the raw values, as unpacked, that mean that there is none."""
    size = 2 * point.width
    patterns = set(point.missing) | ({0} if point.type.startswith("acc") else set())
    code = Struct(">" + _CODES[point.type])
    return frozenset(code.unpack(pattern.to_bytes(size))[0] for pattern in patterns)


def _integer(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    below = lcm(factor.denominator, offset.denominator)
    above, plus = int(factor * below), int(offset * below)

    def dynamic(raw: int, powers: Mapping[str, Fraction]) -> Value:
        scale = _dynamic(factor, needs, powers)
        if raw in missing or scale is None:
            return None
        return _plain(raw * scale + offset)

    def whole(raw: int, _: Mapping[str, Fraction]) -> Value:
        return None if raw in missing else raw * above + plus

    def divided(raw: int, _: Mapping[str, Fraction]) -> Value:
        return None if raw in missing else (raw * above + plus) / below

    if needs:
        return dynamic
    return whole if below == 1 else divided


def _bit(bit: int, missing: frozenset[Any]) -> Reader:
    def read(raw: int, _: Mapping[str, Fraction]) -> Value:
        return None if raw in missing else raw >> bit & 1

    return read


def _float32(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    times, plus = float(factor), float(offset)

    def read(raw: float, _: Mapping[str, Fraction]) -> Value:
        return None if not isfinite(raw) or raw in missing else shortest(raw)

    def scaled(raw: float, powers: Mapping[str, Fraction]) -> Value:
        scale = times if not needs else _dynamic(factor, needs, powers)
        if not isfinite(raw) or raw in missing or scale is None:
            return None
        return _finite(float(f"{shortest(raw) * float(scale) + plus:.12g}"))

    return read if factor == 1 and not offset and not needs else scaled


def _float64(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    times, plus = float(factor), float(offset)

    def scaled(raw: float, powers: Mapping[str, Fraction]) -> Value:
        scale = times if not needs else _dynamic(factor, needs, powers)
        if not isfinite(raw) or raw in missing or scale is None:
            return None
        return _finite(raw * float(scale) + plus)

    return scaled


def shortest(number: float) -> float:
    """Give the shortest decimal number that is the same 32-bit float."""
    for form in ("%.7g", "%.8g"):
        decimal = float(form % number)
        try:
            if _FLOAT.unpack(_FLOAT.pack(decimal))[0] == number:
                return decimal + 0.0  # no negative zero
        except OverflowError:
            break
    return float(f"{number:.9g}")


def _dynamic(factor: Fraction, needs: tuple[str, ...], powers: Mapping[str, Fraction]) -> Fraction | None:
    for id_ in needs:
        if id_ not in powers:
            return None
        factor *= powers[id_]
    return factor


def _plain(number: Fraction) -> float:
    return number.numerator if number.denominator == 1 else number.numerator / number.denominator


def _finite(number: float) -> float | None:
    return number + 0.0 if isfinite(number) else None


def _text(raw: bytes, _: Mapping[str, Fraction]) -> Value:
    text = raw.partition(b"\0")[0].decode("latin-1")
    return "".join(each for each in text if each.isprintable()).strip() or None


def _possible(value: Value) -> float | None:
    """Refuse what no sample can hold; no such number was ever measured."""
    return value if isinstance(value, int | float) and -_MOST <= value <= _MOST else None


def _alarm(point: Point, value: Value) -> AlarmSeen:
    code = value if isinstance(value, int | float) else 0
    level = ("warning" if code == 1 and point.bit is None else "alarm") if code else None
    if code and point.level:
        level = point.level
    return AlarmSeen(point.alarm, level, phase=point.phase, code=code, text=point.register)


def _keep_worst(alarms: dict[tuple[str, str], AlarmSeen], seen: AlarmSeen) -> None:
    """Keep one state of an alarm that several registers tell."""
    known = alarms.get((seen.alarm, seen.phase))
    if known is None or _WORSE.index(seen.level) > _WORSE.index(known.level):
        alarms[seen.alarm, seen.phase] = seen
