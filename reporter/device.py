"""What a system is, by what it told: family, place of its power, phases, nominal values. Pure.

Rules that must stay true here:
- what was registered goes over what was detected, and the evidence is told beside;
- the configuration is detected by ratios of voltages, which no nominal voltage decides; the nominal voltage
is snapped to those of the site's region, because a measured one cannot tell 220 from 230 V.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from reporter.columns import Samples
from reporter.facts import ReportSettings, SystemFacts

PHASES: Final = ("l1", "l2", "l3")
LINES: Final = ("l12", "l23", "l31")
FAMILIES: Final = ("victron", "acuvim", "sunspec", "sungrow", "sma", "deye", "ups", "host")
_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "victron": ("ac_out", "load_out", "load", "ac_in", "grid"),
    "acuvim": ("ac",),
    "deye": ("load", "ac_out", "grid"),
}
_OTHER_PLACES: Final = ("ac_out", "ac", "load", "grid", "ac_in", "genset", "pv", "battery", "dc")
_INVERTERS: Final = ("vebus", "multi", "acsystem", "inverter")

_LIVE_V: Final = 60.0
_LINE_ONLY_V: Final = 150.0
_SPLIT, _WYE, _SAME = 1.87, 1.6, 0.2
_HIGH_LEG_LINE_V: Final = (200.0, 280.0)

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
class Phasing:
    """Tell which phases there are and how they belong together."""

    configuration: str
    live: tuple[str, ...]
    source: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nominal:
    """Tell the nominal voltage (to neutral, or between phases where there is no neutral) and frequency."""

    voltage_v: float | None
    between: str
    voltage_source: str
    frequency_hz: float | None
    frequency_source: str


@dataclass(frozen=True, slots=True)
class Device:
    """Tell what a system is; `place` None: it measures no power."""

    family: str
    place: str | None
    phasing: Phasing
    nominal: Nominal
    rated_w: float | None
    rated_source: str | None
    rated_a: float | None


def detect(samples: Samples, facts: SystemFacts, settings: ReportSettings) -> Device:
    """Say what a system is."""
    names = samples.names()
    family = _family(samples)
    place = next((one for one in _PLACES.get(family, ()) + _OTHER_PLACES if _has_power(one, names)), None)
    at = place or "ac"
    phasing = _phasing(samples, at, names, facts.registration.get("phases"))
    rated_w, source = _rating(samples, at, facts)
    return Device(
        family=family,
        place=place,
        phasing=phasing,
        nominal=_nominal(samples, at, phasing, facts.registration, settings),
        rated_w=rated_w,
        rated_source=source,
        rated_a=facts.registration.get("rated_a"),
    )


def main_description(facts: SystemFacts) -> Mapping[str, Any]:
    """Give the description of the device that the system is about: the inverter of several."""
    inverters = [one for one in facts.described if one.get("device", "").split("/")[0] in _INVERTERS]
    return next(iter(inverters or facts.described), {})


def configuration(neutral_v: Mapping[str, float], line_v: Mapping[str, float]) -> str:
    """Say by the ratio of measured voltages how phases belong together (all in V, medians of live time)."""
    live = [volts for volts in neutral_v.values() if volts > _LIVE_V]
    lines = [volts for volts in line_v.values() if volts > 0]
    typical = float(np.median(live)) if live else 0.0
    ratio = float(np.max(lines)) / typical if lines and typical else None
    match len(live):
        case 0:
            return "three_phase_delta" if lines and max(lines) > _LINE_ONLY_V else "unknown"
        case 1:
            return "single_phase"
        case 2:
            return _of_two(ratio)
        case _:
            return _of_three(live, lines, ratio)


def _of_two(ratio: float | None) -> str:
    if ratio is None:
        return "two_phase"
    if ratio > _SPLIT:
        return "split_phase"
    if ratio > _WYE:
        return "two_legs_of_wye"
    return "parallel_single_phase" if ratio < _SAME else "two_phase"


def _of_three(live: list[float], lines: list[float], ratio: float | None) -> str:
    typical = float(np.median(live))
    if _WYE <= max(live) / typical <= _SPLIT:
        low, high = _HIGH_LEG_LINE_V
        if not lines or low <= float(np.median(lines)) <= high:
            return "high_leg_delta"
    if ratio is not None and ratio < _SAME:
        return "parallel_single_phase"
    return "three_phase_wye"


def _family(samples: Samples) -> str:
    told: dict[str, int] = {}
    for stream in samples.streams:
        if stream.kind != "host" or len(samples.streams) == 1:
            told[stream.kind] = told.get(stream.kind, 0) + len(stream.time_us)
    return max(sorted(told), key=lambda kind: told[kind]) if told else "unknown"


def _has_power(place: str, names: frozenset[str]) -> bool:
    if f"{place}_power_w" in names or f"{place}_load_pct" in names:
        return True
    return any(f"{place}_{phase}_power_w" in names for phase in PHASES)


def _phasing(samples: Samples, place: str, names: frozenset[str], registered: int | None) -> Phasing:
    neutral_v = _medians(samples, place, PHASES, names)
    line_v = _medians(samples, place, LINES, names)
    live = tuple(phase for phase, volts in neutral_v.items() if volts > _LIVE_V)
    source, found = "detected", configuration(neutral_v, line_v)
    if not live:
        live = tuple(phase for phase in PHASES if f"{place}_{phase}_power_w" in names)
        if live and found == "unknown":
            source, found = "powers", ("single_phase", "two_phase", "three_phase_wye")[len(live) - 1]
    evidence: dict[str, Any] = {
        "neutral_v": neutral_v,
        "line_v": line_v,
        "line_to_neutral_ratio": max(line_v.values()) / float(np.median(list(neutral_v.values())))
        if line_v and neutral_v
        else None,
        "detected": found,
    }
    if registered is not None and registered != len(live):
        source, found = "registered", ("single_phase", "two_phase", "three_phase_wye")[registered - 1]
        evidence["differs"] = True
    elif registered is not None:
        source = "registered"
    return Phasing(found, live, source, evidence)


def _medians(
    samples: Samples, place: str, positions: tuple[str, ...], names: frozenset[str]
) -> dict[str, float]:
    """Give the median voltages while there was voltage; a position that hardly ever had one is left out."""
    found = {}
    for position in positions:
        name = f"{place}_{position}_voltage_v"
        if name in names:
            volts = samples.series(name).value
            live = volts[volts > _LIVE_V]
            if len(live) * 20 > len(volts):
                found[position] = float(np.median(live))
    return found


def _nominal(
    samples: Samples,
    place: str,
    phasing: Phasing,
    registration: Mapping[str, Any],
    settings: ReportSettings,
) -> Nominal:
    hertz = samples.series(f"{place}_frequency_hz").value
    if not len(hertz):
        hertz = samples.series(f"{place}_l1_frequency_hz").value
    hertz = hertz[hertz > _A_FREQUENCY_HZ]
    at_50 = settings.region in _AT_50_HZ
    if (given := registration.get("nominal_frequency_hz")) is not None:
        frequency, frequency_source = float(given), "registered"
    elif settings.nominal_frequency_hz is not None:
        frequency, frequency_source = settings.nominal_frequency_hz, "settings"
    elif len(hertz):
        frequency = 50.0 if float(np.median(hertz)) < _BETWEEN_HZ else 60.0
        frequency_source = "detected"
    else:
        frequency, frequency_source = (50.0 if at_50 else 60.0), "region"
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


def _rating(samples: Samples, place: str, facts: SystemFacts) -> tuple[float | None, str | None]:
    described = main_description(facts)
    told = samples.series(f"{place}_nominal_power_w").value
    for watts, source in (
        (facts.registration.get("rated_w"), "registered"),
        (facts.registration.get("rated_va"), "registered_va"),
        (described.get("rated_w"), "described"),
        (float(np.median(told)) if len(told) else None, "measured"),
        (described.get("rated_va"), "described_va"),
    ):
        if watts:
            return float(watts), source
    return None, None
