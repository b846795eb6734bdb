"""The nominal voltage and frequency of a system: registered, set, or snapped to those of its region. Pure.

Rule that must stay true here: a measured voltage cannot tell 220 from 230 V, so that the region decides
between them; what is near none is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from reporter.columns import Samples
from reporter.facts import ReportSettings
from reporter.phasing import Phasing

NOMINAL_V: Final[Mapping[str, tuple[float, ...]]] = {
    "eu": (230.0, 400.0),
    "uk": (230.0,),
    "us": (120.0, 277.0),
    "ca": (120.0, 277.0, 347.0),
    "au": (230.0,),
    "nz": (230.0,),
    "in": (230.0,),
    "jp": (100.0, 200.0),
    "latam": (127.0, 120.0, 220.0),
    "br": (127.0, 220.0),
    "mx": (127.0, 120.0, 277.0),
    "world": (100.0, 120.0, 127.0, 220.0, 230.0, 240.0, 277.0, 347.0, 400.0),
}
"""Nominal voltages to neutral, the commonest first (IEC 60038, ANSI C84.1)."""
_LINE_V: Final = (200.0, 208.0, 240.0, 380.0, 400.0, 415.0, 480.0, 600.0, 690.0)
_AT_50_HZ: Final = frozenset({"eu", "uk", "au", "nz", "in"})
_NEAR: Final = 0.15
_BETWEEN_HZ: Final = 55.0
_A_FREQUENCY_HZ: Final = 35.0


@dataclass(frozen=True, slots=True)
class Nominal:
    """Tell the nominal voltage (to neutral, or between phases where there is no neutral) and frequency."""

    voltage_v: float | None
    between: str
    voltage_source: str
    frequency_hz: float | None
    frequency_source: str


def find_nominal(
    samples: Samples,
    place: str,
    phasing: Phasing,
    registration: Mapping[str, Any],
    settings: ReportSettings,
) -> Nominal:
    """Say what voltage and frequency a place is meant to have."""
    frequency, frequency_source = _frequency(samples, place, registration, settings)
    delta = phasing.configuration == "three_phase_delta"
    between = "line" if delta else "neutral"
    if (given := registration.get("nominal_voltage_v")) is not None:
        return Nominal(float(given), between, "registered", frequency, frequency_source)
    if settings.nominal_voltage_v is not None and not delta:
        return Nominal(settings.nominal_voltage_v, between, "settings", frequency, frequency_source)
    voltage, source = _snapped(
        list(phasing.evidence["line_v" if delta else "neutral_v"].values()), settings, delta
    )
    return Nominal(voltage, between, source, frequency, frequency_source)


def _frequency(
    samples: Samples, place: str, registration: Mapping[str, Any], settings: ReportSettings
) -> tuple[float, str]:
    if (given := registration.get("nominal_frequency_hz")) is not None:
        return float(given), "registered"
    if settings.nominal_frequency_hz is not None:
        return settings.nominal_frequency_hz, "settings"
    for name in (f"{place}_frequency_hz", f"{place}_l1_frequency_hz"):
        hertz = samples.series(name).value
        hertz = hertz[hertz > _A_FREQUENCY_HZ]
        if len(hertz):
            return (50.0 if float(np.median(hertz)) < _BETWEEN_HZ else 60.0), "detected"
    return (50.0 if settings.region in _AT_50_HZ else 60.0), "region"


def _snapped(volts: list[float], settings: ReportSettings, delta: bool) -> tuple[float | None, str]:
    if not volts:
        return None, "unknown"
    typical = float(np.median(volts))
    if not delta:
        here = NOMINAL_V.get(settings.region, NOMINAL_V["world"])
        nearest = min(here, key=lambda nominal: abs(nominal - typical))
        if abs(nearest - typical) <= _NEAR * nearest:
            return nearest, "region"
    nearest = min(_LINE_V if delta else NOMINAL_V["world"], key=lambda nominal: abs(nominal - typical))
    return (nearest, "detected") if abs(nearest - typical) <= _NEAR * nearest else (None, "unknown")
