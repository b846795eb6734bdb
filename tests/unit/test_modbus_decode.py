"""What single registers become: examples with known values."""

from collections.abc import Sequence
from typing import Any

import pytest

from producers.modbus.decode import Decoded, Decoder
from producers.modbus.plan import Block
from producers.modbus.points import Point
from schemas.errors import ConfigurationError


def decode(words: Sequence[int], *points: Point, **factors: float) -> Decoded:
    return Decoder([Block(None, 3, 0, len(words), points)], factors)([words])


def value(words: Sequence[int], type_: str, **said: Any) -> float | None:
    return decode(words, Point(address=0, type=type_, name="ac_power_w", **said)).values["ac_power_w"]


@pytest.mark.parametrize(
    ("words", "type_", "said", "expected"),
    [
        ([2301], "u16", {"scale": (0.1,)}, 230.1),
        ([0xFFF6], "i16", {"scale": (0.1,)}, -1.0),
        ([0xFFFF], "u16", {}, 65535),
        ([0xFFFF], "u16", {"missing": frozenset({0xFFFF})}, None),
        ([0x8000], "i16", {"missing": frozenset({0x8000})}, None),
        ([0x0001, 0x0000], "u32", {}, 65536),
        ([0x0000, 0x0001], "u32", {"word_order": "little"}, 65536),
        ([0x7FFF, 0xFFFF], "i32", {"missing": frozenset({0x7FFFFFFF})}, None),
        ([0, 0, 0, 5], "u64", {}, 5),
        ([5, 0, 0, 0], "i64", {"word_order": "little"}, 5),
        ([0xFFFF] * 4, "u64", {}, None),
        ([0, 0], "acc32", {}, None),
        ([0, 7], "acc32", {}, 7),
        ([0x4248, 0x0000], "f32", {}, 50.0),
        ([0x0000, 0x4248], "f32", {"word_order": "little"}, 50.0),
        ([0x7FC0, 0x0000], "f32", {}, None),
        ([0x7F80, 0x0000], "f32", {}, None),
        ([0xFFFF, 0xFF7F], "f32", {"missing": frozenset({0xFFFFFF7F})}, None),
        ([0x8000, 0x0000], "f32", {}, 0.0),
        ([0x40A3, 0xEF9E], "f32", {"scale": (1000,)}, 5123.0),
        ([0x4170, 0xFBF5, 0x34CC, 0xCCCD], "f64", {}, 17809235.3),
        ([0x7FF8, 0, 0, 0], "f64", {}, None),
        ([250], "u16", {"scale": (0.1,), "offset": -40.0}, -15.0),
        ([250], "u16", {"scale": (0.1,), "flip": True}, -25.0),
        ([0b0100], "bits", {"bit": 2}, 1),
        ([0b0100], "bits", {"bit": 1}, 0),
        ([0x0001, 0x0000], "bits32", {"bit": 16}, 1),
    ],
)
def test_values(words: list[int], type_: str, said: dict[str, Any], expected: float | None) -> None:
    found = value(words, type_, **said)

    assert found == (None if expected is None else pytest.approx(expected, rel=1e-6))
    assert repr(found) != "-0.0"


def test_parameters_are_factors() -> None:
    point = Point(address=0, type="u16", name="ac_power_w", scale=("ct_ratio", 0.1))

    assert decode([30], point, ct_ratio=120).values == {"ac_power_w": 360}
    with pytest.raises(ConfigurationError, match="the parameter ct_ratio is not known"):
        decode([30], point)


def test_texts_end_at_the_first_zero_and_hold_what_can_be_printed() -> None:
    point = Point(address=0, type="str:4", identity="serial")

    assert decode([0x4142, 0x4320, 0x0000, 0x4444], point).identity == {"serial": "ABC"}
    assert decode([0, 0, 0, 0], point).identity == {"serial": None}
    assert decode([0x0742, 0x2020, 0x2020, 0x2020], point).identity == {"serial": "B"}


@pytest.mark.parametrize(
    ("raw", "said", "level"),
    [
        (0, {}, None),
        (1, {}, "warning"),
        (2, {}, "alarm"),
        (1, {"level": "alarm"}, "alarm"),
        (7, {"level": "warning"}, "warning"),
        (0b10, {"bit": 1}, "alarm"),
        (0b10, {"bit": 0}, None),
        (0b10, {"bit": 1, "level": "warning"}, "warning"),
        (5, {"when": (5, 6)}, "alarm"),
        (4, {"when": (5, 6)}, None),
    ],
)
def test_alarms(raw: int, said: dict[str, Any], level: str | None) -> None:
    (alarm,) = decode([raw], Point(address=0, type="u16", alarm="overload", phase="l2", **said)).alarms

    assert (alarm.alarm, alarm.phase, alarm.level) == ("overload", "l2", level)


def test_an_alarm_without_a_value_says_nothing() -> None:
    point = Point(address=0, type="u16", alarm="overload", missing=frozenset({0xFFFF}))

    assert decode([0xFFFF], point).alarms == ()


def test_of_several_registers_for_one_alarm_the_worst_counts() -> None:
    points = [Point(address=0, type="bits", alarm="overload", bit=bit) for bit in range(3)]
    points.append(Point(address=0, type="bits", alarm="fan_failure", bit=9))

    found = {alarm.alarm: alarm.level for alarm in decode([0b010], *points).alarms}

    assert found == {"overload": "alarm", "fan_failure": None}


def test_a_block_that_was_not_read_leaves_its_values_out() -> None:
    points = [Point(address=at, type="u16", name=name) for at, name in ((0, "ac_power_w"), (9, "soc_pct"))]
    blocks = [Block(None, 3, point.address, 1, (point,)) for point in points]

    assert Decoder(blocks, {})([[5], None]).values == {"ac_power_w": 5}


def test_a_scale_in_a_block_that_was_not_read_leaves_no_value() -> None:
    value_ = Point(address=0, type="u16", name="ac_power_w", scale=("sf:W_SF",))
    scale = Point(address=9, type="i16", id="W_SF")
    blocks = [Block(None, 3, point.address, 1, (point,)) for point in (value_, scale)]

    assert Decoder(blocks, {})([[5], [0xFFFF]]).values == {"ac_power_w": 0.5}
    assert Decoder(blocks, {})([[5], None]).values == {"ac_power_w": None}


def test_counters_that_several_registers_make_together_need_all_of_them() -> None:
    points = [Point(address=at, type="u16", name="ac_energy_import_wh", merge="all") for at in range(3)]
    block = Block(None, 3, 0, 3, tuple(points))
    without = Block(None, 3, 0, 2, tuple(points[:2]))

    assert Decoder([block], {}, points)([[1, 2, 3]]).values == {"ac_energy_import_wh": 6}
    assert Decoder([without], {}, points)([[1, 2]]).values == {}, "the device refuses the third"
