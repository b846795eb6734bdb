"""Reads one UPS of an upsd.

Rules that must stay true here:
- a read is what upsd says now, or an error: nothing is kept from one read to the next but names, so that a
  reading that goes away is told as "no value";
- words of the status that nobody knows are logged once, and change nothing.
"""

import logging
from typing import TYPE_CHECKING

from producers.adapter import Description, Read
from producers.ups import meaning_file
from producers.ups.client import Upsd

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


class UpsAdapter:
    """Reads one UPS.

    Args:
        upsd: the connection, which several UPSes share.
        ups: its name there.
    """

    def __init__(self, upsd: Upsd, ups: str) -> None:
        self._upsd = upsd
        self._ups = ups
        self._meaning = meaning_file.packaged()
        self._variables: Mapping[str, str] = {}
        self._names: dict[str, None] = {}  # in the order of the table
        self._strange: frozenset[str] = frozenset()

    async def read(self) -> Read:
        """Read all variables once."""
        self._variables = await self._upsd.variables(self._ups)
        said = self._meaning.of(self._variables)
        if said.strange - self._strange:
            self._strange |= said.strange
            log.info("%s says %s in its status: not known", self._ups, ", ".join(sorted(said.strange)))
        self._names |= dict.fromkeys(said.values)
        return Read(self._names | said.values, said.alarms)

    async def describe(self) -> Description | None:
        """Tell what the last read said of the device."""
        return self._meaning.describe(self._variables) if self._variables else None

    async def close(self) -> None:
        """Nothing: the connection belongs to the source."""
