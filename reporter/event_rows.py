"""The table of an event: one row a system, ranked by energy, and how good each one's data are. Pure.

Rules that must stay true here: several windows of a system are one row, whose energies are sums and whose
peaks are the highest of them; each row says whether it is in the totals, and if not, why.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reporter.event_members import Member, at, summed
from reporter.facts import Document, EventFacts
from reporter.figures import figure, grade

_PEAKS: Final = ("peak_w", "peak_1min_w", "peak_15min_w", "peak_of_rating_pct")
_LETTERS: Final = "ABCD"


def rows(of: Sequence[Member], facts: EventFacts) -> list[Document]:
    """Give one row a system, the highest energy first; systems without an energy come last."""
    alarms = Counter(one.system_id for one in facts.alarms)
    occurrences = Counter(one.system_id for one in facts.occurrences)
    whole = sum(max(0.0, summed([one], "summary", "energy_wh")["value"] or 0.0) for one in of if one.counts)
    made = [_row(member, whole, alarms[member.system_id], occurrences[member.system_id]) for member in of]
    made.sort(key=lambda row: (row["energy_wh"]["value"] is None, -(row["energy_wh"]["value"] or 0.0)))
    for rank, row in enumerate(made, 1):
        row["rank"] = rank
    return made


def quality(of: Sequence[Member], dropped_blocks: int, notes: Iterable[str], late_samples: int) -> Document:
    """Tell how good the data of the event are, and those of each system."""
    told = [_quality(member) for member in of]
    measured = [one for one, member in zip(told, of, strict=True) if member.why != "no_power"]
    weight = [member.duration_s for member in of if member.why != "no_power"]
    covered = sum(one["coverage_pct"] * seconds for one, seconds in zip(measured, weight, strict=True))
    coverage_pct = covered / sum(weight) if sum(weight) > 0 else 0.0
    return {
        "coverage_pct": coverage_pct,
        "grade": grade(coverage_pct),
        "worst_grade": max((one["grade"] for one in measured), default="D"),
        "grades": {letter: sum(one["grade"] == letter for one in measured) for letter in _LETTERS},
        "missing_s": sum(one["missing_s"] for one in measured),
        "late_samples": late_samples or sum(one["late_samples"] for one in told),
        "dropped": sum(one["dropped"] for one in told),
        "blocks_dropped": dropped_blocks,
        "peak_may_hide": dropped_blocks > 0,
        "systems": told,
        "notes": list(notes),
    }


def billing(of: Sequence[Member]) -> Document | None:
    """Add up what the systems' reports would bill, for those that are in the totals."""
    told = [
        (member, [one for one in member.told("billing") if one["energy_wh"] is not None])
        for member in of
        if member.counts
    ]
    lines = [
        {
            "system_id": member.system_id,
            "energy_wh": sum(one["energy_wh"] for one in bills),
            "source": bills[0]["source"] if len({one["source"] for one in bills}) == 1 else "mixed",
            "amount": _amount(bills),
        }
        for member, bills in told
        if bills
    ]
    if not lines:
        return None
    lines.sort(key=lambda line: -line["energy_wh"])
    first = next(bills[0] for _, bills in told if bills)
    return {
        "energy_wh": sum(line["energy_wh"] for line in lines),
        "price_per_kwh": first["price_per_kwh"],
        "currency": first["currency"],
        "amount": _amount(lines),
        "systems": lines,
    }


def _amount(bills: Sequence[Mapping[str, Any]]) -> float | None:
    """Add amounts as they were rounded, so that the lines of a bill add up to it."""
    if any(one["amount"] is None for one in bills):
        return None
    return round(float(sum(one["amount"] for one in bills)), 2)


def _row(member: Member, whole_wh: float, alarms: int, occurrences: int) -> Document:
    energy = summed([member], "summary", "energy_wh")
    share = energy["value"] is not None and whole_wh > 0 and member.counts
    highest = {name: _highest(member.told("summary", name)) for name in _PEAKS}
    mean = _mean(member)
    return {
        "system_id": member.system_id,
        "name": member.newest("system", "name") or member.system_id,
        "kind": member.kind,
        "counted": member.counts,
        "why_not": member.why,
        "behind": member.behind,
        "href": member.parts[0].href,
        "rated_w": member.newest("system", "rated_w"),
        "locations": _locations(member),
        "windows": [_window(part.document, part.href) for part in member.parts],
        "duration_s": member.duration_s,
        "energy_wh": energy,
        "share_pct": 100.0 * energy["value"] / whole_wh if share else None,
        "energy_export_wh": summed([member], "summary", "energy_export_wh"),
        **highest,
        "mean_w": mean,
        "load_factor_ratio": _load_factor(member, mean, highest["peak_15min_w"]),
        "power_factor_ratio": _power_factor(member),
        "soc_min_pct": _lowest(member.told("battery", "soc_pct", "min")),
        "alarms_count": alarms,
        "occurrences_count": occurrences,
        "provisional": any(document["provisional"] for document in member.documents),
        "quality": _quality(member),
    }


