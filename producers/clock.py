"""The clocks of this machine; the only module of the producers that reads them.

Whether the wall clock is synchronised is asked from systemd-timesyncd's marker and from the kernel
(`adjtimex`), which knows about chrony and ntpd too. Once synchronised it stays trusted for the life of the
process: a clock that was right drifts by seconds a day, which is no reason to doubt an order of events.
"""

import ctypes
import time
from pathlib import Path
from typing import Protocol

from producers.holding import ClockReading

_MARKER = Path("/run/systemd/timesync/synchronized")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_ASK_AGAIN_US = 1_000_000
_STA_UNSYNC = 0x40
_TIME_ERROR = 5


class Clock(Protocol):
    """What the runner needs to know about time."""

    def monotonic_us(self) -> int:
        """Return microseconds since boot, sleep included."""
        ...

    def read(self) -> ClockReading:
        """Return all clocks at one moment."""
        ...


class Timex(ctypes.Structure):
    """The head of Linux's `struct timex` (adjtimex(2)), with room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


class SystemClock:
    """The clocks of this machine."""

    def __init__(self) -> None:
        self._boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "unknown"
        self._synchronised = False
        self._asked_us = -_ASK_AGAIN_US

    def monotonic_us(self) -> int:
        """Return microseconds since boot, sleep included."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def read(self) -> ClockReading:
        """Return all clocks at one moment."""
        monotonic_us = self.monotonic_us()
        if not self._synchronised and monotonic_us - self._asked_us >= _ASK_AGAIN_US:
            self._asked_us = monotonic_us
            self._synchronised = _MARKER.exists() or kernel_synchronised()
        return ClockReading(time.time_ns() // 1000, monotonic_us, self._boot_id, self._synchronised)


def kernel_synchronised() -> bool:
    """Ask the kernel whether a time service keeps the clock; False where it cannot tell."""
    asked = ask_kernel()
    return asked is not None and kept(*asked)


def ask_kernel() -> tuple[int, Timex] | None:
    """Ask the kernel what it knows of its clock: adjtimex's state and figures; None where it cannot tell."""
    timex = Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else (state, timex)


def kept(state: int, timex: Timex) -> bool:
    """Tell whether a time service keeps the clock."""
    return state != _TIME_ERROR and not timex.status & _STA_UNSYNC
