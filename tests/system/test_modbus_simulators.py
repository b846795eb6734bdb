"""Simulated devices over real Modbus TCP, read with Debian's mbpoll: the makers' addresses and scales."""

from collections.abc import Iterator

import pytest

from producers.simulator.layouts.acuvim import Transformers
from producers.simulator.layouts.acuvim_3 import acuvim_3
from producers.simulator.layouts.acuvim_ii import acuvim_ii
from producers.simulator.layouts.acuvim_l import acuvim_l
from tests.modbus_servers import Serving, mbpoll, serving

METER: dict[str, float | None] = {
    "ac_frequency_hz": 49.98,
    "ac_l1_voltage_v": 230.1,
    "ac_l2_voltage_v": 231.2,
    "ac_l3_voltage_v": 229.3,
    "ac_voltage_v": 230.2,
    "ac_l12_voltage_v": 399.4,
    "ac_l23_voltage_v": 400.5,
    "ac_l31_voltage_v": 398.6,
    "ac_ll_voltage_v": 399.5,
    "ac_l1_current_a": 10.1,
    "ac_l2_current_a": 20.2,
    "ac_l3_current_a": 30.3,
    "ac_current_mean_a": 20.2,
    "ac_n_current_a": 17.5,
    "ac_l1_power_w": 2300.5,
    "ac_l2_power_w": 4600.25,
    "ac_l3_power_w": -690.75,
    "ac_power_w": 6210.0,
    "ac_l1_reactive_power_var": 230.0,
    "ac_l2_reactive_power_var": -460.0,
    "ac_l3_reactive_power_var": 69.0,
    "ac_reactive_power_var": -161.0,
    "ac_l1_apparent_power_va": 2324.0,
    "ac_l2_apparent_power_va": 4670.0,
    "ac_l3_apparent_power_va": 6948.0,
    "ac_apparent_power_va": 13942.0,
    "ac_l1_power_factor_ratio": 0.9875,
    "ac_l2_power_factor_ratio": 0.985,
    "ac_l3_power_factor_ratio": -0.995,
    "ac_power_factor_ratio": 0.875,
    "ac_voltage_unbalance_pct": 0.5,
    "ac_current_unbalance_pct": 50.0,
    "ac_power_demand_w": 6000.0,
    "ac_reactive_demand_var": -150.0,
    "ac_apparent_demand_va": 13000.0,
    "ac_l1_current_demand_a": 9.5,
    "ac_l2_current_demand_a": 19.5,
    "ac_l3_current_demand_a": 29.5,
    "ac_l1_voltage_thd_pct": 1.11,
    "ac_l2_voltage_thd_pct": 1.22,
    "ac_l3_voltage_thd_pct": 1.33,
    "ac_voltage_thd_pct": 1.44,
    "ac_l1_current_thd_pct": 12.34,
    "ac_l2_current_thd_pct": 12.35,
    "ac_l3_current_thd_pct": 12.36,
    "ac_current_thd_pct": 12.37,
    "ac_energy_import_wh": 1_780_778_330.0 * 10,
    "ac_energy_export_wh": 1_000.0,
    "ac_reactive_energy_import_varh": 2_000.0,
    "ac_reactive_energy_export_varh": 3_000.0,
    "ac_energy_total_wh": 4_000.0,
    "ac_energy_net_wh": -5_000.0,
    "ac_reactive_energy_total_varh": 6_000.0,
    "ac_reactive_energy_net_varh": -7_000.0,
    "ac_apparent_energy_vah": 8_000.0,
    "ac_l1_energy_import_wh": 11_100.0,
    "ac_l1_energy_export_wh": 11_200.0,
    "ac_l2_energy_import_wh": 12_100.0,
    "ac_l2_energy_export_wh": 12_200.0,
    "ac_l3_energy_import_wh": 13_100.0,
    "ac_l3_energy_export_wh": 13_200.0,
    "ac_l1_reactive_energy_import_varh": 21_100.0,
    "ac_l3_reactive_energy_export_varh": 23_200.0,
    "ac_l3_apparent_energy_vah": 33_300.0,
}
II, II_SECONDARY, L, L_FAST, THREE = 1, 2, 3, 4, 5


