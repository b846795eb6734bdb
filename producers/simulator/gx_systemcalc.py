"""What a GX works out of its devices: the values of its `system` service. Pure.

Rules that must stay true here:
- what no device measures is None, never zero, except where the GX itself says zero;
- consumption is what comes in minus what goes out of the inverter/charger, and is never negative;
- the battery is that of the first battery monitor; without one it is what the inverter/charger measures.

Source of the balance: the notes of Victron's dbus-systemcalc on signs, positive battery power = charging.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from producers.simulator.gx_service import Values

_PHASES = ("l1", "l2", "l3")
_INVERTING, _GRID, _GENERATOR, _SHORE = 240.0, 1.0, 2.0, 3.0
_INVERTERS = ("vebus", "multi")
_IDLE_W = 30.0
_ON_INPUT_1, _ON_OUTPUT, _ON_INPUT_2 = 0.0, 1.0, 2.0
_BATTERY = (
    "battery_voltage_v",
    "battery_current_a",
    "battery_power_w",
    "battery_temperature_c",
    "battery_consumed_ah",
    "battery_time_to_go_s",
)

Device = tuple[str, int, Values]  # service type, instance, measurements
Inputs = tuple[float, float]  # what is at AC input 1 and 2: 0 nothing, 1 grid, 2 generator, 3 shore


def inverter(values: Values) -> Values:
    """Complete what an inverter/charger tells with what it works out itself."""
    full: dict[str, float | None] = {
        "ac_in_power_w": total(values, "ac_in", "power_w"),
        "ac_in_apparent_power_va": total(values, "ac_in", "apparent_power_va"),
        "ac_out_power_w": total(values, "ac_out", "power_w"),
        "ac_out_apparent_power_va": total(values, "ac_out", "apparent_power_va"),
        "ac_out_phases_count": phases(values, "ac_out"),
    }
    full.update(values)
    connected = full.get("ac_in_connected_code")
    active = full.get("ac_in_active_code")
    if connected is None and active is None:
        connected = float(any((values.get(f"ac_in_{n}_voltage_v") or 0.0) > 0.0 for n in _PHASES))
    if connected is None:
        connected = float(active != _INVERTING)
    full["ac_in_connected_code"] = connected
    full["ac_in_active_code"] = active if active is not None else (0.0 if connected else _INVERTING)
    return full


def system(devices: Sequence[Device], inputs: Inputs) -> Values:
    """Work out the system's measurements from those of its devices."""
    by_type: dict[str, list[Values]] = {}
    for kind, _, values in devices:
        by_type.setdefault(kind, []).append(values)
    inverters = [values for kind in _INVERTERS for values in by_type.get(kind, ())]
    found: dict[str, float | None] = {}
    source = _source(inverters, inputs)
    found["ac_in_source_code"] = source
    found |= _alternating(by_type, inverters, source, inputs)
    found |= _direct(by_type, inverters)
    found["state_code"] = next((values.get("state_code") for values in inverters), None)
    for name in ("relay_1_state_code", "relay_2_state_code", "dc_system_power_w"):
        told = next((values[name] for _, _, values in devices if name in values), None)
        if told is not None:
            found[name] = told
    return found


def battery_list(batteries: Sequence[Device]) -> dict[str, Any]:
    """Return what the system says of its batteries: the list, and which one is in charge."""
    said = []
    for index, (kind, instance, values) in enumerate(batteries):
        said.append(
            {
                "active_battery_service": index == 0,
                "current": _rounded(values.get("battery_current_a"), 1),
                "id": f"com.victronenergy.{kind}/{instance}",
                "instance": instance,
                "power": _rounded(values.get("battery_power_w"), 0),
                "soc": _rounded(values.get("battery_soc_pct", values.get("soc_pct")), 1),
                "state": direction(values.get("battery_power_w")),
                "voltage": _rounded(values.get("battery_voltage_v"), 2),
            }
        )
    return {
        "/Batteries": said,
        "/Dc/Battery/BatteryService": said[0]["id"] if said else None,
    }


def direction(power_w: float | None) -> int | None:
    """Say what a battery does: 0 idle, 1 charging, 2 discharging."""
    if power_w is None:
        return None
    return 1 if power_w > _IDLE_W else 2 if power_w < -_IDLE_W else 0


def total(values: Values, place: str, quantity: str) -> float | None:
    """Return the told sum of phases, or add them up; None when nothing is told."""
    name = f"{place}_{quantity}"
    if name in values:
        return values[name]
    return _sum(values.get(f"{place}_{phase}_{quantity}") for phase in _PHASES)


def phases(values: Values, place: str) -> float | None:
    """Count the phases of a place that have a power."""
    count = sum(values.get(f"{place}_{phase}_power_w") is not None for phase in _PHASES)
    return float(count) if count else None


def _source(inverters: Sequence[Values], inputs: Inputs) -> float:
    if not inverters:
        return 0.0
    active = inverters[0].get("ac_in_active_code")
    if active is None or active == _INVERTING:
        return _INVERTING
    return inputs[int(active)] if 0 <= active < len(inputs) else 0.0


