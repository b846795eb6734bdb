"""Carry events to the outbox: one queue, in order, held while nobody knows the time.

Rules that must stay true here:
- an event is stamped when it leaves the queue: while the clock is not to be trusted it waits there, and in a
  file that a successor of this process continues from;
- an event leaves the queue only when the outbox has it, and what is on its way there is not cut off;
- facts that come together go onto the disk together: a write wears flash, and holds up what follows;
- a fact that the disk does not take waits aside, and the samples go on: the outbox keeps those in memory.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from bus import ids
from bus.envelope import Envelope
from producers import facts
from producers.clock import Clock
from producers.holding import Held, Stamper, Trust, trust
from producers.spool import Spool
from schemas.errors import InputError, TransientError

log = logging.getLogger(__name__)

_ASK_CLOCK_EVERY_S = 0.25
_RETRY_EVERY_US = 1_000_000
_MOST_AT_ONCE = 500

Publish = Callable[[Sequence[Envelope]], Awaitable[None]]
"""Hand events to the outbox in their order, all or none: InputError or TransientError."""


async def _nothing() -> None:
    return


class Outflow:
    """The way of all events of one process.

    Args:
        source: of the events, `/<node>/<client>`.
        spool: where events wait for a clock; None keeps them in memory only.
        settled: called when everything that was told so far is on the disk.
    """

    def __init__(
        self,
        *,
        source: str,
        publish: Publish,
        clock: Clock,
        spool: Spool | None = None,
        settled: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self._source = source
        self._publish = publish
        self._clock = clock
        self._spool = spool
        self._settled = settled
        self._queue: deque[Held] = deque(spool.load() if spool else ())
        self._refused: deque[Envelope] = deque()
        self._retry_at_us = 0
        self._arrived = asyncio.Event()
        self._arrived.set()
        self._stamper = Stamper()
        self._started_us = clock.monotonic_us()
        self._trust = Trust.WAIT
        self._published = 0
        self._ending = False

    def emit(self, monotonic_us: int, type_: str, subject: str, data: Mapping[str, Any]) -> None:
        """Take an event that happened at a monotonic time."""
        clock = self._clock.read()
        wall_us = clock.wall_us - (clock.monotonic_us - monotonic_us)
        id_ = ids.uuid7(wall_us)
        self._queue.append(Held(id_, clock.boot_id, monotonic_us, wall_us, type_, subject, data))
        self._arrived.set()

    async def run(self) -> None:
        """Carry until `end`."""
        while not self._ending:
            await self._arrived.wait()
            self._arrived.clear()
            if self._trusted():
                await self._release()
                continue
            if self._spool and self._spool.keep(self._queue, self._clock.monotonic_us()):
                await self._settled()
            await asyncio.sleep(_ASK_CLOCK_EVERY_S)
            self._arrived.set()

    def end(self) -> None:
        """Let `run` come to its end."""
        self._ending = True
        self._arrived.set()

    async def hand_over(self) -> None:
        """Publish what is left, or leave it to a successor; call it after `run` has ended."""
        if not self._trusted() and self._spool:
            self._spool.write(self._queue)
            await self._settled()
        else:
            self._retry_at_us = 0
            await self._release()

    def status(self) -> dict[str, Any]:
        """Tell what is going on, for health."""
        return {"clock": self._trust.value, "held": len(self._queue), "published": self._published}

    def _trusted(self) -> bool:
        before, self._trust = self._trust, trust(self._clock.read(), self._started_us)
        if self._trust is not before:
            log.info("the clock is %s, %d events held", self._trust.value, len(self._queue))
        return self._trust is not Trust.WAIT

    async def _release(self) -> None:
        if self._refused and self._clock.monotonic_us() >= self._retry_at_us:
            for _ in range(len(self._refused)):
                await self._put(self._refused.popleft())
        while self._queue:
            events = [self._stamped(held) for held in islice(self._queue, _MOST_AT_ONCE)]
            if not await self._put_all(events):
                for event in events:
                    await self._put(event)
                    self._queue.popleft()
        if self._spool:
            self._spool.released(self._clock.monotonic_us())
        if not self._refused:
            await self._settled()

    def _stamped(self, held: Held) -> Envelope:
        clock = self._clock.read()
        stamped = self._stamper.stamp(held, clock, synced=self._trust is Trust.SYNCED)
        return facts.stamped(stamped, self._source, clock.monotonic_us)

    async def _put_all(self, events: Sequence[Envelope]) -> bool:
        """Publish events together; False when one of them cannot be."""
        if len(events) == 1:
            return False
        try:
            await self._publish(events)
        except (InputError, TransientError):
            return False
        self._published += len(events)
        for _ in events:
            self._queue.popleft()
        return True

    async def _put(self, event: Envelope) -> None:
        try:
            await self._publish((event,))
        except InputError as error:
            log.error("%s of %s can never be sent: %s", event.type, event.subject, error)  # noqa: TRY400
        except TransientError as error:
            log.warning("%s of %s waits: %s", event.type, event.subject, error)
            self._refused.append(event)
            self._retry_at_us = self._clock.monotonic_us() + _RETRY_EVERY_US
        else:
            self._published += 1