def meter() -> dict[str, float | None]:
    return METER


@pytest.fixture(scope="module")
def meters() -> Iterator[Serving]:
    ratios = Transformers(pt1_v=11_000.0, pt2_v=110.0, ct1_a=600, ct2_a=5)
    units = {
        II: acuvim_ii(meter, serial="AH15090001"),
        II_SECONDARY: acuvim_ii(meter, transformers=ratios, secondary=True, energy_display=1),
        L: acuvim_l(meter),
        L_FAST: acuvim_l(meter, fast_read=True),
        THREE: acuvim_3(meter),
    }
    with serving(units) as served:
        yield served


@pytest.mark.parametrize("block", [0x4000, 0x3000])
def test_an_acuvim_ii_measures_in_floats(meters: Serving, block: int) -> None:
    told = mbpoll(meters.port, block, "4:float", 30)

    assert told[:5] == [49.98, 230.1, 231.2, 229.3, 230.2]
    assert told[5:9] == [399.4, 400.5, 398.6, 399.5]
    assert told[9:14] == [10.1, 20.2, 30.3, 20.2, 17.5]
    assert told[14:18] == [2300.5, 4600.25, -690.75, 6210]
    assert told[18:22] == [230, -460, 69, -161]
    assert told[22:26] == [2324, 4670, 6948, 13942]
    assert told[26:30] == [0.9875, 0.985, -0.995, 0.875]


def test_an_acuvim_ii_tells_unbalance_as_a_ratio_and_the_kind_of_load(meters: Serving) -> None:
    assert mbpoll(meters.port, 0x403C, "4:float", 6) == [0.005, 0.5, 67, 6000, -150, 13000]


def test_an_acuvim_ii_counts_tenths_of_a_kwh(meters: Serving) -> None:
    told = mbpoll(meters.port, 0x4048, "4:int", 9)

    assert told == [178_077_833, 10, 20, 30, 40, -50, 60, -70, 80]
    assert mbpoll(meters.port, 0x4620, "4:int", 7) == [111, 112, 121, 122, 131, 132, 211]
    assert mbpoll(meters.port, 0x4636, "4:int", 4) == [232, 0, 0, 333]


def test_an_acuvim_ii_tells_distortion_in_hundredths_of_a_percent(meters: Serving) -> None:
    assert mbpoll(meters.port, 0x405A, "4", 8) == [111, 122, 133, 144, 1234, 1235, 1236, 1237]


def test_an_acuvim_ii_answers_all_of_its_block_at_once(meters: Serving) -> None:
    assert len(mbpoll(meters.port, 0x4000, "4", 98)) == 98


def test_an_acuvim_ii_in_secondary_mode_tells_what_reaches_it(meters: Serving) -> None:
    settings = mbpoll(meters.port, 0x1000, "4", 0x20, unit=II_SECONDARY)
    pt1 = settings[5] * 0x10000 + settings[6]
    told = mbpoll(meters.port, 0x4000, "4:float", 18, unit=II_SECONDARY)

    assert (pt1 / 10, settings[7] / 10, settings[8], settings[9]) == (11_000, 110, 600, 5)
    assert (settings[0x1D], settings[0x19]) == (0, 1)
    assert told[0] == 49.98
    assert told[1] == pytest.approx(230.1 / 100)
    assert told[9] == pytest.approx(10.1 / 120)
    assert told[17] == pytest.approx(6210 / 100 / 120)
    assert mbpoll(meters.port, 0x404A, "4:int", 1, unit=II_SECONDARY) == [round(1_000 / 100 / 120)]


def test_an_acuvim_ii_says_who_it_is(meters: Serving) -> None:
    serial = b"".join(int(word).to_bytes(2, "big") for word in mbpoll(meters.port, 61504, "4", 6))

    assert serial == b"AH15090001\0\0"
    assert mbpoll(meters.port, 4125, "4", 1) == [1]


