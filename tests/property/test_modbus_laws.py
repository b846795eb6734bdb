"""Laws of the Modbus planner and decoder: every point once, no hole touched, what was put in comes out."""

import math
import random
import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.modbus.cells import shortest
from producers.modbus.decode import Decoder
from producers.modbus.device_file import DeviceFile
from producers.modbus.device_reading import load_all
from producers.modbus.file_map import FileMap
from producers.modbus.plan import Block, of_poll, plan, split
from producers.modbus.points import POLLS, Hole, Point, WordOrder, width

TYPES = ["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bits", "bits32", "str:3"]
CODES = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}
NAMES = ["ac_power_w", "ac_voltage_v", "ac_current_a", "ac_frequency_hz", "soc_pct", "battery_power_w"]


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[Point], list[Hole]]:
    """Points that do not share registers in part, and holes between some of them."""
    points: list[Point] = []
    holes: list[Hole] = []
    address = draw(st.integers(0, 200))
    for _ in range(draw(st.integers(1, 30))):
        type_ = draw(st.sampled_from(TYPES))
        function = draw(st.sampled_from([3, 3, 3, 4]))
        order: WordOrder = draw(st.sampled_from(["big", "little"]))
        point = Point(address=address, type=type_, id=f"p{len(points)}", function=function, word_order=order)
        points += [point] * draw(st.sampled_from([1, 1, 1, 2]))
        address += width(type_)
        gap = draw(st.sampled_from([0, 0, 0, 1, 5, 30, 90]))
        if gap and draw(st.booleans()):
            readable = draw(st.booleans())
            holes.append(Hole(address, address + gap - 1, function, readable))
        address += gap
    return draw(st.permutations(points)), holes


@given(layouts(), st.integers(4, 125), st.integers(0, 60))
def test_every_point_lies_wholly_in_exactly_one_block_and_no_block_touches_a_hole(
    layout: tuple[list[Point], list[Hole]], max_registers: int, bridge: int
) -> None:
    points, holes = layout

    blocks = plan(points, holes=holes, max_registers=max_registers, bridge=bridge)

    planned = [point for block in blocks for point in block.points]
    assert sorted(map(repr, planned)) == sorted(map(repr, points))
    for block in blocks:
        assert 1 <= block.count <= max_registers
        ends = block.address + block.count
        assert all(block.address <= point.address and point.end <= ends for point in block.points)
        assert {point.function for point in block.points} == {block.function}
        assert block.address == min(point.address for point in block.points)
        assert ends == max(point.end for point in block.points)
        for hole in holes:
            if not hole.readable and hole.function == block.function:
                assert hole.last < block.address or hole.first >= ends


@given(layouts(), st.integers(0, 60))
def test_no_cut_of_the_plan_would_be_cheaper_or_another_join(
    layout: tuple[list[Point], list[Hole]], bridge: int
) -> None:
    points, holes = layout
    readable = {r for hole in holes if hole.readable for r in range(hole.first, hole.last + 1)}

    def cost(blocks: tuple[Block, ...]) -> int:
        read = sum(
            1
            for block in blocks
            for register in range(block.address, block.address + block.count)
            if register not in readable
        )
        return read + bridge * len(blocks)

    planned = plan(points, holes=holes, bridge=bridge)

    alone = plan(points, holes=holes, bridge=0)
    assert cost(planned) <= cost(alone)
    for block in planned:
        parts = split(block)
        assert cost((block,)) <= max(cost(parts), cost((block,)) if not parts else 0)


@given(layouts())
def test_splitting_goes_on_until_every_point_stands_alone_and_loses_none(
    layout: tuple[list[Point], list[Hole]],
) -> None:
    points, holes = layout
    waiting = list(plan(points, holes=holes))
    single: list[Block] = []
    while waiting:
        block = waiting.pop()
        parts = split(block)
        assert sorted(map(repr, (point for part in parts for point in part.points))) in (
            [],
            sorted(map(repr, block.points)),
        )
        if parts:
            waiting.extend(parts)
        else:
            single.append(block)
    assert sorted(repr(point) for block in single for point in block.points) == sorted(map(repr, points))
    assert all(len({(point.address, point.end) for point in block.points}) == 1 for block in single)


def words_of(type_: str, value: float, order: WordOrder) -> list[int]:
    raw = struct.pack(">" + CODES[type_], value)
    words = [int.from_bytes(raw[at : at + 2]) for at in range(0, len(raw), 2)]
    return words if order == "big" else words[::-1]


@st.composite
def values(draw: st.DrawFn) -> tuple[str, float]:
    type_ = draw(st.sampled_from(sorted(CODES)))
    if type_ == "f32":
        return type_, draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    if type_ == "f64":
        return type_, draw(st.floats(allow_nan=False, allow_infinity=False))
    bits = 8 * struct.calcsize(CODES[type_])
    low = -(2 ** (bits - 1)) if type_[0] == "i" else 0
    return type_, draw(st.integers(low, low + 2**bits - 1))


