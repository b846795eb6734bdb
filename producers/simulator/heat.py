"""Temperatures that follow the load: each thing warms towards where its losses take it. Pure."""

from dataclasses import dataclass
from math import exp

_INVERTER_TAU_S, _BATTERY_TAU_S, _ENGINE_TAU_S = 420.0, 3600.0, 300.0
_INVERTER_RISE_C, _BATTERY_RISE_C = 38.0, 9.0
_ENGINE_RUNS_C, _ENGINE_LOAD_C = 62.0, 14.0


@dataclass(frozen=True, slots=True)
class Heat:
    """The temperatures of a rig."""

    inverter_c: float
    battery_c: float
    engine_c: float


@dataclass(frozen=True, slots=True)
class Strain:
    """What warms: shares of the ratings, and what a fault adds to the inverter."""

    inverter: float
    battery: float
    engine: float
    turns: bool
    blocked_c: float


def begin(air_c: float) -> Heat:
    """Give the temperatures of a cold site."""
    return Heat(air_c + 5.0, air_c, air_c)


def warmed(heat: Heat, air_c: float, strain: Strain, seconds: float) -> Heat:
    """Give the temperatures after a while."""
    engine_c = (_ENGINE_RUNS_C + _ENGINE_LOAD_C * strain.engine) if strain.turns else 0.0
    return Heat(
        _towards(
            heat.inverter_c,
            air_c + 5.0 + _INVERTER_RISE_C * strain.inverter + strain.blocked_c,
            seconds / _INVERTER_TAU_S,
        ),
        _towards(heat.battery_c, air_c + _BATTERY_RISE_C * strain.battery, seconds / _BATTERY_TAU_S),
        _towards(heat.engine_c, air_c + engine_c, seconds / _ENGINE_TAU_S),
    )


def _towards(now_c: float, end_c: float, part: float) -> float:
    return end_c + (now_c - end_c) * exp(-part)
