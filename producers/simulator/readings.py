"""What the simulated devices tell: states and flows turned into the readings that their real models give.

Pure. Readings are rounded as the devices round them, totals are the sums of what is told of the phases,
and what a device cannot know is None.
"""

from collections.abc import Callable

from producers.adapter import Values
from producers.simulator.electricity import (
    Phase,
    Phases,
    battery_voltage,
    cell_voltage,
    line_voltage,
    neutral_current,
    total_w,
)
from producers.simulator.flow import Flow
from producers.simulator.model import RigState
from producers.simulator.scenario import Rig

Readings = Callable[[RigState, Flow], Values]
_NAMES = ("l1", "l2", "l3")
_BULK, _ABSORPTION, _FLOAT, _INVERTING, _OFF, _ASSIST = 3.0, 4.0, 5.0, 9.0, 0.0, 10.0
_NOTHING_FLOWS_W = 30.0
_CHARGED_CELL_V = 3.55
_AMBIENT_C = 24.0
_PV_V = 380.0


def rig_fast(rig: Rig) -> Readings:
    """Tell what an inverter/charger with its battery gives twice a second."""

    def read(state: RigState, flow: Flow) -> Values:
        volts = _battery_volts(rig, state, flow)
        battery_w, inverter_w, pv_w = round(flow.battery_w), round(flow.inverter_dc_w), round(flow.pv_w)
        values = _phases("ac_in", flow.ac_in) | _phases("ac_out", flow.ac_out)
        return values | {
            "ac_in_frequency_hz": round(flow.frequency_hz, 2) if flow.grid else None,
            "ac_in_connected_code": float(flow.grid),
            "ac_in_active_code": 0.0 if flow.grid else 240.0,
            "ac_out_frequency_hz": round(flow.frequency_hz, 2) if flow.running else None,
            "ac_out_load_pct": round(100.0 * total_w(flow.ac_out) / rig.rated_w, 1),
            "battery_voltage_v": volts,
            "battery_power_w": battery_w,
            "battery_current_a": round(flow.battery_w / volts, 1),
            "dc_voltage_v": volts,
            "dc_power_w": inverter_w,
            "dc_current_a": round(flow.inverter_dc_w / volts, 1),
            "pv_power_w": pv_w,
            "pv_voltage_v": _PV_V if pv_w else 0.0,
            "pv_current_a": round(flow.pv_w / _PV_V, 2),
            "soc_pct": round(100.0 * state.soc, 2),
            "state_code": _state(state, flow),
        }

    return read


def rig_slow(rig: Rig) -> Readings:
    """Tell what an inverter/charger with its battery gives every few seconds."""

    def read(state: RigState, flow: Flow) -> Values:
        cell_v = _battery_volts(rig, state, flow) / rig.cells
        used_wh = (1.0 - state.soc) * rig.capacity_wh
        nominal_v = cell_voltage(0.5) * rig.cells
        heat = abs(flow.battery_w) / rig.rated_w
        left_wh = max(0.0, state.soc - rig.soc_min) * rig.capacity_wh
        leaving = flow.battery_w < -_NOTHING_FLOWS_W
        return {
            "ac_in_energy_import_wh": round(state.ac_in_wh, 1),
            "ac_out_energy_import_wh": round(state.ac_out_wh, 1),
            "energy_in1_to_out_wh": round(state.in_to_out_wh, 1),
            "energy_in1_to_inverter_wh": round(state.in_to_inverter_wh, 1),
            "energy_inverter_to_out_wh": round(state.inverter_to_out_wh, 1),
            "battery_energy_charged_wh": round(state.charged_wh, 1),
            "battery_energy_discharged_wh": round(state.discharged_wh, 1),
            "pv_energy_wh": round(state.pv_wh, 1),
            "battery_consumed_ah": round(used_wh / nominal_v, 1),
            "battery_capacity_ah": round(rig.capacity_wh / nominal_v, 1),
            "battery_time_to_go_s": round(left_wh * 3600.0 / -flow.battery_w) if leaving else None,
            "battery_cell_voltage_min_v": round(cell_v - 0.004 - 0.01 * heat, 3),
            "battery_cell_voltage_max_v": round(cell_v + 0.004 + 0.01 * heat, 3),
            "battery_cells_count": rig.cells,
            "battery_temperature_c": round(_AMBIENT_C + 8.0 * heat, 1),
            "inverter_temperature_c": round(_AMBIENT_C + 6.0 + 30.0 * total_w(flow.ac_out) / rig.rated_w, 1),
            "soh_pct": 98.0,
            "mode_code": 3.0,
            "ac_in_power_limit_w": rig.input_limit_w,
            "ac_out_nominal_power_w": rig.rated_w,
            "alarm_grid_lost_code": 0.0 if flow.grid else 2.0,
            "alarm_low_battery_code": _low_battery(rig, state),
            "alarm_overload_code": 2.0 if total_w(flow.ac_out) > rig.rated_w else 0.0,
        }

    return read