@given(st.lists(values(), min_size=1, max_size=20), st.sampled_from(["big", "little"]), st.data())
def test_what_was_encoded_is_decoded(
    told: list[tuple[str, float]], order: WordOrder, data: st.DataObject
) -> None:
    points: list[Point] = []
    words: list[int] = []
    for number, (type_, value) in enumerate(told):
        gap = data.draw(st.sampled_from([0, 0, 3]))
        words += [0xDEAD] * gap
        points.append(Point(address=len(words), type=type_, id=str(number), word_order=order))
        words += words_of(type_, value, order)
    block = Block(None, 3, 0, len(words), tuple(points))

    held = Decoder([block], {})([words]).held

    for number, (type_, value) in enumerate(told):
        read = held[str(number)]
        assert isinstance(read, int | float)
        assert read == value or (type_ == "f32" and struct.pack(">f", read) == struct.pack(">f", value))


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 4), st.integers(-500, 500))
def test_decimal_scales_give_the_decimal_number_itself(raw: int, digits: int, offset: int) -> None:
    point = Point(address=0, type="i32", id="x", scale=(10.0**-digits,), offset=offset / 10)
    words = words_of("i32", raw, "big")

    (read,) = Decoder([Block(None, 3, 0, 2, (point,))], {})([words]).held.values()

    exact = raw * 10 ** (4 - digits) + offset * 1000
    assert read == exact / 10_000


@given(st.integers(-32768, 32767), st.integers(-10, 10))
def test_a_scale_that_the_device_tells_is_a_power_of_ten(raw: int, power: int) -> None:
    value = Point(address=0, type="i16", name="ac_power_w", scale=("sf:W_SF",))
    scale = Point(address=1, type="i16", id="W_SF", missing=frozenset({0x8000}))
    block = Block(None, 3, 0, 2, (value, scale))

    read = Decoder([block], {})([[raw & 0xFFFF, power & 0xFFFF]]).values["ac_power_w"]

    assert read is not None
    assert math.isclose(read, raw * 10.0**power, rel_tol=1e-12)
    without = Decoder([block], {})([[raw & 0xFFFF, 0x8000]])
    assert without.values["ac_power_w"] is None


@given(st.lists(st.integers(0, 0xFFFF), min_size=60, max_size=60), layouts())
def test_any_registers_give_finite_numbers_or_nothing(
    words: list[int], layout: tuple[list[Point], list[Hole]]
) -> None:
    points, _ = layout
    named = [
        replace(point, name=NAMES[at % len(NAMES)], address=point.address % 50)
        for at, point in enumerate(points)
        if not point.type.startswith("str")
    ]
    for point in named:
        block = Block(None, 3, point.address, point.width, (point,))
        answer = words[point.address : point.end]
        for value in Decoder([block], {})([answer]).values.values():
            assert value is None or (math.isfinite(value) and abs(value) <= 1e15)


@given(st.lists(st.floats(width=32)))
def test_the_shortest_number_is_the_same_float(numbers: list[float]) -> None:
    found = shortest(numbers)

    assert len(found) == len(numbers)
    for number, decimal in zip(numbers, found, strict=True):
        if math.isfinite(number):
            assert struct.pack(">f", decimal) == struct.pack(">f", number)
            assert float(f"{decimal:.9g}") == decimal, "nine digits are enough for any 32-bit float"
        else:
            assert not math.isfinite(decimal)


def test_numbers_that_people_would_write_stay_as_they_are() -> None:
    numbers = [0.0, 230.1, 49.98, -12.5, 1e-5, 123456.7, 0.999, 8500.25]
    assert shortest(struct.unpack(">8f", struct.pack(">8f", *numbers))) == numbers


@pytest.mark.parametrize("map_", load_all().values(), ids=load_all())
@given(seed=st.integers(0, 2**32), few=st.booleans())
def test_any_registers_of_any_map_give_samples_that_can_be_recorded(
    map_: DeviceFile, seed: int, *, few: bool
) -> None:
    chance = random.Random(seed)
    factors = {name: parameter.default for name, parameter in FileMap(map_).parameters.items()}
    for poll in POLLS:
        wanted = of_poll(map_.points, poll)
        blocks = plan(wanted, holes=map_.holes, max_registers=map_.max_registers, bridge=map_.bridge)
        edges = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7F80]
        answers = [
            [chance.choice(edges) if few else chance.randrange(0x10000) for _ in range(block.count)]
            for block in blocks
        ]

        decoded = Decoder(blocks, factors, wanted)(answers)

        assert decoded.values.keys() <= {point.name for point in wanted}
        for value in decoded.values.values():
            assert value is None or (math.isfinite(value) and abs(value) <= 1e15)
        assert {alarm.level for alarm in decoded.alarms} <= {None, "warning", "alarm"}
