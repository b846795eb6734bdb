"""What a system is, by what it told: family, place of its power, phases, nominal values. Pure.

Rules that must stay true here:
- what was registered goes over what was detected, and the evidence is told beside;
- a system has one place whose power its report is about: what leaves it, before what enters it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from reporter.columns import Samples
from reporter.facts import ReportSettings, SystemFacts
from reporter.nominal import Nominal, find_nominal
from reporter.phasing import PHASES, Phasing, find_phasing

_PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "victron": ("ac_out", "load_out", "load", "ac_in", "grid"),
    "acuvim": ("ac",),
    "deye": ("load", "ac_out", "grid"),
}
_OTHER_PLACES: Final = ("ac_out", "ac", "load", "grid", "ac_in", "genset", "pv", "battery", "dc")
_INVERTERS: Final = ("vebus", "multi", "acsystem", "inverter")


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
    family, place = _family(samples), place_of(samples)
    at = place or "ac"
    phasing = find_phasing(samples, at, names, facts.registration.get("phases"))
    rated_w, source = _rating(samples, at, facts)
    return Device(
        family=family,
        place=place,
        phasing=phasing,
        nominal=find_nominal(samples, at, phasing, facts.registration, settings),
        rated_w=rated_w,
        rated_source=source,
        rated_a=facts.registration.get("rated_a"),
    )


def place_of(samples: Samples) -> str | None:
    """Say which power of a system a report is about, by the powers that it tells; None without any."""
    names, known = samples.names(), _PLACES.get(_family(samples), ())
    return next((one for one in known + _OTHER_PLACES if _has_power(one, names)), None)


def main_description(facts: SystemFacts) -> Mapping[str, Any]:
    """Give the description of the device that the system is about: the inverter of several."""
    inverters = [one for one in facts.described if one.get("device", "").split("/")[0] in _INVERTERS]
    return next(iter(inverters or facts.described), {})


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
