"""The D-Bus paths of Victron's inverter/chargers. Data only; what a row means is in gx_rows.

Source: the register list of dbus_modbustcp, and recordings of real devices.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from producers.simulator.gx_rows import Pace, Row, alarms, always, phases, row

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
        yield always(row("/Energy/" + path, f"energy_{name}_wh"), 0.0)


VEBUS = (
    *phases(
        row("/Ac/ActiveIn/L{n}/V", "ac_in_l{n}_voltage_v"),
        replace(row("/Ac/ActiveIn/L{n}/I", "ac_in_l{n}_current_a"), step=0.01),
        row("/Ac/ActiveIn/L{n}/F", "ac_in_l{n}_frequency_hz", "ac_in_frequency_hz"),
        row("/Ac/ActiveIn/L{n}/P", "ac_in_l{n}_power_w", kind="int"),
        row("/Ac/ActiveIn/L{n}/S", "ac_in_l{n}_apparent_power_va", kind="int"),
        row("/Ac/Out/L{n}/V", "ac_out_l{n}_voltage_v"),
        replace(row("/Ac/Out/L{n}/I", "ac_out_l{n}_current_a"), step=0.01),
        row("/Ac/Out/L{n}/F", "ac_out_l{n}_frequency_hz", "ac_out_frequency_hz"),
        row("/Ac/Out/L{n}/P", "ac_out_l{n}_power_w", kind="int"),
        row("/Ac/Out/L{n}/S", "ac_out_l{n}_apparent_power_va", kind="int"),
    ),
    always(row("/Ac/ActiveIn/P", "ac_in_power_w", kind="int", total=True)),
    always(row("/Ac/ActiveIn/S", "ac_in_apparent_power_va", kind="int", total=True)),
    always(row("/Ac/Out/P", "ac_out_power_w", kind="int", total=True)),
    always(row("/Ac/Out/S", "ac_out_apparent_power_va", kind="int", total=True)),
    row("/Ac/Out/NominalInverterPower", "ac_out_nominal_power_w", kind="int"),
    row("/Ac/ActiveIn/ActiveInput", "ac_in_active_code"),
    row("/Ac/ActiveIn/Connected", "ac_in_connected_code"),
    replace(row("/Ac/ActiveIn/CurrentLimit", "ac_in_current_limit_a"), pace=Pace.STATE),
    replace(row("/Ac/In/1/CurrentLimit", "ac_in_1_current_limit_a"), pace=Pace.STATE),
    replace(row("/Ac/In/2/CurrentLimit", "ac_in_2_current_limit_a"), pace=Pace.STATE),
    row("/Ac/NumberOfPhases", "ac_out_phases_count"),
    row("/Ac/State/AcIn1Available", "ac_in_1_available_code"),
    row("/Ac/State/AcIn2Available", "ac_in_2_available_code"),
    always(row("/Ac/State/IgnoreAcIn1", "ac_in_1_ignored_code"), 0),
    always(row("/Ac/State/IgnoreAcIn2", "ac_in_2_ignored_code"), 0),
    row("/Dc/0/Voltage", "dc_voltage_v", "battery_voltage_v"),
    row("/Dc/0/Current", "dc_current_a"),
    row("/Dc/0/Power", "dc_power_w", kind="int"),
    always(row("/Dc/0/Temperature", "dc_temperature_c", "battery_temperature_c")),
    replace(row("/Soc", "soc_pct"), step=0.5),
    row("/State", "state_code"),
    row("/Mode", "mode_code"),
    always(row("/VebusError", "error_code"), 0),
    row("/VebusChargeState", "charge_state_code"),
    row("/Bms/AllowToCharge", "inverter_charge_allowed_code"),
    row("/Bms/AllowToDischarge", "inverter_discharge_allowed_code"),
    row("/Bms/BmsExpected", "inverter_bms_expected_code"),
    row("/Bms/Error", "inverter_bms_error_code"),
    *alarms(
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
    row("/Alarms/BmsPreAlarm", "alarm_bms_pre_code"),
    *_counters(_ENERGIES),
    row("/Hub4/Sustain", "ess_sustain_code"),
    *(
        replace(row(f"/Hub4/L{n}/AcPowerSetpoint", f"ess_l{n}_power_setpoint_w", kind="int"), pace=Pace.SLOW)
        for n in (1, 2, 3)
    ),
)

MULTI = (
    *phases(
        row("/Ac/In/1/L{n}/V", "ac_in_1_l{n}_voltage_v", "ac_in_l{n}_voltage_v"),
        replace(row("/Ac/In/1/L{n}/I", "ac_in_1_l{n}_current_a", "ac_in_l{n}_current_a"), step=0.01),
        row("/Ac/In/1/L{n}/P", "ac_in_1_l{n}_power_w", "ac_in_l{n}_power_w"),
        row("/Ac/Out/L{n}/V", "ac_out_l{n}_voltage_v"),
        replace(row("/Ac/Out/L{n}/I", "ac_out_l{n}_current_a"), step=0.01),
        row("/Ac/Out/L{n}/P", "ac_out_l{n}_power_w"),
        row("/Ac/Out/L{n}/S", "ac_out_l{n}_apparent_power_va"),
    ),
    row("/Ac/In/1/L1/F", "ac_in_1_l1_frequency_hz", "ac_in_1_frequency_hz", "ac_in_frequency_hz"),
    row("/Ac/Out/L1/F", "ac_out_l1_frequency_hz", "ac_out_frequency_hz"),
    always(row("/Ac/In/1/Type", "ac_in_1_type_code"), 1),
    row("/Ac/In/2/Type", "ac_in_2_type_code"),
    replace(
        row("/Ac/In/1/CurrentLimit", "ac_in_1_current_limit_a", "ac_in_current_limit_a"), pace=Pace.STATE
    ),
    replace(row("/Ac/In/2/CurrentLimit", "ac_in_2_current_limit_a"), pace=Pace.STATE),
    row("/Ac/NumberOfPhases", "ac_out_phases_count"),
    row("/Ac/ActiveIn/ActiveInput", "ac_in_active_code"),
    row("/Ac/Out/NominalInverterPower", "ac_out_nominal_power_w", kind="int"),
    row("/Dc/0/Voltage", "dc_voltage_v", "battery_voltage_v"),
    row("/Dc/0/Current", "dc_current_a"),
    row("/Dc/0/Power", "dc_power_w"),
    always(row("/Dc/0/Temperature", "dc_temperature_c", "battery_temperature_c")),
    row("/Soc", "soc_pct"),
    row("/State", "state_code"),
    row("/Mode", "mode_code"),
    always(row("/ErrorCode", "error_code"), 0),
    *alarms(
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
    row("/Yield/Power", "pv_power_w"),
    row("/Yield/User", "pv_energy_wh"),
    row("/History/Daily/0/Yield", "pv_energy_today_wh"),
    row("/MppOperationMode", "pv_mppt_code"),
    *(
        each
        for n in (0, 1, 2, 3)
        for each in (
            row(f"/Pv/{n}/V", f"pv_{n + 1}_voltage_v"),
            row(f"/Pv/{n}/P", f"pv_{n + 1}_power_w"),
            row(f"/Pv/{n}/MppOperationMode", f"pv_{n + 1}_mppt_code"),
        )
    ),
    *_counters(_ENERGIES | _SOLAR_ENERGIES),
)
