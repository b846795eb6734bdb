"""What meters, PV inverters and UPSes tell: flows and counters turned into the readings of real models.

Pure. Readings are rounded as devices round them, totals are the sums of what is told of the phases, and what
a device cannot know is None.
"""

from collections.abc import Mapping

from producers.simulator.demand import Demand
from producers.simulator.electricity import Phase, Phases, line_voltage, neutral_current, total_w
from producers.simulator.rack_ups import UpsFlow
from producers.simulator.scenario import Inverter, Ups

Told = dict[str, float | None]
NAMES = ("l1", "l2", "l3")
_MPP_V = 610.0
_SPLIT = (0.55, 0.45)
_UPS_BATTERY_V = (44.0, 54.6)
_LOW_CHARGE = 0.2


def phases(place: str, measured: Phases) -> Told:
    """Tell voltage, current, power, apparent power and power factor of the phases, and the sums."""
    values: Told = {}
    total, apparent = 0.0, 0.0
    for name, phase in zip(NAMES, measured, strict=True):
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


def line_voltages(place: str, measured: Phases) -> Told:
    """Tell the voltages between the phases."""
    one, two, three = measured
    pairs = {"l12": (one, two), "l23": (two, three), "l31": (three, one)}
    return {f"{place}_{name}_voltage_v": round(line_voltage(*pair), 2) for name, pair in pairs.items()}


def meter(measured: Phases, hz: float, counters: Mapping[str, float], demand: Demand) -> Told:
    """Tell what a meter measures and counts."""
    lines = line_voltages("ac", measured)
    amps = [phase.current_a for phase in measured]
    volts = [phase.voltage_v for phase in measured]
    reactive = [round(phase.reactive_var, 1) for phase in measured]
    told = phases("ac", measured) | lines
    told |= {f"ac_{name}_reactive_power_var": value for name, value in zip(NAMES, reactive, strict=True)}
    told |= {
        "ac_frequency_hz": round(hz, 3) if any(volts) else None,
        "ac_ll_voltage_v": round(sum(value or 0.0 for value in lines.values()) / 3, 2),
        "ac_voltage_v": round(sum(volts) / 3, 2),
        "ac_current_a": round(sum(amps), 3),
        "ac_current_mean_a": round(sum(amps) / 3, 3),
        "ac_n_current_a": round(neutral_current(measured), 3),
        "ac_reactive_power_var": round(sum(reactive), 1),
        "ac_power_factor_ratio": _total_factor(measured),
        "ac_voltage_unbalance_pct": _unbalance(volts),
        "ac_current_unbalance_pct": _unbalance(amps),
    }
    told |= _demand(demand) | _harmonics(measured)
    told |= rounded(counters)
    for kind, unit in (("energy", "wh"), ("reactive_energy", "varh")):
        for place in ("ac", *(f"ac_{name}" for name in NAMES)):
            come, gone = (counters.get(f"{place}_{kind}_{way}_{unit}", 0.0) for way in ("import", "export"))
            told[f"{place}_{kind}_total_{unit}"] = round(come + gone, 1)
            told[f"{place}_{kind}_net_{unit}"] = round(come - gone, 1)
    return told


def inverter(
    device: Inverter, given: Phases, hz: float, warm_c: float, counters: Mapping[str, float]
) -> Told:
    """Tell what a PV inverter measures and counts."""
    power_w = total_w(given)
    dc_w = power_w / _pv_efficiency(power_w / device.rated_w)
    told = phases("ac_out", given) | line_voltages("ac_out", given)
    told |= {
        "ac_out_frequency_hz": round(hz, 2) if any(phase.voltage_v for phase in given) else None,
        "ac_out_nominal_power_w": device.rated_w,
        "ac_out_current_a": round(sum(phase.current_a for phase in given), 2),
        "ac_out_reactive_power_var": round(sum(phase.reactive_var for phase in given), 1),
        "ac_out_power_factor_ratio": _total_factor(given),
        "dc_in_power_w": round(dc_w, 1),
        "dc_in_voltage_v": _MPP_V if dc_w else 0.0,
        "dc_in_current_a": round(dc_w / _MPP_V, 2),
        "inverter_temperature_c": round(warm_c, 1),
        "inverter_cabinet_temperature_c": round(warm_c, 1),
        **trackers(dc_w, counters.get("ac_out_energy_import_wh", 0.0)),
    }
    return told | rounded(counters)


