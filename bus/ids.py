"""Identifiers: time-ordered UUIDs for events, random tokens for sessions.

UUIDv7 (RFC 9562, section 5.7) keeps the journal's unique index growing at its end; random ids cost four
times as much.
"""

import secrets
import threading

from bus.instants import now_us as clock_us

_lock = threading.Lock()
_last = 0
_RANDOM_BITS = 74
_INSIDE_MS = 1 << _RANDOM_BITS


def uuid7(now_us: int | None = None) -> str:
    """Make a UUIDv7 that sorts after every one this process made before.

    Args:
        now_us: the instant to embed; the machine's clock when omitted.
    """
    global _last  # noqa: PLW0603 - one counter a process is the point
    milliseconds = (clock_us() if now_us is None else now_us) // 1000
    with _lock:
        # Within one millisecond, or after a clock that stepped back, count on from the last one.
        _last = max(milliseconds * _INSIDE_MS + secrets.randbits(_RANDOM_BITS - 1), _last + 1)
        value = _last
    stamp, tail = divmod(value, _INSIDE_MS)
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    number = (stamp & ((1 << 48) - 1)) << 80 | 7 << 76 | high << 64 | 2 << 62 | low
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def token() -> str:
    """Draw 16 random hexadecimal digits: the name of an epoch, a session or an incarnation."""
    return secrets.token_hex(8)
