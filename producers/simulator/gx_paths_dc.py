"""The D-Bus paths of batteries and of what charges them. Data only; what a row means is in gx_rows.

Source: the register list of dbus_modbustcp, and recordings of real devices.
"""

from dataclasses import replace

from producers.simulator.gx_rows import Pace, alarms, always, row

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

BATTERY = (
    row("/Dc/0/Voltage", "battery_voltage_v"),
    row("/Dc/0/Current", "battery_current_a"),
    row("/Dc/0/Power", "battery_power_w", kind="int"),
    always(row("/Dc/0/Temperature", "battery_temperature_c")),
    row("/Dc/0/MidVoltage", "battery_mid_voltage_v"),
    row("/Dc/0/MidVoltageDeviation", "battery_mid_voltage_deviation_pct"),
    row("/Dc/1/Voltage", "battery_starter_voltage_v"),
    *(replace(row(path, name), scale=-1.0) for path, name in _TAKEN_OUT.items()),
    row("/Soc", "battery_soc_pct", "soc_pct"),
    replace(row("/Soh", "battery_soh_pct", "soh_pct"), step=1.0),
    replace(always(row("/TimeToGo", "battery_time_to_go_s", kind="int")), step=60.0),
    replace(row("/Capacity", "battery_capacity_ah", kind="int"), step=1.0),
    always(row("/State", "battery_state_code"), 9),
    always(row("/ErrorCode", "battery_error_code"), 0),
    always(row("/Mode", "battery_mode_code"), 3),
    row("/Balancing", "battery_balancing_code"),
    row("/Balancer/Status", "battery_balancer_code"),
    always(row("/Io/AllowToCharge", "battery_charge_allowed_code"), 1),
    always(row("/Io/AllowToDischarge", "battery_discharge_allowed_code"), 1),
    always(row("/SystemSwitch", "battery_system_switch_code"), 1),
    row("/Info/MaxChargeVoltage", "battery_charge_voltage_limit_v"),
    row("/Info/BatteryLowVoltage", "battery_discharge_voltage_limit_v"),
    row("/Info/MaxChargeCurrent", "battery_charge_current_limit_a"),
    row("/Info/MaxDischargeCurrent", "battery_discharge_current_limit_a"),
    *alarms({path: f"battery_alarm_{name}_code" for path, name in _BATTERY_ALARMS.items()}),
    row("/Alarms/Alarm", "battery_alarm_code"),
    replace(row("/System/MinCellVoltage", "battery_cell_voltage_min_v"), step=0.001),
    replace(row("/System/MaxCellVoltage", "battery_cell_voltage_max_v"), step=0.001),
    row("/System/MinCellTemperature", "battery_cell_temperature_min_c"),
    row("/System/MaxCellTemperature", "battery_cell_temperature_max_c"),
    row("/System/NrOfCellsPerBattery", "battery_cells_count"),
    row("/System/NrOfBatteries", "battery_batteries_count"),
    row("/System/BatteriesParallel", "battery_batteries_parallel_count"),
    row("/System/BatteriesSeries", "battery_batteries_series_count"),
    row("/System/NrOfModulesOnline", "battery_modules_online_count"),
    row("/System/NrOfModulesOffline", "battery_modules_offline_count"),
    row("/System/NrOfModulesBlockingCharge", "battery_modules_blocking_charge_count"),
    row("/System/NrOfModulesBlockingDischarge", "battery_modules_blocking_discharge_count"),
    row("/History/ChargedEnergy", "battery_energy_charged_wh"),
    row("/History/DischargedEnergy", "battery_energy_discharged_wh"),
    row("/History/TotalAhDrawn", "battery_drawn_ah"),
    row("/History/ChargeCycles", "battery_charge_cycles_count"),
    row("/History/FullDischarges", "battery_full_discharges_count"),
    row("/History/AutomaticSyncs", "battery_automatic_syncs_count"),
    row("/History/LowVoltageAlarms", "battery_low_voltage_alarms_count"),
    row("/History/HighVoltageAlarms", "battery_high_voltage_alarms_count"),
    row("/History/MinimumVoltage", "battery_voltage_min_v"),
    row("/History/MaximumVoltage", "battery_voltage_max_v"),
    row("/History/TimeSinceLastFullCharge", "battery_since_full_charge_s", kind="int"),
    row("/Diagnostics/ShutDownsDueError", "battery_error_shutdowns_count"),
)

SOLARCHARGER = (
    row("/Dc/0/Voltage", "solarcharger_voltage_v", "battery_voltage_v"),
    row("/Dc/0/Current", "solarcharger_current_a"),
    row("/Dc/0/Temperature", "solarcharger_temperature_c"),
    row("/Pv/V", "solarcharger_pv_voltage_v", "pv_voltage_v"),
    replace(row("/Pv/I", "solarcharger_pv_current_a", "pv_current_a"), step=0.01),
    row("/Yield/Power", "solarcharger_pv_power_w", "pv_power_w", "solarcharger_power_w"),
    row("/Yield/User", "solarcharger_energy_wh", "pv_energy_wh"),
    row("/Yield/System", "solarcharger_energy_wh", "pv_energy_wh"),
    row("/History/Daily/0/Yield", "solarcharger_energy_today_wh", "pv_energy_today_wh"),
    replace(
        row("/History/Daily/0/MaxPower", "solarcharger_power_max_today_w", "pv_power_max_today_w"),
        pace=Pace.SLOW,
    ),
    row("/History/Daily/1/Yield", "solarcharger_energy_yesterday_wh", "pv_energy_yesterday_wh"),
    row("/State", "solarcharger_state_code"),
    always(row("/Mode", "solarcharger_mode_code"), 1),
    always(row("/ErrorCode", "solarcharger_error_code"), 0),
    row("/MppOperationMode", "solarcharger_mppt_code", "pv_mppt_code"),
    row("/Relay/0/State", "solarcharger_relay_code"),
    row("/Alarms/Alarm", "solarcharger_alarm_code"),
)


ALTERNATOR = (
    row("/Dc/0/Voltage", "alternator_voltage_v", "battery_voltage_v"),
    row("/Dc/0/Current", "alternator_current_a"),
    row("/Dc/0/Power", "alternator_power_w", kind="int"),
    row("/Dc/0/Temperature", "alternator_temperature_c"),
    row("/Dc/1/Voltage", "alternator_starter_voltage_v"),
    always(row("/State", "alternator_state_code"), 0),
    always(row("/ErrorCode", "alternator_error_code"), 0),
    row("/Mode", "alternator_mode_code"),
    row("/Speed", "alternator_speed_rpm"),
    always(row("/Engine/Speed", "alternator_engine_speed_rpm")),
    replace(row("/FieldDrive", "alternator_field_drive_pct", kind="int"), pace=Pace.MEDIUM, step=1.0),
    row("/History/EnergyOut", "alternator_energy_wh"),
    row("/History/Cumulative/User/ChargedAh", "alternator_charged_ah"),
)

DCDC = (
    row("/Dc/0/Voltage", "dcdc_voltage_v", "battery_voltage_v"),
    row("/Dc/0/Current", "dcdc_current_a"),
    row("/Dc/0/Temperature", "dcdc_temperature_c"),
    row("/Dc/In/V", "dcdc_input_voltage_v"),
    row("/Dc/In/P", "dcdc_input_power_w"),
    always(row("/State", "dcdc_state_code"), 0),
    always(row("/ErrorCode", "dcdc_error_code"), 0),
    always(row("/Mode", "dcdc_mode_code"), 1),
    row("/History/Cumulative/User/ChargedAh", "dcdc_charged_ah"),
)
