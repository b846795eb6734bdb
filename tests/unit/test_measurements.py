import re
from itertools import product

import pytest

from schemas.errors import ConfigurationError
from schemas.measurements import MEASUREMENTS, POSITIONS, Measurement, read, unknown

UNITS = {
    "a": "A",
    "ah": "Ah",
    "bytes": "B",
    "c": "°C",
    "code": "code",
    "count": "count",
    "deg": "°",
    "hpa": "hPa",
    "hz": "Hz",
    "kpa": "kPa",
    "l": "L",
    "lph": "L/h",
    "lx": "lx",
    "m": "m",
    "m3": "m³",
    "mps": "m/s",
    "ohm": "Ω",
    "pct": "%",
    "ppm": "ppm",
    "ratio": "1",
    "rpm": "1/min",
    "s": "s",
    "ugm3": "µg/m³",
    "v": "V",
    "va": "VA",
    "vah": "VAh",
    "var": "var",
    "varh": "varh",
    "w": "W",
    "wh": "Wh",
}
SPOTS = [spot for kind in POSITIONS.values() for spot in kind]


def test_every_name_follows_the_grammar() -> None:
    for name, measurement in MEASUREMENTS.items():
        words = name.split("_")
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        assert len(name) <= 64
        assert not name.startswith("x_")
        assert measurement.unit == UNITS[words[-1]], name
        assert sum(word in SPOTS for word in words) <= 1, name
        assert not any(re.fullmatch(r"l\d+", word) for word in words if word not in SPOTS), name


def test_every_measurement_says_what_it_means() -> None:
    for name, measurement in MEASUREMENTS.items():
        assert measurement.name == name
        assert measurement.meaning.isprintable()
        assert measurement.meaning


def test_enumerations_name_their_source() -> None:
    for measurement in MEASUREMENTS.values():
        assert (measurement.unit == "code") == bool(measurement.source), measurement
        assert measurement.unit == "code" or not measurement.codes


def test_phases_come_in_threes_and_have_a_total() -> None:
    for name in MEASUREMENTS:
        if "_l1_" in name:
            assert {name.replace("_l1_", f"_{other}_") for other in ("l2", "l3")} <= MEASUREMENTS.keys()
            assert name.replace("_l1_", "_") in MEASUREMENTS


@pytest.mark.parametrize(
    ("name", "unit", "sign"),
    [
        ("ac_out_power_w", "W", "positive = out of the device, to the loads or the grid"),
        ("ac_out_l1_power_w", "W", "positive = out of the device, to the loads or the grid"),
        ("ac_in_l3_current_a", "A", "positive = import, from the source into the device"),
        ("ac_power_w", "W", "positive = import, from the source to the loads"),
        ("battery_power_w", "W", "positive = charging"),
        ("battery_2_current_a", "A", "positive = charging"),
        ("grid_l2_power_w", "W", "positive = import from the grid"),
        ("dc_voltage_v", "V", ""),
        ("soc_pct", "%", ""),
        ("cpu_pct", "%", ""),
        ("gps_latitude_deg", "°", "positive = north"),
    ],
)
def test_names_that_others_rely_on_keep_unit_and_sign(name: str, unit: str, sign: str) -> None:
    assert (MEASUREMENTS[name].unit, MEASUREMENTS[name].sign) == (unit, sign)


