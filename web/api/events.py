"""Events of the users while they run: who takes part, what it came to so far; small charts of many systems.

Rules that must stay true here:
- systems whose windows begin and end together are asked for together: a stage is one question, not forty;
- the figures are for people who look; reports are made of the samples themselves, and may differ a little.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query

from bus import instants
from bus.instants import SECOND_US, text
from web.api import answers, grids, state_tables
from web.api.access import Reader, Served
from web.api.energy_so_far import Figures, Measured, coincident, counted, figures, measured
from web.api.problems import Problem
from web.api.service import Service
from web.api.systems import name

router = APIRouter(tags=["systems"])
_STEPS: Final = 90
_MOST_SYSTEMS: Final = 250
_NOTHING: Final = Figures(0.0, None, 0.0, 0.0)
Window = tuple[str, int, int | None]
PathEvent = Annotated[str, Path(min_length=1, max_length=120, examples=["startup"])]


@router.get("/api/events", summary="Events, the newest first")
async def events(
    served: Served, who: Reader, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> answers.Events:
    """List events of the users: since when, until when, how many systems."""
    del who
    await served.caught_up()
    found = await served.reading(state_tables.events, served.reading.stores, limit)
    return answers.Events(events=[answers.EventSaid.model_validate(one) for one in found])


@router.get("/api/events/{event_id:path}", summary="An event, and what it came to so far")
async def event(event_id: PathEvent, served: Served, who: Reader) -> answers.EventSoFar:
    """Say who takes part, and energy, peak and coverage up to now, by system and together.

    A system that lies behind another of the event, or measures no consumption, is shown and not summed.
    """
    del who
    await served.caught_up()
    now_us = instants.now_us()
    windows: list[Window] = await served.reading(state_tables.parts, served.reading.stores, event_id)
    if not windows:
        raise Problem("not-found", "No event has that name: see /api/events.", field="event_id")
    systems = sorted({system for system, _, _ in windows})
    measures = await _measures(served, systems)
    summed = counted(measures, served.settings.behind)
    each, at_once = await asyncio.gather(
        _each(served, windows, measures, now_us),
        _together(served, windows, {one: measures[one] for one in summed}, now_us),
    )
    total = sum((each[system] for system in summed if system in each), _NOTHING)
    return answers.EventSoFar.model_validate(
        {
            **_span(event_id, windows),
            "time": text(now_us),
            "totals": _said(total, coincident(at_once)),
            "systems": [
                {
                    "system_id": system,
                    "counted": system in summed,
                    "measurement": found.name if (found := measures[system]) else None,
                    "windows": [_window(one) for one in windows if one[0] == system],
                    **_said(own := each.get(system, _NOTHING), own.peak_w),
                }
                for system in systems
            ],
        }
    )


@router.get("/api/sparklines", summary="Small charts of many systems")
async def sparklines(
    served: Served,
    who: Reader,
    system_ids: Annotated[
        str,
        Query(
            min_length=1, max_length=20_000, description="Separated by commas.", examples=["rig_01,rig_02"]
        ),
    ],
    minutes: Annotated[int, Query(ge=1, le=1440)] = 15,
) -> answers.Sparklines:
    """Return least and greatest power of each of 90 steps, of each system that tells its power."""
    del who
    wanted = list(dict.fromkeys(one for one in system_ids.split(",") if one.strip()))
    if len(wanted) > _MOST_SYSTEMS:
        raise Problem("invalid", f"Ask for at most {_MOST_SYSTEMS} systems at once.", field="system_ids")
    systems = [one for typed in wanted if (one := await name(served, typed)) is not None]
    step_ms = math.ceil(minutes * 60_000 / _STEPS)
    since_ms = (instants.now_us() // 1000 // step_ms - _STEPS) * step_ms
    span = grids.Span(since_ms, step_ms, _STEPS)
    measures = await _measures(served, systems)
    found: dict[str, Any] = {}
    for metric, some in _by_metric(measures).items():
        for system, columns in (await grids.ask(served, metric, some, span)).items():
            found[system] = {
                "name": getattr(measures[system], "name", ""),
                "min": columns["min"],
                "max": columns["max"],
            }
    return answers.Sparklines.model_validate(
        {"from": text(since_ms * 1000), "step_s": step_ms / 1000, "systems": found}
    )


async def _measures(served: Service, systems: Collection[str]) -> dict[str, Measured | None]:
    streams = await served.reading(state_tables.streams, served.reading.stores, systems)
    return {system: measured(streams.get(system, ())) for system in systems}


async def _each(
    served: Service, windows: Iterable[Window], measures: Mapping[str, Measured | None], now_us: int
) -> dict[str, Figures]:
    """Sum up each system's windows; those that are alike in time and series in one question."""
    alike: dict[tuple[str, int, int, int], list[str]] = defaultdict(list)
    for system, begin_us, end_us in windows:
        one = measures[system]
        until_us = min(end_us or now_us, now_us)
        if one is not None and until_us > begin_us:
            seconds = begin_us // SECOND_US, math.ceil(until_us / SECOND_US)
            alike[one.metric, one.interval_ms, *seconds].append(system)
    found: dict[str, Figures] = {}
    for (metric, interval_ms, begin_s, until_s), systems in alike.items():
        span = grids.cut(begin_s, until_s, interval_ms)
        for system, columns in (await grids.ask(served, metric, systems, span)).items():
            own = _figures(columns, measures[system], span, until_s - begin_s)
            found[system] = found[system] + own if system in found else own
        for system in systems:
            found.setdefault(system, Figures(0.0, None, 0.0, float(until_s - begin_s)))
    return found


