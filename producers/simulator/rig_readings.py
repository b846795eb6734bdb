"""What a rig tells: the measurements of a GX's devices, or those of a hybrid inverter, from one state.

Pure. Readings are rounded as devices round them, and what a device cannot know is None.
"""

from collections.abc import Mapping

from producers.simulator.electricity import (
    Phases,
    add,
    battery_voltage,
    cell_voltage,
    even,
    total_w,
)
from producers.simulator.engine import Cause, EngineState, Phase
from producers.simulator.flow import Flow, Source
from producers.simulator.model import RigState
from producers.simulator.readings import NAMES, Told, line_voltages, phases, rounded, trackers
from producers.simulator.scenario import Fault, Generator, Rig, Scenario, Wiring

_OFF, _BULK, _ABSORPTION, _FLOAT, _INVERTING, _ASSIST = 0.0, 3.0, 4.0, 5.0, 9.0, 10.0
_CHARGE_STATES = {_BULK: 1.0, _ABSORPTION: 2.0, _FLOAT: 3.0}
_NOTHING_FLOWS_W = 30.0
_CHARGED_CELL_V = 3.55
_WARM_C, _HOT_C = 75.0, 85.0
_PV_V = 380.0
_INPUT_CODES = {Source.GRID: 0.0, Source.GENERATOR: 1.0, Source.NONE: 240.0}
_GENSET_STATUS = {Phase.WARM_UP: 3.0, Phase.RUNNING: 8.0, Phase.COOL_DOWN: 9.0}
_GENERATOR_STATES = {
    Phase.STOPPED: 0.0,
    Phase.RUNNING: 1.0,
    Phase.WARM_UP: 2.0,
    Phase.COOL_DOWN: 3.0,
    Phase.DRY: 5.0,
}
_CAUSES = {Cause.NONE: 0.0, Cause.PLAN: 1.0, Cause.SOC: 4.0}
_WARNING, _ALARM = 1.0, 2.0


def rig(scenario: Scenario, wiring: Wiring, state: RigState, flow: Flow) -> Told:
    """Tell everything that the devices on a GX measure."""
    counters = state.counters.get(wiring.rig.system_id, {})
    told = _inverter(wiring.rig, state, flow)
    told |= _battery(wiring.rig, state, flow)
    told |= _sun(state, flow)
    told |= rounded(counters)
    told |= {
        f"ac_in_{number}_available_code": code
        for number, code in ((1, float(flow.grid)), (2, float(flow.turns)))
    }
    told["sensor_temperature_c"] = round(scenario.air.at(state.time_s), 1)
    if wiring.rig.grid_meter:
        told |= _grid_meter(flow, counters)
    if wiring.generator is not None and state.engine is not None:
        told |= _generator(wiring.generator, state.engine, state, flow)
    return told | alarms(scenario.holding(wiring.rig.system_id, state.time_s))


def hybrid(scenario: Scenario, wiring: Wiring, state: RigState, flow: Flow) -> Told:
    """Tell what a hybrid inverter measures: its output is what it gives to the house and the grid."""
    rig_, counters = wiring.rig, state.counters.get(wiring.rig.system_id, {})
    live = [phase.voltage_v for phase in flow.ac_out] if flow.running else [0.0] * len(NAMES)
    given = add(live, [flow.ac_out, even(live, -total_w(flow.ac_in))])
    told = (
        phases("ac_out", given)
        | line_voltages("ac_out", given)
        | _battery(rig_, state, flow)
        | _inverter_heat(state)
    )
    told |= trackers(flow.pv_w, counters.get("pv_energy_wh", 0.0))
    told |= phases("grid", flow.ac_in if flow.source is Source.GRID else even([0.0] * len(NAMES), 0.0))
    apparent_va = told["ac_out_apparent_power_va"] or 0.0
    told |= {
        "ac_out_frequency_hz": round(flow.out_hz, 2) if flow.running else None,
        "ac_out_nominal_power_w": rig_.rated_w,
        "ac_out_current_a": round(sum(phase.current_a for phase in given), 2),
        "ac_out_reactive_power_var": round(sum(phase.reactive_var for phase in given), 1),
        "ac_out_power_factor_ratio": round(total_w(given) / apparent_va, 4) if apparent_va else None,
        "grid_frequency_hz": round(flow.in_hz, 2) if flow.grid else None,
        "grid_power_w": round(flow.grid_w, 1),
        "load_power_w": round(flow.load_w, 1),
    }
    return told | rounded(counters) | alarms(scenario.holding(rig_.system_id, state.time_s))