def trackers(power_w: float, energy_wh: float) -> Told:
    """Tell what two strings of panels give."""
    told: Told = {
        "pv_power_w": round(power_w, 1),
        "pv_voltage_v": _MPP_V if power_w else 0.0,
        "pv_current_a": round(power_w / _MPP_V, 2),
    }
    for number, share in enumerate(_SPLIT, start=1):
        told |= {
            f"pv_{number}_power_w": round(power_w * share, 1),
            f"pv_{number}_voltage_v": _MPP_V if power_w else 0.0,
            f"pv_{number}_current_a": round(power_w * share / _MPP_V, 2),
            f"pv_{number}_energy_wh": round(energy_wh * share, 1),
        }
    return told


def ups(device: Ups, charge: float, flow: UpsFlow, volts: float, hz: float, warm_c: float) -> Told:
    """Tell what a UPS measures, and its state as flags."""
    out_v = volts if flow.live else 230.0 * (flow.out_w > 0.0)
    low_v, high_v = _UPS_BATTERY_V
    left_s = (
        charge * device.capacity_wh * 3600.0 * device.efficiency / device.load_w if device.load_w else 0.0
    )
    return {
        "soc_pct": round(100.0 * charge, 1),
        "battery_time_to_go_s": round(left_s),
        "battery_voltage_v": round(low_v + (high_v - low_v) * charge, 2),
        "battery_temperature_c": round(warm_c, 1),
        "ac_in_voltage_v": round(volts, 1) if flow.live else 0.0,
        "ac_in_frequency_hz": round(hz, 2) if flow.live else 0.0,
        "ac_in_current_a": round(flow.in_w / volts, 2) if flow.live and volts else 0.0,
        "ac_in_power_w": round(flow.in_w),
        "ac_out_voltage_v": round(out_v, 1),
        "ac_out_frequency_hz": round(hz, 2) if out_v else 0.0,
        "ac_out_current_a": round(flow.out_w / out_v, 2) if out_v else 0.0,
        "ac_out_power_w": round(flow.out_w),
        "ac_out_apparent_power_va": round(flow.out_w / 0.97),
        "ac_out_nominal_power_w": device.rated_w,
        "ac_out_load_pct": round(100.0 * flow.out_w / device.rated_w, 1),
        "ups_temperature_c": round(warm_c + 4.0, 1),
        "ups_online_code": float(flow.live),
        "ups_on_battery_code": float(not flow.live),
        "ups_low_battery_code": float(not flow.live and charge < _LOW_CHARGE),
        "ups_charging_code": float(flow.battery_w > 0.0),
        "ups_discharging_code": float(flow.battery_w < 0.0),
        "ups_overloaded_code": float(flow.out_w > device.rated_w),
        "ups_off_code": float(not flow.live and not flow.out_w),
    }


def rounded(counters: Mapping[str, float]) -> Told:
    """Tell counters; what no device counts has no unit, and is left out."""
    return {name: round(value, 1) for name, value in counters.items() if name.endswith(("wh", "varh", "vah"))}


def _demand(demand: Demand) -> Told:
    names = ("ac_power_demand_w", "ac_reactive_demand_var", "ac_apparent_demand_va")
    amps = tuple(f"ac_{name}_current_demand_a" for name in NAMES)
    return {name: round(value, 2) for name, value in zip((*names, *amps), demand, strict=True)}


def _harmonics(measured: Phases) -> Told:
    """Tell harmonics: switched supplies spoil the current the more, the less else there is."""
    volts = [1.6 if phase.voltage_v else 0.0 for phase in measured]
    amps = [4.0 + 60.0 / (4.0 + phase.current_a) if phase.current_a else 0.0 for phase in measured]
    told: Told = {}
    for kind, values in (("voltage", volts), ("current", amps)):
        told[f"ac_{kind}_thd_pct"] = round(sum(values) / len(values), 2)
        told |= {
            f"ac_{name}_{kind}_thd_pct": round(value, 2) for name, value in zip(NAMES, values, strict=True)
        }
    return told


def _pv_efficiency(load: float) -> float:
    return 0.92 + 0.06 * min(1.0, 4.0 * load)


def _factor(phase: Phase) -> float | None:
    factor = phase.power_factor
    return None if factor is None else round(factor, 4)


def _total_factor(measured: Phases) -> float | None:
    apparent_va = sum(phase.apparent_va for phase in measured)
    return round(total_w(measured) / apparent_va, 4) if apparent_va else None


def _unbalance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return round(100.0 * max(abs(value - mean) for value in values) / mean, 2) if mean else 0.0
