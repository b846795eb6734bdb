"""Reading the event counters: how often what happened, how healthy systems are."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from bus import instants
from bus.instants import SECOND_US, text
from projectors.counter_answers import Count, Health
from projectors.counter_documents import happened
from projectors.counter_report import Period, report
from web.api.access import Reader, Served
from web.api.reading import Stores
from web.api.systems import PathSystem, name, unknown

router = APIRouter(tags=["counters"])
_DAY_US = 86_400 * SECOND_US
_MOST_HISTORY = 200
_turns = asyncio.Semaphore(2)  # reports of years take long, and threads are few
Days = Annotated[float, Query(gt=0, le=3660, description="Over so many days up to now.")]


class SystemCounters(BaseModel):
    """How healthy a system is, and how often what happened."""

    system_id: str
    score: float
    grade: str
    factors: list[dict[str, Any]]
    total: int
    last_day: int
    types: list[dict[str, Any]]


class Overview(BaseModel):
    """The fleet and its systems, the least healthy first."""

    score: float
    grade: str
    worst: str | None
    position: int
    systems: list[SystemCounters]


class Details(SystemCounters):
    """All of one system's counters."""

    position: int
    statistics: dict[str, Any]
    trends: dict[str, Any]
    history: list[dict[str, Any]]
    resets: list[dict[str, Any]]


@router.get("/api/counters", summary="Counters of every system")
async def overview(served: Served, who: Reader) -> Overview:
    """Say how healthy each system is and how often what happened, the least healthy first."""
    del who
    return Overview.model_validate(await served.reading(_overview, served.reading.stores, instants.now_us()))


@router.get("/api/counters/{system_id}", summary="Counters of one system")
async def details(system_id: PathSystem, served: Served, who: Reader, days: Days = 7.0) -> Details:
    """Say what happened to a system: totals, rates, trends, durations, and single occurrences."""
    del who
    wanted = await name(served, system_id)
    assert wanted is not None
    now_us = instants.now_us()
    period = Period(now_us - round(days * _DAY_US), now_us)
    async with _turns:
        found = await served.reading(_details, served.reading.stores, wanted, period)
    if found is None:
        raise unknown(wanted)
    return Details.model_validate(found)


@router.get("/api/counters/{system_id}/report", summary="A report of one system's counters")
async def counters_report(
    system_id: PathSystem,
    served: Served,
    who: Reader,
    kind: Annotated[
        str, Query(description="summary, detailed or trends.", pattern="^(summary|detailed|trends)$")
    ] = "summary",
    days: Days = 7.0,
) -> dict[str, Any]:
    """Make a report of the last days, as `ovr counters report` does; `all` reports the fleet."""
    del who
    wanted = await name(served, system_id)
    now_us = instants.now_us()
    period = Period(now_us - round(days * _DAY_US), now_us)
    asked = None if wanted == "all" else wanted
    async with _turns:
        return await served.reading(_report, served.reading.stores, kind, period, asked)


def _report(stores: Stores, kind: str, period: Period, system_id: str | None) -> dict[str, Any]:
    counters = stores.counters()
    if system_id is not None and system_id not in counters.systems():
        raise unknown(system_id)
    return report(counters, kind, period, system_id)


def _overview(stores: Stores, now_us: int) -> dict[str, Any]:
    counters = stores.counters()
    fleet = counters.health(now_us)
    systems = [
        _system(system_id, health, counters.show(now_us, system_id))
        for system_id, health in counters.each_health(now_us).items()
    ]
    systems.sort(key=lambda one: (one["score"], one["system_id"]))
    return {
        "score": fleet.score,
        "grade": fleet.grade,
        "worst": fleet.worst,
        "position": counters.position(),
        "systems": systems,
    }


def _details(stores: Stores, system_id: str, period: Period) -> dict[str, Any] | None:
    counters = stores.counters()
    if system_id not in counters.systems():
        return None
    now_us = period.until_us
    since_us = period.since_us
    found = counters.history(system_id=system_id, since_us=since_us, limit=_MOST_HISTORY)
    return {
        **_system(system_id, counters.health(now_us, system_id), counters.show(now_us, system_id)),
        "position": counters.position(),
        "statistics": report(counters, "summary", period, system_id),
        "trends": report(counters, "trends", period, system_id),
        "history": [happened(one) for one in found],
        "resets": [{**one, "time": text(one["time_us"])} for one in counters.resets(system_id)],
    }


def _system(system_id: str, health: Health, counted: list[Count]) -> dict[str, Any]:
    return {
        "system_id": system_id,
        "score": health.score,
        "grade": health.grade,
        "factors": [
            {
                "type": one.occurrence.type,
                "label": one.occurrence.label,
                "recent": one.recent,
                "points": one.points,
            }
            for one in health.factors
        ],
        "total": sum(one.total for one in counted),
        "last_day": sum(one.last_day for one in counted),
        "types": [_count(one) for one in counted],
    }


def _count(one: Count) -> dict[str, Any]:
    return {
        "type": one.occurrence.type,
        "label": one.occurrence.label,
        "category": one.occurrence.category,
        "severity": one.occurrence.severity,
        "total": one.total,
        "since_reset": one.since_reset,
        "flickers": one.flickers,
        "last_hour": one.last_hour,
        "last_day": one.last_day,
        "first_at": text(one.first_us),
        "last_at": text(one.last_us),
        "lasts_since": None if one.open_since_us is None else text(one.open_since_us),
    }
