"""How well this machine's clock is kept, as chrony, timesyncd or ntpd told the kernel.

Of adjtimex(2): `offset` is what is still to be added to the clock, so the clock is ahead by its negative;
`maxerror` grows by itself while nobody corrects the clock.
"""

from producers.clock import Timex, ask_kernel, kept
from producers.host_readings import Readings

_STA_NANO = 0x2000
_PPM = 1 << 16


def read() -> Readings:
    """Read what the kernel knows; without a kernel that tells, nothing."""
    asked = ask_kernel()
    return {} if asked is None else readings(*asked)


def readings(state: int, timex: Timex) -> Readings:
    """Turn the kernel's numbers into readings; how far off is known only while the clock is kept."""
    well = kept(state, timex)
    unit_s = 1e-9 if timex.status & _STA_NANO else 1e-6
    return {
        "clock_synchronised_code": float(well),
        "clock_offset_s": round(-timex.offset * unit_s, 9) if well else None,
        "clock_error_s": timex.maxerror / 1e6 if well else None,
        "clock_estimated_error_s": timex.esterror / 1e6 if well else None,
        "clock_correction_ppm": round(timex.freq / _PPM, 3),
    }
