"""What was counted and what alarmed, in a system's window or a whole event. Pure.

Rules that must stay true here: every one is listed, up to a number that is told, and all of them are
counted; an alarm that is still raised at the end lasts until then and says so.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from reporter.facts import Alarm, Document, Occurred
from reporter.figures import instant
from reporter.track import US

MOST_LISTED: Final = 500
_SEVERITIES: Final = ("critical", "error", "warning", "info")
_LEVELS: Final = ("alarm", "warning")


def occurrences(facts: Sequence[Occurred]) -> Document:
    """Count occurrences by type, the gravest first, and list them by time."""
    counts: dict[tuple[str, str], list[Occurred]] = {}
    for one in facts:
        counts.setdefault((one.type, one.severity), []).append(one)
    grave = sorted(counts.items(), key=lambda item: (_rank(_SEVERITIES, item[0][1]), -len(item[1]), item[0]))
    return {
        "count": len(facts),
        "counts": [
            {
                "type": kind,
                "severity": severity,
                "count": len(found),
                "duration_s": _sum(one.duration_s for one in found),
                "systems": sorted({one.system_id for one in found if one.system_id is not None}),
            }
            for (kind, severity), found in grave
        ],
        "list": [
            {
                "type": one.type,
                "severity": one.severity,
                "time": instant(one.time_us),
                "duration_s": one.duration_s,
                "cause": one.cause,
                "system_id": one.system_id,
            }
            for one in sorted(facts, key=lambda one: (one.time_us, one.type))[:MOST_LISTED]
        ],
    }


def alarms(facts: Sequence[Alarm], from_us: int, to_us: int) -> Document:
    """Count alarms by name, the gravest first, with the seconds they were raised in the span; list them."""
    counts: dict[tuple[str, str], list[Alarm]] = {}
    for one in facts:
        counts.setdefault((one.name, one.level), []).append(one)
    grave = sorted(counts.items(), key=lambda item: (_rank(_LEVELS, item[0][1]), -len(item[1]), item[0]))
    return {
        "count": len(facts),
        "counts": [
            {
                "name": name,
                "level": level,
                "count": len(found),
                "duration_s": sum(_raised_s(one, from_us, to_us) for one in found),
                "systems": sorted({one.system_id for one in found if one.system_id is not None}),
            }
            for (name, level), found in grave
        ],
        "list": [
            {
                "name": one.name,
                "level": one.level,
                "device": one.device,
                "phase": one.phase,
                "text": one.text,
                "from": instant(one.from_us),
                "to": instant(one.to_us),
                "active": one.to_us is None,
                "duration_s": _raised_s(one, from_us, to_us),
                "system_id": one.system_id,
            }
            for one in sorted(facts, key=lambda one: (one.from_us, one.name, one.device))[:MOST_LISTED]
        ],
    }


def _raised_s(one: Alarm, from_us: int, to_us: int) -> float:
    end_us = to_us if one.to_us is None else min(one.to_us, to_us)
    return max(0, end_us - max(one.from_us, from_us)) * US


def _sum(seconds: Iterable[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return sum(known) if known else None


def _rank(order: Sequence[str], word: str) -> int:
    return order.index(word) if word in order else len(order)