def alarms(faults: list[Fault]) -> Told:
    """Tell the alarms that a scenario raises, and take away what it nulls."""
    told: Told = {}
    for fault in faults:
        if fault.what == "alarm":
            place = "battery_" if fault.part == "battery" else ""
            told[f"{place}alarm_{fault.alarm}_code"] = _ALARM if fault.level == "alarm" else _WARNING
        told |= dict.fromkeys(fault.names)
    return told


def is_low(rig_: Rig, state: RigState) -> bool:
    """Tell whether the battery is so low that a device says so."""
    return _low_battery(rig_, state) > 0.0


def is_hot(state: RigState) -> bool:
    """Tell whether the inverter is so hot that a device raises an alarm."""
    return state.heat.inverter_c > _HOT_C


def _inverter(rig_: Rig, state: RigState, flow: Flow) -> Told:
    volts, load_w = _volts(rig_, state, flow), total_w(flow.ac_out)
    connected = flow.source is not Source.NONE
    phase_v = 230.0
    code = _state(state, flow)
    return {
        **phases("ac_in", flow.ac_in),
        **phases("ac_out", flow.ac_out),
        **_inverter_heat(state),
        "ac_in_frequency_hz": round(flow.in_hz, 2) if connected else None,
        "ac_in_connected_code": float(connected),
        "ac_in_active_code": _INPUT_CODES[flow.source],
        "ac_in_current_limit_a": round(rig_.input_limit_w / 3 / phase_v, 1),
        "ac_out_frequency_hz": round(flow.out_hz, 2) if flow.running else None,
        "ac_out_load_pct": round(100.0 * abs(load_w) / rig_.rated_w, 1),
        "ac_out_nominal_power_w": rig_.rated_w,
        "dc_voltage_v": volts,
        "dc_power_w": round(flow.inverter_dc_w),
        "dc_current_a": round(flow.inverter_dc_w / volts, 1),
        "state_code": code,
        "charge_state_code": _CHARGE_STATES.get(code),
        "mode_code": 3.0,
        "alarm_grid_lost_code": _ALARM if rig_.has_grid and not flow.grid else 0.0,
        "alarm_low_battery_code": _low_battery(rig_, state),
        "alarm_overload_code": _rising(abs(load_w) / rig_.rated_w, 1.0, 1.2),
        "alarm_high_temperature_code": _rising(state.heat.inverter_c, _WARM_C, _HOT_C),
        "relay_1_state_code": float(flow.turns),
    }


def _battery(rig_: Rig, state: RigState, flow: Flow) -> Told:
    volts = _volts(rig_, state, flow)
    cell_v = volts / rig_.cells
    nominal_v = cell_voltage(0.5) * rig_.cells
    strain = abs(flow.battery_w) / rig_.rated_w
    left_wh = max(0.0, state.soc - rig_.soc_min) * rig_.capacity_wh
    leaving = flow.battery_w < -_NOTHING_FLOWS_W
    return {
        "battery_voltage_v": volts,
        "battery_power_w": round(flow.battery_w),
        "battery_current_a": round(flow.battery_w / volts, 1),
        "soc_pct": round(100.0 * state.soc, 2),
        "soh_pct": 98.0,
        "battery_consumed_ah": round((1.0 - state.soc) * rig_.capacity_wh / nominal_v, 1),
        "battery_capacity_ah": round(rig_.capacity_wh / nominal_v, 1),
        "battery_time_to_go_s": round(left_wh * 3600.0 / -flow.battery_w) if leaving else None,
        "battery_cell_voltage_min_v": round(cell_v - 0.004 - 0.01 * strain, 3),
        "battery_cell_voltage_max_v": round(cell_v + 0.004 + 0.01 * strain, 3),
        "battery_cell_temperature_min_c": round(state.heat.battery_c - 0.6, 1),
        "battery_cell_temperature_max_c": round(state.heat.battery_c + 0.9, 1),
        "battery_cells_count": float(rig_.cells),
        "battery_temperature_c": round(state.heat.battery_c, 1),
        "battery_charge_voltage_limit_v": round(_CHARGED_CELL_V * rig_.cells, 1),
        "battery_charge_current_limit_a": round(rig_.charge_w / nominal_v, 1),
        "battery_discharge_current_limit_a": round(rig_.rated_w / nominal_v, 1),
        "battery_charge_allowed_code": float(state.soc < 1.0),
        "battery_discharge_allowed_code": float(state.soc > rig_.soc_min),
        "battery_alarm_low_soc_code": _low_battery(rig_, state),
        "battery_alarm_high_temperature_code": _rising(state.heat.battery_c, 50.0, 55.0),
    }


