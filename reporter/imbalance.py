"""How unevenly the phases are loaded, and what their voltages make of it. Pure.

Rules that must stay true here: instants with hardly any current do not count; a voltage unbalance says
whether it is from voltages between phases, as NEMA MG-1 and IEC 61000-4-30 want them, or from those to
neutral; a neutral current says whether it was measured.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from reporter.basis import Basis
from reporter.columns import Flags, Floats
from reporter.facts import Document
from reporter.figures import instant
from reporter.phasing import LINES
from reporter.track import Track, quantiles

ABOVE_PCT: Final = (10, 20, 30)
_COUNTS: Final = 0.05
_LIVE_V: Final = 60.0
_SUGGEST_PCT: Final = 10.0
_THREE: Final = 3


def imbalance(basis: Basis) -> Document | None:
    """Tell the imbalance of the counted part; None for a single phase."""
    live = basis.device.phasing.live
    if len(live) < 2:  # noqa: PLR2004 - it takes two
        return None
    at = basis.place
    amps = basis.tracks([f"{at}_{phase}_current_a" for phase in live], counted=True)
    three = len(live) == _THREE and basis.device.phasing.configuration in {
        "three_phase_wye",
        "three_phase_delta",
        "high_leg_delta",
    }
    volts, source = _line_voltages(basis, three)
    current, hours, mean_a = _current(basis, amps)
    return {
        "current_nema_pct": current,
        "hours_above": hours,
        "voltage_nema_pct": _voltage(volts, nema),
        "voltage_iec_pct": _voltage(volts, iec) if three and len(volts) == _THREE else None,
        "voltage_source": source,
        "neutral_a": _neutral(basis, amps, three),
        "suggestion": _suggestion(live, mean_a),
    }


def nema(parts: Sequence[Floats]) -> Floats:
    """Give 100 · the largest distance from the mean over the mean."""
    every = np.abs(np.stack(parts))
    mean = every.mean(axis=0)
    off = np.abs(every - mean).max(axis=0)
    return _share(100.0 * off, mean)


def iec(lines: Sequence[Floats]) -> Floats:
    """Give negative over positive sequence in percent, from the three voltages between phases."""
    squares = np.stack(lines) ** 2
    beta = _share((squares**2).sum(axis=0), squares.sum(axis=0) ** 2)
    root = np.sqrt(np.clip(3.0 - 6.0 * beta, 0.0, 1.0))
    return np.asarray(100.0 * np.sqrt((1.0 - root) / (1.0 + root)), np.float64)


def neutral(amps: Sequence[Floats]) -> Floats:
    """Give the current of the neutral for three currents 120° apart with one power factor, no harmonics."""
    one, two, last = amps
    square = one**2 + two**2 + last**2 - one * two - two * last - last * one
    return np.asarray(np.sqrt(np.maximum(square, 0.0)), np.float64)


def _current(basis: Basis, amps: Sequence[Track]) -> tuple[Document | None, Document | None, Floats | None]:
    weight_s = amps[0].weight_s
    if not len(weight_s) or weight_s.sum() <= 0:
        return None, None, None
    size = [np.abs(one.value) for one in amps]
    mean = np.mean(size, axis=0)
    rated_a = basis.device.rated_a or float(mean.max())
    counts = mean >= _COUNTS * rated_a
    uneven = nema(size)
    weight_s = np.where(counts, weight_s, 0.0)
    hours = {str(pct): float(weight_s[uneven > pct].sum()) / 3600.0 for pct in ABOVE_PCT}
    told = _spread(amps[0], uneven, weight_s, counts)
    mean_a = np.array([(one * weight_s).sum() / weight_s.sum() for one in size]) if told else None
    return told, {"hours": hours, "counted_s": float(weight_s.sum())}, mean_a


def _voltage(volts: Sequence[Track], measure: Any) -> Document | None:
    if not volts:
        return None
    parts = [one.value for one in volts]
    live = np.min(parts, axis=0) > _LIVE_V
    return _spread(volts[0], measure(parts), np.where(live, volts[0].weight_s, 0.0), live)


def _line_voltages(basis: Basis, three: bool) -> tuple[Sequence[Track], str | None]:
    at = basis.place
    if three:
        lines = basis.tracks([f"{at}_{line}_voltage_v" for line in LINES], counted=True)
        if lines[0].covered_s > 0 and max(float(one.value.max()) for one in lines) > _LIVE_V:
            return lines, "between_phases"
    to_neutral = basis.tracks(
        [f"{at}_{phase}_voltage_v" for phase in basis.device.phasing.live], counted=True
    )
    if to_neutral[0].covered_s <= 0:
        return (), None
    if basis.device.phasing.configuration != "three_phase_wye":
        return to_neutral, "to_neutral"
    one, two, last = (track.value for track in to_neutral)
    pairs = ((one, two), (two, last), (last, one))
    derived = [to_neutral[0].with_value(np.sqrt(a**2 + b**2 + a * b)) for a, b in pairs]
    return derived, "derived_at_120_degrees"


def _neutral(basis: Basis, amps: Sequence[Track], three: bool) -> Document | None:
    measured = basis.track(f"{basis.place}_n_current_a", counted=True)
    if measured.covered_s > 0:
        told = _spread(measured, np.abs(measured.value), measured.weight_s, np.ones(len(measured), np.bool_))
        return told and told | {"measured": True}
    value = _estimated_neutral(basis.device.phasing.configuration, [np.abs(one.value) for one in amps], three)
    if value is None or amps[0].covered_s <= 0:
        return None
    told = _spread(amps[0], value, amps[0].weight_s, np.ones(len(value), np.bool_))
    return told and told | {"measured": False}


def _estimated_neutral(configuration: str, amps: Sequence[Floats], three: bool) -> Floats | None:
    """Give what comes back through the neutral; None where there is none, or angles are not known."""
    if three:
        return None if configuration == "three_phase_delta" else neutral(amps)
    if configuration == "split_phase":
        return np.asarray(np.abs(amps[0] - amps[1]), np.float64)
    return neutral((*amps, np.zeros(len(amps[0])))) if configuration == "two_legs_of_wye" else None


def _spread(times: Track, value: Floats, weight_s: Floats, counts: Flags) -> Document | None:
    whole_s = float(weight_s.sum())
    if whole_s <= 0:
        return None
    highest = int(np.argmax(np.where(counts, value, -np.inf)))
    return {
        "mean": float((value * weight_s).sum()) / whole_s,
        "p95": quantiles(value, weight_s, [0.95])[0],
        "max": float(value[highest]),
        "at": instant(int(times.time_us[highest])),
    }


def _suggestion(live: Sequence[str], mean_a: Floats | None) -> Document | None:
    """Suggest to move half of the difference from the fullest phase to the emptiest."""
    if mean_a is None:
        return None
    before = float(nema([np.array([one]) for one in mean_a])[0])
    high, low = int(np.argmax(mean_a)), int(np.argmin(mean_a))
    if before < _SUGGEST_PCT or high == low:
        return None
    moved = float(mean_a[high] - mean_a[low]) / 2
    after = mean_a.copy()
    after[high] -= moved
    after[low] += moved
    return {
        "suggestion": "move_load",
        "from": live[high],
        "to": live[low],
        "current_a": moved,
        "before_pct": before,
        "after_pct": float(nema([np.array([one]) for one in after])[0]),
        "mean_current_a": dict(zip(live, mean_a.tolist(), strict=True)),
    }


def _share(part: Floats, whole: Floats) -> Floats:
    found = np.zeros(len(part))
    np.divide(part, whole, out=found, where=whole > 0)
    return found
