"""The head of a system's report: its window, what it is, and its main figures. Pure.

Rules that must stay true here: energies are those of the whole window, means and shares those of the
counted part; what was registered stands before what devices say of themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from reporter.basis import Basis, guard
from reporter.demand import BLOCK_S, MINUTE_S, peak_of
from reporter.device import main_description
from reporter.energies import Energies
from reporter.energy import Energy, energy
from reporter.facts import Document
from reporter.figures import figure, instant
from reporter.methods import Method, over
from reporter.power_factor import load_factor, power_factor
from reporter.track import US, Track, track
from reporter.trimming import Trimmed

METER: Final = "ac"
"""The place of a meter, whose current transformers may be the wrong way round."""

_CLEARLY: Final = 0.02
_REGISTERED = (
    "name",
    "kind",
    "maker",
    "model",
    "serial",
    "firmware",
    "rated_w",
    "rated_va",
    "rated_a",
    "phases",
    "battery",
    "counterfactual_generator",
    "note",
)


def settings(basis: Basis) -> Document:
    """Tell the settings as they were given."""
    told = {field.name: getattr(basis.settings, field.name) for field in fields(basis.settings)}
    told = {name: dict(value) if isinstance(value, Mapping) else value for name, value in told.items()}
    return told | {"branding": asdict(basis.settings.branding)}


def window(basis: Basis, trimmed: Trimmed) -> Document:
    """Tell of the window, its places, and what of it counts."""
    facts = basis.facts
    return {
        "from": instant(facts.from_us),
        "to": instant(facts.to_us),
        "duration_s": (facts.to_us - facts.from_us) * US,
        "ended": facts.ended,
        "superseded": facts.superseded,
        "started_by": facts.started_by,
        "ended_by": facts.ended_by,
        "segments": [
            {"location": one.location, "from": instant(one.from_us), "to": instant(one.to_us)}
            for one in facts.segments
        ],
        "counted": {
            "from": instant(trimmed.from_us),
            "to": instant(trimmed.to_us),
            "duration_s": (trimmed.to_us - trimmed.from_us) * US,
            "threshold_w": trimmed.threshold_w,
        },
        "removed": [
            {
                "from": instant(one.from_us),
                "to": instant(one.to_us),
                "duration_s": (one.to_us - one.from_us) * US,
                "energy_wh": one.energy_wh,
                "place": one.place,
            }
            for one in trimmed.removed
        ],
    }


def system(basis: Basis) -> Document:
    """Tell what the system is."""
    device, registration = basis.device, basis.facts.registration
    described = main_description(basis.facts)
    told: Document = {name: registration.get(name, described.get(name)) for name in _REGISTERED}
    return told | {
        "system_id": basis.facts.system_id,
        "rated_w": device.rated_w,
        "rated_source": device.rated_source,
        "described": [dict(one) for one in basis.facts.described],
        "device": {
            "family": device.family,
            "place": device.place,
            "phases": {
                "configuration": device.phasing.configuration,
                "count": len(device.phasing.live) or None,
                "live": list(device.phasing.live),
                "source": device.phasing.source,
                "evidence": dict(device.phasing.evidence),
            },
            "nominal": {
                "voltage_v": device.nominal.voltage_v,
                "between": device.nominal.between,
                "frequency_hz": device.nominal.frequency_hz,
                "source": device.nominal.voltage_source,
                "frequency_source": device.nominal.frequency_source,
            },
        },
    }


def summary(basis: Basis, stands: Energies, demanded: Document, apparent: Method | None) -> Document:
    """Tell the main figures."""
    power, counted = basis.power, basis.counted_power
    coverage_pct = power.coverage_pct
    known = stands.used.covered_s > 0
    peak_15min = peak_of(demanded, BLOCK_S, "fixed")
    seconds, highest = (BLOCK_S, peak_15min)
    if peak_15min["value"] is None:
        seconds, highest = MINUTE_S, peak_of(demanded, MINUTE_S, "fixed")
    mean_w = counted.mean()
    reactive = basis.track(f"{basis.place}_reactive_power_var")
    volt_amperes = _counted(basis, apparent)
    return {
        "energy_wh": stands.used_wh(coverage_pct),
        "energy_export_wh": figure(stands.used.minus_wh if known else None, coverage_pct, why=stands.why),
        "apparent_energy_vah": _apparent(basis, apparent),
        "reactive_energy_varh": figure(
            energy(reactive).net_wh if reactive.covered_s > 0 else None,
            reactive.coverage_pct,
            why="not_measured",
        ),
        "peak_w": peak_of(demanded, 1, "sliding"),
        "peak_1min_w": peak_of(demanded, MINUTE_S, "sliding"),
        "peak_15min_w": peak_15min,
        "peak_va": _peak(volt_amperes),
        "peak_export_w": _export(power),
        "mean_w": figure(mean_w, counted.coverage_pct, why=stands.why),
        "load_factor_ratio": load_factor(mean_w, highest, seconds, counted.coverage_pct),
        "power_factor_ratio": power_factor(basis, volt_amperes, apparent.word if apparent else None),
        "peak_of_rating_pct": _of_rating(basis, peak_of(demanded, MINUTE_S, "sliding")["value"]),
        "mean_of_rating_pct": _of_rating(basis, mean_w),
        "counted_h": figure(counted.span_s / 3600.0, counted.coverage_pct),
    }


def methods_used(document: Document, sections: Sequence[str]) -> list[str]:
    """Give the words of the methods that the document's figures came by, for its box of methods."""
    words = ["trapezoid", "gap_guard", "grades", "demand", "load_factor"]
    words += [
        word
        for word, used in (
            ("idle_trimming", bool(document["window"]["removed"])),
            ("registers", bool(document["energy"]["registers"])),
            ("power_factor", document["summary"]["power_factor_ratio"]["value"] is not None),
            ("imbalance", document["imbalance"] is not None),
            ("histogram", document["load"] is not None),
            ("excursions", document["excursions"]["voltage"] is not None),
            ("billing", document["billing"] is not None),
            *((name, document[name] is not None) for name in sections),
        )
        if used
    ]
    return words


