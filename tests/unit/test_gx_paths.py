"""What a simulated GX tells of a measurement: the right path, unit, sign and type."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.simulator import gx_systemcalc
from producers.simulator.gx_paths import PATHS, PLACES
from producers.simulator.gx_products import PRODUCTS, WRITABLE
from producers.simulator.gx_rows import Row
from producers.simulator.gx_service import CALM, Gauge, Service, described, renamed
from producers.simulator.gx_values import dbus_number, value_json
from schemas.measurements import MEASUREMENTS

RECORDINGS = Path(__file__).parents[2].parent / "shared" / "recordings"
ROWS = [(service, row) for service, rows in PATHS.items() for row in rows]


def told(service: str, values: Mapping[str, float | None]) -> dict[str, Any]:
    return dict(Gauge(service, CALM, 0).first(values))


def numbered(service: str, name: str) -> str:
    """A name of one of several devices: a battery's own state of charge stands with its number only."""
    place = PLACES.get(service, "battery")
    return name.replace(place + "_", place + "_1_", 1)


@pytest.mark.parametrize(
    ("service", "row"), ROWS, ids=lambda item: item if isinstance(item, str) else item.path
)
def test_every_path_is_fed_by_names_of_the_vocabulary(service: str, row: Row) -> None:
    for name in row.names:
        assert name in MEASUREMENTS or numbered(service, name) in MEASUREMENTS
    assert len({name.rpartition("_")[2] for name in row.names}) == 1, "its names have one unit"


def test_no_service_tells_a_path_twice() -> None:
    for service, rows in PATHS.items():
        paths = [row.path for row in rows] + list(described(Service(service, 0, dict)))
        assert len(paths) == len(set(paths)), service


def test_what_may_be_written_is_there() -> None:
    for service, paths in WRITABLE.items():
        if service != "settings":
            known = {row.path for row in PATHS[service]} | described(Service(service, 0, dict)).keys()
            assert paths <= known, service


@pytest.mark.parametrize("service", sorted(PATHS))
def test_every_service_describes_itself(service: str) -> None:
    about = described(Service(service, 7, dict, custom_name="FOH"))
    assert about["/DeviceInstance"] == 7
    assert about["/Connected"] == 1
    assert about["/Mgmt/ProcessName"] == PRODUCTS[service].process


def _recorded() -> dict[tuple[str, str], set[type]]:
    kinds: dict[tuple[str, str], set[type]] = defaultdict(set)
    for file in sorted(RECORDINGS.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                message = json.loads(line)
                parts = message["topic"].split("/", 4)
                if len(parts) == 5 and message["payload"]:
                    kinds[parts[2], "/" + parts[4]].add(type(json.loads(message["payload"])["value"]))
    return kinds


@pytest.mark.skipif(not RECORDINGS.exists(), reason="the recordings are not on this machine")
def test_values_have_the_json_types_that_real_devices_were_recorded_with() -> None:
    recorded = _recorded()
    compared = 0
    for service in PATHS:
        values = {name: 1.0 for row in PATHS[service] for name in row.names}
        ours = described(Service(service, 0, dict, serial="HQ1")) | told(service, values)
        for path, value in ours.items():
            real = recorded.get((service, path), set()) - {type(None)}
            if real and value is not None and path != "/FirmwareVersion":  # a number or a text, by device
                assert type(value) in real, f"{service}{path}"
                compared += 1
    assert compared > 150


def test_energies_are_told_in_kilowatt_hours() -> None:
    assert told("grid", {"grid_energy_import_wh": 5_276_412.0})["/Ac/Energy/Forward"] == 5276.41
    assert told("vebus", {"energy_in1_to_out_wh": 1230.0})["/Energy/AcIn1ToAcOut"] == pytest.approx(1.23)
    assert told("solarcharger", {"pv_energy_wh": 910.0})["/Yield/User"] == pytest.approx(0.91)
    assert told("battery", {"battery_energy_discharged_wh": 27_840.0})["/History/DischargedEnergy"] == (
        27.84000015258789
    )


def test_charge_taken_out_of_a_battery_is_negative_on_the_d_bus() -> None:
    values = {"battery_consumed_ah": 31.1, "battery_deepest_discharge_ah": 68.5, "battery_drawn_ah": 523.7}
    paths = told("battery", values)
    assert paths["/ConsumedAmphours"] == -31.100000381469727
    assert paths["/History/DeepestDischarge"] == -68.5
    assert paths["/History/TotalAhDrawn"] == 523.7000122070312


def test_singles_become_doubles_and_whole_doubles_keep_their_point() -> None:
    assert value_json(dbus_number(20.43, "single", 0.01)) == b'{"value":20.43000030517578}'
    assert value_json(dbus_number(50.0, "single", 0.1)) == b'{"value":50.0}'
    assert value_json(dbus_number(936.4, "int", 1.0)) == b'{"value":936}'
    assert value_json(dbus_number(5276.4, "double", 0.1)) == b'{"value":5276.4}'
    assert value_json(dbus_number(None, "int", 1.0)) == b'{"value":null}'
    assert value_json(dbus_number(float("nan"), "single", 1.0)) == b'{"value":null}'


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    kind=st.sampled_from(["int", "single", "double"]),
    step=st.sampled_from([0.000001, 0.01, 0.1, 0.5, 1.0, 60.0]),
)
def test_any_number_becomes_json_within_half_a_step(value: float, kind: Any, step: float) -> None:
    number = dbus_number(value, kind, step)
    again = json.loads(value_json(number))["value"]
    assert again == number
    if number is not None and abs(value) < 1e5 and kind != "int":
        assert abs(number - value) <= step / 2 + abs(value) * 1e-6 + 1e-9