def _window(document: Mapping[str, Any], href: str | None) -> Document:
    return {
        "from": document["window"]["from"],
        "to": document["window"]["to"],
        "duration_s": document["window"]["duration_s"],
        "ended": document["window"]["ended"],
        "href": href,
        "revision": document.get("revision"),
        "energy_wh": at(document, "summary", "energy_wh", "value"),
    }


def _locations(member: Member) -> list[str]:
    found: dict[str, None] = {}
    for document in member.documents:
        for segment in document["window"].get("segments", ()):
            if segment["location"]:
                found[segment["location"]] = None
    return list(found)


def _highest(told: Sequence[Document]) -> Document:
    known = [one for one in told if one["value"] is not None]
    if known:
        return dict(max(known, key=lambda one: float(one["value"])))
    return dict(told[0]) if told else figure(None, 0.0)


def _lowest(told: Sequence[Document]) -> Document | None:
    known = [one for one in told if one["value"] is not None]
    return dict(min(known, key=lambda one: float(one["value"]))) if known else None


def _mean(member: Member) -> Document:
    """Give the mean power, weighted by the counted part of each window."""
    found = [
        (one, float(at(document, "window", "counted", "duration_s") or 0.0))
        for document in member.documents
        if (one := at(document, "summary", "mean_w")) is not None and one["value"] is not None
    ]
    seconds = sum(weight for _, weight in found)
    if seconds <= 0:
        return figure(None, 0.0)
    mean = sum(one["value"] * weight for one, weight in found) / seconds
    return figure(mean, sum(one["coverage_pct"] * weight for one, weight in found) / seconds)


def _load_factor(member: Member, mean: Document, peak: Document) -> Document:
    told = member.told("summary", "load_factor_ratio")
    if len(member.parts) == 1 and told:
        return dict(told[0])
    if mean["value"] is None or not peak["value"]:
        return figure(None, mean["coverage_pct"])
    return figure(mean["value"] / peak["value"], mean["coverage_pct"])


def _power_factor(member: Member) -> Document:
    """Give the power factor; of several windows by their energies."""
    told = member.told("summary", "power_factor_ratio")
    if len(member.parts) == 1:
        return dict(told[0]) if told else figure(None, 0.0)
    pairs = [
        (energy, energy / factor, at(document, "summary", "power_factor_ratio", "coverage_pct"))
        for document in member.documents
        if (energy := at(document, "summary", "energy_wh", "value"))
        and (factor := at(document, "summary", "power_factor_ratio", "value"))
    ]
    apparent = sum(volt_amperes for _, volt_amperes, _ in pairs)
    if apparent <= 0:
        return figure(None, 0.0)
    coverage_pct = sum(share * volt_amperes for _, volt_amperes, share in pairs) / apparent
    return figure(sum(energy for energy, _, _ in pairs) / apparent, coverage_pct)


def _quality(member: Member) -> Document:
    told = [(document["quality"], float(document["window"]["duration_s"])) for document in member.documents]
    seconds = sum(weight for _, weight in told)
    covered = sum(one["coverage_pct"] * weight for one, weight in told)
    notes: dict[str, None] = {}
    for one, _ in told:
        notes |= dict.fromkeys(one["notes"])
    return {
        "system_id": member.system_id,
        "coverage_pct": covered / seconds if seconds > 0 else 0.0,
        "grade": max(one["grade"] for one, _ in told),
        "missing_s": sum(one["missing_s"] for one, _ in told),
        "gaps_count": sum(one["gaps_count"] for one, _ in told),
        "longest_gap_s": max(one["longest_gap_s"] for one, _ in told),
        "clock_unsynced_s": sum(one["clock_unsynced_s"] for one, _ in told),
        "dropped": sum(one["dropped"] for one, _ in told),
        "late_samples": sum(one["late_samples"] for one, _ in told),
        "register_delta_pct": max(
            (one["register_delta_pct"] for one, _ in told if one["register_delta_pct"] is not None),
            key=abs,
            default=None,
        ),
        "notes": list(notes),
    }
