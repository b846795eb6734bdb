"""Limits that hold for every message, whatever its type: size, depth, time.

Pure functions that pass or raise `InputError`. How many readings a sample may hold is in its schema.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.errors import InputError

MAX_BYTES: Final = 64 * 1024
"""What CloudEvents intermediaries must forward; an envelope with 512 readings needs a third of it."""

MAX_DEPTH: Final = 8
"""Nested objects and lists, the outermost counted; our own envelopes need 4."""

EARLIEST_US: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z: clocks without a battery begin in 1970 or at their firmware's date."""

AHEAD_US: Final = 5 * 60 * 1_000_000
"""How far a claimed time may be ahead of the recorder's clock."""


def check_size(payload: bytes, limit: int = MAX_BYTES) -> None:
    """Make sure that a payload is not too large.

    Raises:
        InputError: it is; reason `too_large`.
    """
    if len(payload) > limit:
        raise InputError(
            "too_large",
            "",
            f"send at most {limit} bytes, not {len(payload)}; photos are uploaded beside the event",
        )


def check_depth(document: Any, payload: bytes, limit: int = MAX_DEPTH) -> None:
    """Make sure that a document is not nested too deeply.

    Few brackets in the bytes cannot nest deeply, so that ordinary messages are not walked.

    Raises:
        InputError: it is; reason `too_deep`.
    """
    if payload.count(b"{") + payload.count(b"[") > limit and _deeper(document, limit):
        raise InputError("too_deep", "", f"nest objects and lists at most {limit} deep")


def check_time(time_us: int, now_us: int) -> None:
    """Make sure that a claimed time can be true.

    Raises:
        InputError: reason `time_past` before the year 2000, `time_future` more than five minutes ahead.
    """
    if time_us < EARLIEST_US:
        raise InputError("time_past", "time", "the time is before the year 2000: set the sender's clock")
    if time_us > now_us + AHEAD_US:
        ahead_s = (time_us - now_us) // 1_000_000
        raise InputError(
            "time_future",
            "time",
            f"the time is {ahead_s} s ahead of the recorder's clock, 300 are allowed: "
            "check the sender's clock and its offset from UTC",
        )


def _deeper(document: Any, limit: int) -> bool:
    level = [document]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True