def _sun(state: RigState, flow: Flow) -> Told:
    return {
        "pv_power_w": round(flow.pv_w),
        "pv_voltage_v": _PV_V if flow.pv_w else 0.0,
        "pv_current_a": round(flow.pv_w / _PV_V, 2),
        "solarcharger_state_code": _charging(state) if flow.pv_w else _OFF,
        "solarcharger_mppt_code": 2.0 if flow.pv_w else 0.0,
    }


def _grid_meter(flow: Flow, counters: Mapping[str, float]) -> Told:
    volts = [phase.voltage_v for phase in flow.beside]
    through = [flow.ac_in] if flow.source is Source.GRID else []
    told = phases("grid", add(volts, [*through, flow.beside]))
    told |= {name: value for name, value in rounded(counters).items() if name.startswith("grid_")}
    return told | {"grid_frequency_hz": round(flow.in_hz, 2) if flow.grid else None}


def _generator(generator: Generator, engine: EngineState, state: RigState, flow: Flow) -> Told:
    given: Phases = flow.ac_in if flow.source is Source.GENERATOR else even((230.0 * engine.turns,) * 3, 0.0)
    share = total_w(given) / generator.rated_w
    counters = state.counters.get(generator.on, {})
    told: Told = {
        "generator_state_code": _GENERATOR_STATES[engine.phase],
        "generator_cause_code": _CAUSES[engine.cause],
        "generator_error_code": 0.0,
        "generator_runtime_s": round(state.time_s - engine.since_s) if engine.turns else 0.0,
        "generator_total_runtime_s": round(engine.operating_s),
        "generator_autostart_code": 1.0,
        "tank_level_pct": round(100.0 * engine.fuel_l / generator.tank_l, 1),
        "tank_remaining_m3": round(engine.fuel_l / 1000.0, 4),
        "tank_capacity_m3": generator.tank_l / 1000.0,
        "tank_fluid_code": 7.0,
        "ac_in_2_ignored_code": float(engine.turns and not engine.delivers),
    }
    if generator.controller:
        told |= phases("genset", given)
        told |= {
            "genset_frequency_hz": round(flow.in_hz, 2) if engine.turns else 0.0,
            "genset_energy_import_wh": round(counters.get("genset_energy_import_wh", 0.0), 1),
            "genset_status_code": _GENSET_STATUS.get(engine.phase, 0.0),
            "genset_engine_load_pct": round(100.0 * share, 1),
            "genset_engine_speed_rpm": round(30.0 * flow.in_hz) if engine.turns else 0.0,
            "genset_engine_operating_s": round(engine.operating_s),
            "genset_engine_starts_count": float(engine.starts),
            "genset_engine_coolant_temperature_c": round(state.heat.engine_c, 1),
            "genset_engine_oil_temperature_c": round(state.heat.engine_c + 8.0 * engine.turns, 1),
            "genset_engine_oil_pressure_kpa": 340.0 if engine.turns else 0.0,
            "genset_starter_voltage_v": 14.1 if engine.turns else 12.7,
        }
    return told


def _inverter_heat(state: RigState) -> Told:
    return {"inverter_temperature_c": round(state.heat.inverter_c, 1)}


def _volts(rig_: Rig, state: RigState, flow: Flow) -> float:
    open_v = cell_voltage(state.soc) * rig_.cells
    volts = battery_voltage(open_v, rig_.resistance_ohm, flow.battery_w)
    return round(min(volts, _CHARGED_CELL_V * rig_.cells), 2)


def _state(state: RigState, flow: Flow) -> float:
    if not flow.running:
        return _OFF
    if flow.source is Source.NONE:
        return _INVERTING
    if total_w(flow.ac_out) > total_w(flow.ac_in) and flow.battery_w < 0:
        return _ASSIST
    return _charging(state)


def _charging(state: RigState) -> float:
    absorbing, full = 0.97, 0.999
    return _BULK if state.soc < absorbing else _ABSORPTION if state.soc < full else _FLOAT


def _low_battery(rig_: Rig, state: RigState) -> float:
    if state.soc <= rig_.soc_min + 1e-9:
        return _ALARM
    return _WARNING if state.soc < rig_.soc_min + 0.05 else 0.0


def _rising(value: float, warning: float, alarm: float) -> float:
    return _ALARM if value > alarm else _WARNING if value > warning else 0.0
