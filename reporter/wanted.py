"""Which measurements reports are made of, so that nothing else need be read. Pure.

Rules that must stay true here:
- a report of these measurements alone is the report of all;
- of the places of a system only that whose power the report is about is read whole: a rig with everything
tells two hundred measurements, and a report is made of fifty.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from reporter.phasing import LINES, PHASES

_PLACES: Final = ("ac_out", "ac", "load", "load_out", "grid", "ac_in", "genset", "pv", "battery", "dc")
_OF_A_PLACE: Final = (
    "power_w",
    "apparent_power_va",
    "reactive_power_var",
    "load_pct",
    "nominal_power_w",
    "frequency_hz",
    "n_current_a",
    "energy_import_wh",
    "energy_export_wh",
)
_OF_A_PHASE: Final = ("power_w", "apparent_power_va", "voltage_v", "current_a", "frequency_hz")
_CONVERTED: Final = (
    "energy_in1_to_out_wh",
    "energy_in2_to_out_wh",
    "energy_inverter_to_out_wh",
    "energy_solar_to_out_wh",
    "energy_out_to_in1_wh",
    "energy_out_to_in2_wh",
    "energy_out_to_inverter_wh",
)
"""What an inverter/charger counts on its way to its output."""

_ALWAYS: Final = (
    "ac_in_source_code",
    "ac_in_active_code",
    "ac_in_1_type_code",
    "ac_in_2_type_code",
    "battery_voltage_v",
    "battery_current_a",
    "battery_capacity_ah",
    "battery_cell_voltage_min_v",
    "battery_cell_temperature_max_c",
    "battery_temperature_c",
    "soc_pct",
    "battery_1_soc_pct",
    "dcgenset_power_w",
    "genset_engine_speed_rpm",
    "dcgenset_engine_speed_rpm",
    "genset_engine_load_pct",
    "genset_engine_fuel_used_l",
    "genset_engine_fuel_rate_lph",
    "generator_state_code",
    "genset_status_code",
)
_SOME: Final = range(1, 9)
_EITHER: Final = ("grid", "genset", "ac_in", "load", "load_out")
"""Of these places the phases are looked at only where no total was told at all."""


def names_of(place: str | None) -> frozenset[str]:
    """Give all measurements that a report on the power of a place may use."""
    return _ANYWHERE | frozenset(() if place is None else _of(place))


def spare(names: Iterable[str], place: str | None) -> frozenset[str]:
    """Give those of some measurements that nobody asks for beside the others: phases where there is a total.

    `names` are told at every instant at which the stream tells anything.
    """
    told = frozenset(names)
    totals = (one for one in _EITHER if one != place and f"{one}_power_w" in told)
    return frozenset(f"{one}_{phase}_power_w" for one in totals for phase in PHASES)


def _of(place: str) -> Iterator[str]:
    yield from (f"{place}_{quantity}" for quantity in _OF_A_PLACE)
    yield from (f"{place}_{phase}_{quantity}" for phase in PHASES for quantity in _OF_A_PHASE)
    yield from (f"{place}_{line}_voltage_v" for line in LINES)
    if place == "ac_out":
        yield from _CONVERTED


def _powers(places: Iterable[str]) -> Iterator[str]:
    for place in places:
        yield f"{place}_power_w"
        yield from (f"{place}_{phase}_power_w" for phase in PHASES)


def _anywhere() -> Iterator[str]:
    yield from _ALWAYS
    yield from _powers((*_PLACES, "pv_on_grid", "pv_on_genset", "pv_on_output"))
    yield from (f"{place}_load_pct" for place in _PLACES)
    yield from (f"{kind}_{number}_power_w" for kind in ("pv", "battery") for number in _SOME)
    for number in _SOME:
        several = "" if number == 1 else f"_{number}"
        yield f"pvinverter{several}_power_w"
        yield f"solarcharger{several}_power_w"
        yield f"solarcharger{several}_pv_power_w"
        yield f"tank{several}_fluid_code"
        yield f"tank{several}_remaining_m3"


_ANYWHERE: Final = frozenset(_anywhere())
USUAL: Final = frozenset({"ac_out", "ac"})
"""Places of nearly all systems; no system tells of both."""

EVERY: Final = _ANYWHERE.union(*map(names_of, _PLACES))
"""All measurements that any report may use."""

NAMES: Final = names_of("ac_out") | names_of("ac")
"""What is read before anything is known of a system; where its place is another, that is read besides."""
