"""One test for all device files: what every one of them must be."""

import math
from itertools import pairwise

import pytest

from producers.modbus.decode import Decoded, Decoder
from producers.modbus.device_file import DeviceFile, Example
from producers.modbus.device_reading import load_all
from producers.modbus.file_map import FileMap, confirmed
from producers.modbus.plan import Block, of_poll, plan
from producers.modbus.points import POLLS, Point
from schemas.measurements import MEASUREMENTS

MAPS = load_all()
KINDS = {"acuvim", "sunspec", "sungrow", "sma", "deye", "victron", "kostal", "solaredge", "goodwe", "huawei"}
UNITS = {
    "v": "V",
    "a": "A",
    "w": "W",
    "var": "var",
    "va": "VA",
    "wh": "Wh",
    "varh": "varh",
    "vah": "VAh",
    "hz": "Hz",
    "pct": "%",
    "ratio": "1",
    "c": "°C",
    "s": "s",
    "code": "code",
    "count": "count",
    "ah": "Ah",
    "ohm": "Ω",
}


def read_example(map_: DeviceFile, example: Example) -> Decoded:
    """Decode the points that lie wholly in the example's registers."""
    end = example.address + len(example.words)
    confirm = {block.id: block.orders[0] for block in map_.unverified if block.id == example.confirm}
    points = tuple(
        point
        for point in (*map_.points, *confirmed(map_, confirm))
        if point.function == example.function and example.address <= point.address and point.end <= end
    )
    block = Block(None, example.function, example.address, len(example.words), points)
    factors = {name: parameter.default for name, parameter in FileMap(map_).parameters.items()}
    return Decoder([block], factors | dict(example.parameters))([example.words])


@pytest.mark.parametrize("map_", MAPS.values(), ids=MAPS)
class TestEveryDeviceFile:
    def test_says_what_it_is_and_where_it_is_from(self, map_: DeviceFile) -> None:
        assert map_.maker
        assert map_.model
        assert map_.kind in KINDS
        assert len(map_.source) > 20
        assert all(point.register for point in map_.points), "the vendor's own name of every register"

    def test_names_measurements_of_the_vocabulary_in_its_units(self, map_: DeviceFile) -> None:
        for point in map_.points:
            if point.name:
                assert point.name in MEASUREMENTS
                assert MEASUREMENTS[point.name].unit == UNITS[point.name.rpartition("_")[2]]

    def test_keeps_energies_in_watt_hours(self, map_: DeviceFile) -> None:
        assert not [point.name for point in map_.points if point.name.endswith(("kwh", "kw"))]

    def test_has_something_to_poll(self, map_: DeviceFile) -> None:
        assert set(FileMap(map_).polls) & {"fast", "slow"}

    def test_is_planned_without_touching_holes_or_tearing_values(self, map_: DeviceFile) -> None:
        for poll in POLLS:
            wanted = of_poll(map_.points, poll)
            blocks = plan(wanted, holes=map_.holes, max_registers=map_.max_registers, bridge=map_.bridge)
            assert sorted(map(address_and_label, wanted)) == sorted(
                address_and_label(point) for block in blocks for point in block.points
            )
            for block in blocks:
                assert block.count <= map_.max_registers
                assert not [
                    hole for hole in map_.holes if not hole.readable and touches(block, hole.first, hole.last)
                ]

    def test_has_no_points_that_share_a_part_of_their_registers(self, map_: DeviceFile) -> None:
        ordered = sorted(map_.points, key=lambda point: (point.unit or 0, point.function, point.address))
        for one, other in pairwise(ordered):
            if (one.unit, one.function) == (other.unit, other.function):
                assert other.address >= one.end or (one.address, one.end) == (other.address, other.end)

    def test_can_tell_its_devices_from_silent_memory(self, map_: DeviceFile) -> None:
        nothing = [
            probe.holds(Decoder([block], {})([[0] * block.count]).held["probe"])
            for probe in map_.probes
            for block in plan([probe.point])
        ]
        assert not (map_.probes and all(nothing)), "registers that are all zero pass every probe"

    def test_has_examples_with_known_values(self, map_: DeviceFile) -> None:
        assert map_.examples
        assert any(example.values for example in map_.examples)

    def test_decodes_its_examples(self, map_: DeviceFile) -> None:
        for example in map_.examples:
            decoded = read_example(map_, example)
            for name, value in example.values.items():
                assert name in decoded.values
                assert same(decoded.values[name], value), f"{name}: {decoded.values[name]}, not {value}"
            levels = {alarm.alarm: alarm.level or "none" for alarm in decoded.alarms}
            assert {alarm: levels.get(alarm) for alarm in example.alarms} == example.alarms
            assert {field: decoded.identity.get(field) for field in example.identity} == example.identity


def address_and_label(point: Point) -> tuple[int, str]:
    return point.address, point.label


def touches(block: Block, first: int, last: int) -> bool:
    return block.address <= last and block.address + block.count > first


def same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
