"""Map tiles that are counted at one time become one event; each count is answered when that is recorded."""

import asyncio
from typing import Final

from web.api.claims import SITE, Claim
from web.api.map_counts import LOADED
from web.api.outcomes import Outcome
from web.api.writing import Writer

_TOGETHER_S: Final = 0.25
_MOST: Final = 1_000_000


class Batches:
    """Counts that come at the same time become one event; each is answered when that is recorded."""

    def __init__(self, writer: Writer, patience_s: float) -> None:
        self._writer = writer
        self._patience_s = patience_s
        self._open: dict[tuple[str, str], list[int]] = {}
        self._flights: dict[tuple[str, str], asyncio.Task[Outcome]] = {}

    async def add(self, provider: str, month: str, count: int) -> Outcome:
        """Count tiles, and return what became of the event that holds them."""
        key = (provider, month)
        counts = self._open.get(key)
        if counts is None or sum(counts) + count > _MOST:
            counts = self._open[key] = []
            self._flights[key] = asyncio.get_running_loop().create_task(self._fly(key, counts))
        counts.append(count)
        return await asyncio.shield(self._flights[key])

    async def _fly(self, key: tuple[str, str], counts: list[int]) -> Outcome:
        await asyncio.sleep(_TOGETHER_S)
        if self._open.get(key) is counts:
            del self._open[key]
        provider, month = key
        data = {"provider": provider, "count": sum(counts), "month_key": month}
        return await self._writer.write(Claim(LOADED, SITE, data), patience_s=self._patience_s)
