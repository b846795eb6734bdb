"""Reports of the counters as documents: summary, detailed and trends, of any period, a system or the fleet.

Pure but for reading the counters. Rules that must stay true here:
- a document follows from the counters, the period and the choice alone: no clock, no random numbers;
- totals add up: of types to categories, of categories to the whole, of systems to the fleet; so all of it is
  read at one position.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bus.instants import SECOND_US, text
from projectors.counter_answers import Statistics
from projectors.counter_documents import described, fleet_scored, happened, lasted, scored
from projectors.counter_periods import DAY_US
from projectors.counter_queries import Counters
from schemas.occurrences import TABLE

KINDS: Final = ("summary", "detailed", "trends")
_TOP = 5
_MOST_HISTORY = 1000


@dataclass(frozen=True, slots=True)
class Period:
    """From `since_us` to before `until_us`."""

    since_us: int
    until_us: int

    @property
    def days(self) -> float:
        """Give its length."""
        return (self.until_us - self.since_us) / DAY_US


def report(counters: Counters, kind: str, period: Period, system_id: str | None = None) -> dict[str, Any]:
    """Make a report.

    Args:
        counters: to be asked.
        kind: one of `KINDS`.
        period: what of it is reported.
        system_id: of this system; of the fleet when left out.
    """
    body: Callable[[Counters, Period, str | None], dict[str, Any]] = {
        "summary": _summary,
        "detailed": _detailed,
        "trends": _trends,
    }[kind]
    with counters.still():
        return {
            "report_type": kind,
            "system_id": system_id,
            "from": text(period.since_us),
            "to": text(period.until_us),
            "period_days": round(period.days, 3),
            "position": counters.position(),
            **body(counters, period, system_id),
        }


def _summary(counters: Counters, period: Period, system_id: str | None) -> dict[str, Any]:
    types = counters.by_type(period.since_us, period.until_us, system_id)
    return _summed(counters, period, system_id, types)


def _summed(
    counters: Counters, period: Period, system_id: str | None, types: Mapping[str, int]
) -> dict[str, Any]:
    """Sum up what occurred, given how often each type did."""
    if system_id is None:
        systems = counters.by_system(period.since_us, period.until_us)
        healths = counters.each_health(period.until_us)
        health = fleet_scored(healths)
    else:
        systems = {system_id: sum(types.values())} if types else {}
        healths = {system_id: counters.health(period.until_us, system_id)}
        health = scored(healths[system_id])
    return {
        "total_events": sum(types.values()),
        "health": health,
        "event_categories": {
            category: _category(category, name, types) for category, name in TABLE.categories.items()
        },
        "durations": _durations(counters, period, system_id),
        "systems": [
            {"system_id": system, "events": number, "health": scored(healths[system])}
            for system, number in sorted(systems.items(), key=lambda one: (-one[1], one[0]))
        ],
    }


def _detailed(counters: Counters, period: Period, system_id: str | None) -> dict[str, Any]:
    found = counters.history(
        system_id=system_id, since_us=period.since_us, until_us=period.until_us, limit=_MOST_HISTORY
    )
    occurred = _occurred(counters, period, system_id)
    return {
        **_summed(counters, period, system_id, {one.occurrence.type: one.recent for one in occurred}),
        "types": [described(one) for one in occurred],
        "resets": [
            {**one, "time": text(one["time_us"])}
            for one in counters.resets(system_id)
            if period.since_us <= one["time_us"] < period.until_us
        ],
        "history": [happened(one) for one in found],
        "history_is_cut": len(found) == _MOST_HISTORY,
    }


def _trends(counters: Counters, period: Period, system_id: str | None) -> dict[str, Any]:
    days = counters.by_day(period.since_us, period.until_us, system_id)
    first = period.since_us // DAY_US
    number = max(1, -(-period.until_us // DAY_US) - first)
    rows = []
    for one in _occurred(counters, period, system_id):
        daily = days.get(one.occurrence.type, {})
        rows.append(described(one) | {"daily": [daily.get(first + n, 0) for n in range(number)]})
    return {
        "total_events": sum(row["recent_count"] for row in rows),
        "health": _whole(counters, period, system_id),
        "first_day": text(first * DAY_US)[:10],
        "types": rows,
    }


def _occurred(counters: Counters, period: Period, system_id: str | None) -> list[Statistics]:
    """Return the figures of what occurred in the period."""
    every = counters.statistics(period.until_us, since_us=period.since_us, system_id=system_id)
    return [one for one in every if one.recent]


def _category(category: str, name: str, types: Mapping[str, int]) -> dict[str, Any]:
    inside = [(type_, number) for type_, number in types.items() if TABLE.get(type_).category == category]
    top = sorted(inside, key=lambda one: (-one[1], one[0]))[:_TOP]
    return {
        "name": name,
        "total_count": sum(number for _, number in inside),
        "event_types": len(inside),
        "top_events": [[TABLE.get(type_).label, number] for type_, number in top],
    }


def _whole(counters: Counters, period: Period, system_id: str | None) -> dict[str, Any]:
    if system_id is None:
        return fleet_scored(counters.each_health(period.until_us))
    return scored(counters.health(period.until_us, system_id))


def _durations(counters: Counters, period: Period, system_id: str | None) -> list[dict[str, Any]]:
    found = counters.durations(period.until_us, period.since_us, system_id)
    return [lasted(found[type_]) for type_ in TABLE.occurrences if type_ in found]


def whole_days(now_us: int, days: int, offset_us: int = 0) -> Period:
    """Give the last whole days before now, as a place that is `offset_us` ahead of UTC counts them."""
    until_us = (now_us + offset_us) // DAY_US * DAY_US - offset_us
    return Period(until_us - days * DAY_US, until_us)


def last_days(now_us: int, days: float) -> Period:
    """Give so many days up to now."""
    return Period(now_us - round(days * 86_400) * SECOND_US, now_us)
