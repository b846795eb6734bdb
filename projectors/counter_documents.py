"""What the counters answer, as documents: in the words of reports, of commands and of programs. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from bus.instants import text
from projectors.counter_answers import Count, Durations, Happened, Health, Statistics, fleet_health

_EVIDENCE: Final = ("cause", "device", "measurement", "measured", "threshold", "duration_s", "detail")


def counted(one: Count) -> dict[str, Any]:
    """Describe how often one type was counted."""
    opened = one.open_since_us
    return {
        "event_type": one.occurrence.label,
        "category": one.occurrence.category,
        "severity": one.occurrence.severity.upper(),
        "total": one.total,
        "since_reset": one.since_reset,
        "flickers": one.flickers,
        "last_hour": one.last_hour,
        "last_day": one.last_day,
        "first_occurrence": text(one.first_us),
        "last_occurrence": text(one.last_us),
        "lasts_since": text(opened) if opened is not None else None,
    }


def scored(found: Health) -> dict[str, Any]:
    """Describe a score, and what led to it."""
    return {
        "score": found.score,
        "grade": found.grade.upper(),
        "factors": [
            {
                "event_type": one.occurrence.label,
                "severity": one.occurrence.severity.upper(),
                "recent_count": one.recent,
                "points": one.points,
            }
            for one in found.factors
        ],
    }


def fleet_scored(healths: Mapping[str, Health]) -> dict[str, Any]:
    """Describe the score of the fleet, by those of its systems."""
    found = fleet_health(healths)
    return scored(found) | {"worst_system": found.worst}


def lasted(one: Durations) -> dict[str, Any]:
    """Describe how long occurrences of one type lasted."""
    opened = one.open_since_us
    return {
        "event_type": one.occurrence.label,
        "number": one.number,
        "total_s": round(one.total_s, 3),
        "longest_s": round(one.longest_s, 3),
        "open_since": text(opened) if opened is not None else None,
    }


def described(one: Statistics) -> dict[str, Any]:
    """Describe one type over some days."""
    return {
        "event_type": one.occurrence.label,
        "category": one.occurrence.category,
        "severity": one.occurrence.severity.upper(),
        "meaning": one.occurrence.counts,
        "total_count": one.total,
        "recent_count": one.recent,
        "observed_days": round(one.days, 3),
        "daily_average": one.daily_average,
        "trend": one.trend,
        "first_occurrence": text(one.first_us) if one.first_us is not None else None,
        "last_occurrence": text(one.last_us) if one.last_us is not None else None,
    }


def happened(one: Happened) -> dict[str, Any]:
    """Describe one occurrence."""
    said: dict[str, Any] = {
        "time": text(one.time_us),
        "system_id": one.system_id,
        "event_type": one.occurrence.label,
        "severity": one.occurrence.severity.upper(),
        "stage": one.stage,
        "position": one.position,
    }
    for name in _EVIDENCE:
        value = getattr(one, name)
        if value is not None:
            said[name] = value
    return said
