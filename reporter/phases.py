"""Each phase by itself: voltage, current, power with times, energy and its share. Pure.

Rules that must stay true here: figures are those of the counted part; a phase that never was live is left
out.
"""

from reporter.basis import Basis
from reporter.energy import energy
from reporter.facts import Document
from reporter.figures import figure, instant
from reporter.track import Track

_SHARES = (0.01, 0.99)


def phases(basis: Basis) -> Document:
    """Tell of every live phase."""
    told = {phase: _phase(basis, phase) for phase in basis.device.phasing.live}
    energies = {phase: one["energy_wh"]["value"] for phase, one in told.items()}
    whole = sum(wh for wh in energies.values() if wh is not None and wh > 0)
    for phase, one in told.items():
        wh = energies[phase]
        one["share_pct"] = 100.0 * wh / whole if wh is not None and wh > 0 and whole > 0 else None
    return told


def spread(of: Track) -> Document | None:
    """Tell lowest, mean and highest with times, and the first and last percent of the time."""
    low, high = of.low(), of.peak()
    if low is None or high is None or of.covered_s <= 0:
        return None
    first, last = of.quantiles(_SHARES)
    return {
        "min": low[0],
        "min_at": instant(low[1]),
        "p1": first,
        "mean": of.mean(),
        "p99": last,
        "max": high[0],
        "max_at": instant(high[1]),
        "coverage_pct": of.coverage_pct,
    }


def _phase(basis: Basis, phase: str) -> Document:
    at = f"{basis.place}_{phase}"
    power = basis.track(f"{at}_power_w", counted=True)
    used = energy(power)
    peak = power.peak() if power.covered_s > 0 else None
    told = spread(power)
    factor = basis.track(f"{at}_apparent_power_va", counted=True)
    vah = energy(factor).plus_wh
    return {
        "voltage_v": spread(basis.track(f"{at}_voltage_v", counted=True)),
        "current_a": spread(basis.track(f"{at}_current_a", counted=True)),
        "power_w": told and told | {"peak": told["max"], "at": told["max_at"]},
        "peak_w": figure(*_moment(peak, power.coverage_pct)),
        "energy_wh": figure(used.plus_wh if power.covered_s > 0 else None, power.coverage_pct),
        "energy_export_wh": used.minus_wh if power.covered_s > 0 else None,
        "power_factor_ratio": max(-1.0, min(1.0, used.net_wh / vah)) if vah > 0 else None,
    }


def _moment(peak: tuple[float, int] | None, coverage_pct: float) -> tuple[float | None, float, int | None]:
    return (peak[0], coverage_pct, peak[1]) if peak is not None else (None, coverage_pct, None)
