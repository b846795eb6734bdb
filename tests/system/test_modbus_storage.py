"""Simulated inverters and storage over real Modbus TCP, read with mbpoll: addresses, signs and word order."""

from collections.abc import Iterator
from functools import partial

import pytest

from producers.simulator.layouts.deye import deye_hybrid
from producers.simulator.layouts.sma import sunny_island
from producers.simulator.layouts.sungrow import sungrow
from producers.simulator.layouts.victron_gx import victron_gx
from tests.modbus_servers import mbpoll, serving

HYBRID: dict[str, float | None] = {
    "ac_out_power_w": -70_000.0,
    "ac_out_l1_power_w": -23_000.0,
    "ac_out_l1_voltage_v": 230.1,
    "ac_out_l2_current_a": -4.3,
    "ac_out_frequency_hz": 49.97,
    "ac_out_reactive_power_var": -77.0,
    "ac_out_power_factor_ratio": 0.987,
    "ac_out_energy_import_wh": 5_000_000_123.0,
    "inverter_temperature_c": -4.5,
    "pv_power_w": 70_123.0,
    "pv_1_voltage_v": 612.5,
    "pv_2_current_a": 11.2,
    "pv_3_power_w": 2_500.0,
    "pv_energy_wh": 12_345_600.0,
    "load_power_w": 4_200.0,
    "grid_power_w": -1_500.0,
    "grid_l3_power_w": 250.0,
    "grid_l2_voltage_v": 231.2,
    "grid_l3_current_a": -12.34,
    "grid_energy_import_wh": 7_000_100.0,
    "grid_energy_export_wh": 9_000_200.0,
    "battery_power_w": 2_000.0,
    "battery_current_a": 4.8,
    "battery_voltage_v": 412.3,
    "battery_temperature_c": 23.4,
    "battery_energy_charged_wh": 8_000_300.0,
    "battery_energy_discharged_wh": 6_500_400.0,
    "battery_consumed_ah": 12.3,
    "battery_time_to_go_s": 7_200.0,
    "battery_cell_voltage_min_v": 3.28,
    "battery_cell_temperature_max_c": 25.1,
    "battery_alarm_low_soc_code": 2.0,
    "soc_pct": 67.0,
    "soh_pct": 98.5,
    "invertercharger_power_w": -40_000.0,
    "load_l1_power_w": 70_000.0,
    "grid_l1_power_w": -40_000.0,
    "ac_in_source_code": 240.0,
    "ac_in_l1_voltage_v": 229.9,
    "ac_in_l3_power_w": -1_230.0,
    "state_code": 9.0,
    "alarm_overload_code": 1.0,
    "alarm_l3_ripple_code": 2.0,
}
SUNGROW, DEYE, DEYE_HV, SMA, SMA_DEAD, SYSTEM, BATTERY, VEBUS = 1, 2, 4, 3, 5, 100, 225, 227


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    units = {
        **victron_gx(lambda: HYBRID),
        SUNGROW: sungrow(lambda: HYBRID, serial="A2281700123"),
        DEYE: deye_hybrid(lambda: HYBRID),
        DEYE_HV: deye_hybrid(lambda: HYBRID, high_voltage=True),
        SMA: sunny_island(lambda: HYBRID),
        SMA_DEAD: sunny_island(dict),
    }
    with serving(units) as served:
        yield served.port


def test_sungrow_has_input_registers_with_the_low_word_first(port: int) -> None:
    words = partial(mbpoll, port, kind="4", unit=SUNGROW, input_registers=True)
    longs = partial(mbpoll, port, kind="4:int", unit=SUNGROW, input_registers=True, low_word_first=True)

    assert words(13_019, count=1) == [4123]
    assert words(13_022, count=3) == [670, 985, 234]
    assert words(5007, count=1) == [65536 - 45]
    assert words(5010, count=4) == [6125, 0, 0, 112]
    assert words(5018, count=1) == [2301]
    assert words(5241, count=1) == [4997]
    assert words(5034, count=1) == [987]
    assert words(13_031, count=1) == [65536 - 43]
    assert longs(13_002, count=1) == [123_456]
    assert longs(5016, count=1) == [70_123]
    assert longs(13_033, count=1) == [-70_000]
    assert longs(13_007, count=2) == [4_200, 1_500]
    assert longs(5213, count=1) == [-2_000]
    assert longs(5600, count=4) == [-1_500, -40_000, 0x7FFFFFFF, 250]
    assert words(5630, count=1) == [65536 - 48]
    assert longs(13_026, count=1) == [65_004]
    assert longs(13_036, count=1) == [70_001]
    assert longs(13_040, count=1) == [80_003]
    assert longs(13_045, count=1) == [90_002]
    assert words(13_000, count=1) == [1 | 2 | 8 | 16]
    with pytest.raises(AssertionError, match="Illegal function"):
        mbpoll(port, 13_000, "4", 1, unit=SUNGROW)


