"""Run the polls of all devices of one process, and remember what they told for the next one.

Rules that must stay true here:
- a device may be added or removed at any time; the polls of the others do not notice;
- what is remembered for the next life is written after the events that it follows from: killed in between,
  we tell them twice, and never not at all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from producers import facts
from producers.adapter import Adapter, DeviceSpec
from producers.alarms import Alarms, DeviceKey
from producers.asking import within
from producers.clock import Clock
from producers.device import Device
from producers.memory import Told
from producers.outflow import Outflow, Publish
from producers.poll import Poll
from producers.schedule import percentiles_ms
from producers.spool import Spool
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

_RETRY_EVERY_US = 1_000_000
_CLOSE_WITHIN_S = 2.0
_FOUND_WITHIN_S = 600.0  # by then a source has found what there is
_MOST_DETAILED = 250  # a message of health is at most 256 KiB

Remember = Callable[[Told], Awaitable[None]]
PollKey = tuple[str, str, str, int]


class Runner:
    """Polls devices, and publishes what they say.

    Args:
        source: of the events, `/<node>/<client>`.
        publish: hands events to the outbox.
        spool: where events wait for a clock; None keeps them in memory only.
        told: what an earlier life of this producer told last.
        remember: writes that down for the next one; OSError means not now.
    """

    def __init__(
        self,
        *,
        source: str,
        publish: Publish,
        clock: Clock,
        spool: Spool | None = None,
        told: Told | None = None,
        remember: Remember | None = None,
    ) -> None:
        self._clock = clock
        self._remember = remember
        self._remember_at_us = 0
        self._polls: dict[PollKey, tuple[Poll, asyncio.Task[None]]] = {}
        self._devices: dict[DeviceKey, Device] = {}
        self._told = told or Told()
        self._left = dict(self._told.parts)
        self._alarms = Alarms()
        self._alarms.load(self._told.alarms)
        self._news = False
        self._outflow = Outflow(
            source=source, publish=publish, clock=clock, spool=spool, settled=self._settled
        )
        self._faulty = asyncio.Event()
        self._fault: BaseException | None = None
        self._stopping = False

    async def load(self, specs: Iterable[DeviceSpec]) -> None:
        """Poll exactly these devices from now on; polls whose spec has not changed go on undisturbed.

        Raises:
            ConfigurationError: two specs are the same poll of the same device; nothing has changed.
        """
        wanted: dict[PollKey, DeviceSpec] = {}
        for spec in specs:
            if spec.key in wanted:
                raise ConfigurationError(
                    f"{'/'.join(spec.device_key)} is polled twice every {spec.interval_ms} ms"
                )
            wanted[spec.key] = spec
        gone = [key for key, (poll, _) in self._polls.items() if wanted.get(key) != poll.spec]
        await self._end(gone, wanted, for_good=True)
        if self._stopping:
            return
        for key, spec in wanted.items():
            if key not in self._polls:
                poll = Poll(spec, self._device(spec), self._clock)
                task = asyncio.create_task(poll.run(), name="/".join(map(str, key)))
                task.add_done_callback(self._ended)
                self._polls[key] = poll, task

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set, then end all polls and hand over what is left."""
        carrying = asyncio.create_task(self._outflow.run())
        waiting = (
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._faulty.wait()),
            asyncio.create_task(self._forget_strangers()),
        )
        try:
            await asyncio.wait((carrying, *waiting[:2]), return_when=asyncio.FIRST_COMPLETED)
            if self._fault is not None:
                raise self._fault
        finally:
            self._stopping = True
            self._outflow.end()
            await _cancelled(waiting)
            await carrying
            await self._end(list(self._polls), {}, for_good=False)
            await self._outflow.hand_over()

    def status(self) -> dict[str, Any]:
        """Tell what is going on, for health: counters per poll, and the state of each device."""
        polls = [poll for poll, _ in list(self._polls.values())]
        devices: dict[str, Any] = {}
        for poll in polls:
            link = poll.device.link
            said = {"connected": link.connected, "detail": link.detail}
            device = devices.setdefault("/".join(poll.spec.device_key), said)
            device[f"every {poll.spec.interval_ms} ms"] = asdict(poll.counts) | percentiles_ms([poll.jitter])
        return {
            **self._outflow.status(),
            "connected": sum(device["connected"] is True for device in devices.values()),
            "disconnected": sum(device["connected"] is False for device in devices.values()),
            "alarms": len(self._alarms),
            "polls": sum(poll.counts.polls for poll in polls),
            "failed": sum(poll.counts.failed for poll in polls),
            "late": sum(poll.counts.late for poll in polls),
            "missed": sum(poll.counts.missed for poll in polls),
            **percentiles_ms(poll.jitter for poll in polls),
            **_detailed(devices),
        }

    def _device(self, spec: DeviceSpec) -> Device:
        device = self._devices.get(spec.device_key)
        if device is None:
            device = Device(spec, self._alarms, self._clock, self._emit, self._devices.keys())
            device.parts.load(self._left.pop(spec.device_key, ()))
            self._devices[spec.device_key] = device
        return device

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Note a poll that ended by an error of ours: the process must end, not run on without it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fault = error
            self._faulty.set()

    def _emit(self, monotonic_us: int, type_: str, subject: str, data: Mapping[str, Any]) -> None:
        self._news |= type_ != "sample.taken"
        self._outflow.emit(monotonic_us, type_, subject, data)

    async def _forget_strangers(self) -> None:
        """Let go of what an earlier life told of devices that nobody asks any more."""
        await asyncio.sleep(_FOUND_WITHIN_S)
        now_us = self._clock.monotonic_us()
        for key in self._alarms.polled() - self._devices.keys():
            for change in self._alarms.drop(key, self._clock.read()):
                self._emit(now_us, change.type, key[0], facts.alarm(change))
        for (system_id, _), names in self._left.items():
            for name in names:
                self._emit(now_us, "device.disconnected", system_id, {"device": name, "reason": "left"})
        self._left.clear()

    async def _settled(self) -> None:
        """Write down what has been told, when it is something new; all its events are on the disk."""
        now_us = self._clock.monotonic_us()
        if self._remember is None or not self._news or now_us < self._remember_at_us:
            return
        self._news = False
        parts = self._left | {key: device.parts.dump() for key, device in self._devices.items()}
        told = Told(self._alarms.dump(), {key: names for key, names in parts.items() if names})
        if told == self._told:
            return
        try:
            await self._remember(told)
            self._told = told
        except OSError as error:
            log.warning("cannot write down what was told: %s", error)
            self._news = True
            self._remember_at_us = now_us + _RETRY_EVERY_US

    async def _end(
        self, keys: Iterable[PollKey], wanted: Mapping[PollKey, DeviceSpec], *, for_good: bool
    ) -> None:
        """End polls, and what only they used; a device that moves to another address is another device."""
        ended = [self._polls.pop(key) for key in keys]
        await _cancelled([task for _, task in ended])
        kept = {(spec.device_key, spec.address) for spec in wanted.values()}
        named = {spec.device_key for spec in wanted.values()}
        used = {id(spec.adapter) for spec in wanted.values()}
        unused: dict[int, Adapter] = {}
        for poll, _ in ended:
            spec = poll.spec
            poll.device.link.forget(spec.interval_ms)
            if (spec.device_key, spec.address) not in kept and spec.device_key in self._devices:
                self._devices.pop(spec.device_key).stopped(removed=for_good and spec.device_key not in named)
            if id(spec.adapter) not in used:
                unused[id(spec.adapter)] = spec.adapter
        closing = [
            within(adapter.close(), _CLOSE_WITHIN_S, "closing an adapter") for adapter in unused.values()
        ]
        if not all(await asyncio.gather(*closing)):
            log.warning("an adapter did not let go of its connections")


def _detailed(devices: Mapping[str, Any]) -> dict[str, Any]:
    """Tell of the devices one by one, first of those that are not connected, but not of thousands."""
    if len(devices) <= _MOST_DETAILED:
        return {"devices": devices}
    chosen = sorted(devices, key=lambda name: devices[name]["connected"] is True)[:_MOST_DETAILED]
    left_out = len(devices) - _MOST_DETAILED
    return {"devices": {name: devices[name] for name in chosen}, "devices_left_out": left_out}


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they are over."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
