"""Time that runs faster than the true one, for simulations: days of a site in minutes.

Rules that must stay true here:
- all that a producer knows of time comes from its event loop and its clock, and both run at one pace;
- the pace counts from a true moment that all processes of a simulation share, so that they agree, and a
  restarted one goes on in time;
- what paces the machine and not the site (files, health) is given in true seconds and stretched by `stretch`.

The event loop that runs at a pace is in `producers/paced_loop.py`.
"""

from dataclasses import dataclass, replace
from math import isfinite

from bus import instants
from producers.clock import Clock
from producers.holding import ClockReading
from schemas.errors import ConfigurationError

SLOWEST, FASTEST = 0.01, 1_000.0
_AHEAD_US = 300_000_000
_DAY_US = 86_400_000_000
_FIRST_US = 946_684_800_000_000  # 2000-01-01: the recorder believes nothing older


@dataclass(frozen=True, slots=True)
class Pace:
    """Simulated time: `zero_us` when the true time was `real_zero_us`, and `speed` times as fast since."""

    speed: float = 1.0
    real_zero_us: int = 0
    zero_us: int = 0

    def simulated(self, real_us: int) -> int:
        """Tell what time it is in the simulation."""
        return self.zero_us + round((real_us - self.real_zero_us) * self.speed)

    def real(self, simulated_us: int) -> int:
        """Tell when a time of the simulation is, truly."""
        return self.real_zero_us + round((simulated_us - self.zero_us) / self.speed)

    def stretch(self, real_s: float) -> float:
        """Tell how long some true seconds are in the simulation."""
        return real_s * self.speed

    def clock(self, clock: Clock) -> Clock:
        """Return a clock that runs at this pace."""
        return clock if self == REAL else PacedClock(clock, self)


REAL = Pace()
"""No simulation: the true time."""


def pace(speed: float, real_zero: str | None, zero: str | None) -> Pace:
    """Make a pace of what a configuration says.

    Raises:
        ConfigurationError: it makes no sense.
    """
    if real_zero is None and zero is None and speed == 1.0:
        return REAL
    if not isfinite(speed) or not SLOWEST <= speed <= FASTEST:
        raise ConfigurationError(f"clock.speed must lie between {SLOWEST:g} and {FASTEST:g}, got {speed:g}")
    if real_zero is None or zero is None:
        raise ConfigurationError(
            "clock.real_zero and clock.zero go together, and a speed needs both: "
            "the simulated time was `zero` when the true time was `real_zero`"
        )
    return Pace(speed, _instant("clock.real_zero", real_zero), _instant("clock.zero", zero))


def since_yesterday(speed: float, now_us: int) -> Pace:
    """Make a pace that begins a day back: a faster time can run for a day before it is ahead of the true one.

    Raises:
        ConfigurationError: the speed makes no sense.
    """
    return pace(speed, instants.text(now_us), instants.text(now_us - _DAY_US))


def check(paced: Pace, now_us: int) -> None:
    """Refuse a simulation whose time the recorder would not believe.

    Raises:
        ConfigurationError: its time is ahead of the true one.
    """
    simulated_us = paced.simulated(now_us)
    if simulated_us > now_us + _AHEAD_US:
        raise ConfigurationError(
            f"the simulated time is {instants.text(simulated_us)}, ahead of the true one, and the recorder "
            "believes no times in the future: set clock.zero earlier, or clock.real_zero later"
        )


class PacedClock:
    """The clocks of a machine at another pace.

    The monotonic clock of another pace is not comparable, so its boot has a name of its own.
    """

    def __init__(self, clock: Clock, paced: Pace) -> None:
        self._clock = clock
        self._pace = paced
        self._boot = f"-at-{paced.speed:g}".replace(".", "-")

    def monotonic_us(self) -> int:
        """Return simulated microseconds since boot."""
        return round(self._clock.monotonic_us() * self._pace.speed)

    def read(self) -> ClockReading:
        """Return all clocks at one moment."""
        true = self._clock.read()
        return replace(
            true,
            wall_us=self._pace.simulated(true.wall_us),
            monotonic_us=round(true.monotonic_us * self._pace.speed),
            boot_id=true.boot_id + self._boot,
        )


def _instant(name: str, text: str) -> int:
    try:
        found = instants.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} must be a time such as 2026-11-21T05:00:00Z: {error}") from error
    if found < _FIRST_US:
        raise ConfigurationError(f"{name} must not lie before the year 2000, got {text}")
    return found
