"""What a node does when its disk gets full: `[disk]` of site.toml. Pure.

Rules that must stay true here: nothing that is nowhere else is erased unless the configuration says so.
"""

import re
from dataclasses import dataclass

from bus.disk_levels import DiskLimits, Level
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class DiskSettings:
    """When what is given up; each limit is of free room, and has a default that fits the disk.

    Attributes:
        warn_mb: an alarm.
        tidy_mb: old logs go, and VictoriaMetrics keeps `victoria_retention`.
        erase_mb: the journal erases readings of samples older than `samples_days`.
        thin_mb: of this machine's own samples one a minute is kept.
        refuse_mb: samples are not recorded any more.
        reserve_mb: kept for what operators say.
        samples_days: what must stay; without it nothing is erased for want of room.
        erase_unsent: also what the uplink has not sent.
        victoria_retention: such as 30d; without it VictoriaMetrics keeps what it has.
    """

    warn_mb: int | None = None
    tidy_mb: int | None = None
    erase_mb: int | None = None
    thin_mb: int | None = None
    refuse_mb: int | None = None
    reserve_mb: int = 64
    samples_days: float | None = None
    erase_unsent: bool = False
    victoria_retention: str | None = None

    def limits(self) -> DiskLimits:
        """Return what the recorder needs of it."""
        said = zip(list(Level)[1:], self._given(), strict=True)
        free = {level: mb * 1_000_000 for level, mb in said if mb is not None}
        return DiskLimits(free, self.reserve_mb * 1_000_000, self.samples_days)

    def _given(self) -> tuple[int | None, ...]:
        return self.warn_mb, self.tidy_mb, self.erase_mb, self.thin_mb, self.refuse_mb


def check(said: DiskSettings, where: str) -> None:
    """Refuse what cannot be.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    given = [mb for mb in said._given() if mb is not None]  # noqa: SLF001 - of this module
    if any(mb < 0 for mb in (*given, said.reserve_mb)):
        raise ConfigurationError(f"{where}: what [disk] says in megabytes must not be negative")
    if given != sorted(given, reverse=True):
        raise ConfigurationError(
            f"{where}: disk.warn_mb, tidy_mb, erase_mb, thin_mb and refuse_mb must not rise in this order"
        )
    if said.samples_days is not None and said.samples_days <= 0:
        raise ConfigurationError(f"{where}: disk.samples_days must be above 0")
    retention = said.victoria_retention
    if retention is not None and not re.fullmatch(r"[1-9][0-9]*[hdwy]", retention):
        raise ConfigurationError(
            f"{where}: disk.victoria_retention is a number with h, d, w or y, such as 30d"
        )
