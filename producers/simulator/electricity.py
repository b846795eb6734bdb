"""Three phases and a battery: the few formulas that everything in the simulator is made of.

Pure. Rules that must stay true here: per phase P = V·I·pf and S² = P² + Q²; totals are sums of the phases.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

# Open-circuit voltage of a lithium iron phosphate cell over its state of charge, 0 to 1.
_SOC = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0)
_CELL_V = (2.80, 3.05, 3.18, 3.24, 3.285, 3.30, 3.33, 3.34, 3.36, 3.45)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase at one moment: volts, watts, vars."""

    voltage_v: float
    power_w: float
    reactive_var: float

    @property
    def apparent_va(self) -> float:
        """Give the apparent power."""
        return sqrt(self.power_w**2 + self.reactive_var**2)

    @property
    def current_a(self) -> float:
        """Give the current; none flows where there is no voltage."""
        return self.apparent_va / self.voltage_v if self.voltage_v else 0.0

    @property
    def power_factor(self) -> float | None:
        """Give the power factor; without a current there is none."""
        apparent_va = self.apparent_va
        return self.power_w / apparent_va if apparent_va else None


Phases = tuple[Phase, Phase, Phase]
NOTHING: Phases = (Phase(0.0, 0.0, 0.0),) * 3


def total_w(phases: Phases) -> float:
    """Add up the active power of the phases."""
    return phases[0].power_w + phases[1].power_w + phases[2].power_w


def three(voltages: Sequence[float], watts: Sequence[float], vars_: Sequence[float]) -> Phases:
    """Make three phases of their values."""
    one, two, last = (Phase(*values) for values in zip(voltages, watts, vars_, strict=True))
    return one, two, last


def even(voltages: Sequence[float], power_w: float) -> Phases:
    """Spread active power evenly."""
    return three(voltages, (power_w / 3,) * 3, (0.0,) * 3)


def add(voltages: Sequence[float], parts: Iterable[Phases]) -> Phases:
    """Add up what flows at one place."""
    watts, vars_ = [0.0] * 3, [0.0] * 3
    for part in parts:
        for index, phase in enumerate(part):
            watts[index] += phase.power_w
            vars_[index] += phase.reactive_var
    return three(voltages, watts, vars_)


def line_voltage(one: Phase, two: Phase) -> float:
    """Give the voltage between two phases that are 120° apart."""
    return sqrt(one.voltage_v**2 + two.voltage_v**2 + one.voltage_v * two.voltage_v)


def neutral_current(phases: Phases) -> float:
    """Give the current in the neutral: the sum of three currents 120° apart, their power factors alike."""
    one, two, last = (phase.current_a for phase in phases)
    square = one**2 + two**2 + last**2 - one * two - two * last - last * one
    return sqrt(max(0.0, square))


def cell_voltage(soc: float) -> float:
    """Give the open-circuit voltage of a cell at a state of charge from 0 to 1."""
    after = min(max(bisect_right(_SOC, soc), 1), len(_SOC) - 1)
    part = (soc - _SOC[after - 1]) / (_SOC[after] - _SOC[after - 1])
    return _CELL_V[after - 1] + (_CELL_V[after] - _CELL_V[after - 1]) * part


def battery_voltage(open_v: float, resistance_ohm: float, power_w: float) -> float:
    """Give the terminal voltage at a power, positive = charging.

    It solves V = open + R·I with P = V·I; a discharge beyond what the resistance allows gives the voltage
    of the largest possible power.
    """
    return (open_v + sqrt(max(0.0, open_v**2 + 4.0 * resistance_ohm * power_w))) / 2.0
