"""Registers into values: one compiled decoder for all blocks of a poll.

A block is unpacked at once, and each value then goes through one small function made for its point.

Rules that must stay true here:
- what the device does not have is None: its own patterns for that, NaN, infinity, a scale without value;
- no value is larger than a sample can hold: no such number was ever measured;
- a value that is made of several is given when all of them were read, and never of some of them;
- a decimal scale gives the decimal number, not its neighbour: 2301 tenths are 230.1.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, lcm
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from producers.adapter import AlarmSeen
from producers.modbus.cells import CODES, Cells, Words
from producers.modbus.plan import Block
from producers.modbus.points import Merge, Point
from schemas.errors import ConfigurationError

Value = float | str | None
Scale = tuple[Fraction, Fraction]
"""Factor and offset."""

_MOST: Final = 1e15
_DECIMALS: Final = 6
_HIGHEST_POWER: Final = 10
_WORSE: Final = (None, "warning", "alarm")
_NO_POWERS: Final[Mapping[str, int]] = MappingProxyType({})
_POWERS: Final = range(-_HIGHEST_POWER, _HIGHEST_POWER + 1)


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
        whole: the points of the poll, when the blocks have lost some that the device refuses.

    Raises:
        ConfigurationError: a scale names a parameter that there is not.
    """

    def __init__(
        self, blocks: Iterable[Block], factors: Mapping[str, float], whole: Iterable[Point] = ()
    ) -> None:
        self._blocks = [_steps(block, factors) for block in blocks]
        self._dynamic = any(steps.needed for steps in self._blocks)
        counts = Counter(name for steps in self._blocks for name, _, _ in steps.merged)
        wholes = Counter(point.name for point in whole if point.merge == "all")
        kinds = {point.name: point.merge for steps in self._blocks for point in steps.cells.points}
        self._merged = {name: (kinds[name], wholes.get(name, count)) for name, count in counts.items()}

    def __call__(self, answers: Sequence[Words | None]) -> Decoded:
        """Decode one answer for each block; None for a block that was not read."""
        told = [
            (steps, steps.cells.unpack(words))
            for steps, words in zip(self._blocks, answers, strict=True)
            if words is not None
        ]
        powers = _powers(told) if self._dynamic else _NO_POWERS
        values: dict[str, float | None] = {}
        held: dict[str, Value] = {}
        identity: dict[str, Value] = {}
        alarms: dict[tuple[str, str], AlarmSeen] = {}
        parts: dict[str, list[float | None]] = {}
        for steps, raws in told:
            for name, at, read in steps.named:
                value = read(raws[at], powers)
                possible = value is None or -_MOST <= value <= _MOST  # type: ignore[operator]  # no text is named
                values[name] = value if possible else None  # type: ignore[assignment]
            for name, at, read in steps.merged:
                parts.setdefault(name, []).append(read(raws[at], powers))  # type: ignore[arg-type]
            for point, at, read in steps.others:
                value = read(raws[at], powers)
                if point.alarm and value is not None:
                    _keep_worst(alarms, _alarm(point, value))
                elif point.identity:
                    identity[point.identity] = value
                if point.id:
                    held[point.id] = value
        for name, found in parts.items():
            merge, expected = self._merged[name]
            if len(found) == expected:
                values[name] = _merge(merge, found)
        return Decoded(values, tuple(alarms.values()), identity, held)


class _Steps(NamedTuple):
    """How one block is decoded: each value's place among the raw ones, and the function made for it.

    Attributes:
        named: the measurements.
        merged: the parts of measurements.
        others: all that has another role, or an id besides its name.
        needed: the ids that scales of this block name.
    """

    cells: Cells
    named: list[tuple[str, int, "Reader"]]
    merged: list[tuple[str, int, "Reader"]]
    others: list[tuple[Point, int, "Reader"]]
    needed: frozenset[str]


def _steps(block: Block, factors: Mapping[str, float]) -> _Steps:
    made = [(point, at, _reader(point, factors)) for at, point in enumerate(block.points)]
    return _Steps(
        Cells(block),
        [(point.name, at, read) for point, at, read in made if point.name and not point.merge],
        [(point.name, at, read) for point, at, read in made if point.name and point.merge],
        [each for each in made if not each[0].name or each[0].id],
        frozenset(id_ for point in block.points for id_ in point.needs),
    )


def _powers(told: Sequence[tuple[_Steps, Sequence[Any]]]) -> dict[str, int]:
    """Read the dynamic scales first: the powers of ten that points hold."""
    needed = frozenset[str]().union(*(steps.needed for steps, _ in told))
    found: dict[str, int] = {}
    for steps, raws in told:
        for point, at, read in steps.others:
            power = read(raws[at], _NO_POWERS) if point.id in needed else None
            if power in _POWERS:
                found[point.id] = power  # type: ignore[assignment]  # `in` has looked
    return found


