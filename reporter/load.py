"""How the load was spread: percentiles, duration curve, six bins, bands of a generator. Pure.

Rules that must stay true here: seconds and energy of bins are exact for the lines between samples, so that
all bins together are the covered time and the energy; shares are of a rating where there is one, else of
the peak, and say so.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from reporter.basis import Basis
from reporter.facts import Document
from reporter.track import Track

BINS_PCT: Final = (0, 20, 40, 60, 80, 100)
BANDS_PCT: Final = (0, 25, 60, 80, 100)
WET_STACKING: Final = 0.30
_POINTS: Final = 101
_NAMED: Final = (
    ("p1", 0.01),
    ("p5", 0.05),
    ("p25", 0.25),
    ("p50", 0.5),
    ("p75", 0.75),
    ("p95", 0.95),
    ("p99", 0.99),
)


def load(basis: Basis) -> Document | None:
    """Tell how the load of the counted part was spread; None where there is nothing to tell of."""
    power = basis.counted_power
    if power.covered_s <= 0:
        return None
    peak = float(power.value.max())
    rated_w = basis.device.rated_w
    basis_w = rated_w or peak
    shares = np.linspace(1.0, 0.0, _POINTS).tolist()
    found = power.quantiles([*(share for _, share in _NAMED), *shares])
    named, duration = found[: len(_NAMED)], found[len(_NAMED) :]
    made: Document = {
        "power_w": {
            "min": float(power.value.min()),
            "mean": power.mean(),
            "max": peak,
            **{name: value for (name, _), value in zip(_NAMED, named, strict=True)},
        },
        "basis": "rating" if rated_w else "peak",
        "basis_w": basis_w,
        "duration": [[100.0 * (1.0 - share), watts] for share, watts in zip(shares, duration, strict=True)],
        "exceeded_w": {"10": duration[10], "50": duration[50], "90": duration[90]},
        "coverage_pct": power.coverage_pct,
    }
    if basis_w <= 0:
        return made | {"histogram": [], "bands": [], "below_zero": None, "below_30_pct_s": None}
    zero_s, zero_wh = below(power, 0.0, inclusive=False)
    low_s, _ = below(power, WET_STACKING * basis_w, inclusive=False)
    return made | {
        "histogram": _bins(power, basis_w, BINS_PCT),
        "bands": _bins(power, basis_w, BANDS_PCT),
        "below_zero": {"duration_s": zero_s, "energy_wh": zero_wh},
        "below_30_pct_s": low_s - zero_s,
    }


def below(power: Track, level: float, *, inclusive: bool = True) -> tuple[float, float]:
    """Give the seconds that a power is below a level (or at it), and the energy of them in Wh."""
    before, after = power.value[:-1], power.value[1:]
    low, high = np.minimum(before, after), np.maximum(before, after)
    rise = high - low
    flat = low <= level if inclusive else low < level
    part = np.clip(level - low, 0.0, rise)
    share = np.divide(part, rise, out=flat.astype(np.float64), where=rise > 0)
    seconds = power.step_s * share
    return float(seconds.sum()), float((seconds * (low + rise * share / 2)).sum() / 3600.0)


def _bins(power: Track, basis_w: float, edges_pct: Sequence[int]) -> list[Document]:
    under = [below(power, basis_w * pct / 100.0, inclusive=pct > 0) for pct in edges_pct]
    under.append((power.covered_s, power.integral() / 3600.0))
    covered_s = power.covered_s
    uppers: tuple[int | None, ...] = (*edges_pct[1:], None)
    return [
        {
            "from_pct": lower,
            "to_pct": upper,
            "duration_s": max(0.0, upto[0] - before[0]),
            "energy_wh": upto[1] - before[1],
            "time_pct": 100.0 * max(0.0, upto[0] - before[0]) / covered_s,
        }
        for lower, upper, before, upto in zip(edges_pct, uppers, under[:-1], under[1:], strict=True)
    ]
