"""Power factor and load factors, by energies. Pure.

Rules that must stay true here: a power factor is that of the energies and never the mean of samples; a
factor says over which length its peak was taken.
"""

from collections.abc import Sequence

from reporter.basis import Basis
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import figure
from reporter.methods import APPARENT, PRODUCT, VECTOR, Method
from reporter.track import Track


def apparent_method(found: Sequence[Method]) -> Method | None:
    """Give the apparent power to stand on: the meter's own, else that of P and Q, else volts times amps."""
    by_word = {method.word: method for method in found}
    return next((by_word[word] for word in (APPARENT, VECTOR, PRODUCT) if word in by_word), None)


def power_factor(basis: Basis, apparent: Track, source: str | None) -> Document:
    """Give the power factor of the counted part by energies, with what it was made from."""
    power = basis.counted_power
    reactive_name = f"{basis.place}_reactive_power_var"
    reactive = basis.track(reactive_name, counted=True)
    real = energy(power)
    if power.covered_s > 0 and reactive.coverage_pct >= _enough(power):
        varh = energy(reactive).net_wh
        vah = (real.net_wh**2 + varh**2) ** 0.5
        return _told(real.net_wh, vah, power.coverage_pct, "reactive", [reactive_name])
    if power.covered_s > 0 and source is not None and apparent.coverage_pct >= _enough(power):
        return _told(real.net_wh, energy(apparent).plus_wh, power.coverage_pct, source, [])
    return figure(None, power.coverage_pct, why="no_reactive_power") | {"source": None}


def load_factor(mean_w: float | None, peak: Document, seconds: int, coverage_pct: float) -> Document:
    """Give the mean over the highest demand."""
    highest = peak["value"]
    if mean_w is None or highest is None or highest <= 0:
        return figure(None, coverage_pct, why=peak.get("why", "no_load")) | {"of_seconds": seconds}
    return figure(mean_w / highest, coverage_pct) | {"of_seconds": seconds}


def _enough(power: Track) -> float:
    return power.coverage_pct - 1.0


def _told(wh: float, vah: float, coverage_pct: float, source: str, names: list[str]) -> Document:
    if vah <= 0:
        return figure(None, coverage_pct, why="no_load") | {"source": source}
    ratio = max(-1.0, min(1.0, wh / vah))
    return figure(ratio, coverage_pct) | {"source": source, "names": names}