Powers = Mapping[str, int]
Reader = Callable[[Any, Powers], Value]


def _reader(point: Point, factors: Mapping[str, float]) -> Reader:
    """Make the function that turns one raw value of a point into its value."""
    read = _whole_reader(point, factors)
    return (lambda raw, powers: _share(read(raw, powers))) if point.share else read


def _whole_reader(point: Point, factors: Mapping[str, float]) -> Reader:
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
    code = Struct(">" + CODES[point.type])
    return frozenset(code.unpack(pattern.to_bytes(size))[0] for pattern in patterns)


def _integer(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    above, plus, below = _whole(factor, offset)
    made: dict[int, tuple[int, int, int]] = {}

    def dynamic(raw: int, powers: Powers) -> Value:
        power = _power(needs, powers)
        if raw in missing or power is None:
            return None
        if (known := made.get(power)) is None:
            known = made[power] = _whole(factor * Fraction(10) ** power, offset)
        number = raw * known[0] + known[1]
        return number if known[2] == 1 else number / known[2]

    def whole(raw: int, _: Powers) -> Value:
        return None if raw in missing else raw * above + plus

    def divided(raw: int, _: Powers) -> Value:
        return None if raw in missing else (raw * above + plus) / below

    if needs:
        return dynamic
    return whole if below == 1 else divided


def _bit(bit: int, missing: frozenset[Any]) -> Reader:
    def read(raw: int, _: Powers) -> Value:
        return None if raw in missing else raw >> bit & 1

    return read


def _float32(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    times, plus = float(factor), float(offset)

    def read(raw: float, _: Powers) -> Value:
        return None if not isfinite(raw) or raw in missing else raw + 0.0  # no negative zero

    def scaled(raw: float, powers: Powers) -> Value:
        scale = times if not needs else _dynamic(factor, needs, powers)
        if not isfinite(raw) or raw in missing or scale is None:
            return None
        return _finite(float(f"{raw * float(scale) + plus:.12g}"))

    return read if factor == 1 and not offset and not needs else scaled


def _float64(factor: Fraction, offset: Fraction, missing: frozenset[Any], needs: tuple[str, ...]) -> Reader:
    times, plus = float(factor), float(offset)

    def scaled(raw: float, powers: Powers) -> Value:
        scale = times if not needs else _dynamic(factor, needs, powers)
        if not isfinite(raw) or raw in missing or scale is None:
            return None
        return _finite(raw * float(scale) + plus)

    return scaled


def _whole(factor: Fraction, offset: Fraction) -> tuple[int, int, int]:
    """Give factor and offset in whole numbers, and what to divide by in the end."""
    below = lcm(factor.denominator, offset.denominator)
    return int(factor * below), int(offset * below), below


def _power(needs: tuple[str, ...], powers: Powers) -> int | None:
    total = 0
    for id_ in needs:
        if id_ not in powers:
            return None
        total += powers[id_]
    return total


def _dynamic(factor: Fraction, needs: tuple[str, ...], powers: Powers) -> Fraction | None:
    power = _power(needs, powers)
    return None if power is None else factor * Fraction(10) ** power


def _finite(number: float) -> float | None:
    return number + 0.0 if isfinite(number) else None


def _text(raw: bytes, _: Powers) -> Value:
    text = raw.partition(b"\0")[0].decode("latin-1")
    return "".join(each for each in text if each.isprintable()).strip() or None


def _share(value: Value) -> Value:
    """Give a share as a ratio: nobody measures less than a hundredth, so what is above 1 is percent."""
    if value is None or isinstance(value, str) or abs(value) <= 1:
        return value
    return float(f"{value / 100:.12g}")


def _merge(merge: Merge, parts: Sequence[float | None]) -> float | None:
    known = [part for part in parts if part is not None]
    if merge == "first":
        return next((part for part in known if part), known[0] if known else None)
    if not known or (merge == "all" and len(known) < len(parts)):
        return None
    total = round(sum(known), _DECIMALS)
    return total if abs(total) <= _MOST else None


def _alarm(point: Point, value: Value) -> AlarmSeen:
    code = value if isinstance(value, int | float) else 0
    level = ("warning" if code == 1 and point.bit is None else "alarm") if code else None
    if point.when:
        level = "alarm" if code in point.when else None
    if level and point.level:
        level = point.level
    return AlarmSeen(point.alarm, level, phase=point.phase, code=code, text=point.register)


def _keep_worst(alarms: dict[tuple[str, str], AlarmSeen], seen: AlarmSeen) -> None:
    """Keep one state of an alarm that several registers tell."""
    known = alarms.get((seen.alarm, seen.phase))
    if known is None or _WORSE.index(seen.level) > _WORSE.index(known.level):
        alarms[seen.alarm, seen.phase] = seen
