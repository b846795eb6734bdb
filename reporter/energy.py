"""Energy of a power: trapezoids between samples, what goes one way and what goes the other. Pure.

Rules that must stay true here: a line that crosses zero is split where it crosses, so that import and
export are those of the lines; what is not covered gives no energy; the parts of a split span add up to the
whole.
"""

from dataclasses import dataclass

import numpy as np

from reporter.columns import Floats
from reporter.track import Track

_S_PER_H = 3600.0


@dataclass(frozen=True, slots=True)
class Energy:
    """Tell what went one way (plus, import) and the other (minus, export), both never negative.

    Of a power in W these are Wh; of one in VA or var they are VAh or varh.
    """

    plus_wh: float
    minus_wh: float
    covered_s: float
    coverage_pct: float

    @property
    def net_wh(self) -> float:
        """Give what went one way less what went the other."""
        return self.plus_wh - self.minus_wh


def energy(power: Track) -> Energy:
    """Integrate a power over its span; without a line between two samples there is no energy."""
    net = power.integral() / _S_PER_H
    if len(power) and power.value.min() >= 0:
        plus_wh, minus_wh = net, 0.0
    else:
        minus_wh = _above_zero(-power.value[:-1], -power.value[1:], power.step_s) / _S_PER_H
        plus_wh = max(0.0, net + minus_wh) if minus_wh else net
    return Energy(plus_wh, minus_wh, power.covered_s, power.coverage_pct)


def _above_zero(before: Floats, after: Floats, step_s: Floats) -> float:
    """Give the area of lines above zero: a trapezoid, or the triangle up to the crossing."""
    high, low = np.maximum(before, after), np.minimum(before, after)
    positive = np.maximum(high, 0.0)
    share = np.divide(positive, high - low, out=np.ones(len(high)), where=(low < 0) & (high > 0))
    return float((step_s * share * (positive + np.maximum(low, 0.0))).sum() / 2)