def meter_fast(index: int) -> Readings:
    """Tell what meter number `index` of a system measures twice a second."""

    def read(_state: RigState, flow: Flow) -> Values:
        feed = flow.feeds[index]
        one, two, three = feed
        lines = [round(line_voltage(*pair), 2) for pair in ((one, two), (two, three), (three, one))]
        amps = [phase.current_a for phase in feed]
        volts = [phase.voltage_v for phase in feed]
        reactive = [round(phase.reactive_var, 1) for phase in feed]
        return (
            _phases("ac", feed)
            | {f"ac_{name}_reactive_power_var": value for name, value in zip(_NAMES, reactive, strict=True)}
            | {
                "ac_frequency_hz": round(flow.frequency_hz, 3) if flow.running else None,
                "ac_l12_voltage_v": lines[0],
                "ac_l23_voltage_v": lines[1],
                "ac_l31_voltage_v": lines[2],
                "ac_ll_voltage_v": round(sum(lines) / 3, 2),
                "ac_voltage_v": round(sum(volts) / 3, 2),
                "ac_current_a": round(sum(amps), 3),
                "ac_current_mean_a": round(sum(amps) / 3, 3),
                "ac_n_current_a": round(neutral_current(feed), 3),
                "ac_reactive_power_var": round(sum(reactive), 1),
                "ac_power_factor_ratio": _total_factor(feed),
                "ac_voltage_unbalance_pct": _unbalance(volts),
                "ac_current_unbalance_pct": _unbalance(amps),
            }
        )

    return read


def meter_slow(index: int) -> Readings:
    """Tell what meter number `index` of a system counts."""

    def read(state: RigState, _flow: Flow) -> Values:
        active = [round(value, 1) for value in state.feeds[index][:3]]
        reactive = [round(value, 1) for value in state.feeds[index][3:]]
        values: dict[str, float | None] = {
            "ac_energy_import_wh": round(sum(active), 1),
            "ac_energy_export_wh": 0.0,
            "ac_energy_total_wh": round(sum(active), 1),
            "ac_energy_net_wh": round(sum(active), 1),
            "ac_reactive_energy_import_varh": round(sum(reactive), 1),
            "ac_reactive_energy_export_varh": 0.0,
        }
        for name, watts, vars_ in zip(_NAMES, active, reactive, strict=True):
            values[f"ac_{name}_energy_import_wh"] = watts
            values[f"ac_{name}_reactive_energy_import_varh"] = vars_
        return values

    return read


def _phases(place: str, phases: Phases) -> dict[str, float | None]:
    """Tell voltage, current, power, apparent power and power factor of the phases, and the sums."""
    values: dict[str, float | None] = {}
    total, apparent = 0.0, 0.0
    for name, phase in zip(_NAMES, phases, strict=True):
        power_w, apparent_va = round(phase.power_w, 1), round(phase.apparent_va, 1)
        total, apparent = total + power_w, apparent + apparent_va
        head = f"{place}_{name}_"
        values[head + "voltage_v"] = round(phase.voltage_v, 2)
        values[head + "current_a"] = round(phase.current_a, 3)
        values[head + "power_w"] = power_w
        values[head + "apparent_power_va"] = apparent_va
        values[head + "power_factor_ratio"] = _factor(phase)
    values[f"{place}_power_w"] = round(total, 1)
    values[f"{place}_apparent_power_va"] = round(apparent, 1)
    return values


def _factor(phase: Phase) -> float | None:
    factor = phase.power_factor
    return None if factor is None else round(factor, 4)


def _total_factor(phases: Phases) -> float | None:
    apparent_va = sum(phase.apparent_va for phase in phases)
    return round(total_w(phases) / apparent_va, 4) if apparent_va else None


def _unbalance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return round(100.0 * max(abs(value - mean) for value in values) / mean, 2) if mean else 0.0


def _battery_volts(rig: Rig, state: RigState, flow: Flow) -> float:
    open_v = cell_voltage(state.soc) * rig.cells
    return round(
        min(battery_voltage(open_v, rig.resistance_ohm, flow.battery_w), _CHARGED_CELL_V * rig.cells), 2
    )


def _state(state: RigState, flow: Flow) -> float:
    if not flow.running:
        return _OFF
    if not flow.grid:
        return _INVERTING
    if total_w(flow.ac_out) > total_w(flow.ac_in) and flow.battery_w < 0:
        return _ASSIST
    absorbing, full = 0.97, 0.999
    return _BULK if state.soc < absorbing else _ABSORPTION if state.soc < full else _FLOAT


def _low_battery(rig: Rig, state: RigState) -> float:
    if state.soc <= rig.soc_min:
        return 2.0
    return 1.0 if state.soc < rig.soc_min + 0.05 else 0.0
