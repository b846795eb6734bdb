"""Simulated SunSpec devices read with the SunSpec Alliance's own reader, over real Modbus TCP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP  # type: ignore[import-untyped]

from producers.simulator.layouts.catalogue import LAYOUTS, units
from producers.simulator.layouts.sunspec import fronius_inverter, sunspec_meter
from tests.modbus_servers import mbpoll, serving

INVERTER: dict[str, float | None] = {
    "ac_out_current_a": 13.05,
    "ac_out_l1_current_a": 4.35,
    "ac_out_l2_current_a": 4.36,
    "ac_out_l3_current_a": 4.34,
    "ac_out_l12_voltage_v": 398.1,
    "ac_out_l23_voltage_v": 399.2,
    "ac_out_l31_voltage_v": 400.3,
    "ac_out_l1_voltage_v": 230.1,
    "ac_out_l2_voltage_v": 231.2,
    "ac_out_l3_voltage_v": 232.3,
    "ac_out_power_w": 3010.4,
    "ac_out_frequency_hz": 50.02,
    "ac_out_apparent_power_va": 3021.5,
    "ac_out_reactive_power_var": -120.6,
    "ac_out_power_factor_ratio": 0.9963,
    "ac_out_energy_import_wh": 12_345_678.0,
    "ac_out_nominal_power_w": 10_000.0,
    "pv_power_w": 5_000.0,
    "pv_1_current_a": 7.5,
    "pv_1_voltage_v": 400.25,
    "pv_1_power_w": 3_001.0,
    "pv_1_energy_wh": 7_000_000.0,
    "pv_2_power_w": 1_999.0,
    "battery_power_w": 1_800.0,
    "battery_voltage_v": 410.5,
    "battery_energy_charged_wh": 900_100.0,
    "battery_energy_discharged_wh": 800_200.0,
    "battery_charge_power_limit_w": 11_520.0,
    "soc_pct": 67.25,
    "inverter_cabinet_temperature_c": 41.5,
}
METER: dict[str, float | None] = {
    "ac_current_a": -13.05,
    "ac_l1_current_a": -4.35,
    "ac_voltage_v": 230.5,
    "ac_l2_voltage_v": 231.3,
    "ac_ll_voltage_v": 399.5,
    "ac_l23_voltage_v": 400.5,
    "ac_frequency_hz": 49.98,
    "ac_power_w": -90_500.0,
    "ac_l3_power_w": -30_170.0,
    "ac_l1_apparent_power_va": 30_200.0,
    "ac_l2_reactive_power_var": 150.5,
    "ac_power_factor_ratio": -0.875,
    "ac_energy_export_wh": 5_000_000_000.0,
    "ac_energy_import_wh": 123_456_789.0,
    "ac_l2_energy_import_wh": 41_000_000.0,
}


@contextmanager
def scanned(port: int, unit: int) -> Iterator[dict[Any, Any]]:
    device = SunSpecModbusClientDeviceTCP(slave_id=unit, ipaddr="127.0.0.1", ipport=port, timeout=10)
    try:
        device.scan()
        yield device.models
    finally:
        device.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    devices = {
        1: fronius_inverter(lambda: INVERTER),
        2: fronius_inverter(lambda: INVERTER, floats=True),
        3: fronius_inverter(dict, storage=False, phases=1),
        200: sunspec_meter(lambda: METER),
        240: sunspec_meter(lambda: METER, floats=True),
        5: sunspec_meter(lambda: METER, maker="Accuenergy", model="Acuvim II", base=50_000),
    }
    with serving(devices) as served:
        yield served.port


def same(told: float | None) -> Any:
    return pytest.approx(told, rel=1e-6)


@pytest.mark.parametrize(("unit", "number"), [(1, 103), (2, 113)])
def test_an_inverter_measures(port: int, unit: int, number: int) -> None:
    with scanned(port, unit) as models:
        said = {name: point.cvalue for name, point in models[number][0].points.items()}

    assert said["AphB"] == same(4.36)
    assert said["PPVphCA"] == same(400.3)
    assert said["PhVphA"] == same(230.1)
    assert said["W"] == same(3010.4)
    assert said["Hz"] == same(50.02)
    assert said["VA"] == same(3021.5)
    assert said["VAr"] == same(-120.6)
    assert said["PF"] == same(99.63)
    assert said["WH"] == same(12_345_678)
    assert said["DCW"] == same(5_000 - 1_800)
    assert said["TmpCab"] == same(41.5)
    assert said["TmpSnk"] is None
    assert said["DCA"] is None
    assert said["St"] == 4
    assert said["Evt1"] is None


def test_an_inverter_says_who_it_is(port: int) -> None:
    with scanned(port, 1) as models:
        common, nameplate = (
            models["common"][0].points,
            models["DERTyp" if "DERTyp" in models else 120][0].points,
        )

        assert (common["Mn"].value, common["Md"].value) == ("Fronius", "Symo GEN24 10.0 Plus")
        assert models["common"][0].points["L"].value == 65
        assert (nameplate["DERTyp"].value, nameplate["WRtg"].cvalue) == (82, 10_000)
        assert models[122][0].points["ActWh"].value == 12_345_678
        assert models[123][0].points["WMaxLimPct"].cvalue == 100


@pytest.mark.parametrize("unit", [1, 2])
def test_a_hybrid_tells_its_trackers_and_its_battery_as_modules(port: int, unit: int) -> None:
    with scanned(port, unit) as models:
        modules = models[160][0].groups["module"]
        said = [
            (m.points["IDStr"].value, m.points["DCW"].cvalue, m.points["DCWH"].cvalue, m.points["DCV"].cvalue)
            for m in modules
        ]
        storage = {name: point.cvalue for name, point in models[124][0].points.items()}

    assert said == [
        ("String 1", 3_001, 7_000_000, 400.25),
        ("String 2", 1_999, None, None),
        ("StCha 3", 1_800, 900_100, 410.5),
        ("StDisCha 4", 0, 800_200, 410.5),
    ]
    assert (storage["ChaState"], storage["ChaSt"], storage["WChaMax"]) == (67.25, 4, 11_520)
    assert (storage["InBatV"], storage["StorAval"], storage["MinRsvPct"]) == (410.5, None, None)


@pytest.mark.parametrize(("unit", "number"), [(200, 203), (240, 213), (5, 203)])
def test_a_meter_measures_in_both_directions(port: int, unit: int, number: int) -> None:
    with scanned(port, unit) as models:
        said = {name: point.cvalue for name, point in models[number][0].points.items()}

    assert said["A"] == same(-13.05)
    assert said["AphA"] == same(-4.35)
    assert said["AphB"] is None
    assert said["PhV"] == same(230.5)
    assert said["PhVphB"] == same(231.3)
    assert said["PPV"] == same(399.5)
    assert (said.get("PhVphBC") or said.get("PPVphBC")) == same(400.5)
    assert said["W"] == same(-90_500)
    assert said["WphC"] == same(-30_170)
    assert said["VAphA"] == same(30_200)
    assert said["VARphB"] == same(150.5)
    assert said["PF"] == same(-87.5)
    assert said["TotWhImp"] == same(123_456_789)
    assert said["TotWhImpPhB"] == same(41_000_000)


def test_an_integer_counter_rolls_over_and_a_float_does_not(port: int) -> None:
    with scanned(port, 200) as integers, scanned(port, 240) as floats:
        assert integers[203][0].points["TotWhExp"].cvalue == 5_000_000_000 % 2**32
        assert floats[213][0].points["TotWhExp"].cvalue == same(5_000_000_000)


def test_an_inverter_without_readings_implements_nothing(port: int) -> None:
    with scanned(port, 3) as models:
        said = {
            name: point.cvalue for name, point in models[101][0].points.items() if name not in {"ID", "L"}
        }

    assert {name for name, value in said.items() if value is not None} == {"St"}
    assert 124 not in models


def test_an_acuvim_ii_with_a_web_module_speaks_both_its_own_registers_and_sunspec() -> None:
    with serving(units("acuvim_ii", lambda: METER, serial="AH1")) as served:
        with scanned(served.port, 1) as models:
            assert models["common"][0].points["SN"].value == "AH1"
            assert models[203][0].points["W"].cvalue == same(-90_500)

        assert mbpoll(served.port, 0x4022, "4:float", 1) == [-90_500]


def test_every_layout_answers_at_its_units() -> None:
    for name in LAYOUTS:
        assert units(name, lambda: METER), name
