"""Charts: measurements of a system over a span, read from VictoriaMetrics on one grid.

Rules that must stay true here:
- nothing of a request becomes part of a query unless it is a system's id or a measurement's name in the form
  that we write: there is no way to ask for anything else;
- an answer is bounded, whatever span is asked for, and a slow database holds up nobody else for long.
"""

import asyncio
import http.client
import math
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query

from bus import instants
from bus.instants import SECOND_US, text
from schemas.errors import TransientError
from schemas.measurements import unknown as unknown_names
from web.api import answers, state_tables
from web.api.access import Reader, Served
from web.api.problems import Problem, sentence
from web.api.systems import name

router = APIRouter(tags=["charts"])
_MOST_NAMES: Final = 12
_MOST_POINTS: Final = 2000
_LONGEST_US: Final = 400 * 86_400 * SECOND_US
_AT_ONCE: Final = 3
_LEAST_STEP_MS: Final = 1000
_TIMEOUT_S: Final = 8.0
_LONGEST_ANSWER: Final = 16 << 20
_METRIC: Final = re.compile(r"[a-z][a-z0-9_]{0,127}", re.ASCII)
_SYSTEM: Final = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}", re.ASCII)
_ROLLUPS: Final[Mapping[str, str]] = {"avg": "mean", "min": "min", "max": "max"}
_turns = asyncio.Semaphore(_AT_ONCE)


@router.get("/api/range", summary="Measurements for charts", response_model_by_alias=True)
async def measured(
    served: Served,
    who: Reader,
    system_id: Annotated[str, Query(min_length=1, max_length=200, examples=["rig_01"])],
    names: Annotated[
        str,
        Query(
            min_length=1,
            max_length=1500,
            description=f"Measurements, separated by commas; at most {_MOST_NAMES}.",
            examples=["ac_out_power_w,soc_pct"],
        ),
    ],
    begin: Annotated[
        str | None, Query(alias="from", max_length=40, description="An hour before `to`, when left out.")
    ] = None,
    end: Annotated[str | None, Query(alias="to", max_length=40, description="Now, when left out.")] = None,
    points: Annotated[int, Query(ge=2, le=_MOST_POINTS)] = 600,
) -> answers.Range:
    """Return mean, least and greatest of each step of an equal grid; null where there is no sample."""
    del who
    wanted = await name(served, system_id)
    assert wanted is not None
    until_us = _instant("to", end) if end else instants.now_us()
    since_us = _instant("from", begin) if begin else until_us - 3600 * SECOND_US
    _check_span(since_us, until_us)
    measurements = _measurements(names)
    step_ms = max(_LEAST_STEP_MS, math.ceil((until_us - since_us) / points / 1000))
    count = math.ceil((until_us - since_us) / (step_ms * 1000))
    kinds = await served.reading(state_tables.kinds, served.reading.stores, wanted)
    series: dict[str, dict[str, list[float | None]]] = {}
    for measurement in measurements:
        query = expression(kinds, measurement, wanted, step_ms)
        found: Sequence[Any] = ()
        if query is not None:
            async with _turns:
                found = await served.reading(
                    ask, served.settings.victoria_url, query, since_us // 1000 + step_ms, step_ms, count
                )
        series[measurement] = columns(found, since_us // 1000, step_ms, count)
    return answers.Range.model_validate(
        {
            "system_id": wanted,
            "from": text(since_us),
            "to": text(since_us + count * step_ms * 1000),
            "step_s": step_ms / 1000,
            "series": series,
        }
    )


def expression(kinds: Sequence[str], measurement: str, system_id: str, step_ms: int) -> str | None:
    """Write the query; None when the system takes no samples, or a name has not the form of ours."""
    metrics = [f"{kind}_{measurement}" for kind in kinds]
    well = bool(metrics) and all(map(_METRIC.fullmatch, metrics)) and _SYSTEM.fullmatch(system_id)
    if not well:
        return None
    return f'rollup({{__name__=~"{"|".join(metrics)}",system_id="{system_id}"}}[{step_ms}ms])'


def ask(url: str, query: str, start_ms: int, step_ms: int, count: int) -> list[Any]:
    """Ask VictoriaMetrics for a range.

    Raises:
        TransientError: it is away, or took too long.
    """
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    form = {
        "query": query,
        "start": f"{start_ms / 1000:.3f}",
        "end": f"{(start_ms + (count - 1) * step_ms) / 1000:.3f}",
        "step": f"{step_ms}ms",
        "nocache": "1",
        "timeout": f"{_TIMEOUT_S:g}s",
    }
    try:
        connection.request(
            "POST",
            parts.path.rstrip("/") + "/api/v1/query_range",
            urllib.parse.urlencode(form),
            {"Content-Type": "application/x-www-form-urlencoded"},
        )
        answer = connection.getresponse()
        body = answer.read(_LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        raise TransientError("the series cannot be read now: is VictoriaMetrics running?") from error
    finally:
        connection.close()
    try:
        document = orjson.loads(body)
        found: list[Any] = document["data"]["result"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise TransientError(f"VictoriaMetrics answers with status {answer.status}") from error
    return found


def columns(found: Sequence[Any], since_ms: int, step_ms: int, count: int) -> dict[str, list[float | None]]:
    """Put what VictoriaMetrics answered on the grid; of several series the later one fills holes."""
    grid: dict[str, list[float | None]] = {name: [None] * count for name in _ROLLUPS.values()}
    for one in found:
        column = grid.get(_ROLLUPS.get(one["metric"].get("rollup", ""), ""))
        if column is not None:
            fill(column, one["values"], since_ms, step_ms)
    return grid


def fill(column: list[float | None], values: Sequence[Any], since_ms: int, step_ms: int) -> None:
    """Put times in seconds and numbers on a grid, where it holds nothing yet."""
    for at_s, value in values:
        index = round((at_s * 1000 - since_ms) / step_ms) - 1
        number = float(value)
        if 0 <= index < len(column) and math.isfinite(number) and column[index] is None:
            column[index] = number


def _measurements(names: str) -> list[str]:
    wanted = list(dict.fromkeys(one.strip() for one in names.split(",") if one.strip()))
    if not wanted or len(wanted) > _MOST_NAMES:
        raise Problem("invalid", f"Ask for 1 to {_MOST_NAMES} measurements at once.", field="names")
    wrong = unknown_names(dict.fromkeys(wanted))
    if wrong or not all(map(_METRIC.fullmatch, wanted)):
        what = wrong[0] if wrong else wanted[0]
        raise Problem(
            "invalid",
            f"There is no measurement {what[:80]!r}: see schemas/measurements.toml.",
            field="names",
            reason="unknown_measurement",
        )
    return wanted


def _check_span(since_us: int, until_us: int) -> None:
    if not 0 < until_us - since_us <= _LONGEST_US:
        raise Problem(
            "invalid", "Ask for a span that ends after it begins, of at most 400 days.", field="from"
        )


def _instant(field: str, value: str) -> int:
    try:
        return instants.parse(value.replace(" ", "+"))
    except ValueError as error:
        raise Problem(
            "invalid", sentence(f"write a time such as 2026-11-21T05:00:00Z: {error}"), field=field
        ) from error
