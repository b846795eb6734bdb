"""Run asyncio at a pace: every sleep and every time limit is as long as the simulation says.

Rules that must stay true here:
- whatever hangs in the loop at the end, and ignores being cancelled, does not hold up the end.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from producers.pace import REAL, Pace

T = TypeVar("T")

_LEFT_BEHIND_AFTER_S = 1.0


def run(main: Coroutine[Any, Any, T], paced: Pace = REAL) -> T:
    """Run to the end at a pace, and close the loop, whatever still hangs in it."""
    loop = asyncio.SelectorEventLoop() if paced.speed == 1.0 else PacedLoop(paced.speed)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=paced.stretch(_LEFT_BEHIND_AFTER_S)))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class _PacedSelector(selectors.DefaultSelector):
    """Waits for simulated seconds."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for IO for some simulated seconds."""
        return super().select(timeout / self._speed if timeout else timeout)


class PacedLoop(asyncio.SelectorEventLoop):
    """An event loop whose sleeps and time limits run `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        super().__init__(_PacedSelector(speed))
        self._speed = speed

    def time(self) -> float:
        """Return simulated seconds of an arbitrary zero."""
        return super().time() * self._speed
