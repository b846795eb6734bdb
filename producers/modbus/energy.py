"""What a count of the energy registers stands for, checked against power over time.

Documents and firmwares disagree by powers of ten, and a meter does not tell. Nothing is corrected by itself:
counters are kept as raw as they come, and a person is told what to set.

Rules that must stay true here:
- a window ends with every gap in the readings of power: what passed meanwhile is not known;
- phases that feed back while others draw may count differently, so that only powers of ten are told apart.
"""

from collections.abc import Mapping
from math import log10
from typing import Final

LONGEST_GAP_S: Final = 15.0
_COUNTS: Final = 30.0
"""Energy that is waited for, in counts of the register."""

_LEAST_WH: Final = 500.0
_NEAR: Final = 0.3
"""How far from a power of ten, in decades."""


class EnergyWatch:
    """Compares an import counter with power over time.

    Args:
        place: whose measurements are compared.
        scale: kWh of one count, as they are read now.

    Attributes:
        suggests: the scale that would agree; None while nothing speaks against the one there is.
    """

    def __init__(self, place: str, scale: float) -> None:
        self.suggests: float | None = None
        self._power = f"{place}_power_w"
        self._counter = f"{place}_energy_import_wh"
        self._scale = scale
        self._enough_wh = max(_LEAST_WH, _COUNTS * scale * 1000)
        self._last: tuple[float, float] | None = None
        self._drawn_wh = 0.0
        self._began_wh: float | None = None

    def power(self, at_s: float, values: Mapping[str, float | None]) -> None:
        """Take a reading of power."""
        watts = values.get(self._power)
        if watts is None or self._last is None or not 0 <= at_s - self._last[0] <= LONGEST_GAP_S:
            self._begin(None)
        else:
            mean = (max(watts, 0.0) + max(self._last[1], 0.0)) / 2
            self._drawn_wh += mean * (at_s - self._last[0]) / 3600
        self._last = None if watts is None else (at_s, watts)

    def counter(self, values: Mapping[str, float | None]) -> None:
        """Take a reading of the counter, and compare once enough has been drawn."""
        counted = values.get(self._counter)
        if counted is None or self._began_wh is None or counted < self._began_wh:
            self._begin(counted)
        elif self._drawn_wh >= self._enough_wh and counted > self._began_wh:
            decades = log10((counted - self._began_wh) / self._drawn_wh)
            if abs(decades - round(decades)) <= _NEAR:
                self.suggests = self._scale / 10 ** round(decades) if round(decades) else None
            self._begin(counted)

    def _begin(self, counted: float | None) -> None:
        self._began_wh, self._drawn_wh = counted, 0.0
