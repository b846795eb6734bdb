"""One poll of a device: its registers are asked for block by block, decoded and checked.

Rules that must stay true here:
- what the device refuses is asked for in smaller pieces, and no more on this connection when refused alone;
- a sample that lacks something says so, once for what the device does not have;
- a device whose powers would be wrong by a thousand is refused, with words that say what to set.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from producers.adapter import Description, DeviceError, Read
from producers.modbus.cells import Words
from producers.modbus.decode import Decoded, Decoder
from producers.modbus.device import Device
from producers.modbus.plan import Block, join, of_poll, plan_poll, split
from producers.modbus.points import Layout, Poll
from producers.modbus.power import AGREE
from producers.modbus.registers import ENOUGH, RefusedError

log = logging.getLogger(__name__)

_MOST_NAMES: Final = 3
_DOUBT: Final = "powers contradict voltage times current by a thousand"
_HOPELESS: Final = frozenset({"timeout", "link_lost", "refused", "stopped"})
"""Reasons for which the next block would fail too."""


class PollAdapter:
    """One poll of a device: fast or slow.

    Attributes:
        absent: what the device turned out not to have.
    """

    def __init__(self, device: Device, poll: Poll) -> None:
        self.device = device
        self.poll: Poll = poll
        self.absent: tuple[str, ...] = ()
        self._layout: Layout | None = None
        self._finding = 0
        self._refused = False
        self._cut = False
        self._joined = False
        self._factors: Mapping[str, float] = {}
        self._blocks: tuple[Block, ...] = ()
        self._decoder = Decoder((), {})
        device.use()

    async def read(self) -> Read:
        """Read the registers of this poll once."""
        try:
            read = await self._read()
        except DeviceError as error:
            raise self.device.explained(error) from error
        self.device.took(read.values)
        return read

    async def _read(self) -> Read:
        layout = await self.device.found()
        if self._finding != self.device.finding:
            self._finding = self.device.finding
            if layout is not self._layout or self._refused:
                self._layout, self.absent = layout, ()
                self._replan(plan_poll(layout, self.poll))
                self._refused = self._cut = self._joined = False
        if not self._blocks:
            return Read({})
        if self._cut and not self._joined:
            self._joined = True
            self._replan(join(self._blocks, layout.max_registers))
        asked = _Asked()
        await asked.ask(self.device, self._blocks)
        if asked.refused:
            self.absent += asked.absent
            self._replan(tuple(asked.blocks))
            self._refused = True
            self._cut = self._cut or not asked.unasked
        if self._factors != self.device.factors:
            self._replan(self._blocks)
        decoded = self._decoder(asked.answers)
        decoded, doubt = self._checked(decoded, asked.answers)
        self._compare(decoded)
        return Read(decoded.values, decoded.alarms, "; ".join(filter(None, (asked.missing, doubt))))

    async def describe(self) -> Description | None:
        """Tell what was found."""
        layout = self.device.layout
        return layout.description if layout is not None else None

    async def close(self) -> None:
        """Let go of the device."""
        self.device.leave()

    def _replan(self, blocks: tuple[Block, ...]) -> None:
        self._blocks, self._factors = blocks, self.device.factors
        whole = of_poll(self._layout.points, self.poll) if self._layout else ()
        self._decoder = Decoder(blocks, self._factors, whole)

    def _checked(self, decoded: Decoded, answers: Sequence[Words | None]) -> tuple[Decoded, str]:
        """Compare powers with voltage times current, and leave out what cannot be right.

        Raises:
            DeviceError: what the site says about the unit of power is wrong.
        """
        device, layout = self.device, self._layout
        if device.watch is None or layout is None or layout.power_check is None:
            return decoded, ""
        other = device.watch.look(decoded.values) if self.poll == "fast" else None
        parameter = layout.power_check.parameter
        if device.watch.agree >= AGREE and parameter in device.wish.parameters:
            choices = ", ".join(f"{choice:g}" for choice in device.watch.choices)
            raise DeviceError(
                f"{device.wish.address}: {_DOUBT}: leave {parameter} out of its parameters, "
                f"or set the other one of {choices}",
                reason="refused",
            )
        if device.watch.agree < AGREE or other is None:
            return self._without_doubtful(decoded, layout) if device.watch.agree else (decoded, "")
        log.warning("%s: %s is %g, as voltage times current says", device.wish.address, parameter, other)
        device.watch.believe(other)
        self._replan(self._blocks)
        return self._decoder(answers), ""

    def _compare(self, decoded: Decoded) -> None:
        """Compare energies with power over time; only a person can tell which is right."""
        if (watch := self.device.energy) is None:
            return
        before = watch.suggests
        if self.poll == "fast":
            watch.power(asyncio.get_running_loop().time(), decoded.values)
        else:
            watch.counter(decoded.values)
        if watch.suggests not in {None, before}:
            log.warning("%s: %s", self.device.wish.address, self.device.notes[-1])

    def _without_doubtful(self, decoded: Decoded, layout: Layout) -> tuple[Decoded, str]:
        parameter = layout.power_check.parameter if layout.power_check else ""
        doubtful = {point.name for point in layout.points if parameter in point.parameters}
        rest = {name: value for name, value in decoded.values.items() if name not in doubtful}
        return replace(decoded, values=rest), _DOUBT if len(rest) < len(decoded.values) else ""


class _Asked:
    """What came of asking for the blocks of one poll.

    Attributes:
        blocks: as they would best be asked for next time.
        answers: one for each block; None where there was none.
        absent: what the device does not have.
        refused: how many requests it refused.
        unasked: there are parts that were left for the next time.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.answers: list[Words | None] = []
        self.absent: tuple[str, ...] = ()
        self.refused = 0
        self.unasked = False
        self._unread: list[str] = []
        self._first: DeviceError | None = None

    @property
    def missing(self) -> str:
        """Say what could not be read."""
        lacks = [f"the device has no {_names(self.absent)}"] if self.absent else []
        return "; ".join((*lacks, *self._unread))

    async def ask(self, device: Device, blocks: Sequence[Block]) -> None:
        """Ask for all blocks.

        Raises:
            DeviceError: nothing was answered.
        """
        waiting = list(blocks)
        while waiting:
            block = waiting.pop(0)
            try:
                self._keep(block, await device.read(block))
            except RefusedError as error:
                waiting[:0] = self._refused(block, error)
            except DeviceError as error:
                failed = [block, *waiting] if error.reason in _HOPELESS else [block]
                del waiting[: len(failed) - 1]
                self._fail(failed, error)
        if self._first is not None and not any(answer is not None for answer in self.answers):
            raise self._first

    def _keep(self, block: Block, answer: Words | None) -> None:
        self.blocks.append(block)
        self.answers.append(answer)

    def _fail(self, blocks: Sequence[Block], error: DeviceError) -> None:
        self._first = self._first or error
        self._unread.append(f"{_names([each.label for block in blocks for each in block.points])}: {error}")
        for block in blocks:
            self._keep(block, None)

    def _refused(self, block: Block, error: RefusedError) -> Sequence[Block]:
        """Give the parts of a block that are to be asked for instead."""
        self._first = self._first or error
        self.refused += 1
        parts = split(block)
        if parts and self.refused <= ENOUGH:
            return parts
        if not parts:
            self.absent += tuple(point.label for point in block.points)
            return ()
        self.unasked = True
        self._unread.append(f"{_names([point.label for point in block.points])}: {error}")
        for part in parts:
            self._keep(part, None)
        return ()


def _names(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _MOST_NAMES} more" if len(labels) > _MOST_NAMES else ""
    return f"{', '.join(labels[:_MOST_NAMES])}{more}"