def notes(basis: Basis, trimmed: Trimmed) -> list[str]:
    """Give the words for what a reader of the figures should know of this system."""
    evidence: dict[str, Any] = dict(basis.device.phasing.evidence)
    power = energy(basis.power)
    return [
        word
        for word, holds in (
            ("no_samples", not basis.samples.streams),
            ("no_power_measured", bool(basis.samples.streams) and basis.power_method is None),
            ("sum_of_phases_used", basis.power_method == "sum_of_phases"),
            ("load_of_rating_used", basis.power_method == "load_of_rating"),
            ("idle_throughout", trimmed.idle_throughout),
            ("phases_differ_from_registration", bool(evidence.get("differs"))),
            ("flows_backwards", basis.place == METER and power.net_wh < 0),
            ("a_phase_flows_backwards", basis.place == METER and _backwards(basis, power)),
            ("rating_is_apparent", (basis.device.rated_source or "").endswith("_va")),
        )
        if holds
    ]


def _backwards(basis: Basis, total: Energy) -> bool:
    """Tell whether one phase of a meter flows against the others, as a reversed transformer makes it."""
    if total.net_wh <= 0:
        return False
    parts = (energy(basis.track(f"{METER}_{phase}_power_w")) for phase in basis.device.phasing.live)
    return any(part.net_wh < -_CLEARLY * total.net_wh for part in parts)


def _counted(basis: Basis, apparent: Method | None) -> Track:
    whole = over(apparent, basis.from_us, basis.to_us, basis.settings)
    if apparent is None:
        return whole
    series = apparent.series
    return track(series, basis.counted_from_us, basis.counted_to_us, guard(series, basis.settings))


def _apparent(basis: Basis, apparent: Method | None) -> Document:
    whole = over(apparent, basis.from_us, basis.to_us, basis.settings)
    known = whole.covered_s > 0
    return figure(energy(whole).plus_wh if known else None, whole.coverage_pct, why="not_measured") | {
        "method": apparent.word if apparent else None
    }


def _peak(volt_amperes: Track) -> Document:
    peak = volt_amperes.peak() if volt_amperes.covered_s > 0 else None
    if peak is None:
        return figure(None, volt_amperes.coverage_pct, why="not_measured")
    return figure(peak[0], volt_amperes.coverage_pct, peak[1])


def _export(power: Track) -> Document:
    low = power.low() if power.covered_s > 0 else None
    if low is None:
        return figure(None, power.coverage_pct)
    return figure(max(0.0, -low[0]), power.coverage_pct, low[1] if low[0] < 0 else None)


def _of_rating(basis: Basis, watts: float | None) -> Document:
    coverage_pct = basis.counted_power.coverage_pct
    if watts is None or not basis.device.rated_w:
        return figure(None, coverage_pct, why="no_rating" if watts is not None else "no_data")
    return figure(100.0 * watts / basis.device.rated_w, coverage_pct)
