"""The Modbus registers of a Victron GX device: system at unit 100, CAN-bus battery at 225, VE.Bus at 227.

What has no value reads 0, not a sentinel; reserved registers read 0xFFFF; both functions read the same.
"""

from collections.abc import Mapping

from producers.simulator.modbus_image import Image, Part, Tell, cells, filled, text
from producers.simulator.modbus_pdu import READ_HOLDING, READ_INPUT, Registers

SYSTEM, BATTERY, VEBUS = 100, 225, 227
_RESERVED = 0xFFFF
_BOTH = (READ_HOLDING, READ_INPUT)
_PV_PLACES = ("pv_on_output", "pv_on_grid", "pv_on_genset")


def victron_gx(tell: Tell, *, serial: str = "HQ2128ABCDE") -> Mapping[int, Registers]:
    """Make the registers of a GX device with a VE.Bus system and a battery, by unit."""
    system = Image(tell, filled(800, 920, _system(serial), _RESERVED), functions=_BOTH)
    return {
        0: system,
        SYSTEM: system,
        BATTERY: Image(tell, _battery(), functions=_BOTH),
        VEBUS: Image(tell, _vebus(), functions=_BOTH),
    }


def _system(serial: str) -> list[Part]:
    return [
        text(800, 6, serial),
        *cells(806, "u16", "relay_1_state_code", "relay_2_state_code"),
        *cells(808, "u16", *_of_phases(*_PV_PLACES, "load")),
        *cells(820, "i16", *_of_phases("grid", "genset"), "ac_in_source_code"),
        *cells(840, "u16", "battery_voltage_v", per=0.1),
        *cells(841, "i16", "battery_current_a", per=0.1),
        *cells(842, "i16", "battery_power_w"),
        *cells(843, "u16", "soc_pct", "battery_direction_code"),
        *cells(845, "u16", "battery_consumed_ah", per=0.1),
        *cells(846, "u16", "battery_time_to_go_s", per=100.0),
        *cells(850, "u16", "pv_power_w"),
        *cells(851, "i16", "pv_current_a", per=0.1),
        *cells(855, "u16", "charger_power_w"),
        *cells(860, "i16", "dc_system_power_w"),
        *cells(865, "i16", "vebus_current_a", per=0.1),
        *cells(866, "i16", "vebus_power_w"),
        *cells(868, "i32", "invertercharger_current_a", per=0.1),
        *cells(870, "i32", "invertercharger_power_w", *_of_phases("load_in", "load_out")),
        *cells(884, "u32", *_of_phases(*_PV_PLACES, "load")),
        *cells(908, "i32", *_of_phases("grid", "genset")),
    ]


def _battery() -> list[Part]:
    alarms = (
        "alarm", "alarm_low_voltage", "alarm_high_voltage", "alarm_low_starter_voltage",
        "alarm_high_starter_voltage", "alarm_low_soc", "alarm_low_temperature", "alarm_high_temperature",
        "alarm_mid_voltage", "alarm_low_fused_voltage", "alarm_high_fused_voltage", "alarm_fuse_blown",
        "alarm_high_internal_temperature",
    )  # fmt: skip
    measured = [
        *cells(256, "i32", "battery_power_w"),
        *cells(259, "u16", "battery_voltage_v", "battery_starter_voltage_v", per=0.01),
        *cells(261, "i16", "battery_current_a", "battery_temperature_c", per=0.1),
        *cells(263, "u16", "battery_mid_voltage_v", "battery_mid_voltage_deviation_pct", per=0.01),
        *cells(265, "u16", "battery_consumed_ah", "soc_pct", per=0.1),
        *cells(267, "u16", *(f"battery_{alarm}_code" for alarm in alarms)),
    ]
    limits = [
        *cells(301, "u16", "battery_energy_discharged_wh", "battery_energy_charged_wh", per=100.0),
        *cells(303, "u16", "battery_time_to_go_s", per=100.0),
        *cells(
            304, "u16", "soh_pct", "battery_charge_voltage_limit_v", "battery_discharge_voltage_limit_v",
            "battery_charge_current_limit_a", "battery_discharge_current_limit_a", "battery_capacity_ah",
            per=0.1,
        ),
    ]  # fmt: skip
    return [
        *filled(256, 280, measured, _RESERVED),
        *limits,
        *cells(318, "i16", "battery_cell_temperature_min_c", "battery_cell_temperature_max_c", per=0.1),
        *cells(1290, "u16", "battery_cell_voltage_min_v", "battery_cell_voltage_max_v", per=0.01),
    ]


def _vebus() -> list[Part]:
    """Lay the VE.Bus service; its powers count tens of watts."""
    per_phase_alarms = ("high_temperature", "low_battery", "overload", "ripple")
    return [
        *cells(3, "u16", *_phases("ac_in", "voltage_v"), per=0.1),
        *cells(6, "i16", *_phases("ac_in", "current_a"), per=0.1),
        *cells(9, "i16", *["ac_in_frequency_hz"] * 3, per=0.01),
        *cells(12, "i16", *_phases("ac_in", "power_w"), per=10.0),
        *cells(15, "u16", *_phases("ac_out", "voltage_v"), per=0.1),
        *cells(18, "i16", *_phases("ac_out", "current_a"), per=0.1),
        *cells(21, "i16", "ac_out_frequency_hz", per=0.01),
        *cells(22, "i16", "ac_in_current_limit_a", per=0.1),
        *cells(23, "i16", *_phases("ac_out", "power_w"), per=10.0),
        *cells(26, "u16", "dc_voltage_v", per=0.01),
        *cells(27, "i16", "dc_current_a", per=0.1),
        *cells(28, "u16", "ac_out_phases_count", "ac_in_active_code"),
        *cells(30, "u16", "inverter_soc_pct", per=0.1),
        *cells(
            31, "u16", "state_code", "error_code", "mode_code", "alarm_high_temperature_code",
            "alarm_low_battery_code", "alarm_overload_code",
        ),
        *cells(37, "i16", "ess_l1_power_setpoint_w"),
        *cells(38, "u16", "ess_charge_disabled_code", "ess_feed_in_disabled_code"),
        *cells(40, "i16", "ess_l2_power_setpoint_w", "ess_l3_power_setpoint_w"),
        *cells(42, "u16", "alarm_temperature_sensor_code", "alarm_voltage_sensor_code"),
        *cells(
            44, "u16", *(f"alarm_l{phase}_{alarm}_code" for phase in (1, 2, 3) for alarm in per_phase_alarms)
        ),
    ]  # fmt: skip


def _of_phases(*places: str) -> list[str]:
    return [name for place in places for name in _phases(place, "power_w")]


def _phases(place: str, quantity: str) -> list[str]:
    return [f"{place}_{phase}_{quantity}" for phase in ("l1", "l2", "l3")]
