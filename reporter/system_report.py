"""One system's report as one document: all sections put together, rounded, ready to be rendered. Pure.

Rules that must stay true here: the same samples, facts and settings give the same bytes; a section that has
nothing to say is null; nothing in the document needs another source to be understood but the catalogue of
words.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson

from reporter import summary
from reporter.basis import Basis, guard
from reporter.columns import Samples
from reporter.coverage import bridged, gaps
from reporter.curve import curve, phase_curves, soc_curve
from reporter.demand import demand
from reporter.device import detect
from reporter.energies import billing, energies, section
from reporter.excursions import excursions
from reporter.facts import Document, EventFacts, ReportSettings, SystemFacts
from reporter.figures import rounded
from reporter.happenings import alarms, left_out, occurrences, photos, remarks
from reporter.imbalance import imbalance
from reporter.load import load
from reporter.methods import Method, choose, methods, over
from reporter.phases import phases
from reporter.power_factor import apparent_method
from reporter.quality import quality
from reporter.supply import supply
from reporter.track import Track
from reporter.trimming import Trimmed, trim

DOCUMENT: Final = "ovr:report:1"
_LARGEST: Final = 1e15


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold what a document stands on: the basis of all sections, every method and the chosen one."""

    basis: Basis
    found: tuple[Method, ...]
    chosen: Method | None
    trimmed: Trimmed
    guard_us: int

    @property
    def power(self) -> Track:
        """Give the power that the report is about, over the whole window."""
        return self.basis.power


def stand(samples: Samples, facts: SystemFacts, settings: ReportSettings) -> Standing:
    """Find out what a system is, which power its report is about, and which part of the window counts."""
    device = detect(samples, facts, settings)
    found = methods(samples, device)
    chosen = choose(found, facts.from_us, facts.to_us, settings)
    power = over(chosen, facts.from_us, facts.to_us, settings)
    guard_us = guard(chosen.series, settings) if chosen is not None else 0
    trimmed = trim(power, guard_us)
    basis = Basis(
        samples=samples,
        facts=facts,
        settings=settings,
        device=device,
        power=power,
        power_method=chosen.word if chosen is not None else None,
        counted_from_us=trimmed.from_us,
        counted_to_us=trimmed.to_us,
        power_names=chosen.names if chosen is not None else (),
    )
    return Standing(basis, found, chosen, trimmed, guard_us)


def document(standing: Standing) -> Document:
    """Make the document of one system in one window, rounded."""
    made: Document = rounded(_sections(standing))
    return made | {"changed": changes(standing.basis.facts.previous, totals(made))}


def system_report(samples: Samples, facts: SystemFacts, settings: ReportSettings) -> Document:
    """Make the document of one system in one window, rounded, of its samples."""
    return document(stand(samples, facts, settings))


def encode(document: Mapping[str, Any]) -> bytes:
    """Write a document as it is stored: keys sorted, indented, one newline at the end."""
    return orjson.dumps(
        document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )


def totals(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Give the main figures flat, as report.generated carries them and the next revision compares with.

    What is larger than an event may carry is null.
    """
    told = {name: one["value"] for name, one in document["summary"].items()}
    told["coverage_pct"] = document["quality"]["coverage_pct"]
    return {name: None if value is None or abs(value) > _LARGEST else value for name, value in told.items()}


def behind(facts: SystemFacts | EventFacts) -> Document:
    """Name the nodes of which samples may be yet to come, where there are any."""
    return {"behind": list(facts.behind)} if facts.behind else {}


def changes(before: Mapping[str, Any] | None, after: Mapping[str, float | None]) -> list[dict[str, Any]]:
    """Say which main figures are not what they were in the revision before, of those that it had."""
    if before is None:
        return []
    return [
        {"figure": name, "before": before[name], "after": after.get(name)}
        for name in sorted(before)
        if before[name] != after.get(name)
    ]


def _sections(standing: Standing) -> Document:
    basis, found, chosen, trimmed = standing.basis, standing.found, standing.chosen, standing.trimmed
    facts = basis.facts
    stands = energies(basis, chosen)
    apparent = apparent_method(found)
    demanded = demand(basis, over(apparent, basis.from_us, basis.to_us, basis.settings))
    holes = bridged(gaps(basis.power, standing.guard_us), basis.power, stands.counted)
    made: Document = {
        "document": DOCUMENT,
        "scope": "system",
        "event_id": facts.event_id,
        "system_id": facts.system_id,
        "revision": facts.revision,
        "reason": facts.reason,
        "provisional": not facts.ended or bool(facts.behind),
        **behind(facts),
        "made_from": asdict(facts.made_from),
        "settings": summary.settings(basis),
        "window": summary.window(basis, trimmed),
        "system": summary.system(basis),
        "summary": summary.summary(basis, stands, demanded, apparent),
        "energy": section(basis, found, stands),
        "demand": demanded,
        "phases": phases(basis),
        "imbalance": imbalance(basis),
        "load": load(basis),
        "excursions": excursions(basis),
        "quality": quality(basis, holes, stands.trusted_delta_pct, summary.notes(basis, trimmed)),
        "curve": curve(basis.power),
        "soc_curve": soc_curve(basis),
        "phase_curves": phase_curves(basis),
        "remarks": remarks(facts.remarks),
        "photos": photos(facts.remarks),
        "left_out": left_out(facts.remarks, facts.alarms),
        "alarms": alarms(facts.alarms, facts.to_us),
        "occurrences": occurrences(facts.occurrences),
        "billing": billing(basis, stands),
    }
    sections = supply(basis)
    made |= sections
    return made | {"methods_used": summary.methods_used(made, list(sections))}
