"""One series of many systems on one grid, from VictoriaMetrics: mean, least, greatest, number of samples.

Rules that must stay true here:
- nothing of a request becomes part of a query unless it has the form of a series' name or a system's id;
- few questions are asked at a time, whoever asks.
"""

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from web.api import ranges
from web.api.service import Service

_STEPS: Final = 600
_TOGETHER: Final = 50
_AT_ONCE: Final = 2
_METRIC: Final = re.compile(r"[a-z][a-z0-9_]{0,127}", re.ASCII)
_SYSTEM: Final = re.compile(r"[a-z0-9][a-z0-9_.]{0,63}", re.ASCII)
_COLUMNS: Final = ("avg", "max", "min", "count")
_turns = asyncio.Semaphore(_AT_ONCE)
Grid = dict[str, list[float | None]]


class Span(NamedTuple):
    """A grid: where it begins, how long a step is, how many there are."""

    since_ms: int
    step_ms: int
    steps: int


def cut(begin_s: int, until_s: int, interval_ms: int) -> Span:
    """Cut a time into steps of at least a second, each with room for two samples."""
    step_ms = max(1000, 2 * interval_ms, math.ceil((until_s - begin_s) * 1000 / _STEPS))
    return Span(begin_s * 1000, step_ms, math.ceil((until_s - begin_s) * 1000 / step_ms))


async def ask(served: Service, metric: str, systems: Sequence[str], span: Span) -> dict[str, Grid]:
    """Ask for one series of some systems: mean, least, greatest and number of samples of each step."""
    well = [one for one in systems if _SYSTEM.fullmatch(one)]
    if not _METRIC.fullmatch(metric):
        return {}
    found: dict[str, Grid] = {}
    for start in range(0, len(well), _TOGETHER):
        some = "|".join(re.escape(one).replace("\\", "\\\\") for one in well[start : start + _TOGETHER])
        series = f'{metric}{{system_id=~"{some}"}}[{span.step_ms}ms]'
        for query in (f"rollup({series})", f'label_set(count_over_time({series}), "rollup", "count")'):
            async with _turns:
                answer = await served.reading(
                    ranges.ask,
                    served.settings.victoria_url,
                    query,
                    span.since_ms + span.step_ms,
                    span.step_ms,
                    span.steps,
                )
            _fill(found, answer, span)
    return found


def _fill(found: dict[str, Grid], answer: Iterable[Mapping[str, Any]], span: Span) -> None:
    for one in answer:
        system, what = one["metric"].get("system_id"), one["metric"].get("rollup")
        if what not in _COLUMNS:
            continue
        grid = found.setdefault(system, {name: [None] * span.steps for name in _COLUMNS})
        ranges.fill(grid[what], one["values"], span.since_ms, span.step_ms)
