"""Fuel and CO2 of a whole event: sums of its systems' own, and per person and day. Pure.

Rules that must stay true here: only what its systems could say is added up, and how many of them could is
told beside; what is compared (baseline, avoided, and `compared_…`) is of the systems for which a generator
was stated, and these alone; nothing is per person where nobody said how many came.
"""

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import Any, Final

from reporter.event_members import Member, above, known, rooted, summed
from reporter.facts import Document, EventFacts

_SUMS: Final = ("grid_import_wh", "actual_l", "actual_co2_kg", "outside_scopes_kg")
_COMPARED: Final = (
    "baseline_l",
    "avoided_l",
    "baseline_co2_kg",
    "avoided_co2_kg",
    "avoided_wtt_kg",
)
_WITH: Final = {"compared_actual_l": "actual_l", "compared_actual_co2_kg": "actual_co2_kg"}
_NOTHING_STATED: Final = "no_counterfactual"
_DAY_S: Final = 86_400
_US: Final = 1e-6


def sustainability(of: Sequence[Member], facts: EventFacts, energy: Document) -> Document | None:
    """Add up the systems that count; None where none of them says anything of it."""
    told = [member for member in of if member.told("sustainability") and member.why != "no_power"]
    if not told:
        return None
    stated = rooted(of, _is_stated)
    counted = [member for member in told if member.counts]
    made: Document = {"load_wh": summed(counted, "sustainability", "load_wh")}
    for name in _SUMS:
        made[name] = summed(_spending(of, counted, name), "sustainability", name)
    made |= {name: summed(stated, "sustainability", name) for name in _COMPARED}
    made |= {name: summed(stated, "sustainability", of) for name, of in _WITH.items()}
    for name in ("baseline_l", "avoided_l", "baseline_co2_kg", "avoided_co2_kg"):
        made[name] |= _bounds(stated, name)
    factors = {one["id"]: one for member in told for one in member.newest("sustainability", "factors") or ()}
    return made | {
        "stated": [member.system_id for member in stated],
        "not_stated": [member.system_id for member in counted if not _is_stated(member)],
        "factors": [factors[name] for name in sorted(factors)],
        "person_days": _person_days(facts),
        "per_person_day": _per_person_day(facts, energy, made),
        "notes": [word for word in _notes(told) if not (stated and word == _NOTHING_STATED)],
    }


def _spending(of: Sequence[Member], counted: Sequence[Member], name: str) -> list[Member]:
    """Give who used fuel or grid: each where it was measured first, and those of whom nobody knows."""
    sure = rooted(of, partial(_knows, name))
    behind = {upper.system_id for member in sure for upper in above(member, of)}
    return sure + [one for one in counted if one not in sure and one.system_id not in behind]


def _knows(name: str, member: Member) -> bool:
    return known(member, "sustainability", name)


def _is_stated(member: Member) -> bool:
    return any(one.get("stated") for one in member.told("sustainability", "counterfactual"))


def _bounds(told: Sequence[Member], name: str) -> Document:
    """Add the lower and the upper ends up; those of figures without any are the figures."""
    figures = [one for member in told for one in member.told("sustainability", name)]
    known = [one for one in figures if one["value"] is not None]
    if not any("low" in one for one in known):
        return {}
    return {end: sum(one.get(end, one["value"]) for one in known) for end in ("low", "high")}


def _person_days(facts: EventFacts) -> Document | None:
    if not facts.attendance:
        return None
    days = max(1, ceil((facts.to_us - facts.from_us) * _US / _DAY_S))
    return {"attendance": facts.attendance, "days": days, "person_days": facts.attendance * days}


def _per_person_day(facts: EventFacts, energy: Document, sums: Document) -> Document | None:
    counted = _person_days(facts)
    if counted is None:
        return None
    many = counted["person_days"]
    return {
        "energy_kwh": _share(energy, 1000.0 * many),
        "fuel_l": _share(sums["actual_l"], many),
        "co2_kg": _share(sums["actual_co2_kg"], many),
    }


def _share(figure: Document, of: float) -> Document:
    value: Any = figure["value"]
    kept = {name: part for name, part in figure.items() if name in ("coverage_pct", "grade", "why")}
    return kept | {"value": None if value is None else value / of}


def _notes(told: Sequence[Member]) -> list[str]:
    found: dict[str, None] = {}
    for member in told:
        for notes in member.told("sustainability", "notes"):
            found |= dict.fromkeys(notes)
    return list(found)