async def _together(
    served: Service, windows: Sequence[Window], measures: Mapping[str, Measured | None], now_us: int
) -> list[list[float | None]]:
    """Return the means of all systems on one grid over the event, while each takes part."""
    begin_s = min(begin_us for _, begin_us, _ in windows) // SECOND_US
    until_s = math.ceil(max(min(end_us or now_us, now_us) for _, _, end_us in windows) / SECOND_US)
    if until_s <= begin_s:
        return []
    slowest_ms = max((one.interval_ms for one in measures.values() if one is not None), default=1000)
    span = grids.cut(begin_s, until_s, slowest_ms)
    made: list[list[float | None]] = []
    for metric, systems in _by_metric(measures).items():
        for system, columns in (await grids.ask(served, metric, systems, span)).items():
            own = [(begin_us, end_us or now_us) for one, begin_us, end_us in windows if one == system]
            made.append(
                [
                    value if any(_within(span, index, *one) for one in own) else None
                    for index, value in enumerate(columns["avg"])
                ]
            )
    return made


def _within(span: grids.Span, index: int, begin_us: int, end_us: int) -> bool:
    """Tell whether the middle of a step lies in a window."""
    middle_us = (span.since_ms + (2 * index + 1) * span.step_ms // 2) * 1000
    return begin_us <= middle_us < end_us


def _by_metric(measures: Mapping[str, Measured | None]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for system, one in measures.items():
        if one is not None:
            found[one.metric].append(system)
    return found


def _figures(
    columns: Mapping[str, Sequence[float | None]], one: Measured | None, span: grids.Span, whole_s: float
) -> Figures:
    assert one is not None
    return figures(
        columns["avg"],
        columns["max"],
        columns["count"],
        step_s=span.step_ms / 1000,
        interval_s=one.interval_ms / 1000,
        whole_s=whole_s,
    )


def _said(own: Figures, peak_w: float | None) -> dict[str, float | None]:
    measured_ = own.covered_s > 0
    return {
        "energy_wh": round(own.energy_wh, 1) if measured_ else None,
        "peak_w": None if peak_w is None else round(peak_w, 1),
        "coverage_pct": None if own.coverage_pct is None else round(own.coverage_pct, 1),
    }


def _span(event_id: str, windows: Sequence[Window]) -> dict[str, Any]:
    ends = [end_us for _, _, end_us in windows]
    active = None in ends
    return {
        "event_id": event_id,
        "active": active,
        "started_at": text(min(begin_us for _, begin_us, _ in windows)),
        "ended_at": None if active else text(max(end_us for end_us in ends if end_us is not None)),
    }


def _window(window: Window) -> dict[str, str | None]:
    _, begin_us, end_us = window
    return {"started_at": text(begin_us), "ended_at": None if end_us is None else text(end_us)}
