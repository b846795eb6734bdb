"""What a probe says about devices behind real sockets, and what it proposes to write down."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence

import pytest

from producers.adapter import DeviceError
from producers.modbus.entry import entries
from producers.modbus.maps import all_maps
from producers.modbus.probe import Found, discover, probe
from tests.modbus_peers import Request, raw, simulated
from tests.modbus_words import acuvim_ii, acuvim_l_fast, f32


def look(devices: Mapping[int, Mapping[int, Sequence[int]]], units: Sequence[int] = ()) -> list[Found]:
    async def run() -> list[Found]:
        async with simulated(devices) as port:
            return await probe("127.0.0.1", port, units, timeout_s=0.5)

    return asyncio.run(run())


def test_a_meter_is_described_and_read() -> None:
    (found,) = look({1: acuvim_ii()})

    assert (found.map, found.kind, found.unit) == ("acuvim_ii", "acuvim", 1)
    assert found.description.serial == "AH15090001"
    assert found.values["ac_power_w"] == pytest.approx(6900)
    assert found.values["ac_energy_import_wh"] == 17_807_783_300
    assert found.warnings == []


def test_what_is_proposed_can_be_polled() -> None:
    (found,) = look({1: acuvim_ii()})

    said = tomllib.loads(found.entry)["producers"]["modbus"]
    ((entry,), _) = entries(said, all_maps())
    assert (entry.wish.host, entry.wish.port, entry.wish.maps) == ("127.0.0.1", found.port, ("acuvim_ii",))
    assert entry.system_id == "acuvim_1"


def test_a_meter_in_kilowatts_is_shown_in_watts_and_told_of() -> None:
    (found,) = look({1: acuvim_ii(unit_w=1000)})

    assert found.values["ac_power_w"] == pytest.approx(6900)
    assert found.warnings == ["power_scale is 1000 here, as voltage times current says"]


def test_without_load_the_unit_of_power_is_not_known() -> None:
    (found,) = look({1: acuvim_ii(amperes=0)})

    assert found.warnings == ["without load nobody can tell if power_scale is 1: look again"]


def test_secondary_values_are_worked_up() -> None:
    (found,) = look({1: acuvim_ii(mode=0, amperes=2.0, ratios=(4000, 1000, 100, 5))})

    assert found.values["ac_l1_voltage_v"] == 920
    assert found.values["ac_l1_current_a"] == 40
    assert found.values["ac_l1_power_w"] == pytest.approx(920 * 40)
    assert "secondary values" in found.warnings[0]


def test_secondary_values_without_ratios_are_refused_with_what_to_set() -> None:
    (found,) = look({1: acuvim_ii(mode=0, ratios=(0, 0, 0, 0)) | {0x1003: [0, 0, 0, 0, 1, 0, 5]}})

    assert not found.values
    assert "pt_ratio" in found.warnings[0]


def test_the_block_at_0x3400_is_printed_and_confirmed_by_what_else_is_known() -> None:
    meter, block = look({1: acuvim_l_fast()})

    assert (meter.map, block.map) == ("acuvim_l_fast", "acuvim_3400")
    assert block.block is not None
    assert len(block.block.rows) == 15
    assert block.block.rows[0] == (0x3400, 230.0, "ac_l1_voltage_v")
    assert block.block.confirmed[:3] == ("ac_l1_voltage_v", "ac_l2_voltage_v", "ac_l3_voltage_v")
    assert block.block.confirmed[9:] == ("ac_power_w", "ac_reactive_power_var", "ac_frequency_hz")
    said = tomllib.loads(block.entry)["producers"]["modbus"]
    ((entry,), _) = entries(said, all_maps())
    assert entry.wish.confirm == {"block_3400": list(block.block.confirmed)}


def test_the_block_at_0x3400_alone_is_confirmed_by_electricity() -> None:
    frequency_first = f32(50.0, *(230.0,) * 4, *(398.4,) * 4, 10.0, 10.0, 10.0, 10.0, 0.2, 2300.0)
    (block,) = look({1: {0x3400: frequency_first}})

    assert block.block is not None
    assert block.block.confirmed[:9] == (
        "ac_frequency_hz",
        *(f"ac_{place}voltage_v" for place in ("l1_", "l2_", "l3_", "", "l12_", "l23_", "l31_", "ll_")),
    )
    assert not any(block.block.confirmed[9:]), "nothing confirms the currents"


def test_a_block_that_makes_no_sense_is_printed_and_not_proposed() -> None:
    (block,) = look({1: {0x3400: f32(*(7.0 * number for number in range(15)))}})

    assert block.block is not None
    assert block.block.confirmed == ()
    assert block.entry == ""


def test_a_device_that_answers_as_every_unit_is_found_once() -> None:
    found = look({1: acuvim_ii(), 2: acuvim_ii(), 3: acuvim_ii() | {0xF040: [0x4141] * 6}}, units=[1, 2, 3])

    assert [(each.unit, each.description.serial) for each in found] == [(1, "AH15090001"), (3, "A" * 12)]


def test_a_meter_that_is_silent_about_all_but_its_fast_blocks_is_found() -> None:
    blocks = acuvim_l_fast()

    async def fast_read(request: Request) -> bytes | None:
        for first, words in blocks.items():
            at = request.address - first
            if at >= 0 and at + request.count <= len(words):
                return request.answer(words[at : at + request.count])
        return b""

    async def run() -> list[Found]:
        async with raw(fast_read) as server:
            return await probe("127.0.0.1", server.port, [1], timeout_s=0.1)

    assert [found.map for found in asyncio.run(run())] == ["acuvim_l_fast", "acuvim_3400"]


def test_nobody_there_is_said() -> None:
    async def run() -> None:
        async with raw() as server:
            port = server.port
        with pytest.raises(DeviceError, match="cannot be reached"):
            await probe("127.0.0.1", port, timeout_s=0.2)

    asyncio.run(run())


def test_many_addresses_are_searched_a_few_at_a_time() -> None:
    async def run() -> tuple[list[Found], list[Found], int]:
        most = now = 0

        async def count(request: Request) -> bytes | None:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1
            return request.refuse(2)

        told: list[Found] = []
        async with simulated({1: acuvim_ii()}) as port, raw(count) as other:
            targets = [("127.0.0.1", port), *[("127.0.0.1", other.port)] * 12, ("127.0.0.1", 1)]
            found = await discover(targets, units=[1], at_once=4, tell=told.append)
        return found, told, most

    found, told, most = asyncio.run(run())
    assert [each.map for each in found] == ["acuvim_ii"]
    assert told == found
    assert most <= 4
