"""The loop of one poll: wait for the slot, read in time, tell what came of it, leave a dead device alone.

Rules that must stay true here:
- nothing that one device does delays another: every read has a time limit, and every poll its own task;
- a failing device is asked at its pace until its patience is used up, and less and less often from then on;
- a sample carries the middle of its read.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from producers.adapter import DeviceError, DeviceSpec, Read
from producers.asking import Asking
from producers.clock import Clock
from producers.device import Device
from producers.schedule import Jitter, Slot, backoff_us, spread

log = logging.getLogger(__name__)


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
        device: Device,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.spec = spec
        self.device = device
        self.counts = Counts()
        self.jitter = Jitter()
        self._clock = clock
        self._chance = chance
        name = "/".join(spec.device_key)
        self._schedule = spread(name, spec.interval_ms * 1000)
        self._asking = Asking(name)

    async def run(self) -> None:
        """Poll until cancelled."""
        slot = self._schedule.first(self._clock.monotonic_us())
        while True:
            await asyncio.sleep(max(0, slot.due_us - self._clock.monotonic_us()) / 1e6)
            worked = await self._once(slot)
            if worked and self.device.link.ask(self._clock.monotonic_us()):
                await self._describe()
            now_us = self._clock.monotonic_us()
            slot = self._schedule.after(slot, now_us + (0 if worked else self._pause_us()))
            self.counts.missed += slot.missed

    async def _once(self, slot: Slot) -> bool:
        spec = self.spec
        self.counts.polls += 1
        began_us = self._clock.monotonic_us()
        self.jitter.note(slot, began_us)
        try:
            read: Read = await self._asking.ask(spec.adapter.read, spec.timeout_ms)
        except DeviceError as error:
            return self._failed(error.reason, str(error))
        except TimeoutError as error:
            return self._failed("timeout", str(error))
        except Exception as error:  # one faulty adapter must not stop a hundred devices
            log.exception("%s: the adapter of %s failed", spec.system_id, spec.device_key[1])
            return self._failed("fault", f"the adapter failed: {error!r}")
        read_us = (began_us + self._clock.monotonic_us()) // 2
        late = self._schedule.is_late(slot, read_us)
        self.counts.late += late
        self.counts.partial += bool(read.missing)
        if self.device.succeeded(spec, read, read_us, late=late):
            log.info("%s: %s is connected", *spec.device_key)
        return True

    def _failed(self, reason: str, detail: str) -> bool:
        self.counts.failed += 1
        if self.device.failed(self.spec, reason, detail):
            log.warning("%s: %s is disconnected: %s", *self.spec.device_key, detail)
        return False

    async def _describe(self) -> None:
        try:
            description = await self._asking.ask(self.spec.adapter.describe, self.spec.timeout_ms)
        except (DeviceError, TimeoutError):
            return
        except Exception:  # as in `_once`: the readings are fine without it
            log.exception("%s: %s cannot be described", *self.spec.device_key)
            return
        if description is not None:
            self.device.described(description)

    def _pause_us(self) -> int:
        excess = self.device.link.failures.get(self.spec.interval_ms, 0) - self.spec.patience + 1
        pause_us = backoff_us(excess, self._chance()) if excess > 0 else 0
        return min(pause_us, self.spec.longest_pause_ms * 1000)
