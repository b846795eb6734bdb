"""How often a battery delivered its usable capacity: by its counter of energy, else by its state of charge.

Pure. Rules that must stay true here:
- one source counts: where there is a counter of energy, what the state of charge fell by is only noted;
- a counter that is not read for an hour is stood in for by the state of charge; when it is read again, what
  was counted for it meanwhile is not counted again.
"""

from dataclasses import dataclass
from typing import Final

from bus.instants import SECOND_US

_SOC_STEP_PCT: Final = 1.0
_FULL_PCT: Final = 100.0
_ROUNDING: Final = 1e-9
_AWAY_US: Final = 3600 * SECOND_US
_MOST_CYCLES: Final = 100
"""A counter that rises by more from one sample to the next is another counter."""


@dataclass(slots=True)
class Cycles:
    """How often the usable capacity was delivered, in parts of it, and where the last count stood.

    Attributes:
        energy_us: when the counter of energy was read last.
        noted: what the state of charge fell by since then, and is not counted.
        ahead: what was counted by the state of charge while the counter was away.
    """

    done: float = 0.0
    energy_wh: float | None = None
    soc_pct: float | None = None
    energy_us: int = 0
    noted: float = 0.0
    ahead: float = 0.0

    @property
    def whole(self) -> int:
        """How often all of it was delivered."""
        return int(self.done + _ROUNDING)

    def energy(self, counter_wh: float, capacity_wh: float, time_us: int) -> None:
        """Count what a counter of discharged energy rose by."""
        before, self.energy_wh = self.energy_wh, counter_wh
        self.energy_us, self.noted = time_us, 0.0
        if before is None:
            return
        part = (counter_wh - before) / capacity_wh
        if not 0 <= part <= _MOST_CYCLES:
            self.ahead = 0.0
            return
        self.done += max(0.0, part - self.ahead)
        self.ahead = max(0.0, self.ahead - part)

    def soc(self, soc_pct: float, time_us: int) -> None:
        """Take in what the state of charge fell by, above its noise; full is full, and empty is empty."""
        reference = self.soc_pct
        if reference is None or soc_pct >= min(reference + _SOC_STEP_PCT, _FULL_PCT):
            self.soc_pct = soc_pct
            return
        if soc_pct > max(reference - _SOC_STEP_PCT, 0.0):
            return
        self.soc_pct = soc_pct
        self.noted += (reference - soc_pct) / 100
        if self.energy_wh is not None and time_us - self.energy_us <= _AWAY_US:
            return
        self.done += self.noted
        if self.energy_wh is not None:
            self.ahead += self.noted
        self.noted = 0.0
