"""Laws of the simulated registers: whatever is asked, of whatever readings, in whatever pieces."""

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from producers.simulator import modbus_pdu
from producers.simulator.layouts.catalogue import LAYOUTS, units
from producers.simulator.modbus_image import Cell, Image, cells
from producers.simulator.modbus_pdu import READ_HOLDING, READ_INPUT, Refused, Registers
from producers.simulator.sunspec_image import Model, Point
from schemas.measurements import MEASUREMENTS

names = st.sampled_from(
    sorted(name for name in MEASUREMENTS if name.startswith(("ac_", "pv_", "battery_", "soc")))
)
readings = st.dictionaries(names, st.none() | st.floats(-1e6, 1e6), max_size=40)
layouts = st.sampled_from(sorted(LAYOUTS))
addresses = st.sampled_from(
    [0, 3, 259, 516, 588, 800, 0x4000, 0x600, 0x2114, 5000, 13_000, 30_775, 40_000, 50_000]
)


def read(registers: Registers, function: int, address: int, count: int) -> bytes | None:
    try:
        return registers.read(function, address, count)
    except Refused:
        return None


@given(layouts, readings, addresses, st.integers(0, 200), st.integers(1, 125), st.data())
def test_what_is_read_in_pieces_is_what_is_read_at_once(
    layout: str, told: dict[str, float | None], start: int, offset: int, count: int, data: st.DataObject
) -> None:
    for registers in units(layout, lambda: told).values():
        for function in (READ_HOLDING, READ_INPUT):
            whole = read(registers, function, start + offset, count)
            if whole is None:
                continue
            cuts = sorted({0, count, *data.draw(st.lists(st.integers(0, count), max_size=5))})
            pieces = [read(registers, function, start + offset + a, b - a) for a, b in pairwise(cuts)]
            assert b"".join(piece or b"" for piece in pieces) == whole
            assert len(whole) == 2 * count


@given(layouts, readings, st.binary(min_size=1, max_size=12))
def test_any_request_has_an_answer(layout: str, told: dict[str, float | None], request: bytes) -> None:
    for registers in units(layout, lambda: told).values():
        answer = modbus_pdu.answer(registers, request)

        assert answer[0] in {request[0], request[0] | 0x80}
        assert len(answer) == (2 if answer[0] & 0x80 else 2 + answer[1])


@given(
    st.sampled_from([("u16", ">H"), ("i16", ">h"), ("u32", ">I"), ("i32", ">i"), ("u64", ">Q")]),
    st.sampled_from([1.0, 0.1, 0.01, 10.0, -1.0, -0.1]),
    st.data(),
)
def test_a_number_that_fits_its_register_comes_back_within_half_a_count(
    kind: tuple[str, str], per: float, data: st.DataObject
) -> None:
    bits = 8 * struct.calcsize(kind[1])
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0][0] == "i" else (0, (1 << bits) - 1)
    value = data.draw(st.floats(min(low * per, high * per), max(low * per, high * per)))

    (raw,) = struct.unpack(kind[1], Cell(0, kind[0], "soc_pct", per).encode(min(max(value, -1e15), 1e15)))

    assert abs(raw * per - min(max(value, -1e15), 1e15)) <= abs(per) * 0.5 + abs(value) * 1e-12


@given(st.floats(-1e9, 1e9))
def test_low_words_first_are_the_same_words_turned_round(value: float) -> None:
    parts = cells(0, "i32", "ac_power_w")
    high_first = Image(lambda: {"ac_power_w": value}, parts).read(READ_HOLDING, 0, 2)
    low_first = Image(lambda: {"ac_power_w": value}, parts, swapped=True).read(READ_HOLDING, 0, 2)

    assert low_first == high_first[2:] + high_first[:2]


@given(st.lists(st.none() | st.floats(-3e9, 3e9), min_size=3, max_size=3))
def test_points_of_one_scale_come_back_as_finely_as_the_largest_lets_them(values: list[float | None]) -> None:
    points = [Point(name, "int16", "SF", name) for name in "abc"]
    model = Model(900, [*points, Point("SF", "sunssf")])

    raws = struct.unpack(">HH4h", model.encode(dict(zip("abc", values, strict=True))))[2:]

    scale = 10.0 ** raws[3]
    for raw, value in zip(raws, values, strict=False):
        if value is None:
            assert raw == -0x8000
        else:
            assert abs(raw * scale - value) <= scale * 0.5 + abs(value) * 1e-12