def test_sungrow_answers_whole_blocks_and_says_who_it_is(port: int) -> None:
    for start, count in ((4989, 46), (5213, 29), (5600, 36), (12_999, 48)):
        assert len(mbpoll(port, start, "4", count, unit=SUNGROW, input_registers=True)) == count
    serial = mbpoll(port, 4989, "4", 6, unit=SUNGROW, input_registers=True)

    assert b"".join(int(word).to_bytes(2, "big") for word in serial) == b"A2281700123\0"


def test_deye_counts_discharging_and_import_as_positive(port: int) -> None:
    words = partial(mbpoll, port, kind="4", unit=DEYE)
    longs = partial(mbpoll, port, kind="4:int", unit=DEYE, low_word_first=True)

    assert words(588, count=3) == [67, 0, 65536 - 2_000]
    assert words(598, count=3) == [0, 2312, 0]
    assert words(613, count=3) == [0, 0, 65536 - 1234]
    assert words(625, count=1) == [65536 - 1_500]
    assert words(672, count=4) == [0, 0, 2_500, 0]
    assert longs(516, count=4) == [80_003, 65_004, 0, 70_001]
    assert longs(524, count=1) == [90_002]
    assert longs(534, count=1) == [123_456]
    assert mbpoll(port, 590, "4", 1, unit=DEYE_HV) == [65536 - 200]
    assert mbpoll(port, 674, "4", 1, unit=DEYE_HV) == [250]


@pytest.mark.parametrize("input_registers", [False, True])
def test_sma_has_numbers_of_32_bits_in_both_kinds_of_registers(port: int, *, input_registers: bool) -> None:
    longs = partial(mbpoll, port, kind="4:int", unit=SMA, input_registers=input_registers)

    assert longs(30057, count=1) == [1_990_123_456]
    assert longs(30201, count=1) == [307]
    assert longs(30513, count=2) == [5_000_000_123 >> 32, 5_000_000_123 % 2**32]
    assert longs(30595, count=2) == [8_000_300, 6_500_400]
    assert longs(30775, count=2) == [-70_000, -23_000]
    assert longs(30783, count=1) == [23_010]
    assert longs(30845, count=1) == [67]


def test_sma_says_what_it_does_not_know(port: int) -> None:
    words = partial(mbpoll, port, kind="4", unit=SMA_DEAD)

    assert words(30513, count=4) == [0xFFFF] * 4
    assert words(30775, count=2) == [0x8000, 0]
    assert words(30845, count=2) == [0xFFFF, 0xFFFF]


def test_a_gx_device_tells_its_system_in_small_and_in_large_registers(port: int) -> None:
    words = partial(mbpoll, port, kind="4", unit=SYSTEM)
    longs = partial(mbpoll, port, kind="4:int", unit=SYSTEM)

    assert words(817, count=1) == [70_000 % 65_536]
    assert longs(902, count=1) == [70_000]
    assert words(820, count=1) == [(-40_000) % 65_536]
    assert longs(908, count=1) == [-40_000]
    assert words(826, count=1) == [240]
    assert words(840, count=7) == [4123, 48, 2_000, 67, 0, 123, 72]
    assert words(850, count=1) == [70_123 % 65_536]
    assert longs(870, count=1) == [-40_000]
    assert mbpoll(port, 840, "4", 1, unit=0, input_registers=True) == [4123]


def test_a_gx_device_answers_its_blocks_and_says_what_is_reserved(port: int) -> None:
    first = mbpoll(port, 800, "4", 61, unit=SYSTEM)

    assert bytes(int(word) >> shift & 0xFF for word in first[:6] for shift in (8, 0)) == b"HQ2128ABCDE\0"
    assert first[27] == 0xFFFF
    assert len(mbpoll(port, 866, "4", 54, unit=SYSTEM)) == 54


def test_a_gx_device_tells_its_battery(port: int) -> None:
    words = partial(mbpoll, port, kind="4", unit=BATTERY)

    assert mbpoll(port, 256, "4:int", 1, unit=BATTERY) == [2_000]
    assert words(259, count=8) == [41_230, 0, 48, 234, 0, 0, 123, 670]
    assert words(272, count=1) == [2]
    assert words(303, count=2) == [72, 985]
    assert words(318, count=2) == [0, 251]
    assert words(1290, count=2) == [328, 0]


def test_a_gx_device_tells_its_ve_bus_system(port: int) -> None:
    words = mbpoll(port, 3, "4", 53, unit=VEBUS)

    assert words[3 - 3] == 2299
    assert words[14 - 3] == 65536 - 123
    assert words[31 - 3] == 9
    assert words[36 - 3] == 1
    assert words[55 - 3] == 2
