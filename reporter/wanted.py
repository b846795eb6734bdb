"""Which measurements reports are made of, so that nothing else need be read. Pure.

Rule that must stay true here: a report of these measurements alone is the report of all.
"""

from typing import Final

from schemas.measurements import MEASUREMENTS

_UNITS: Final = frozenset({"W", "Wh", "VA", "VAh", "var", "varh", "V", "A", "Ah", "Hz", "L", "L/h", "m³"})
_ALSO: Final = ("_load_pct", "soc_pct", "_fluid_code", "_source_code", "_active_code", "_type_code")
_OF_ENGINES: Final = ("genset_", "dcgenset_", "generator_")
_NEVER: Final = (
    "_today_",
    "_yesterday_",
    "_demand_",
    "_limit_",
    "alarm_",
    "_thd_",
    "_q1_",
    "_q2_",
    "_q3_",
    "_q4_",
)
_WITHOUT: Final = (
    "sensor_",
    "relay_",
    "input_",
    "disk_",
    "net_",
    "cpu_",
    "memory_",
    "swap_",
    "host_",
    "ovr_",
)


def wanted(name: str, unit: str) -> bool:
    """Tell whether a report may use a measurement."""
    if any(part in name for part in _NEVER) or name.startswith(_WITHOUT):
        return False
    if name.startswith("battery_") and unit == "°C":
        return True
    return unit in _UNITS or name.endswith(_ALSO) or (name.startswith(_OF_ENGINES) and "_alarm_" not in name)


NAMES: Final = frozenset(name for name, one in MEASUREMENTS.items() if wanted(name, one.unit))
"""All measurements that a report may use."""
