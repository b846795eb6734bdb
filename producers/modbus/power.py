"""The unit of power, checked against voltage times current: nothing else explains a factor of a thousand.

A meter measures apparent power from the same voltages and currents that it tells, so the two agree within a
few percent, whatever its wiring, its transformers and its load. Readings of one answer can be a cycle apart,
which is why one answer decides nothing.

Rules that must stay true here:
- less than `LEAST_VA` says nothing: the meter rounds, and an error of a thousand is then a few watts;
- only `AGREE` answers in a row change what is believed, and powers that contradict it are not told meanwhile.
"""

from collections.abc import Collection, Mapping
from math import sqrt
from typing import Final

LEAST_VA: Final = 10.0
AGREE: Final = 3
TOLERANCE: Final = 3.0
"""How far the two may be apart, as a factor; units are a thousand apart."""

_PHASES: Final = ("l1", "l2", "l3")
_LINES: Final = ("l12", "l23", "l31")
Values = Mapping[str, float | None]


def apparent_va(values: Values, place: str) -> float | None:
    """Work out the apparent power from voltages and currents; None when they are not all there."""
    currents = [values.get(f"{place}_{phase}_current_a") for phase in _PHASES]
    phases = [values.get(f"{place}_{phase}_voltage_v") for phase in _PHASES]
    pairs = [(v, i) for v, i in zip(phases, currents, strict=True) if v is not None and i is not None]
    if sum(voltage for voltage, _ in pairs) > 0:
        return sum(abs(voltage * current) for voltage, current in pairs)
    lines = [voltage for line in _LINES if (voltage := values.get(f"{place}_{line}_voltage_v"))]
    known = [abs(current) for current in currents if current is not None]
    return sum(lines) / len(lines) * sum(known) / sqrt(3) if lines and known else None


def told_va(values: Values, place: str) -> float | None:
    """Give the apparent power that the device tells, or works out to from its power and power factor."""
    told = values.get(f"{place}_apparent_power_va")
    if told is not None:
        return abs(told)
    power, factor = values.get(f"{place}_power_w"), values.get(f"{place}_power_factor_ratio")
    return abs(power / factor) if power is not None and factor else None


def suggests(values: Values, place: str, choices: Collection[float], current: float) -> float | None:
    """Give the choice that makes both apparent powers agree; None when that cannot be told.

    Args:
        values: as decoded with `current`.
        place: whose values they are.
        choices: what the scale of powers can be.
        current: the scale that they were decoded with.
    """
    worked_out, told = apparent_va(values, place), told_va(values, place)
    if worked_out is None or told is None or worked_out < LEAST_VA:
        return None
    for choice in choices:
        if worked_out / TOLERANCE <= told * choice / current <= worked_out * TOLERANCE:
            return choice
    return None


class PowerWatch:
    """What is believed about the scale of powers.

    Args:
        place: whose measurements are compared.
        choices: what the scale can be.
        scale: what to begin with.

    Attributes:
        scale: what is believed.
        agree: how many answers in a row say the same other scale.
    """

    def __init__(self, place: str, choices: Collection[float], scale: float) -> None:
        self.scale = scale
        self.agree = 0
        self.choices = choices
        self._place = place
        self._other: float | None = None

    def look(self, values: Values) -> float | None:
        """Look at values that were decoded with our scale; give another scale when they contradict it.

        What is given is proven when `agree` has reached `AGREE`.
        """
        suggested = suggests(values, self._place, self.choices, self.scale)
        if suggested is None or suggested == self.scale:
            self.agree = self.agree if suggested is None else 0
            self._other = self._other if suggested is None else None
            return None
        self.agree = self.agree + 1 if suggested == self._other else 1
        self._other = suggested
        return suggested

    def believe(self, scale: float) -> None:
        """Believe another scale from now on."""
        self.scale, self.agree, self._other = scale, 0, None
