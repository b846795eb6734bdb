"""The loop of one poll: wait for the slot, read in time, tell what came of it, leave a dead device alone.

Rules that must stay true here:
- nothing that one device does delays another: every read has a time limit, and every poll its own task;
- a failing device is asked at its pace until its patience is used up, and less and less often from then on;
- a sample carries the middle of its read.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from producers import facts
from producers.adapter import DeviceError, DeviceSpec, Read
from producers.clock import Clock
from producers.link import Link
from producers.schedule import Slot, backoff_us, spread

log = logging.getLogger(__name__)

Emit = Callable[[int, str, str, Mapping[str, Any]], None]
"""Take an event: monotonic time, type, subject, data."""


@dataclass(slots=True)
class Counts:
    """What a poll has done since the start.

    Attributes:
        late: polls that came more than half an interval behind their slot.
        missed: slots that passed without a poll.
    """

    polls: int = 0
    failed: int = 0
    partial: int = 0
    late: int = 0
    missed: int = 0


class Poll:
    """One poll of one device."""

    def __init__(
        self,
        spec: DeviceSpec,
        link: Link,
        clock: Clock,
        emit: Emit,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.spec = spec
        self.link = link
        self.counts = Counts()
        self._clock = clock
        self._emit = emit
        self._chance = chance
        self._schedule = spread("/".join(spec.device_key), spec.interval_ms * 1000)

    async def run(self) -> None:
        """Poll until cancelled."""
        slot = self._schedule.first(self._clock.monotonic_us())
        while True:
            await asyncio.sleep(max(0, slot.due_us - self._clock.monotonic_us()) / 1e6)
            worked = await self._once(slot)
            if worked and self.link.ask(self._clock.monotonic_us()):
                await self._describe()
            now_us = self._clock.monotonic_us()
            slot = self._schedule.after(slot, now_us + (0 if worked else self._pause_us()))
            self.counts.missed += slot.missed

    def stopped(self) -> None:
        """Tell that the device is not asked any more."""
        if self.link.stopped():
            self._tell("device.disconnected", self._disconnected("stopped", ""))

    async def _once(self, slot: Slot) -> bool:
        spec = self.spec
        self.counts.polls += 1
        began_us = self._clock.monotonic_us()
        try:
            async with asyncio.timeout(spec.timeout_ms / 1000):
                read = await spec.adapter.read()
        except DeviceError as error:
            return self._failed(error.reason, str(error))
        except TimeoutError:
            return self._failed("timeout", f"no answer within {spec.timeout_ms} ms")
        except Exception as error:  # one faulty adapter must not stop a hundred devices
            log.exception("%s: the adapter of %s failed", spec.system_id, spec.device_key[1])
            return self._failed("fault", f"the adapter failed: {error!r}")
        read_us = (began_us + self._clock.monotonic_us()) // 2
        self.counts.late += self._schedule.is_late(slot, read_us)
        self.counts.partial += bool(read.missing)
        self._succeeded(read_us, read)
        return True

    def _failed(self, reason: str, detail: str) -> bool:
        self.counts.failed += 1
        if self.link.failed(self.spec.interval_ms, detail, self.spec.patience):
            log.warning("%s: %s is disconnected: %s", *self.spec.device_key, detail)
            self._tell("device.disconnected", self._disconnected(reason, detail))
        return False

    def _succeeded(self, read_us: int, read: Read) -> None:
        if self.link.succeeded(self.spec.interval_ms, read_us):
            log.info("%s: %s is connected", *self.spec.device_key)
            self._tell("device.connected", facts.connected(self.spec), read_us)
        if read.values:
            data = facts.sample(self.spec, read.values, partial=bool(read.missing))
            self._tell("sample.taken", data, read_us)

    async def _describe(self) -> None:
        try:
            async with asyncio.timeout(self.spec.timeout_ms / 1000):
                description = await self.spec.adapter.describe()
        except (DeviceError, TimeoutError):
            return
        except Exception:  # as in `_once`: the readings are fine without it
            log.exception("%s: %s cannot be described", *self.spec.device_key)
            return
        if description is not None and self.link.learned(description):
            self._tell("device.described", facts.described(self.spec, description))

    def _pause_us(self) -> int:
        excess = self.link.failures.get(self.spec.interval_ms, 0) - self.spec.patience + 1
        return backoff_us(excess, self._chance()) if excess > 0 else 0

    def _disconnected(self, reason: str, detail: str) -> dict[str, Any]:
        return facts.disconnected(self.spec, reason, detail, self.link.seen_us)

    def _tell(self, type_: str, data: Mapping[str, Any], at_us: int | None = None) -> None:
        self._emit(self._clock.monotonic_us() if at_us is None else at_us, type_, self.spec.system_id, data)
