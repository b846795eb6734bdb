"""SunSpec devices: what is found in their chains, and what is made of it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from producers.adapter import DeviceError
from producers.modbus.decode import Decoded
from producers.modbus.plan import plan_poll
from producers.modbus.points import Layout
from producers.modbus.registers import read_all
from producers.modbus.sunspec import SunSpecMap, walked
from producers.modbus.sunspec_chain import BASES, Chain, Link
from tests.sunspec_images import Memory, Raws, chain, common, model, unknown

WHOLE: dict[str, Any] = {
    "A": 1305,
    "A_SF": -2,
    "PhVphA": 2301,
    "V_SF": -1,
    "W": 3010,
    "W_SF": 0,
    "Hz": 5002,
    "Hz_SF": -2,
    "WH": 12_345_678,
    "WH_SF": 0,
    "DCW": 3200,
    "DCW_SF": 0,
    "St": 4,
}
FLOAT: dict[str, Any] = {"A": 13.05, "PhVphA": 230.1, "W": 3010.0, "Hz": 50.02, "WH": 12_345_678.0, "St": 4}
SCALES: dict[str, Any] = {"DCA_SF": -2, "DCV_SF": -1, "DCW_SF": 0, "DCWH_SF": 0}
STRING_1: dict[str, Any] = {
    "ID": 1,
    "IDStr": "String 1",
    "DCA": 750,
    "DCV": 4003,
    "DCW": 3001,
    "DCWH": 7_000_000,
}
STRING_2: dict[str, Any] = {"ID": 2, "IDStr": "String 2", "DCW": 1999, "DCWH": 5_000_000}
CHARGE: dict[str, Any] = {"ID": 3, "IDStr": "StCha 3", "DCA": 438, "DCV": 4105, "DCW": 1800, "DCWH": 900_100}
DISCHARGE: dict[str, Any] = {"ID": 4, "IDStr": "StDisCha 4", "DCA": 0, "DCV": 0, "DCW": 0, "DCWH": 800_200}
STORAGE: dict[str, Any] = {"ChaState": 6725, "ChaState_SF": -2, "ChaSt": 4}
METER: dict[str, Any] = {
    "A": -1305,
    "A_SF": -2,
    "W": -9050,
    "W_SF": 1,
    "WphA": -3017,
    "TotWhExp": 500,
    "TotWh_SF": 0,
}


def inverter(number: int = 103, raws: Raws = WHOLE) -> list[int]:
    return model(number, raws)


def modules(*raws: Raws, count: int | None = None, length: int | None = None) -> list[int]:
    return model(160, {**SCALES, "N": len(raws) if count is None else count}, raws, length=length)


def hybrid(*battery: Raws) -> list[int]:
    return chain(
        common(),
        inverter(),
        model(120, {"DERTyp": 82, "WRtg": 100, "WRtg_SF": 2}),
        modules(STRING_1, STRING_2, *(battery or (CHARGE, DISCHARGE))),
        model(124, STORAGE),
    )


def find(memory: Memory, parameters: Mapping[str, float] | None = None) -> Layout:
    layout = asyncio.run(SunSpecMap().find(memory, parameters or {}, {}, named=True))
    assert layout is not None
    return layout


def poll(memory: Memory, layout: Layout) -> Decoded:
    blocks = [*plan_poll(layout, "fast"), *plan_poll(layout, "slow")]
    return asyncio.run(read_all(memory, blocks, layout.factors))


def read(words: Sequence[int], parameters: Mapping[str, float] | None = None) -> Mapping[str, float | None]:
    memory = Memory(words)
    return poll(memory, find(memory, parameters)).values


def links(words: Sequence[int], base: int = 40_000) -> Chain:
    found = asyncio.run(walked(Memory(words, base)))
    assert found is not None
    return found


class TestTheWalk:
    @pytest.mark.parametrize("base", BASES)
    def test_finds_the_marker_where_makers_put_it(self, base: int) -> None:
        assert links(chain(common()), base) == Chain(base, (Link(1, base + 2, 65),))

    def test_is_no_sunspec_device_without_the_marker(self) -> None:
        assert asyncio.run(walked(Memory([0x5375, 0x6E00, 1, 65]))) is None
        assert asyncio.run(SunSpecMap().find(Memory([0] * 200), {}, {})) is None

    def test_looks_where_the_site_says(self) -> None:
        memory = Memory(chain(common(), model(203, METER)), base=4096)
        assert asyncio.run(SunSpecMap().find(memory, {}, {})) is None
        assert find(memory, {"base": 4096}).description.phases == 3

    @pytest.mark.parametrize("base", [-1, 0xFFFF, 70_000, 0.5])
    def test_refuses_an_address_that_there_is_not(self, base: float) -> None:
        with pytest.raises(DeviceError, match="base must be an address from 0 to 65534"):
            find(Memory(chain(common())), {"base": base})

    @pytest.mark.parametrize(
        ("floats", "expected"),
        [
            (False, [40002, 40069, 40121, 40149, 40181, 40227, 40253, 40343]),
            (True, [40002, 40069, 40131, 40159, 40191, 40237, 40263, 40353]),
        ],
    )
    def test_meets_the_addresses_of_a_fronius_hybrid(self, *, floats: bool, expected: list[int]) -> None:
        inner = inverter(113, FLOAT) if floats else inverter()
        inert = (model(number, {}) for number in (120, 121, 122, 123))
        four = modules(STRING_1, STRING_2, CHARGE, DISCHARGE)
        found = links(chain(common(), inner, *inert, four, model(124, STORAGE)))
        assert [link.address for link in found.links] == expected
        assert found.links[-1].end == (40379 if floats else 40369), "the end mark"
        assert not found.fault

    def test_takes_the_length_that_the_device_tells(self) -> None:
        for padded in (False, True):
            values = read(chain(common(padded=padded), inverter()))
            assert values["ac_out_power_w"] == 3010

    def test_skips_models_that_nobody_knows_and_never_reads_them(self) -> None:
        memory = Memory(
            chain(unknown(64_111, 10), common(), unknown(65_000, 3), inverter(), unknown(63_001, 7))
        )
        layout = find(memory)
        traps = {at for at, word in memory.words.items() if word == 0xDEAD}
        poll(memory, layout)
        asked = {at for address, count in memory.asked for at in range(address, address + count)}
        assert not traps & asked

    @pytest.mark.parametrize(
        ("words", "fault"),
        [
            (chain(common(), inverter(), ended=False), "break off at 40121"),
            ([*chain(common(), inverter(), ended=False), 0, 0, 0], "end without a mark at 40121"),
            ([*chain(common(), inverter(), ended=False), 7, 60_000], "longer than there are addresses"),
        ],
    )
    def test_keeps_what_a_broken_chain_held_before(self, words: list[int], fault: str) -> None:
        memory = Memory(words)
        layout = find(memory)
        assert any(fault in warning for warning in layout.warnings)
        assert poll(memory, layout).values["ac_out_power_w"] == 3010

    def test_ends_where_models_have_no_length(self) -> None:
        found = links([0x5375, 0x6E53, *[9, 0] * 20_000])
        assert "more than 128 models" in found.fault

    def test_says_which_models_a_device_has_when_it_knows_none(self) -> None:
        words = chain(common(), unknown(64_111, 4))
        assert asyncio.run(SunSpecMap().find(Memory(words), {}, {})) is None
        with pytest.raises(DeviceError, match="no model that we know: 1, 64111"):
            find(Memory(words))


class TestAnInverter:
    @pytest.mark.parametrize(("number", "raws"), [(103, WHOLE), (113, FLOAT)])
    def test_is_read_as_integers_and_as_floats(self, number: int, raws: Raws) -> None:
        values = read(chain(common(), inverter(number, raws)))
        assert values["ac_out_power_w"] == 3010
        assert values["ac_out_current_a"] == 13.05
        assert values["ac_out_l1_voltage_v"] == 230.1
        assert values["ac_out_energy_import_wh"] == 12_345_678
        assert values["ac_out_l2_voltage_v"] is None

    @pytest.mark.parametrize(
        ("number", "phases"), [(101, 1), (102, 2), (103, 3), (111, 1), (112, 2), (113, 3)]
    )
    def test_has_the_phases_of_its_model(self, number: int, phases: int) -> None:
        layout = find(Memory(chain(common(), inverter(number, {}))))
        names = {point.name for point in layout.points}
        assert layout.description.phases == phases
        assert [f"ac_out_l{phase}_voltage_v" in names for phase in (1, 2, 3)] == [
            True,
            phases > 1,
            phases > 2,
        ]

    def test_that_measures_nothing_now_is_read_all_the_same(self) -> None:
        values = read(chain(common(), inverter(103, {"St": 2})))
        assert {name for name, value in values.items() if value is not None} == {"inverter_state_code"}
        assert "ac_out_power_w" in values

    def test_is_read_with_the_scale_factors_of_the_moment(self) -> None:
        memory = Memory(chain(common(), inverter()))
        layout = find(memory)
        assert poll(memory, layout).values["ac_out_power_w"] == 3010
        memory.words[40069 + 14], memory.words[40069 + 15] = 4012, 1
        assert poll(memory, layout).values["ac_out_power_w"] == 40_120
        memory.words[40069 + 15] = 0x8000
        assert poll(memory, layout).values["ac_out_power_w"] is None

    def test_of_which_a_point_is_cut_off_has_the_others(self) -> None:
        values = read(chain(common(), model(103, WHOLE, length=14)))
        assert values["ac_out_power_w"] == 3010, "W and its scale factor are the last two"
        assert "ac_out_frequency_hz" not in values
        values = read(chain(common(), model(103, WHOLE, length=13)))
        assert "ac_out_power_w" not in values, "without its scale factor it means nothing"

    @pytest.mark.parametrize(("raw", "ratio"), [(9963, 0.9963), (-8500, -0.85), (100, 1.0), (95, 0.95)])
    def test_gives_its_power_factor_in_percent_or_as_a_ratio(self, raw: int, ratio: float) -> None:
        values = read(chain(common(), inverter(103, {**WHOLE, "PF": raw, "PF_SF": -2})))
        assert values["ac_out_power_factor_ratio"] == ratio

    def test_says_who_it_is_and_what_it_is_made_for(self) -> None:
        nameplate = {"WRtg": 100, "WRtg_SF": 2, "VARtg": 110, "VARtg_SF": 2, "ARtg": 164, "ARtg_SF": -1}
        found = find(Memory(chain(common(), inverter(), model(120, nameplate)))).description
        assert (found.maker, found.model, found.serial, found.firmware) == ("Fronius", "Symo", "123", "1.2")
        assert (found.rated_w, found.rated_va, found.rated_a, found.phases) == (10_000, 11_000, 16.4, 3)

    def test_tells_its_faults_as_alarms(self) -> None:
        memory = Memory(chain(common(), inverter(103, {**WHOLE, "St": 7, "Evt1": 1 << 0 | 1 << 4})))
        alarms = {alarm.alarm: alarm.level for alarm in poll(memory, find(memory)).alarms}
        assert (alarms["fault"], alarms["ground_fault"]) == ("alarm", "alarm")
        assert (alarms["grid_disconnected"], alarms["high_temperature"]) == ("warning", None)

    def test_that_implements_no_events_raises_and_clears_nothing(self) -> None:
        memory = Memory(chain(common(), inverter()))
        assert {alarm.alarm for alarm in poll(memory, find(memory)).alarms} == {"fault"}


class TestPvAndBattery:
    def test_dc_power_is_pv_only_where_the_nameplate_says_so(self) -> None:
        just_pv = read(chain(common(), inverter(), model(120, {"DERTyp": 4})))
        unknown_kind = read(chain(common(), inverter()))
        with_storage = read(chain(common(), inverter(), model(120, {"DERTyp": 82})))
        assert just_pv["pv_power_w"] == just_pv["dc_in_power_w"] == 3200
        assert "pv_power_w" not in unknown_kind
        assert "pv_power_w" not in with_storage

    def test_trackers_tell_more_than_dc_power(self) -> None:
        values = read(chain(common(), inverter(), model(120, {"DERTyp": 4}), modules(STRING_1, STRING_2)))
        assert (values["pv_1_power_w"], values["pv_2_power_w"], values["pv_power_w"]) == (3001, 1999, 5000)
        assert (values["pv_1_voltage_v"], values["pv_1_current_a"]) == (400.3, 7.5)
        assert values["pv_energy_wh"] == 12_000_000

    def test_a_tracker_without_value_adds_nothing_to_power_and_makes_no_energy(self) -> None:
        memory = Memory(chain(common(), inverter(), modules(STRING_1, STRING_2)))
        layout = find(memory)
        at = next(point.address for point in layout.points if point.name == "pv_2_power_w")
        memory.words[at] = 0xFFFF
        memory.words[at + 1] = memory.words[at + 2] = 0
        values = poll(memory, layout).values
        assert (values["pv_2_power_w"], values["pv_power_w"]) == (None, 3001)
        assert (values["pv_2_energy_wh"], values["pv_energy_wh"]) == (None, None)

    def test_a_battery_is_two_modules_and_charging_is_positive(self) -> None:
        values = read(hybrid())
        assert (values["battery_power_w"], values["battery_current_a"]) == (1800, 4.38)
        assert values["battery_voltage_v"] == 410.5
        assert values["pv_power_w"] == 5000
        assert (values["battery_energy_charged_wh"], values["battery_energy_discharged_wh"]) == (
            900_100,
            800_200,
        )
        assert (values["soc_pct"], values["battery_charge_state_code"]) == (67.25, 4)
        assert "pv_3_power_w" not in values
        assert values["dc_in_power_w"] == 3200, "what is left for the AC side"

    def test_a_battery_that_gives_is_negative(self) -> None:
        idle = {**CHARGE, "DCA": 0, "DCV": 0, "DCW": 0}
        giving = {**DISCHARGE, "DCA": 500, "DCV": 4001, "DCW": 2000}
        values = read(hybrid(idle, giving))
        assert (values["battery_power_w"], values["battery_current_a"]) == (-2000, -5.0)
        assert values["battery_voltage_v"] == 400.1

    def test_a_battery_behind_modules_without_names_is_where_a_gen24_has_it(self) -> None:
        bare = [{**each, "IDStr": ""} for each in (STRING_1, STRING_2, CHARGE, DISCHARGE)]
        words = chain(common(), inverter(), modules(*bare), model(124, STORAGE))
        memory = Memory(words)
        layout = find(memory)
        values = poll(memory, layout).values
        assert (values["battery_power_w"], values["pv_power_w"]) == (1800, 5000)
        assert any("have no names" in warning for warning in layout.warnings)

    def test_modules_without_names_and_storage_are_trackers(self) -> None:
        bare = [{**each, "IDStr": ""} for each in (STRING_1, STRING_2, STRING_1, STRING_2)]
        assert read(chain(common(), inverter(), modules(*bare)))["pv_power_w"] == 10_000

    @pytest.mark.parametrize(("count", "length"), [(9, None), (0xFFFF, None), (2, 100)])
    def test_modules_are_as_many_as_told_and_as_there_is_room_for(
        self, count: int, length: int | None
    ) -> None:
        values = read(chain(common(), inverter(), modules(STRING_1, STRING_2, count=count, length=length)))
        assert values["pv_power_w"] == 5000
        assert "pv_3_power_w" not in values

    def test_more_trackers_than_there_are_names_for_are_said(self) -> None:
        layout = find(Memory(chain(common(), inverter(), modules(*[STRING_1] * 9))))
        assert any("module 9 of model 160 is one too many" in warning for warning in layout.warnings)
        assert "pv_8_power_w" in {point.name for point in layout.points}

    def test_many_modules_are_read_in_several_requests(self) -> None:
        memory = Memory(chain(common(), inverter(), modules(*[STRING_1] * 8)))
        assert poll(memory, find(memory)).values["pv_power_w"] == 8 * 3001


class TestAMeter:
    def test_counts_import_as_positive(self) -> None:
        values = read(chain(common(), model(203, METER)))
        assert (values["ac_power_w"], values["ac_l1_power_w"], values["ac_current_a"]) == (
            -90_500,
            -30_170,
            -13.05,
        )
        assert values["ac_energy_export_wh"] == 500

    def test_of_a_maker_who_counts_export_as_positive_is_turned(self) -> None:
        words = chain(common("SolarEdge"), inverter(), model(203, METER))
        values = read(words)
        assert (values["ac_power_w"], values["ac_energy_export_wh"]) == (90_500, 500)
        assert values["ac_out_power_w"] == 3010
        assert read(words, {"meter_sign": 1})["ac_power_w"] == -90_500
        assert read(chain(common(), model(203, METER)), {"meter_sign": -1})["ac_power_w"] == 90_500

    def test_a_second_one_is_named_and_not_mixed_in(self) -> None:
        words = chain(
            common(), inverter(), common(), model(203, METER), common(), model(203, {"W": 1, "W_SF": 0})
        )
        memory = Memory(words)
        layout = find(memory)
        assert layout.warnings == ("a second meter (model 203 at 40362) is not read",)
        assert poll(memory, layout).values["ac_power_w"] == -90_500

    @pytest.mark.parametrize(
        ("number", "phases"), [(201, 1), (202, 2), (203, 3), (204, 3), (211, 1), (213, 3)]
    )
    def test_has_the_phases_of_its_model(self, number: int, phases: int) -> None:
        layout = find(Memory(chain(common(), model(number, {}))))
        names = {point.name for point in layout.points}
        assert layout.description.phases == phases
        assert [f"ac_l{phase}_power_w" in names for phase in (1, 2, 3)] == [True, phases > 1, phases > 2]


class TestWhatIsOptional:
    def test_is_not_asked_for_when_the_device_lacks_it(self) -> None:
        names = {point.name for point in find(Memory(chain(common(), inverter()))).points}
        assert "inverter_heatsink_temperature_c" not in names
        assert "ac_out_reactive_power_var" in names, "it may come"

    def test_is_asked_for_once_the_device_has_it(self) -> None:
        memory = Memory(chain(common(), inverter(103, {**WHOLE, "TmpSnk": 415, "Tmp_SF": -1})))
        assert poll(memory, find(memory)).values["inverter_heatsink_temperature_c"] == 41.5


def test_a_pv_inverter_may_sleep_and_a_hybrid_or_a_meter_may_not() -> None:
    pv = find(Memory(chain(common(), inverter(), modules(STRING_1))))
    assert pv.asleep == ("inverter_state_code", frozenset({1, 2, 3, 6, 8}))
    assert find(Memory(hybrid())).asleep is None
    assert find(Memory(chain(common(), inverter(), modules(STRING_1, CHARGE, DISCHARGE)))).asleep is None
    assert find(Memory(chain(common(), model(203, METER)))).asleep is None
