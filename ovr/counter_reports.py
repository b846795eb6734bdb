"""Reports of the counters that make themselves: daily, weekly, and anew when late events change one.

Rules that must stay true here:
- what a report says follows from the counters; the clock only says which days are over;
- a file is there whole or not at all, and is not touched while nothing of it changes.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bus import instants
from projectors.counter_periods import DAY_US
from projectors.counter_queries import Counters
from projectors.counter_report import Period, report
from reporter.counters import FORMATS, SUFFIXES

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_THURSDAY = 3
"""The day of the week, from Monday, that the epoch began on."""

_WEEK = 7


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which reports are made.

    Attributes:
        directory: where they are put, in `daily` and `weekly`.
        formats: of `reporter.counters.FORMATS`.
        back_days: late events change reports of so many days back.
    """

    directory: Path
    daily: bool = True
    weekly: bool = True
    formats: tuple[str, ...] = ("json", "csv", "html")
    back_days: int = 14


def make(counters: Counters, wanted: Wanted, now_us: int) -> list[Path]:
    """Write the reports that are missing, or that are no longer true; return those written."""
    return [path for due in _due(wanted, now_us, counters) for path in _write(counters, wanted, *due)]


def _due(wanted: Wanted, now_us: int, counters: Counters) -> Iterator[tuple[str, Period, str]]:
    today = now_us // DAY_US
    since = min(counters.systems().values(), default=now_us) // DAY_US
    first = max(since, today - wanted.back_days)
    if wanted.daily:
        for day in range(first, today):
            yield f"daily/{_date(day):%Y-%m-%d}", _days(day, 1), "detailed"
    if wanted.weekly:
        monday = (today + _THURSDAY) // _WEEK * _WEEK - _THURSDAY
        for begin in range(monday - _WEEK, first - _WEEK, -_WEEK):
            yield f"weekly/{_date(begin):%G-W%V}", _days(begin, _WEEK), "trends"


def _write(counters: Counters, wanted: Wanted, name: str, period: Period, kind: str) -> Iterator[Path]:
    document = report(counters, kind, period)
    known = wanted.directory / f"{name}{SUFFIXES['json']}"
    if _same(_read(known), document):
        return
    known.parent.mkdir(parents=True, exist_ok=True)
    for format_ in (*(one for one in wanted.formats if one != "json"), "json"):  # last: then all are there
        path = wanted.directory / f"{name}{SUFFIXES[format_]}"
        part = path.with_name(path.name + ".part")
        part.write_text(FORMATS[format_](document), encoding="utf-8")
        part.replace(path)
        yield path


def _read(path: Path) -> dict[str, Any]:
    try:
        said = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _same(known: dict[str, Any], document: dict[str, Any]) -> bool:
    """Tell whether two documents say the same, whatever position they were made at."""
    now = orjson.loads(orjson.dumps(document))
    return bool(known) and {**known, "position": 0} == {**now, "position": 0}


def _days(first: int, number: int) -> Period:
    return Period(first * DAY_US, (first + number) * DAY_US)


def _date(day: int) -> datetime:
    return _EPOCH + timedelta(days=day)


class Maker:
    """Makes reports beside a projector that counts, now and then, and never in its way."""

    def __init__(self, wanted: Wanted, every_s: float = 60.0) -> None:
        self._wanted = wanted
        self._every_s = every_s
        self._due_s = 0.0
        self._made: tuple[int, int] | None = None

    def __call__(self, counters: Counters, now_s: float) -> None:
        """Make what is due at a time of a steadily growing clock."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + self._every_s
        now_us = instants.now_us()
        state = (now_us // DAY_US, counters.occurred())
        if state == self._made:
            return
        try:
            for path in make(counters, self._wanted, now_us):
                log.info("wrote %s", path)
        except OSError as error:
            log.warning("a report cannot be written, it is tried again: %s", error)
        else:
            self._made = state
