"""Ask an adapter something, within a time limit that holds whatever the adapter does.

Rules that must stay true here:
- the limit holds even for an adapter that ignores being cancelled: it is left behind, and not asked again
  until it has come to its end, so that a hung device never has two reads at once;
- what is still asked when we are cancelled ourselves is cancelled, and not waited for any longer than that.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from producers.adapter import DeviceError

T = TypeVar("T")

_GIVE_UP_AFTER_S = 0.25


class Asking:
    """Asks one adapter one thing at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._hung: asyncio.Task[Any] | None = None

    async def ask(self, what: Callable[[], Coroutine[Any, Any, T]], timeout_ms: int) -> T:
        """Return the answer.

        Raises:
            DeviceError: there is none in time.
            Exception: whatever the adapter raised.
        """
        if self._hung is not None and not self._hung.done():
            raise DeviceError("the previous read still hangs", reason="timeout")
        self._hung = None
        task = asyncio.create_task(what(), name=self._name)
        try:
            await asyncio.wait((task,), timeout=timeout_ms / 1000)
            if not task.done():
                raise DeviceError(f"no answer within {timeout_ms} ms", reason="timeout")
        finally:
            if not task.done():
                await self._cancel(task)
        if task.cancelled():
            raise DeviceError("the read was given up", reason="fault")
        return task.result()

    async def _cancel(self, task: asyncio.Task[Any]) -> None:
        task.cancel()
        task.add_done_callback(_heard)
        await asyncio.wait((task,), timeout=_GIVE_UP_AFTER_S)
        if not task.done():
            self._hung = task


async def within(work: Coroutine[Any, Any, Any], seconds: float, name: str) -> bool:
    """Do something that may hang; False when it was left behind unfinished."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_heard)
    await asyncio.wait((task,), timeout=seconds)
    if not task.done():
        task.cancel()
    return task.done()


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of how a task that nobody waits for ended, so that asyncio does not complain."""
    if not task.cancelled():
        task.exception()
