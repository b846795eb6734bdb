"""Which D-Bus path of a GX tells which measurement, service by service. Data only.

Written from the paths, types and units that Victron documents and from recordings of real devices, apart from
the mapping that reads a GX: where the two disagree, one of them is wrong. What a row means is in gx_rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from producers.simulator.gx_paths_dc import ALTERNATOR, BATTERY, DCDC, SOLARCHARGER
from producers.simulator.gx_paths_inverter import MULTI, VEBUS
from producers.simulator.gx_rows import Pace, Row, always, meter, phases, row

_PVINVERTER = (
    *meter("pvinverter", reverse=False, factor=False),
    always(row("/Position", "pvinverter_position_code"), 1),
    replace(row("/Ac/MaxPower", "pvinverter_power_max_w", kind="double"), pace=Pace.STATE),
    replace(row("/Ac/PowerLimit", "pvinverter_power_limit_w", kind="double"), pace=Pace.STATE),
    always(row("/StatusCode", "pvinverter_status_code"), 7),
    always(row("/ErrorCode", "pvinverter_error_code"), 0),
)

_GENSET = (
    *phases(
        row("/Ac/L{n}/Voltage", "genset_l{n}_voltage_v", kind="int"),
        row("/Ac/L{n}/Current", "genset_l{n}_current_a", kind="int"),
        row("/Ac/L{n}/Power", "genset_l{n}_power_w", kind="int"),
        row("/Ac/L{n}/Frequency", "genset_l{n}_frequency_hz", "genset_frequency_hz"),
    ),
    always(row("/Ac/Power", "genset_power_w", kind="int", total=True)),
    row("/Ac/Frequency", "genset_frequency_hz"),
    row("/Ac/Energy/Forward", "genset_energy_import_wh", kind="double"),
    always(row("/StatusCode", "genset_status_code"), 0),
    always(row("/ErrorCode", "genset_error_code"), 0),
    always(row("/RemoteStartModeEnabled", "genset_remote_start_code"), 1),
    always(row("/Start", "genset_start_code"), 0),
    row("/Engine/Load", "genset_engine_load_pct"),
    row("/Engine/Speed", "genset_engine_speed_rpm"),
    row("/Engine/OperatingHours", "genset_engine_operating_s", kind="int"),
    row("/Engine/CoolantTemperature", "genset_engine_coolant_temperature_c"),
    row("/Engine/WindingTemperature", "genset_engine_winding_temperature_c"),
    row("/Engine/ExaustTemperature", "genset_engine_exhaust_temperature_c"),  # Victron's own spelling
    row("/Engine/OilTemperature", "genset_engine_oil_temperature_c"),
    row("/Engine/OilPressure", "genset_engine_oil_pressure_kpa"),
    row("/Engine/Starts", "genset_engine_starts_count"),
    row("/StarterVoltage", "genset_starter_voltage_v"),
)

_GENERATOR = (
    always(row("/State", "generator_state_code"), 0),
    always(row("/RunningByConditionCode", "generator_cause_code"), 0),
    always(row("/Error", "generator_error_code"), 0),
    always(row("/Runtime", "generator_runtime_s", kind="int"), 0),
    row("/AccumulatedRuntime", "generator_total_runtime_s", kind="int"),
    row("/ServiceCounter", "generator_service_due_s", kind="int"),
    always(row("/ManualStart", "generator_manual_start_code"), 0),
    always(row("/AutoStartEnabled", "generator_autostart_code"), 0),
    always(row("/QuietHours", "generator_quiet_hours_code"), 0),
    always(row("/Alarms/NoGeneratorAtAcIn", "generator_alarm_no_input_code"), 0),
)

_TANK = (
    row("/Level", "tank_level_pct"),
    row("/Remaining", "tank_remaining_m3"),
    row("/Capacity", "tank_capacity_m3"),
    always(row("/FluidType", "tank_fluid_code"), 0),
    always(row("/Status", "tank_status_code"), 0),
)

_TEMPERATURE = (
    row("/Temperature", "sensor_temperature_c"),
    row("/Humidity", "sensor_humidity_pct"),
    row("/Pressure", "sensor_pressure_hpa"),
    row("/CO2", "sensor_co2_ppm"),
    row("/Luminosity", "sensor_illuminance_lx"),
    row("/PM25", "sensor_pm25_ugm3"),
    replace(row("/BatteryVoltage", "sensor_battery_voltage_v"), pace=Pace.SLOW),
    always(row("/TemperatureType", "sensor_type_code"), 2),
    always(row("/Status", "sensor_status_code"), 0),
)

_GPS = (
    always(row("/Position/Latitude", "gps_latitude_deg", kind="double")),
    always(row("/Position/Longitude", "gps_longitude_deg", kind="double")),
    always(row("/Altitude", "gps_altitude_m", kind="double")),
    replace(always(row("/Course", "gps_course_deg", kind="double")), step=0.01),
    always(row("/Speed", "gps_speed_mps", kind="double")),
    always(row("/Fix", "gps_fix_code"), 0),
    always(row("/NrOfSatellites", "gps_satellites_count"), 0),
)


def _system_ac(path: str, place: str) -> Iterator[Row]:
    yield from phases(
        replace(row(f"/Ac/{path}/L{{n}}/Power", f"{place}_l{{n}}_power_w", kind="double"), step=0.1),
        replace(
            row(f"/Ac/{path}/L{{n}}/Current", f"{place}_l{{n}}_current_a", kind="double"),
            step=0.001,
            pace=Pace.MEDIUM,
        ),
    )
    yield always(row(f"/Ac/{path}/NumberOfPhases", f"{place}_phases_count"))


_SYSTEM = (
    *_system_ac("Grid", "grid"),
    *_system_ac("Genset", "genset"),
    *_system_ac("Consumption", "load"),
    *_system_ac("ConsumptionOnInput", "load_in"),
    *_system_ac("ConsumptionOnOutput", "load_out"),
    *_system_ac("PvOnGrid", "pv_on_grid"),
    *_system_ac("PvOnGenset", "pv_on_genset"),
    *_system_ac("PvOnOutput", "pv_on_output"),
    *_system_ac("ActiveIn", "ac_in"),
    always(row("/Ac/ActiveIn/Source", "ac_in_source_code"), 0),
    always(row("/Dc/Battery/Voltage", "battery_voltage_v")),
    always(row("/Dc/Battery/Current", "battery_current_a")),
    always(row("/Dc/Battery/Power", "battery_power_w", kind="double")),
    always(row("/Dc/Battery/Temperature", "battery_temperature_c")),
    always(row("/Dc/Battery/Soc", "soc_pct", "battery_soc_pct")),
    always(row("/Dc/Battery/State", "battery_direction_code"), 0),
    replace(always(row("/Dc/Battery/ConsumedAmphours", "battery_consumed_ah")), scale=-1.0),
    replace(always(row("/Dc/Battery/TimeToGo", "battery_time_to_go_s", kind="double")), step=60.0),
    row("/Dc/Pv/Power", "pv_power_w", kind="double"),
    row("/Dc/Pv/Current", "pv_current_a", kind="double"),
    row("/Dc/Charger/Power", "charger_power_w", kind="double"),
    row("/Dc/Alternator/Power", "alternator_power_w", kind="double"),
    row("/Dc/System/Power", "dc_system_power_w", kind="double"),
    row("/Dc/Vebus/Current", "vebus_current_a"),
    row("/Dc/Vebus/Power", "vebus_power_w", kind="int"),
    row("/Dc/InverterCharger/Current", "invertercharger_current_a", kind="double"),
    row("/Dc/InverterCharger/Power", "invertercharger_power_w", kind="double"),
    always(row("/SystemState/State", "state_code"), 0),
    always(row("/Relay/0/State", "relay_1_state_code"), 0),
    always(row("/Relay/1/State", "relay_2_state_code"), 0),
    row("/Timers/TimeOnGrid", "timer_on_grid_s", kind="int"),
    row("/Timers/TimeOnGenerator", "timer_on_generator_s", kind="int"),
    row("/Timers/TimeOnInverter", "timer_on_inverter_s", kind="int"),
    row("/Timers/TimeOff", "timer_off_s", kind="int"),
)
_DIGITAL_INPUT = (
    always(row("/State", "input_state_code"), 0),
    always(row("/Alarm", "input_alarm_code"), 0),
    always(row("/Type", "input_type_code"), 2),
    row("/Count", "input_pulses_count"),
)

PATHS: Mapping[str, Sequence[Row]] = {
    "system": _SYSTEM,
    "vebus": VEBUS,
    "multi": MULTI,
    "battery": BATTERY,
    "solarcharger": SOLARCHARGER,
    "grid": tuple(meter("grid", reverse=True, factor=True)),
    "acload": tuple(meter("acload", reverse=True, factor=True)),
    "genset": _GENSET,
    "generator": _GENERATOR,
    "pvinverter": _PVINVERTER,
    "tank": _TANK,
    "temperature": _TEMPERATURE,
    "gps": _GPS,
    "alternator": ALTERNATOR,
    "dcdc": DCDC,
    "digitalinput": _DIGITAL_INPUT,
}

PLACES: Mapping[
    str, str
] = {  # the place that a service's names begin with when the caller does not say another
    "battery": "battery",
    "solarcharger": "solarcharger",
    "grid": "grid",
    "acload": "acload",
    "genset": "genset",
    "generator": "generator",
    "pvinverter": "pvinverter",
    "tank": "tank",
    "temperature": "sensor",
    "gps": "gps",
    "alternator": "alternator",
    "dcdc": "dcdc",
    "digitalinput": "input",
}
