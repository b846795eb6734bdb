"""A whole event's report as one document, out of its systems' reports and profiles. Pure.

Rules that must stay true here: nothing is read but the parts and the facts; what the systems' reports say
is added up and never worked out anew; the same parts give the same bytes, in whatever order they come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from reporter import event_rows
from reporter.event_members import CONSUMING, Member, SystemPart, known, members, rooted, summed
from reporter.event_peaks import peaks
from reporter.event_profile import heat, stacked
from reporter.event_sustainability import sustainability
from reporter.facts import Document, EventFacts, ReportSettings
from reporter.figures import figure, instant, rounded
from reporter.findings import findings
from reporter.happenings import alarms, left_out, occurrences, photos, remarks
from reporter.system_report import DOCUMENT, behind, changes
from reporter.track import US

_BLOCK_MIN: Final = 15
_OF_LOADS: Final = ("energy_wh", "energy_export_wh", "apparent_energy_vah")
_OF_SOURCES: Final = (
    ("grid_import_wh", ("grid", "import_wh")),
    ("grid_export_wh", ("grid", "export_wh")),
    ("genset_wh", ("genset", "energy_wh")),
    ("genset_run_s", ("genset", "run_s")),
)
_SUN: Final = ("pv", "energy_wh")


def event_report(parts: Sequence[SystemPart], facts: EventFacts, settings: ReportSettings) -> Document:
    """Make the document of a whole event, rounded; several windows of one system are several parts."""
    of = members(parts, settings)
    counted = [member for member in of if member.counts]
    lengths = sorted({1, _BLOCK_MIN, settings.demand_minutes})
    told_peaks = [
        peaks(counted, facts.from_us, facts.to_us, minutes, settings.time_zone) for minutes in lengths
    ]
    by_blocks = next(one for one in told_peaks if one["seconds"] == 60 * settings.demand_minutes)
    notes = _notes(of, settings)
    added = _totals(of, counted)
    made: Document = {
        "document": DOCUMENT,
        "scope": "event",
        "event_id": facts.event_id,
        "revision": facts.revision,
        "reason": facts.reason,
        "provisional": not facts.ended or any(part.document["provisional"] for part in parts),
        **behind(facts),
        "made_from": asdict(facts.made_from),
        "settings": asdict(settings),
        "window": {
            "from": instant(facts.from_us),
            "to": instant(facts.to_us),
            "duration_s": (facts.to_us - facts.from_us) * US,
            "ended": facts.ended,
        },
        "totals": added | {"load_factor_ratio": by_blocks["load_factor_ratio"]},
        "peaks": told_peaks,
        "systems": event_rows.rows(of, facts),
        "profile": stacked(of, facts.from_us, facts.to_us, settings.time_zone),
        "heat": heat(of, facts.from_us, facts.to_us, settings.time_zone),
        "sustainability": sustainability(of, facts, added["energy_wh"]),
        "billing": event_rows.billing(of),
        "alarms": alarms(facts.alarms, facts.to_us),
        "alarm_counts": _alarm_counts(facts),
        "occurrences": occurrences(facts.occurrences),
        "remarks": remarks(facts.remarks),
        "photos": photos(facts.remarks),
        "left_out": left_out(facts.remarks, facts.alarms),
        "quality": event_rows.quality(of, by_blocks["blocks_dropped"], notes, facts.late_samples),
        "findings": findings(of),
    }
    made = rounded(made | {"methods_used": _methods_used(made)})
    return made | {"changed": changes(facts.previous, totals(made))}


def totals(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Give the main figures flat, as report.generated carries them and the next revision compares with."""
    told: dict[str, float | None] = {
        name: one["value"] for name, one in document["totals"].items() if isinstance(one, Mapping)
    }
    for one in document["peaks"]:
        minutes = one["seconds"] // 60
        told[f"coincident_{minutes}min_w"] = one["coincident_w"]["value"]
        told[f"non_coincident_{minutes}min_w"] = one["non_coincident_w"]["value"]
    for name in ("actual_l", "avoided_l", "avoided_co2_kg"):
        sums = document["sustainability"] or {}
        told[name] = sums[name]["value"] if name in sums else None
    return told | {"coverage_pct": document["quality"]["coverage_pct"]}


def _totals(of: Sequence[Member], counted: Sequence[Member]) -> Document:
    """Add up: loads of those that count, batteries of all, and each source where it was measured first."""
    made: Document = {name: summed(counted, "summary", name) for name in _OF_LOADS}
    for name, path in _OF_SOURCES:
        made[name] = summed(rooted(of, partial(_has, path)), *path)
    made["pv_wh"] = summed(rooted(of, partial(_has, _SUN), _sees_inverters), *_SUN)
    for name in ("in_wh", "out_wh"):
        made[f"battery_{name}"] = summed(of, "battery", name)
    seconds = sum(member.duration_s for member in counted)
    used = made["energy_wh"]
    returned = made["energy_export_wh"]["value"] or 0.0
    made["mean_of_systems_w"] = figure(
        (used["value"] - returned) * 3600.0 / seconds if used["value"] is not None and seconds > 0 else None,
        used["coverage_pct"],
    )
    return made | {
        "systems_count": len(of),
        "counted_count": len(counted),
        "windows_count": sum(len(member.parts) for member in of),
        "duration_s": seconds,
    }


def _has(path: tuple[str, ...], member: Member) -> bool:
    return known(member, *path)


def _sees_inverters(member: Member) -> bool:
    """Tell whether a system's sun has that of PV inverters in it."""
    return any(array["side"] == "ac" for arrays in member.told("pv", "arrays") for array in arrays)


def _notes(of: Sequence[Member], settings: ReportSettings) -> list[str]:
    """Give the words for what a reader of the totals should know."""
    kinds = {member.kind if member.kind in CONSUMING else "other" for member in of if member.counts}
    return [
        word
        for word, holds in (
            ("no_systems", not of),
            ("may_count_twice", len(kinds) > 1 and not settings.behind),
            ("some_are_behind", any(member.why == "behind" for member in of)),
            ("some_produce", any(member.why == "produces" for member in of)),
            ("some_have_no_power", any(member.why == "no_power" for member in of)),
            ("some_not_ended", any(not one["window"]["ended"] for member in of for one in member.documents)),
        )
        if holds
    ]


def _alarm_counts(facts: EventFacts) -> list[Document]:
    """Count alarms by name and level; what is still raised lasts until the end of the event at least."""
    counts: dict[tuple[str, str], list[Document]] = {}
    for one in alarms(facts.alarms, facts.to_us, None):
        counts.setdefault((one["level"], one["name"]), []).append(one)
    made = [
        {
            "name": name,
            "level": level,
            "count": len(found),
            "duration_s": sum(one["duration_s"] for one in found),
            "active_count": sum(one["active"] for one in found),
            "systems": sorted({one["system_id"] for one in found if one["system_id"] is not None}),
        }
        for (level, name), found in counts.items()
    ]
    return sorted(made, key=lambda one: (one["level"], -one["count"], one["name"]))


def _methods_used(document: Document) -> list[str]:
    """Give the words of the methods that the event's figures came by, for its box of methods."""
    return [
        word
        for word, used in (
            ("trapezoid", True),
            ("gap_guard", True),
            ("grades", True),
            ("coincident_peak", True),
            ("diversity", True),
            ("load_factor", True),
            ("sustainability", document["sustainability"] is not None),
            ("billing", document["billing"] is not None),
            ("findings", bool(document["findings"])),
        )
        if used
    ]
