"""A virtual site: a scenario that lives, the servers that speak for it, and what is true of it.

Rules that must stay true here:
- a restart goes on where the site was, with the energies it had counted, on the same ports;
- faults begin and end at their times, also when the site was away at the moment itself;
- what an operator does is sent once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from bus.envelope import Envelope
from producers.clock import Clock
from producers.pace import REAL, Pace
from producers.simulator import actions, keeping, truth
from producers.simulator.faces import Face, ModbusFace
from producers.simulator.gx_face import GxFace
from producers.simulator.keeping import Kept
from producers.simulator.model import TICK_S
from producers.simulator.scenario import GX, NOBODY, Fault, Scenario, Ups
from producers.simulator.tell import LiveSite, restore
from producers.simulator.timeline import DAY_S, next_edge
from producers.simulator.truth import Rows
from producers.simulator.ups_face import UpsFace

log = logging.getLogger(__name__)

_MINUTE_S = 60.0
_LOOK_EVERY_S = 0.05
_SAVE_EVERY_S = 5.0
_BRISK = 60.0
Send = Callable[[Envelope], Awaitable[None]]


class VirtualSite:
    """Runs a scenario on real servers.

    Args:
        scenario: what stands there and happens.
        directory: for its files: `devices.toml`, `truth.jsonl`, `occurred.jsonl`, its state.
        clock: the time that the site has.
        source: of the events that its operators send.
        send: takes those; without it they do nothing.
        paced: how fast its clock runs.
    """

    def __init__(
        self,
        scenario: Scenario,
        directory: Path,
        clock: Clock,
        *,
        source: str = "/site",
        send: Send | None = None,
        paced: Pace = REAL,
    ) -> None:
        self.scenario = scenario
        self._directory = directory
        self._clock = clock
        self._source = source
        self._send = send
        self._paced = paced
        now = clock.read()
        kept = keeping.load(directory / "site.json", scenario, now.wall_us)
        self._began = kept is not None
        self._origin_us = kept.origin_us if kept else 0
        self._zero_us = now.monotonic_us - (now.wall_us - self._origin_us)
        self._acted_s = kept.time_s if kept else scenario.starts_at_s
        self._ports: Mapping[str, int] = kept.ports if kept else {}
        self._holding = kept.holding if kept else frozenset()
        self._suffered: dict[str, tuple[Fault, ...]] = {}
        self.live = LiveSite(
            scenario,
            self.time_s,
            restore(scenario, kept.rigs) if kept else None,
            tick_s=TICK_S * max(1.0, paced.speed / _BRISK),
        )
        self.faces = self._faces()

    def time_s(self) -> float:
        """Return the scenario's clock, which begins when all devices are there."""
        if not self._began:
            return self.scenario.starts_at_s
        return (self._clock.monotonic_us() - self._zero_us) / 1e6

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Start everything, live until `stop` is set, and end everything."""
        async with AsyncExitStack() as stack:
            energies, occurred = (Rows(self._directory / name) for name in ("truth.jsonl", "occurred.jsonl"))
            stack.callback(energies.close)
            stack.callback(occurred.close)
            for face in self.faces:
                stack.push_async_callback(face.stop)
                await face.start(self._ports.get(face.name, 0))
            entries = [entry for face in self.faces for entry in face.entries()]
            keeping.write_devices(self._directory / "devices.toml", self.scenario, entries)
            log.info(
                "%s: %d devices, in %s", self.scenario.name, len(entries), self._directory / "devices.toml"
            )
            self._begin()
            ready()
            lives = [asyncio.create_task(face.run(), name=face.name) for face in self.faces]
            lives.append(asyncio.create_task(self._direct(energies, occurred), name="director"))
            stack.push_async_callback(_end, lives)
            stopping = asyncio.create_task(stop.wait())
            stack.push_async_callback(_end, [stopping])
            await asyncio.wait([stopping, *lives], return_when=asyncio.FIRST_COMPLETED)
            for life in lives:
                if life.done() and (error := life.exception()) is not None:
                    raise error
            self.live.advance()
            energies.add(self._wall_us(), truth.energies(self.live))
            self.save()

    def _begin(self) -> None:
        """Let the scenario's clock begin, unless it goes on from an earlier life."""
        if not self._began:
            now, begin_us = self._clock.read(), round(self.scenario.starts_at_s * 1e6)
            self._origin_us = now.wall_us - begin_us
            self._zero_us = now.monotonic_us - begin_us
            self._began = True

    def save(self) -> None:
        """Write down how far the site has come."""
        ports = {face.name: face.port() for face in self.faces}
        kept = Kept(self._origin_us, self._acted_s, self.live.dump(), ports, self._holding)
        keeping.save(self._directory / "site.json", self.scenario, kept)

    def status(self) -> dict[str, Any]:
        """Say how the site is, for health."""
        return {
            "scenario": self.scenario.name,
            "speed": self._paced.speed,
            "devices": len(self.scenario.rigs) + len(self.scenario.devices),
            "holding": [f"{system_id} {what}" for system_id, what in sorted(self._holding)],
        }

    def _faces(self) -> list[Face]:
        site, scenario, found = self.live, self.scenario, list[Face]()
        for rig in scenario.rigs:
            if rig.face == GX:
                wiring = scenario.wirings[rig.system_id]
                clock = self._unix_clock(rig.system_id)
                found.append(GxFace(site, wiring, self._directory, self._paced.speed, clock))
            elif rig.face != NOBODY:
                found.append(ModbusFace(site, rig.system_id, rig.face))
        for device in scenario.devices:
            if not isinstance(device, Ups):
                found.append(ModbusFace(site, device.system_id, str(device.options["map"])))
        if scenario.upses:
            found.append(UpsFace(site, scenario.upses, self._paced.stretch(1.0)))
        return found

    def _unix_clock(self, system_id: str) -> Callable[[], float]:
        """Give a GX's wall clock: the site's, and how far it is wrong."""

        def now_s() -> float:
            faults = self.scenario.holding(system_id, self.time_s())
            wrong_s = sum(fault.amount for fault in faults if fault.what == "clock_wrong")
            return self._clock.read().wall_us / 1e6 + wrong_s

        return now_s

    async def _direct(self, energies: Rows, occurred: Rows) -> None:
        """Let happen what is to happen, and write down what is true."""
        minute, saved_s = -1, 0.0
        while True:
            self.live.advance()
            await self._befall()
            self._note(occurred)
            await self._act()
            time_s = self._told_s()
            if int(time_s // _MINUTE_S) != minute:
                minute = int(time_s // _MINUTE_S)
                energies.add(self._wall_us(), truth.energies(self.live))
            if time_s - saved_s >= self._paced.stretch(_SAVE_EVERY_S):
                saved_s = time_s
                self.save()
            await asyncio.sleep(max(TICK_S / 2, self._paced.stretch(_LOOK_EVERY_S)))

    async def _befall(self) -> None:
        now_s = self.time_s()
        for face in self.faces:
            names = [ups.system_id for ups in self.scenario.upses] if face.name == "upsd" else [face.name]
            for name in names:
                faults = tuple(self.scenario.holding(name, now_s))
                if faults != self._suffered.get(name, ()):
                    self._suffered[name] = faults
                    await face.befall(name, faults, _lasts_s(faults, now_s))

    def _note(self, occurred: Rows) -> None:
        holding, time_us = truth.holding(self.live), self._wall_us()
        for system_id, what in sorted(holding ^ self._holding):
            holds = (system_id, what) in holding
            occurred.add(time_us, {"system_id": system_id, "what": what, "holds": holds})
            log.info("%s: %s %s", system_id, what, "begins" if holds else "ends")
        self._holding = holding

    async def _act(self) -> None:
        upto_s = self.time_s()
        for event in actions.due(self.scenario, self._acted_s, upto_s, self._origin_us, self._source):
            if self._send is not None:
                await self._send(event)
        self._acted_s = upto_s

    def _told_s(self) -> float:
        """Return the time that all rigs have reached."""
        return min(live.state.time_s for live in self.live.rigs.values())

    def _wall_us(self) -> int:
        """Return the wall clock's time of what is told now."""
        return self._origin_us + round(self._told_s() * 1e6)


def _lasts_s(faults: Sequence[Fault], now_s: float) -> float:
    """Tell how long all of these faults hold together."""
    ends = [
        end_s for fault in faults for begin_s, end_s in fault.when.spans_s if begin_s <= now_s % DAY_S < end_s
    ]
    return next_edge([min(ends) % DAY_S], now_s) - now_s if ends else 0.0


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
