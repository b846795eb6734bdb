"""An event loop whose time runs only when nothing is left to do, and clocks that follow it.

Hours of polling take milliseconds, and every run is the same. Threads have no place in such a loop.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from producers.holding import ClockReading

T = TypeVar("T")
NOW_US = 1_795_237_200_000_000  # 2026-11-21T05:00:00Z


class _Selector(selectors.DefaultSelector):
    """Waits for nothing: it moves the loop's time on instead."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if not events and timeout:
            self.now_s += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.virtual = _Selector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now_s


@dataclass
class FakeClock:
    """A machine's clocks: time since boot follows the loop, the wall clock can be wrong and stepped."""

    loop: VirtualLoop
    wall_at_start_us: int = NOW_US
    uptime_at_start_us: int = 3_600_000_000
    boot_id: str = "boot-1"
    synchronised: bool = True

    def monotonic_us(self) -> int:
        return self.uptime_at_start_us + round(self.loop.time() * 1e6)

    def read(self) -> ClockReading:
        wall_us = self.wall_at_start_us + round(self.loop.time() * 1e6)
        return ClockReading(wall_us, self.monotonic_us(), self.boot_id, self.synchronised)

    def step(self, microseconds: int) -> None:
        self.wall_at_start_us += microseconds


def run(loop: VirtualLoop, work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, and close the loop."""
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