ACUVIM = [
    "ac_frequency_hz",
    "ac_voltage_v",
    "ac_ll_voltage_v",
    "ac_current_mean_a",
    "ac_n_current_a",
    "ac_power_w",
    "ac_reactive_power_var",
    "ac_apparent_power_va",
    "ac_power_factor_ratio",
    "ac_voltage_unbalance_pct",
    "ac_current_unbalance_pct",
    "ac_load_type_code",
    "ac_power_demand_w",
    "ac_reactive_demand_var",
    "ac_apparent_demand_va",
    "ac_energy_import_wh",
    "ac_energy_export_wh",
    "ac_energy_total_wh",
    "ac_energy_net_wh",
    "ac_reactive_energy_import_varh",
    "ac_reactive_energy_net_varh",
    "ac_apparent_energy_vah",
    "ac_voltage_thd_pct",
    "ac_current_thd_pct",
    *[f"ac_{line}_voltage_v" for line in ("l12", "l23", "l31")],
    *[
        f"ac_{phase}_{quantity}"
        for phase, quantity in product(
            ("l1", "l2", "l3"),
            (
                "voltage_v",
                "current_a",
                "power_w",
                "reactive_power_var",
                "apparent_power_va",
                "power_factor_ratio",
                "energy_import_wh",
                "energy_export_wh",
                "reactive_energy_export_varh",
                "apparent_energy_vah",
                "voltage_thd_pct",
                "current_thd_pct",
                "current_demand_a",
            ),
        )
    ],
]
OTHERS = [
    "pv_power_w",
    "pv_4_voltage_v",
    "pv_1_energy_wh",
    "solarcharger_2_state_code",
    "pvinverter_l1_power_w",
    "acload_power_w",
    "genset_engine_load_pct",
    "generator_state_code",
    "tank_1_level_pct",
    "sensor_3_temperature_c",
    "gps_longitude_deg",
    "timer_on_grid_s",
    "relay_1_state_code",
    "alarm_grid_lost_code",
    "alarm_l2_overload_code",
    "battery_cell_voltage_min_v",
    "battery_cell_16_voltage_v",
    "battery_time_to_go_s",
    "energy_in1_to_out_wh",
    "ac_in_active_code",
    "ac_in_source_code",
    "load_l1_power_w",
    "load_out_l3_power_w",
    "pv_on_grid_l1_power_w",
    "inverter_state_code",
    "inverter_events_1_code",
    "inverter_cabinet_temperature_c",
    "battery_charge_state_code",
    "ups_on_battery_code",
    "ac_out_load_pct",
    "ac_bypass_voltage_v",
    "dc_out_shunt_voltage_v",
    "memory_used_pct",
    "disk_free_bytes",
    "net_sent_bytes",
    "clock_offset_s",
    "clock_synchronised_code",
    "host_load_1m_count",
    "cpu_temperature_c",
    "cpu_1_pct",
    "device_poll_s",
    "ess_l1_power_setpoint_w",
]


def test_the_devices_that_are_planned_for_find_their_names() -> None:
    assert unknown(dict.fromkeys(ACUVIM + OTHERS)) == []


def test_unknown_names_are_told_and_names_of_ones_own_are_not() -> None:
    assert unknown({"soc_pct": 1, "zz": 2, "x_mine": 3, "ac_power_kw": 4}) == ["ac_power_kw", "zz"]
    assert unknown({}) == []


SMALL = """
[units]
w = "W"
code = "code"
[codes.flag]
source = "ours"
values = { 0 = "no" }
[sets.power]
power_w = { meaning = "power", per = ["phase"], flow = true }
[places.load]
of = "of the load"
flow = "positive = consumption"
sets = ["power"]
[places.load.quantities]
on_code = { meaning = "whether it is on", codes = "flag" }
"""


def test_a_vocabulary_is_places_by_positions_by_quantities() -> None:
    vocabulary = read(SMALL)
    assert list(vocabulary) == [
        "load_l1_power_w",
        "load_l2_power_w",
        "load_l3_power_w",
        "load_on_code",
        "load_power_w",
    ]
    assert vocabulary["load_l1_power_w"] == Measurement(
        "load_l1_power_w", "W", "positive = consumption", "power, of the load, phase L1"
    )
    assert vocabulary["load_on_code"].codes == {0: "no"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('[places.other]\nprefix = "load"\nof = "again"\nflow = "x"\nsets = ["power"]', "given twice"),
        ('[places.other]\nof = "x"\nsets = ["nothing"]', "no set nothing"),
        ('[places.other]\nof = "x"\n[places.other.quantities]\nspeed_mph = "speed"', "no known unit"),
        ('[places.other]\nof = "x"\nsets = ["power"]', "flow is missing"),
        ('[places.other]\nof = "x"\n[places.other.quantities]\na_code = "a"', "codes is missing"),
    ],
)
def test_a_faulty_vocabulary_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read(f"{SMALL}\n{wrong}\n")
