"""Times and durations as people say them: local, with the zone; UTC where it is asked for. Pure.

Rules that must stay true here: a time in a document is an RFC 3339 UTC text; local time is never written
without its zone being told in the same report; a zone that is not known is UTC, and said so.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_STEPS_MIN = (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720)
_STEPS_DAY = (1, 2, 5, 7, 14, 28, 91, 182, 364)
_DAY_MIN = 1440
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Clock:
    """Say times of a document in one zone, with the days and months of one language."""

    zone: ZoneInfo
    name: str
    days: tuple[str, ...] = _DAYS
    months: tuple[str, ...] = _MONTHS

    def at(self, text: str) -> datetime:
        """Read a time of the document."""
        return _parsed(text).astimezone(self.zone)

    def day(self, text: str) -> str:
        """Say a day: `Sat 21 Nov 2026`."""
        return self.date(self.at(text), year=True)

    def time(self, text: str, *, seconds: bool = False) -> str:
        """Say a time of day: `18:04`, `18:04:31`."""
        return self.at(text).strftime("%H:%M:%S" if seconds else "%H:%M")

    def moment(self, text: str | None, *, seconds: bool = False) -> str:
        """Say day and time: `Sat 21 Nov, 18:04`."""
        if text is None:
            return ""
        return f"{self.date(self.at(text))}, {self.time(text, seconds=seconds)}"

    def span(self, begin: str, end: str) -> str:
        """Say from when to when, the day once where it is one."""
        one, other = self.at(begin), self.at(end)
        if one.date() == other.date():
            return f"{self.day(begin)}, {one:%H:%M} \u2013 {other:%H:%M}"
        said = self.date(one, year=one.year != other.year)
        return f"{said}, {one:%H:%M} \u2013 {self.day(end)}, {other:%H:%M}"

    def date(self, at: datetime, *, year: bool = False) -> str:
        """Say the day of a local time."""
        said = f"{self.days[at.weekday()]} {at.day} {self.months[at.month - 1]}"
        return f"{said} {at.year}" if year else said

    def offset(self, text: str) -> str:
        """Say how far the zone is from UTC then: `UTC+01:00`."""
        minutes = round((self.at(text).utcoffset() or timedelta()).total_seconds() / 60)
        sign = "-" if minutes < 0 else "+"
        return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"

    def ticks(self, begin: datetime, end: datetime, most: int) -> Iterator[tuple[datetime, str, bool]]:
        """Give round local times in a span with their label, and whether a day begins there.

        At most about `most`; an hour that a change of clocks skips or repeats is given once.
        """
        minutes = (end - begin).total_seconds() / 60
        step = next((step for step in _STEPS_MIN if minutes / step <= most), None)
        if step is None:
            yield from self._days(begin, end, most)
            return
        local = begin.astimezone(self.zone)
        naive = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        seen = begin - timedelta(seconds=1)
        while True:
            for minute in range(0, _DAY_MIN, step):
                wall = (naive + timedelta(minutes=minute)).replace(tzinfo=self.zone)
                instant = wall.astimezone(UTC)
                if instant > end:
                    return
                if (
                    instant > seen
                    and instant >= begin
                    and instant.astimezone(self.zone).replace(tzinfo=None) == wall.replace(tzinfo=None)
                ):
                    seen = instant
                    yield instant, f"{wall:%H:%M}" if minute else self.date(wall), not minute
            naive += timedelta(days=1)

    def _days(self, begin: datetime, end: datetime, most: int) -> Iterator[tuple[datetime, str, bool]]:
        days = (end - begin).days + 1
        step = next((step for step in _STEPS_DAY if days / step <= most), _STEPS_DAY[-1])
        naive = begin.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        while (instant := naive.replace(tzinfo=self.zone).astimezone(UTC)) <= end:
            if instant >= begin:
                yield instant, self.date(naive), True
            naive += timedelta(days=step)


def clock(name: object, days: Sequence[str] = _DAYS, months: Sequence[str] = _MONTHS) -> Clock:
    """Make the clock of a zone (`Europe/Berlin`)."""
    if isinstance(name, str):
        try:
            return Clock(ZoneInfo(name), name, tuple(days), tuple(months))
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    return Clock(ZoneInfo("UTC"), "UTC", tuple(days), tuple(months))


def instant(text: str) -> datetime:
    """Read a time of the document, in UTC."""
    return _parsed(text)


def utc(text: str | None) -> str:
    """Say a time in UTC, to the second: `2026-11-21 18:04:31 UTC`."""
    return "" if text is None else f"{_parsed(text):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Say a duration: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - of a clock
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004
        return _two(whole, 60, "min", "s")
    minutes = round(whole / 60)
    if minutes < _DAY_MIN:
        return _two(minutes, 60, "h", "min")
    return _two(round(minutes / 60), 24, "d", "h")


def _two(whole: int, size: int, big: str, small: str) -> str:
    many, rest = divmod(whole, size)
    return f"{many} {big} {rest} {small}" if rest else f"{many} {big}"


@lru_cache(maxsize=4096)
def _parsed(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