def test_an_acuvim_l_measures_in_floats(meters: Serving) -> None:
    told = mbpoll(meters.port, 0x0600, "4:float", 38, unit=L)

    assert told[:11] == [49.98, 230.1, 231.2, 229.3, 399.4, 400.5, 398.6, 10.1, 20.2, 30.3, 17.5]
    assert told[11:19] == [2300.5, 4600.25, -690.75, 6210, 230, -460, 69, -161]
    assert told[19:24] == [13942, 0.9875, 0.985, -0.995, 0.875]
    assert told[24:30] == [0.5, 50, 67, 2324, 4670, 6948]
    assert told[31:37] == [13000, 6000, -150, 9.5, 19.5, 29.5]


def test_an_acuvim_l_tells_integers_before_its_transformers(meters: Serving) -> None:
    told = mbpoll(meters.port, 0x0130, "4", 27, unit=L)

    assert told[:11] == [4998, 2301, 2312, 2293, 3994, 4005, 3986, 84, 168, 252, 146]
    assert told[11] == round(2300.5 / 120)
    assert told[20:24] == [988, 985, 65536 - 995, 875]
    assert told[26] == 67


def test_an_acuvim_l_counts_and_tells_distortion(meters: Serving) -> None:
    assert mbpoll(meters.port, 0x0156, "4:int", 12, unit=L)[1:] == [
        10, 20, 30, 80, 111, 112, 121, 122, 131, 132, 211
    ]  # fmt: skip
    assert mbpoll(meters.port, 0x0400, "4", 6, unit=L) == [111, 122, 133, 1234, 1235, 1236]


def test_an_acuvim_l_in_fast_read_mode_answers_nothing_else(meters: Serving) -> None:
    assert mbpoll(meters.port, 0x3000, "4:float", 30, unit=L_FAST)[9:12] == [10.1, 20.2, 30.3]
    assert mbpoll(meters.port, 0x3400, "4:float", 15, unit=L_FAST)[:3] == [230.1, 231.2, 229.3]
    for address in (0x0600, 0x0130, 0x0156):
        with pytest.raises(AssertionError, match="Illegal data address"):
            mbpoll(meters.port, address, "4", 2, unit=L_FAST)
    with pytest.raises(AssertionError, match="Illegal data address"):
        mbpoll(meters.port, 0x3000, "4", 2, unit=L)


def test_an_acuvim_3_measures_in_kilowatts(meters: Serving) -> None:
    told = mbpoll(meters.port, 0x2114, "4:float", 34, unit=THREE)

    assert told[:9] == [49.98, 230.1, 231.2, 229.3, 230.2, 399.4, 400.5, 398.6, 399.5]
    assert told[9:14] == [10.1, 20.2, 30.3, 17.5, 20.2]
    assert told[14:18] == pytest.approx([2.3005, 4.60025, -0.69075, 6.21])
    assert told[18:26] == pytest.approx([0.23, -0.46, 0.069, -0.161, 2.324, 4.67, 6.948, 13.942])
    assert told[30:34] == [0.9875, 0.985, -0.995, 0.875]
    assert mbpoll(meters.port, 0x2182, "4:float", 1, unit=THREE) == [0.5]
    assert mbpoll(meters.port, 0x218C, "4:float", 1, unit=THREE) == [50]
    assert mbpoll(meters.port, 0x219A, "4:float", 3, unit=THREE) == pytest.approx([1.11, 1.22, 1.33])
    assert mbpoll(meters.port, 0x61AE, "4:float", 1, unit=THREE) == [13]


def test_reading_over_a_hole_is_refused(meters: Serving) -> None:
    with pytest.raises(AssertionError, match="Illegal data address"):
        mbpoll(meters.port, 0x4060, "4", 3)
    with pytest.raises(AssertionError, match="Illegal function"):
        mbpoll(meters.port, 0x4000, "4", 2, input_registers=True)