def test_only_what_moves_is_told_and_sums_come_after_their_phases() -> None:
    gauge = Gauge("vebus", CALM, 0)
    values = {"ac_out_l1_power_w": 100.0, "ac_out_power_w": 100.0, "soc_pct": 80.0}
    gauge.first(values)
    assert not gauge.look(values, 0)
    moved = {**values, "ac_out_l1_power_w": 120.0, "ac_out_power_w": 120.0}
    assert dict(gauge.look(moved, 2)) == {"/Ac/Out/L1/P": 120}
    assert dict(gauge.look(moved, 3)) == {"/Ac/Out/P": 120}


def test_a_value_that_is_no_longer_told_is_null() -> None:
    gauge = Gauge("battery", CALM, 0)
    assert gauge.first({"battery_voltage_v": 52.4})["/Dc/0/Voltage"] == pytest.approx(52.4)
    assert dict(gauge.all({}))["/Dc/0/Voltage"] is None


def test_the_second_tank_is_told_as_its_own_tank() -> None:
    service = Service("tank", 21, dict, place="tank_2")
    assert renamed(service, {"tank_2_level_pct": 33.0, "soc_pct": 80.0})["tank_level_pct"] == 33.0
    meter = Service("grid", 30, dict, place="ac")
    assert renamed(meter, {"ac_l1_power_w": 5.0})["grid_l1_power_w"] == 5.0


def inverter(**values: float | None) -> tuple[str, int, Mapping[str, float | None]]:
    return "vebus", 276, gx_systemcalc.inverter(values)


def test_the_system_balances_grid_pv_and_consumption() -> None:
    devices = [
        inverter(ac_in_l1_power_w=2000.0, ac_in_l1_voltage_v=230.0, ac_out_l1_power_w=1800.0),
        ("grid", 30, {"grid_l1_power_w": 2500.0}),
        ("pvinverter", 31, {"pvinverter_l1_power_w": 300.0, "pvinverter_position_code": 1.0}),
        ("pvinverter", 32, {"pvinverter_l1_power_w": 400.0, "pvinverter_position_code": 0.0}),
    ]
    values = gx_systemcalc.system(devices, (1.0, 0.0))
    assert values["ac_in_source_code"] == 1.0
    assert values["grid_l1_power_w"] == 2500.0
    assert values["pv_on_output_l1_power_w"] == 300.0
    assert values["pv_on_grid_l1_power_w"] == 400.0
    assert values["load_out_l1_power_w"] == 2100.0
    assert values["load_in_l1_power_w"] == 900.0
    assert values["load_l1_power_w"] == 3000.0
    assert values["load_l2_power_w"] is None


def test_without_a_meter_the_inverters_input_is_the_source_in_use() -> None:
    running = inverter(ac_in_l1_power_w=2000.0, ac_in_l1_voltage_v=230.0, ac_out_l1_power_w=1800.0)
    on_genset = gx_systemcalc.system([running], (2.0, 0.0))
    assert (on_genset["genset_l1_power_w"], on_genset["grid_l1_power_w"]) == (2000.0, None)
    lost = gx_systemcalc.system([inverter(ac_in_l1_voltage_v=0.0, ac_out_l1_power_w=1800.0)], (1.0, 0.0))
    assert (lost["ac_in_source_code"], lost["grid_l1_power_w"]) == (240.0, None)


@pytest.mark.parametrize(("power_w", "state"), [(524.0, 1), (-524.0, 2), (10.0, 0), (None, None)])
def test_the_system_says_what_its_battery_does(power_w: float | None, state: int | None) -> None:
    battery = ("battery", 1, {"battery_power_w": power_w, "soc_pct": 80.0})
    values = gx_systemcalc.system([battery], (1.0, 0.0))
    assert values["battery_direction_code"] == state
    assert values["soc_pct"] == 80.0
    assert gx_systemcalc.battery_list([battery])["/Batteries"][0]["state"] == state


def test_without_a_monitor_the_battery_is_what_flows_into_it() -> None:
    charger = (
        "solarcharger",
        277,
        gx_systemcalc.solarcharger({"pv_power_w": 520.0, "battery_voltage_v": 52.0}),
    )
    values = gx_systemcalc.system([inverter(dc_power_w=-1000.0, dc_voltage_v=52.0), charger], (1.0, 0.0))
    assert values["battery_power_w"] == -480.0
    assert values["battery_voltage_v"] == 52.0
    assert values["pv_current_a"] == 10.0
