"""Which D-Bus path of a GX tells which measurement, service by service. Data only.

Written from the paths, types and units that Victron documents and from recordings of real devices, apart from
the mapping that reads a GX: where the two disagree, one of them is wrong.

Rules that must stay true here:
- a path is fed by the first of its names that is told; `{n}` stands for the phase, 1 to 3;
- D-Bus has kWh where our vocabulary has Wh, and counts charge taken out of a battery negative;
- a path without a told name is left out, unless the device always has it: then it has its `default`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from producers.simulator.gx_values import Kind, Scalar


class Pace(StrEnum):
    """How often a device looks at a value."""

    FAST = "fast"
    MEDIUM = "medium"
    SLOW = "slow"
    STATE = "state"  # looked at with the fast ones; it changes rarely


@dataclass(frozen=True, slots=True)
class Row:
    """One path of a service.

    Attributes:
        step: the device's resolution, in the unit of the path.
        scale: what our value is multiplied with.
        always: the path is there whether or not a value is told; it has `default` then.
        total: the sum of phases, which devices tell a moment after them.
    """

    path: str
    names: tuple[str, ...]
    kind: Kind
    pace: Pace
    step: float
    scale: float = 1.0
    always: bool = False
    default: Scalar = None
    total: bool = False


@dataclass(frozen=True, slots=True)
class _Unit:
    step: float
    pace: Pace
    scale: float = 1.0


_UNITS: Mapping[str, _Unit] = {
    "w": _Unit(1.0, Pace.FAST),
    "va": _Unit(1.0, Pace.FAST),
    "var": _Unit(1.0, Pace.FAST),
    "a": _Unit(0.1, Pace.FAST),
    "v": _Unit(0.01, Pace.MEDIUM),
    "hz": _Unit(0.01, Pace.MEDIUM),
    "ratio": _Unit(0.001, Pace.MEDIUM),
    "rpm": _Unit(1.0, Pace.MEDIUM),
    "mps": _Unit(0.01, Pace.MEDIUM),
    "deg": _Unit(0.000001, Pace.MEDIUM),
    "c": _Unit(0.1, Pace.SLOW),
    "pct": _Unit(0.01, Pace.SLOW),
    "ah": _Unit(0.1, Pace.SLOW),
    "wh": _Unit(0.01, Pace.SLOW, 0.001),
    "s": _Unit(1.0, Pace.SLOW),
    "m": _Unit(0.1, Pace.SLOW),
    "m3": _Unit(0.001, Pace.SLOW),
    "kpa": _Unit(1.0, Pace.SLOW),
    "hpa": _Unit(0.01, Pace.SLOW),
    "ppm": _Unit(1.0, Pace.SLOW),
    "lx": _Unit(1.0, Pace.SLOW),
    "ugm3": _Unit(1.0, Pace.SLOW),
    "count": _Unit(1.0, Pace.STATE),
    "code": _Unit(1.0, Pace.STATE),
}
_WHOLE = {"code", "count"}


def _row(path: str, *names: str, kind: Kind = "single", total: bool = False) -> Row:
    """Describe a path whose resolution and pace follow from the unit of its measurement."""
    suffix = names[0].rpartition("_")[2]
    unit = _UNITS[suffix]
    return Row(
        path,
        names,
        "int" if suffix in _WHOLE else kind,
        unit.pace,
        unit.step,
        unit.scale,
        total=total,
    )


def _always(row: Row, default: Scalar = None) -> Row:
    return replace(row, always=True, default=default)


def _alarms(names: Mapping[str, str], *, always: bool = True) -> Iterator[Row]:
    for path, name in names.items():
        row = _row("/Alarms/" + path, name)
        yield _always(row, 0) if always else row


def _phases(*rows: Row) -> Iterator[Row]:
    """Repeat rows for each phase; a device has the paths of all three, null where it has no such phase."""
    for n in (1, 2, 3):
        for row in rows:
            names = tuple(name.format(n=n) for name in row.names)
            yield _always(replace(row, path=row.path.format(n=n), names=names))


_ENERGIES = {
    "AcIn1ToAcOut": "in1_to_out",
    "AcIn1ToInverter": "in1_to_inverter",
    "AcIn2ToAcOut": "in2_to_out",
    "AcIn2ToInverter": "in2_to_inverter",
    "AcOutToAcIn1": "out_to_in1",
    "AcOutToAcIn2": "out_to_in2",
    "InverterToAcIn1": "inverter_to_in1",
    "InverterToAcIn2": "inverter_to_in2",
    "InverterToAcOut": "inverter_to_out",
    "OutToInverter": "out_to_inverter",
}
_SOLAR_ENERGIES = {
    "SolarToAcIn1": "solar_to_in1",
    "SolarToAcIn2": "solar_to_in2",
    "SolarToAcOut": "solar_to_out",
    "SolarToBattery": "solar_to_battery",
}


def _counters(energies: Mapping[str, str]) -> Iterator[Row]:
    for path, name in energies.items():
        yield _always(_row("/Energy/" + path, f"energy_{name}_wh"), 0.0)


_VEBUS = (
    *_phases(
        _row("/Ac/ActiveIn/L{n}/V", "ac_in_l{n}_voltage_v"),
        replace(_row("/Ac/ActiveIn/L{n}/I", "ac_in_l{n}_current_a"), step=0.01),
        _row("/Ac/ActiveIn/L{n}/F", "ac_in_l{n}_frequency_hz", "ac_in_frequency_hz"),
        _row("/Ac/ActiveIn/L{n}/P", "ac_in_l{n}_power_w", kind="int"),
        _row("/Ac/ActiveIn/L{n}/S", "ac_in_l{n}_apparent_power_va", kind="int"),
        _row("/Ac/Out/L{n}/V", "ac_out_l{n}_voltage_v"),
        replace(_row("/Ac/Out/L{n}/I", "ac_out_l{n}_current_a"), step=0.01),
        _row("/Ac/Out/L{n}/F", "ac_out_l{n}_frequency_hz", "ac_out_frequency_hz"),
        _row("/Ac/Out/L{n}/P", "ac_out_l{n}_power_w", kind="int"),
        _row("/Ac/Out/L{n}/S", "ac_out_l{n}_apparent_power_va", kind="int"),
    ),
    _always(_row("/Ac/ActiveIn/P", "ac_in_power_w", kind="int", total=True)),
    _always(_row("/Ac/ActiveIn/S", "ac_in_apparent_power_va", kind="int", total=True)),
    _always(_row("/Ac/Out/P", "ac_out_power_w", kind="int", total=True)),
    _always(_row("/Ac/Out/S", "ac_out_apparent_power_va", kind="int", total=True)),
    _row("/Ac/Out/NominalInverterPower", "ac_out_nominal_power_w", kind="int"),
    _row("/Ac/ActiveIn/ActiveInput", "ac_in_active_code"),
    _row("/Ac/ActiveIn/Connected", "ac_in_connected_code"),
    replace(_row("/Ac/ActiveIn/CurrentLimit", "ac_in_current_limit_a"), pace=Pace.STATE),
    replace(_row("/Ac/In/1/CurrentLimit", "ac_in_1_current_limit_a"), pace=Pace.STATE),
    replace(_row("/Ac/In/2/CurrentLimit", "ac_in_2_current_limit_a"), pace=Pace.STATE),
    _row("/Ac/NumberOfPhases", "ac_out_phases_count"),
    _row("/Ac/State/AcIn1Available", "ac_in_1_available_code"),
    _row("/Ac/State/AcIn2Available", "ac_in_2_available_code"),
    _always(_row("/Ac/State/IgnoreAcIn1", "ac_in_1_ignored_code"), 0),
    _always(_row("/Ac/State/IgnoreAcIn2", "ac_in_2_ignored_code"), 0),
    _row("/Dc/0/Voltage", "dc_voltage_v", "battery_voltage_v"),
    _row("/Dc/0/Current", "dc_current_a"),
    _row("/Dc/0/Power", "dc_power_w", kind="int"),
    _always(_row("/Dc/0/Temperature", "dc_temperature_c", "battery_temperature_c")),
    replace(_row("/Soc", "soc_pct"), step=0.5),
    _row("/State", "state_code"),
    _row("/Mode", "mode_code"),
    _always(_row("/VebusError", "error_code"), 0),
    _row("/VebusChargeState", "charge_state_code"),
    _row("/Bms/AllowToCharge", "inverter_charge_allowed_code"),
    _row("/Bms/AllowToDischarge", "inverter_discharge_allowed_code"),
    _row("/Bms/BmsExpected", "inverter_bms_expected_code"),
    _row("/Bms/Error", "inverter_bms_error_code"),
    *_alarms(
        {
            "GridLost": "alarm_grid_lost_code",
            "HighTemperature": "alarm_high_temperature_code",
            "LowBattery": "alarm_low_battery_code",
            "Overload": "alarm_overload_code",
            "PhaseRotation": "alarm_phase_rotation_code",
            "Ripple": "alarm_ripple_code",
            "TemperatureSensor": "alarm_temperature_sensor_code",
            "VoltageSensor": "alarm_voltage_sensor_code",
            **{
                f"L{n}/{path}": f"alarm_l{n}_{name}_code"
                for n in (1, 2, 3)
                for path, name in (
                    ("HighTemperature", "high_temperature"),
                    ("LowBattery", "low_battery"),
                    ("Overload", "overload"),
                    ("Ripple", "ripple"),
                )
            },
        }
    ),
    _row("/Alarms/BmsPreAlarm", "alarm_bms_pre_code"),
    *_counters(_ENERGIES),
    _row("/Hub4/Sustain", "ess_sustain_code"),
    *(
        replace(_row(f"/Hub4/L{n}/AcPowerSetpoint", f"ess_l{n}_power_setpoint_w", kind="int"), pace=Pace.SLOW)
        for n in (1, 2, 3)
    ),
)

_MULTI = (
    *_phases(
        _row("/Ac/In/1/L{n}/V", "ac_in_1_l{n}_voltage_v", "ac_in_l{n}_voltage_v"),
        replace(_row("/Ac/In/1/L{n}/I", "ac_in_1_l{n}_current_a", "ac_in_l{n}_current_a"), step=0.01),
        _row("/Ac/In/1/L{n}/P", "ac_in_1_l{n}_power_w", "ac_in_l{n}_power_w"),
        _row("/Ac/Out/L{n}/V", "ac_out_l{n}_voltage_v"),
        replace(_row("/Ac/Out/L{n}/I", "ac_out_l{n}_current_a"), step=0.01),
        _row("/Ac/Out/L{n}/P", "ac_out_l{n}_power_w"),
        _row("/Ac/Out/L{n}/S", "ac_out_l{n}_apparent_power_va"),
    ),
    _row("/Ac/In/1/L1/F", "ac_in_1_frequency_hz", "ac_in_frequency_hz"),
    _row("/Ac/Out/L1/F", "ac_out_frequency_hz"),
    _always(_row("/Ac/In/1/Type", "ac_in_1_type_code"), 1),
    _row("/Ac/In/2/Type", "ac_in_2_type_code"),
    replace(
        _row("/Ac/In/1/CurrentLimit", "ac_in_1_current_limit_a", "ac_in_current_limit_a"), pace=Pace.STATE
    ),
    replace(_row("/Ac/In/2/CurrentLimit", "ac_in_2_current_limit_a"), pace=Pace.STATE),
    _row("/Ac/NumberOfPhases", "ac_out_phases_count"),
    _row("/Ac/ActiveIn/ActiveInput", "ac_in_active_code"),
    _row("/Ac/Out/NominalInverterPower", "ac_out_nominal_power_w", kind="int"),
    _row("/Dc/0/Voltage", "dc_voltage_v", "battery_voltage_v"),
    _row("/Dc/0/Current", "dc_current_a"),
    _row("/Dc/0/Power", "dc_power_w"),
    _always(_row("/Dc/0/Temperature", "dc_temperature_c", "battery_temperature_c")),
    _row("/Soc", "soc_pct"),
    _row("/State", "state_code"),
    _row("/Mode", "mode_code"),
    _always(_row("/ErrorCode", "error_code"), 0),
    *_alarms(
        {
            "HighTemperature": "alarm_high_temperature_code",
            "HighVoltage": "alarm_high_voltage_code",
            "HighVoltageAcOut": "alarm_high_ac_out_voltage_code",
            "LowSoc": "alarm_low_soc_code",
            "LowTemperature": "alarm_low_temperature_code",
            "LowVoltage": "alarm_low_voltage_code",
            "LowVoltageAcOut": "alarm_low_ac_out_voltage_code",
            "Overload": "alarm_overload_code",
            "Ripple": "alarm_ripple_code",
            "ShortCircuit": "alarm_short_circuit_code",
        }
    ),
    _row("/Yield/Power", "pv_power_w"),
    _row("/Yield/User", "pv_energy_wh"),
    _row("/History/Daily/0/Yield", "pv_energy_today_wh"),
    _row("/MppOperationMode", "pv_mppt_code"),
    *(
        row
        for n in (0, 1, 2, 3)
        for row in (
            _row(f"/Pv/{n}/V", f"pv_{n + 1}_voltage_v"),
            _row(f"/Pv/{n}/P", f"pv_{n + 1}_power_w"),
            _row(f"/Pv/{n}/MppOperationMode", f"pv_{n + 1}_mppt_code"),
        )
    ),
    *_counters(_ENERGIES | _SOLAR_ENERGIES),
)

_BATTERY_ALARMS = {
    "BmsCable": "bms_cable",
    "CellImbalance": "cell_imbalance",
    "Contactor": "contactor",
    "HighChargeCurrent": "high_charge_current",
    "HighChargeTemperature": "high_charge_temperature",
    "HighCurrent": "high_current",
    "HighDischargeCurrent": "high_discharge_current",
    "HighInternalTemperature": "high_internal_temperature",
    "HighTemperature": "high_temperature",
    "HighVoltage": "high_voltage",
    "InternalFailure": "internal_failure",
    "LowCellVoltage": "low_cell_voltage",
    "LowChargeTemperature": "low_charge_temperature",
    "LowSoc": "low_soc",
    "LowTemperature": "low_temperature",
    "LowVoltage": "low_voltage",
}
_TAKEN_OUT = {
    "/ConsumedAmphours": "battery_consumed_ah",
    "/History/DeepestDischarge": "battery_deepest_discharge_ah",
    "/History/LastDischarge": "battery_last_discharge_ah",
    "/History/AverageDischarge": "battery_average_discharge_ah",
}

_BATTERY = (
    _row("/Dc/0/Voltage", "battery_voltage_v"),
    _row("/Dc/0/Current", "battery_current_a"),
    _row("/Dc/0/Power", "battery_power_w", kind="int"),
    _always(_row("/Dc/0/Temperature", "battery_temperature_c")),
    _row("/Dc/0/MidVoltage", "battery_mid_voltage_v"),
    _row("/Dc/0/MidVoltageDeviation", "battery_mid_voltage_deviation_pct"),
    _row("/Dc/1/Voltage", "battery_starter_voltage_v"),
    *(replace(_row(path, name), scale=-1.0) for path, name in _TAKEN_OUT.items()),
    _row("/Soc", "battery_soc_pct", "soc_pct"),
    replace(_row("/Soh", "battery_soh_pct", "soh_pct"), step=1.0),
    replace(_always(_row("/TimeToGo", "battery_time_to_go_s", kind="int")), step=60.0),
    replace(_row("/Capacity", "battery_capacity_ah", kind="int"), step=1.0),
    _always(_row("/State", "battery_state_code"), 9),
    _always(_row("/ErrorCode", "battery_error_code"), 0),
    _always(_row("/Mode", "battery_mode_code"), 3),
    _row("/Balancing", "battery_balancing_code"),
    _row("/Balancer/Status", "battery_balancer_code"),
    _always(_row("/Io/AllowToCharge", "battery_charge_allowed_code"), 1),
    _always(_row("/Io/AllowToDischarge", "battery_discharge_allowed_code"), 1),
    _always(_row("/SystemSwitch", "battery_system_switch_code"), 1),
    _row("/Info/MaxChargeVoltage", "battery_charge_voltage_limit_v"),
    _row("/Info/BatteryLowVoltage", "battery_discharge_voltage_limit_v"),
    _row("/Info/MaxChargeCurrent", "battery_charge_current_limit_a"),
    _row("/Info/MaxDischargeCurrent", "battery_discharge_current_limit_a"),
    *_alarms({path: f"battery_alarm_{name}_code" for path, name in _BATTERY_ALARMS.items()}),
    _row("/Alarms/Alarm", "battery_alarm_code"),
    replace(_row("/System/MinCellVoltage", "battery_cell_voltage_min_v"), step=0.001),
    replace(_row("/System/MaxCellVoltage", "battery_cell_voltage_max_v"), step=0.001),
    _row("/System/MinCellTemperature", "battery_cell_temperature_min_c"),
    _row("/System/MaxCellTemperature", "battery_cell_temperature_max_c"),
    _row("/System/NrOfCellsPerBattery", "battery_cells_count"),
    _row("/System/NrOfBatteries", "battery_batteries_count"),
    _row("/System/BatteriesParallel", "battery_batteries_parallel_count"),
    _row("/System/BatteriesSeries", "battery_batteries_series_count"),
    _row("/System/NrOfModulesOnline", "battery_modules_online_count"),
    _row("/System/NrOfModulesOffline", "battery_modules_offline_count"),
    _row("/System/NrOfModulesBlockingCharge", "battery_modules_blocking_charge_count"),
    _row("/System/NrOfModulesBlockingDischarge", "battery_modules_blocking_discharge_count"),
    _row("/History/ChargedEnergy", "battery_energy_charged_wh"),
    _row("/History/DischargedEnergy", "battery_energy_discharged_wh"),
    _row("/History/TotalAhDrawn", "battery_drawn_ah"),
    _row("/History/ChargeCycles", "battery_charge_cycles_count"),
    _row("/History/FullDischarges", "battery_full_discharges_count"),
    _row("/History/AutomaticSyncs", "battery_automatic_syncs_count"),
    _row("/History/LowVoltageAlarms", "battery_low_voltage_alarms_count"),
    _row("/History/HighVoltageAlarms", "battery_high_voltage_alarms_count"),
    _row("/History/MinimumVoltage", "battery_voltage_min_v"),
    _row("/History/MaximumVoltage", "battery_voltage_max_v"),
    _row("/History/TimeSinceLastFullCharge", "battery_since_full_charge_s", kind="int"),
    _row("/Diagnostics/ShutDownsDueError", "battery_error_shutdowns_count"),
)

_SOLARCHARGER = (
    _row("/Dc/0/Voltage", "solarcharger_voltage_v", "battery_voltage_v"),
    _row("/Dc/0/Current", "solarcharger_current_a"),
    _row("/Dc/0/Temperature", "solarcharger_temperature_c"),
    _row("/Pv/V", "solarcharger_pv_voltage_v", "pv_voltage_v"),
    replace(_row("/Pv/I", "solarcharger_pv_current_a", "pv_current_a"), step=0.01),
    _row("/Yield/Power", "solarcharger_pv_power_w", "pv_power_w", "solarcharger_power_w"),
    _row("/Yield/User", "solarcharger_energy_wh", "pv_energy_wh"),
    _row("/Yield/System", "solarcharger_energy_wh", "pv_energy_wh"),
    _row("/History/Daily/0/Yield", "solarcharger_energy_today_wh", "pv_energy_today_wh"),
    replace(
        _row("/History/Daily/0/MaxPower", "solarcharger_power_max_today_w", "pv_power_max_today_w"),
        pace=Pace.SLOW,
    ),
    _row("/History/Daily/1/Yield", "solarcharger_energy_yesterday_wh", "pv_energy_yesterday_wh"),
    _row("/State", "solarcharger_state_code"),
    _always(_row("/Mode", "solarcharger_mode_code"), 1),
    _always(_row("/ErrorCode", "solarcharger_error_code"), 0),
    _row("/MppOperationMode", "solarcharger_mppt_code", "pv_mppt_code"),
    _row("/Relay/0/State", "solarcharger_relay_code"),
    _row("/Alarms/Alarm", "solarcharger_alarm_code"),
)


def _meter(place: str, *, reverse: bool, factor: bool) -> Iterator[Row]:
    """Describe the meter layout that grid meters, AC loads, gensets and PV inverters share."""
    head = f"{place}_l{{n}}_"
    yield from _phases(
        replace(_row("/Ac/L{n}/Voltage", head + "voltage_v", kind="double"), step=0.1),
        replace(_row("/Ac/L{n}/Current", head + "current_a", kind="double"), step=0.001),
        replace(_row("/Ac/L{n}/Power", head + "power_w", kind="double"), step=0.1),
    )
    yield _always(replace(_row("/Ac/Power", f"{place}_power_w", kind="double", total=True), step=0.1))
    yield replace(_row("/Ac/Current", f"{place}_current_a", kind="double", total=True), step=0.001)
    yield replace(_row("/Ac/Voltage", f"{place}_voltage_v", kind="double", total=True), step=0.1)
    yield replace(_row("/Ac/Frequency", f"{place}_frequency_hz", kind="double"), step=0.01)
    yield _row("/Ac/Energy/Forward", f"{place}_energy_import_wh", kind="double")
    for n in (1, 2, 3):
        yield _row(f"/Ac/L{n}/Energy/Forward", f"{place}_l{n}_energy_import_wh", kind="double")
    if reverse:
        yield _row("/Ac/Energy/Reverse", f"{place}_energy_export_wh", kind="double")
        for n in (1, 2, 3):
            yield _row(f"/Ac/L{n}/Energy/Reverse", f"{place}_l{n}_energy_export_wh", kind="double")
    if factor:
        yield _row("/Ac/PowerFactor", f"{place}_power_factor_ratio", kind="double")
        for n in (1, 2, 3):
            yield _row(f"/Ac/L{n}/PowerFactor", f"{place}_l{n}_power_factor_ratio", kind="double")


_PVINVERTER = (
    *_meter("pvinverter", reverse=False, factor=False),
    _always(_row("/Position", "pvinverter_position_code"), 1),
    replace(_row("/Ac/MaxPower", "pvinverter_power_max_w", kind="double"), pace=Pace.STATE),
    replace(_row("/Ac/PowerLimit", "pvinverter_power_limit_w", kind="double"), pace=Pace.STATE),
    _always(_row("/StatusCode", "pvinverter_status_code"), 7),
    _always(_row("/ErrorCode", "pvinverter_error_code"), 0),
)

_GENSET = (
    *_phases(
        _row("/Ac/L{n}/Voltage", "genset_l{n}_voltage_v", kind="int"),
        _row("/Ac/L{n}/Current", "genset_l{n}_current_a", kind="int"),
        _row("/Ac/L{n}/Power", "genset_l{n}_power_w", kind="int"),
        _row("/Ac/L{n}/Frequency", "genset_l{n}_frequency_hz", "genset_frequency_hz"),
    ),
    _always(_row("/Ac/Power", "genset_power_w", kind="int", total=True)),
    _row("/Ac/Frequency", "genset_frequency_hz"),
    _row("/Ac/Energy/Forward", "genset_energy_import_wh", kind="double"),
    _always(_row("/StatusCode", "genset_status_code"), 0),
    _always(_row("/ErrorCode", "genset_error_code"), 0),
    _always(_row("/RemoteStartModeEnabled", "genset_remote_start_code"), 1),
    _always(_row("/Start", "genset_start_code"), 0),
    _row("/Engine/Load", "genset_engine_load_pct"),
    _row("/Engine/Speed", "genset_engine_speed_rpm"),
    _row("/Engine/OperatingHours", "genset_engine_operating_s", kind="int"),
    _row("/Engine/CoolantTemperature", "genset_engine_coolant_temperature_c"),
    _row("/Engine/WindingTemperature", "genset_engine_winding_temperature_c"),
    _row("/Engine/ExaustTemperature", "genset_engine_exhaust_temperature_c"),  # Victron's own spelling
    _row("/Engine/OilTemperature", "genset_engine_oil_temperature_c"),
    _row("/Engine/OilPressure", "genset_engine_oil_pressure_kpa"),
    _row("/Engine/Starts", "genset_engine_starts_count"),
    _row("/StarterVoltage", "genset_starter_voltage_v"),
)

_GENERATOR = (
    _always(_row("/State", "generator_state_code"), 0),
    _always(_row("/RunningByConditionCode", "generator_cause_code"), 0),
    _always(_row("/Error", "generator_error_code"), 0),
    _always(_row("/Runtime", "generator_runtime_s", kind="int"), 0),
    _row("/AccumulatedRuntime", "generator_total_runtime_s", kind="int"),
    _row("/ServiceCounter", "generator_service_due_s", kind="int"),
    _always(_row("/ManualStart", "generator_manual_start_code"), 0),
    _always(_row("/AutoStartEnabled", "generator_autostart_code"), 0),
    _always(_row("/QuietHours", "generator_quiet_hours_code"), 0),
    _always(_row("/Alarms/NoGeneratorAtAcIn", "generator_alarm_no_input_code"), 0),
)

_TANK = (
    _row("/Level", "tank_level_pct"),
    _row("/Remaining", "tank_remaining_m3"),
    _row("/Capacity", "tank_capacity_m3"),
    _always(_row("/FluidType", "tank_fluid_code"), 0),
    _always(_row("/Status", "tank_status_code"), 0),
)

_TEMPERATURE = (
    _row("/Temperature", "sensor_temperature_c"),
    _row("/Humidity", "sensor_humidity_pct"),
    _row("/Pressure", "sensor_pressure_hpa"),
    _row("/CO2", "sensor_co2_ppm"),
    _row("/Luminosity", "sensor_illuminance_lx"),
    _row("/PM25", "sensor_pm25_ugm3"),
    replace(_row("/BatteryVoltage", "sensor_battery_voltage_v"), pace=Pace.SLOW),
    _always(_row("/TemperatureType", "sensor_type_code"), 2),
    _always(_row("/Status", "sensor_status_code"), 0),
)

_GPS = (
    _always(_row("/Position/Latitude", "gps_latitude_deg", kind="double")),
    _always(_row("/Position/Longitude", "gps_longitude_deg", kind="double")),
    _always(_row("/Altitude", "gps_altitude_m", kind="double")),
    replace(_always(_row("/Course", "gps_course_deg", kind="double")), step=0.01),
    _always(_row("/Speed", "gps_speed_mps", kind="double")),
    _always(_row("/Fix", "gps_fix_code"), 0),
    _always(_row("/NrOfSatellites", "gps_satellites_count"), 0),
)


def _system_ac(path: str, place: str) -> Iterator[Row]:
    yield from _phases(
        replace(_row(f"/Ac/{path}/L{{n}}/Power", f"{place}_l{{n}}_power_w", kind="double"), step=0.1),
        replace(
            _row(f"/Ac/{path}/L{{n}}/Current", f"{place}_l{{n}}_current_a", kind="double"),
            step=0.001,
            pace=Pace.MEDIUM,
        ),
    )
    yield _always(_row(f"/Ac/{path}/NumberOfPhases", f"{place}_phases_count"))


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
    _always(_row("/Ac/ActiveIn/Source", "ac_in_source_code"), 0),
    _always(_row("/Dc/Battery/Voltage", "battery_voltage_v")),
    _always(_row("/Dc/Battery/Current", "battery_current_a")),
    _always(_row("/Dc/Battery/Power", "battery_power_w", kind="double")),
    _always(_row("/Dc/Battery/Temperature", "battery_temperature_c")),
    _always(_row("/Dc/Battery/Soc", "soc_pct", "battery_soc_pct")),
    _always(_row("/Dc/Battery/State", "battery_direction_code"), 0),
    replace(_always(_row("/Dc/Battery/ConsumedAmphours", "battery_consumed_ah")), scale=-1.0),
    replace(_always(_row("/Dc/Battery/TimeToGo", "battery_time_to_go_s", kind="double")), step=60.0),
    _row("/Dc/Pv/Power", "pv_power_w", kind="double"),
    _row("/Dc/Pv/Current", "pv_current_a", kind="double"),
    _row("/Dc/Charger/Power", "charger_power_w", kind="double"),
    _row("/Dc/Alternator/Power", "alternator_power_w", kind="double"),
    _row("/Dc/System/Power", "dc_system_power_w", kind="double"),
    _row("/Dc/Vebus/Current", "vebus_current_a"),
    _row("/Dc/Vebus/Power", "vebus_power_w", kind="int"),
    _row("/Dc/InverterCharger/Current", "invertercharger_current_a", kind="double"),
    _row("/Dc/InverterCharger/Power", "invertercharger_power_w", kind="double"),
    _always(_row("/SystemState/State", "state_code"), 0),
    _always(_row("/Relay/0/State", "relay_1_state_code"), 0),
    _always(_row("/Relay/1/State", "relay_2_state_code"), 0),
    _row("/Timers/TimeOnGrid", "timer_on_grid_s", kind="int"),
    _row("/Timers/TimeOnGenerator", "timer_on_generator_s", kind="int"),
    _row("/Timers/TimeOnInverter", "timer_on_inverter_s", kind="int"),
    _row("/Timers/TimeOff", "timer_off_s", kind="int"),
)
PATHS: Mapping[str, Sequence[Row]] = {
    "system": _SYSTEM,
    "vebus": _VEBUS,
    "multi": _MULTI,
    "battery": _BATTERY,
    "solarcharger": _SOLARCHARGER,
    "grid": tuple(_meter("grid", reverse=True, factor=True)),
    "acload": tuple(_meter("acload", reverse=True, factor=True)),
    "genset": _GENSET,
    "generator": _GENERATOR,
    "pvinverter": _PVINVERTER,
    "tank": _TANK,
    "temperature": _TEMPERATURE,
    "gps": _GPS,
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
}