def _alternating(
    by_type: Mapping[str, Sequence[Values]], inverters: Sequence[Values], source: float, inputs: Inputs
) -> dict[str, float | None]:
    """Work out sources, PV and consumption, phase by phase."""
    found: dict[str, float | None] = {}
    for phase in _PHASES:
        for quantity in ("power_w", "current_a"):
            name = f"{phase}_{quantity}"
            into = _sum(values.get("ac_in_" + name) for values in inverters)
            out = _sum(values.get("ac_out_" + name) for values in inverters)
            grid = _source_of(by_type.get("grid", ()), "grid_" + name, into, source in {_GRID, _SHORE})
            genset = _source_of(by_type.get("genset", ()), "genset_" + name, into, source == _GENERATOR)
            pv = _pv(by_type.get("pvinverter", ()), name, inputs)
            metered = bool(by_type.get("grid") or by_type.get("genset"))
            on_input = _on_input((grid, genset, pv[_GRID], pv[_GENERATOR]), into) if metered else None
            on_output = _sum((out, pv[0.0]))
            found |= {
                "ac_in_" + name: into,
                "grid_" + name: grid,
                "genset_" + name: genset,
                "pv_on_grid_" + name: pv[_GRID],
                "pv_on_genset_" + name: pv[_GENERATOR],
                "pv_on_output_" + name: pv[0.0],
                "load_in_" + name: on_input,
                "load_out_" + name: None if on_output is None else max(0.0, on_output),
                "load_" + name: _sum((on_input, None if on_output is None else max(0.0, on_output))),
            }
    places = ("ac_in", "grid", "genset", "load", "load_in", "load_out")
    for place in (*places, "pv_on_grid", "pv_on_genset", "pv_on_output"):
        found[f"{place}_phases_count"] = phases(found, place)
    return found


def _source_of(meters: Sequence[Values], name: str, into: float | None, active: bool) -> float | None:
    """Return what a meter says, else what flows into the inverter/charger while it uses this source."""
    if meters:
        return _sum(values.get(name) for values in meters)
    return into if active else None


def _pv(inverters: Iterable[Values], name: str, inputs: Inputs) -> dict[float, float | None]:
    """Add up PV inverters by where they are connected: 0 output, 1 grid, 2 generator."""
    found: dict[float, float | None] = {0.0: None, _GRID: None, _GENERATOR: None}
    for values in inverters:
        position = values.get("pvinverter_position_code", _ON_OUTPUT)
        place = 0.0
        if position in {_ON_INPUT_1, _ON_INPUT_2}:
            place = _GENERATOR if inputs[int(position == _ON_INPUT_2)] == _GENERATOR else _GRID
        found[place] = _sum((found[place], values.get("pvinverter_" + name)))
    return found


def _on_input(coming: Sequence[float | None], into: float | None) -> float | None:
    supplied = _sum(coming)
    return None if supplied is None else max(0.0, supplied - (into or 0.0))


def _direct(by_type: Mapping[str, Sequence[Values]], inverters: Sequence[Values]) -> dict[str, float | None]:
    """Work out battery, chargers and inverters on the DC side."""
    found: dict[str, float | None] = {}
    chargers = by_type.get("solarcharger", ())
    if chargers:
        found["pv_power_w"] = _sum(values.get("solarcharger_power_w") for values in chargers)
        found["pv_current_a"] = _sum(values.get("solarcharger_current_a") for values in chargers)
    for place, group in (("vebus", by_type.get("vebus", ())), ("invertercharger", inverters)):
        if group:
            found[f"{place}_power_w"] = _sum(values.get("dc_power_w") for values in group)
            found[f"{place}_current_a"] = _sum(values.get("dc_current_a") for values in group)
    batteries = by_type.get("battery", ())
    if batteries:
        found |= {name: batteries[0].get(name) for name in _BATTERY}
        found["soc_pct"] = batteries[0].get("battery_soc_pct", batteries[0].get("soc_pct"))
    elif inverters:
        found["battery_voltage_v"] = inverters[0].get("dc_voltage_v", inverters[0].get("battery_voltage_v"))
        found["battery_power_w"] = _sum((found.get("invertercharger_power_w"), found.get("pv_power_w")))
        found["battery_current_a"] = _sum((found.get("invertercharger_current_a"), found.get("pv_current_a")))
        found["soc_pct"] = inverters[0].get("soc_pct")
    found["battery_direction_code"] = direction(found.get("battery_power_w"))
    return found


def solarcharger(values: Values) -> Values:
    """Complete what a solar charger tells with its battery side: power over voltage."""
    volts = values.get("solarcharger_voltage_v", values.get("battery_voltage_v"))
    if "solarcharger_power_w" in values:
        power_w = values["solarcharger_power_w"]
    else:
        power_w = values.get("solarcharger_pv_power_w", values.get("pv_power_w"))
    current_a = power_w / volts if power_w is not None and volts else None
    return {
        "solarcharger_voltage_v": volts,
        "solarcharger_power_w": power_w,
        "solarcharger_current_a": current_a,
        **values,
    }


def meter(values: Values, place: str) -> Values:
    """Complete what a meter tells with the sums of its phases."""
    return {
        f"{place}_power_w": total(values, place, "power_w"),
        f"{place}_current_a": total(values, place, "current_a"),
        **values,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _sum(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) if told else None
