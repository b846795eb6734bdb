"""A Modbus TCP server for simulated devices: many units behind one port, and the ways real ones fail.

Rules that must stay true here:
- every whole request gets one answer, or what the fault of the moment makes of it;
- the port stays the same from `start` to `close`, also while the device is unplugged.
"""

import asyncio
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from producers.simulator import modbus_pdu
from producers.simulator.modbus_pdu import DEVICE_FAILURE, Registers

_HEADER = struct.Struct(">HHHB")
_SHORTEST, _LONGEST = 2, 254
_LINGER_NOT = struct.pack("ii", 1, 0)


class Failure(StrEnum):
    """What a device does wrong."""

    SILENT = "silent"  # takes requests and never answers
    RESET = "reset"  # answers a request by cutting the connection (RST)
    SLOW = "slow"  # answers after `delay_s`
    REFUSING = "refusing"  # answers with the exception `code`
    HALF = "half"  # sends the first half of an answer, and no more
    STALE = "stale"  # answers with the number of the request before
    UNPLUGGED = "unplugged"  # nobody listens: connections are cut and refused
    GONE = "gone"  # the cable is out: connections stay, and nothing comes of them or of new ones


_AWAY = {Failure.UNPLUGGED, Failure.GONE}


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure that lasts until another one, or None, is set."""

    failure: Failure
    delay_s: float = 0.0
    code: int = DEVICE_FAILURE


UNPLUGGED, GONE = Fault(Failure.UNPLUGGED), Fault(Failure.GONE)


class ModbusServer:
    """Serves units on one address; `start` before anything else, `close` at the end.

    Attributes:
        port: where it listens, known after `start`.
        requests: how many requests came, answered or not.
        most_connections: further ones are closed at once, as small devices do; None: no limit.
    """

    def __init__(
        self,
        units: Mapping[int, Registers],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        most_connections: int | None = None,
    ) -> None:
        self.units = dict(units)
        self.host = host
        self.port = port
        self.requests = 0
        self.most_connections = most_connections
        self.connections: set[asyncio.Transport] = set()
        self._faults: dict[int | None, Fault] = {}
        self._place: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._hole: tuple[socket.socket, ...] = ()

    async def start(self) -> None:
        """Take the port and listen."""
        self._place = _bound(self.host, self.port)
        self.port = self._place.getsockname()[1]
        await self._listen()

    async def close(self) -> None:
        """Cut all connections and give the port back."""
        self._unlisten()
        await self._cut()
        if self._place is not None:
            self._place.close()
            self._place = None

    async def fail(self, fault: Fault | None, *, unit: int | None = None) -> None:
        """Begin to fail, or end it with None; with `unit` only that unit, which then cannot be unplugged."""
        if fault is None:
            self._faults.pop(unit, None)
        else:
            assert unit is None or fault.failure not in _AWAY, "a unit has no port of its own"
            self._faults[unit] = fault
        whole = self._faults.get(None)
        if whole is None or whole.failure not in _AWAY:
            await self._listen()
            return
        self._unlisten()
        if whole.failure is Failure.GONE:
            self._hole = _black_hole(self.host, self.port)
        else:
            await self._cut()

    def fault(self, unit: int) -> Fault | None:
        """Say what is wrong with a unit now."""
        return self._faults.get(unit) or self._faults.get(None)

    def answer(self, unit: int, request: bytes) -> bytes:
        """Answer a request of a unit, without its header."""
        fault = self.fault(unit)
        if fault and fault.failure is Failure.REFUSING:
            return modbus_pdu.refusal(request, fault.code)
        return modbus_pdu.answer(self.units.get(unit), request)

    async def _listen(self) -> None:
        if self._server is not None:
            return
        self._unlisten()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self.host, self.port, reuse_port=True
        )

    def _unlisten(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self._hole:
            end.close()
        self._hole = ()

    async def _cut(self) -> None:
        for transport in tuple(self.connections):
            transport.abort()
        await asyncio.sleep(0)  # the transports close in the next turn of the loop


class _Connection(asyncio.Protocol):
    """One client: cuts what it sends into requests and answers them as the server's faults let it."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        most = self._server.most_connections
        if most is not None and len(self._server.connections) >= most:
            transport.abort()
        else:
            self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while len(data) > _HEADER.size:
            number, protocol, length, unit = _HEADER.unpack_from(data)
            end = _HEADER.size - 1 + length
            if protocol != 0 or not _SHORTEST <= length <= _LONGEST:
                self._transport.abort()
                return
            if len(data) < end:
                break
            self._server.requests += 1
            self._respond(number, unit, data[_HEADER.size : end])
            data = data[end:]
        self._rest = data

    def _respond(self, number: int, unit: int, request: bytes) -> None:
        fault = self._server.fault(unit)
        failure = fault.failure if fault else None
        if failure in {Failure.SILENT, Failure.GONE}:
            return
        if failure is Failure.RESET:
            self._reset()
            return
        if failure is Failure.STALE:
            number = (number - 1) & 0xFFFF
        answer = self._server.answer(unit, request)
        frame = _HEADER.pack(number, 0, len(answer) + 1, unit) + answer
        if failure is Failure.HALF:
            frame = frame[: len(frame) // 2]
        if fault and failure is Failure.SLOW:
            asyncio.get_running_loop().call_later(fault.delay_s, self._write, frame)
        else:
            self._write(frame)

    def _write(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def _reset(self) -> None:
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self._transport.abort()


def _bound(host: str, port: int) -> socket.socket:
    """Take a port without listening: whoever connects is refused, and nobody else gets it."""
    place = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind((host, port))  # alone, so that two sites never share a port unnoticed
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # and then with our own listener
    except OSError:
        place.close()
        raise
    return place


def _black_hole(host: str, port: int) -> tuple[socket.socket, ...]:
    """Let connections to a port of ours hang: one that is never accepted fills the queue, others wait."""
    hole = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    hole.bind((host, port))
    hole.listen(0)
    filler.setblocking(False)
    filler.connect_ex((host, port))
    return hole, filler
