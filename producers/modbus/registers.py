"""What a map sees of a device: registers that can be read, and the ways in which that fails."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from producers.adapter import DeviceError
from producers.modbus.cells import Words
from producers.modbus.decode import Decoded, Decoder
from producers.modbus.plan import Block, split

ENOUGH = 24
"""More refused requests than this in one go are left for the next."""


class RefusedError(DeviceError):
    """The device answers that it has no such registers or function: exceptions 1, 2 and 3."""


class Registers(Protocol):
    """The registers of one unit.

    Attributes:
        gap_s: how long the unit wants to be left alone between two requests.
    """

    gap_s: float

    async def read(self, function: int, address: int, count: int, unit: int | None = None) -> Words:
        """Read `count` registers; `unit` is another one behind the same connection.

        Raises:
            RefusedError: there are no such registers.
            DeviceError: there is no answer.
        """
        ...


async def read_all(registers: Registers, blocks: Sequence[Block], factors: Mapping[str, float]) -> Decoded:
    """Read and decode what a device has of some blocks; what it refuses is left out.

    Raises:
        DeviceError: there is no answer.
    """
    answered: list[Block] = []
    answers: list[Words] = []
    waiting, refused = list(blocks), 0
    while waiting and refused <= ENOUGH:
        block = waiting.pop(0)
        try:
            answers.append(await registers.read(block.function, block.address, block.count, block.unit))
        except RefusedError:
            refused += 1
            waiting[:0] = split(block)
        else:
            answered.append(block)
    return Decoder(answered, factors)(answers)
