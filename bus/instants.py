"""Instants: integer microseconds since the Unix epoch, and their RFC 3339 text.

Inside the code an instant is an `int` whose name ends in `_us`: exact, cheap to compare, the same in SQLite.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache

SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def now_us() -> int:
    """Return the machine's clock; only shell modules call this."""
    return time.time_ns() // 1000


@lru_cache(maxsize=512)
def text(instant_us: int) -> str:
    """Write an instant as RFC 3339 in UTC with six decimals, such as `2026-11-21T05:00:00.500000Z`."""
    moment = _EPOCH + timedelta(microseconds=instant_us)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def parse(value: str) -> int:
    """Read an RFC 3339 time with an offset.

    Raises:
        ValueError: the text is no time that `text` can write, or does not say its offset.
    """
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no UTC offset: add Z or +02:00")
    if len(value) < len("2026-11-21T05:00:00Z"):
        raise ValueError(f"{value!r} is not a full date and time")
    instant_us = (moment - _EPOCH) // _MICROSECOND
    if not _FIRST_US <= instant_us <= _LAST_US:
        raise ValueError(f"{value!r} is outside the years 1 to 9999 in UTC")
    return instant_us
