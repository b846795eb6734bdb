"""Modbus TCP devices for tests: pymodbus' simulated ones, and a raw server that misbehaves as it is told."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

Registers = Mapping[int, Sequence[int]]
"""Words by the address of the first."""


@asynccontextmanager
async def simulated(
    devices: Mapping[int, Registers], framer: FramerType = FramerType.SOCKET
) -> AsyncIterator[int]:
    """Serve units with pymodbus; give the port."""
    made = [
        SimDevice(
            id=unit,
            simdata=[
                SimData(address, values=list(words), datatype=DataType.REGISTERS)
                for address, words in registers.items()
            ],
        )
        for unit, registers in devices.items()
    ]
    server = ModbusTcpServer(made, framer=framer, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    assert server.transport is not None
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


Reply = Callable[["Request"], Awaitable[bytes | None]]
"""Answer a request: bytes to send, nothing, or None to cut the connection."""


class Request:
    """One request to read registers."""

    def __init__(self, frame: bytes) -> None:
        self.transaction, _, _, self.unit = struct.unpack(">HHHB", frame[:7])
        self.function, self.address, self.count = struct.unpack(">BHH", frame[7:12])

    def answer(self, words: Sequence[int] | None = None, *, transaction: int | None = None) -> bytes:
        told = [self.address + at for at in range(self.count)] if words is None else words
        body = struct.pack(f">BB{len(told)}H", self.function, 2 * len(told), *told)
        return self._frame(body, transaction)

    def refuse(self, code: int) -> bytes:
        return self._frame(bytes([self.function | 0x80, code]), None)

    def _frame(self, body: bytes, transaction: int | None) -> bytes:
        number = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", number, 0, len(body) + 1, self.unit) + body


class RawServer:
    """Answers as its `reply` says, which a test may change at any time.

    Attributes:
        requests: all that came.
        connections: how many were made.
        open: those that are.
    """

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                request = Request(await reader.readexactly(12))
                self.requests.append(request)
                answer = await self.reply(request)
                if answer is None:
                    self.reset(writer)
                    break
                writer.write(answer)
        writer.close()
        self.open.discard(writer)

    def reset(self, writer: asyncio.StreamWriter) -> None:
        """Cut a connection as a device does that loses power: RST."""
        own: socket.socket = writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close_all(self) -> None:
        for writer in list(self.open):
            writer.close()


async def well_behaved(request: Request) -> bytes | None:
    """Answer with registers that hold their own addresses."""
    return request.answer()


def holding(
    registers: Registers, seen: list[tuple[int, int]] | None = None
) -> Callable[[Request], Awaitable[bytes | None]]:
    """Answer as a device that has these registers, and refuses to read over what it has not."""
    words = {first + at: word for first, told in registers.items() for at, word in enumerate(told)}

    async def reply(request: Request) -> bytes | None:
        if seen is not None:
            seen.append((request.address, request.count))
        asked = range(request.address, request.address + request.count)
        if any(address not in words for address in asked):
            return request.refuse(2)
        return request.answer([words[address] for address in asked])

    return reply


@asynccontextmanager
async def raw(reply: Reply = well_behaved) -> AsyncIterator[RawServer]:
    """Serve raw answers."""
    server = RawServer(reply)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.close_all()
        await listening.wait_closed()
