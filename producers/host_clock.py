"""How well this machine's clock is kept, as chrony, timesyncd or ntpd told the kernel.

Of adjtimex(2): `offset` is what is still to be added to the clock, so the clock is ahead by its negative;
`maxerror` grows by itself while nobody corrects the clock.
"""

import ctypes

from producers.host_readings import Readings

_STA_UNSYNC, _STA_NANO = 0x0040, 0x2000
_TIME_ERROR = 5
_PPM = 1 << 16


class _Timex(ctypes.Structure):
    """The head of Linux's `struct timex`, with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read() -> Readings:
    """Read what the kernel knows; without a kernel that tells, nothing."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return {}
    if state < 0:
        return {}
    return readings(state, timex.status, timex.offset, timex.freq, timex.maxerror, timex.esterror)


def readings(state: int, status: int, offset: int, freq: int, maxerror: int, esterror: int) -> Readings:
    """Turn the kernel's numbers into readings; how far off is known only while the clock is kept."""
    kept = state != _TIME_ERROR and not status & _STA_UNSYNC
    unit_s = 1e-9 if status & _STA_NANO else 1e-6
    return {
        "clock_synchronised_code": float(kept),
        "clock_offset_s": round(-offset * unit_s, 9) if kept else None,
        "clock_error_s": maxerror / 1e6 if kept else None,
        "clock_estimated_error_s": esterror / 1e6 if kept else None,
        "clock_correction_ppm": round(freq / _PPM, 3),
    }
