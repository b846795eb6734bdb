"""TCP connections to Modbus devices and gateways: one for each address, shared by all units behind it.

The only module that knows pymodbus.

Rules that must stay true here:
- one request at a time on a connection, and the pause that a device wants between two;
- a read may be cancelled at any await: a late answer is dropped by its number, and never taken for another's;
- silence closes the connection, because a peer that lost power says nothing;
- what was found out about a device holds for one `generation`, the life of one TCP connection.
"""

import asyncio
import logging
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from producers.adapter import DeviceError
from producers.modbus.cells import Words
from producers.modbus.registers import RefusedError

Framing = Literal["tcp", "rtu"]
"""How requests are packed: as Modbus TCP, or as on a serial line, which plain serial servers pass on."""

TIMEOUT_S: Final = 2.0
_SILENT_AT_MOST: Final = 2
"""Requests in a row that nobody answers before the connection is made anew."""

_REST_S: Final = 1.0
"""How long a connection that could not be made is left alone."""

_FRAMERS: Final[Mapping[Framing, FramerType]] = MappingProxyType(
    {"tcp": FramerType.SOCKET, "rtu": FramerType.RTU}
)
_READ_HOLDING: Final = 3
_REFUSED: Final = frozenset({1, 2, 3})
_EXCEPTIONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        1: "does not know the function",
        2: "has no such registers",
        3: "does not take the request",
        4: "reports a failure",
        5: "needs more time",
        6: "is busy",
        8: "reports a parity error",
        10: "cannot be reached by its gateway",
        11: "does not answer its gateway",
    }
)


class Connection:
    """One TCP connection, made when it is needed and made anew when it is lost.

    Args:
        host: a name or an address.
        port: usually 502.
        framing: of the protocol.
        timeout_s: how long making it, and every answer, may take.

    Attributes:
        generation: rises with every connection that is made.
    """

    def __init__(
        self, host: str, port: int, *, framing: Framing = "tcp", timeout_s: float = TIMEOUT_S
    ) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # all that it logs, it also raises
        self.host = host
        self.port = port
        self.framing: Framing = framing
        self.generation = 0
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        self._client: AsyncModbusTcpClient | None = None
        self._closed = False
        self._silent = 0
        self._unanswered = False
        self._free_at = 0.0
        self._failed_at: float | None = None

    @property
    def address(self) -> str:
        """Name it for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def connected(self) -> bool:
        """Tell whether there is a connection, as far as we know."""
        return self._client is not None and self._client.connected

    async def ready(self) -> int:
        """Make sure that there is a connection, and give its generation.

        Raises:
            DeviceError: it cannot be made.
        """
        if not self.connected:
            async with self._lock:
                await self._connect()
        return self.generation

    async def read(self, unit: int, function: int, address: int, count: int, *, gap_s: float = 0.0) -> Words:
        """Read registers of a unit.

        Args:
            unit: whom to ask.
            function: 3 reads holding registers, 4 input registers.
            address: of the first register.
            count: how many.
            gap_s: how long the device wants to be left alone before.

        Raises:
            RefusedError: the unit has no such registers.
            DeviceError: there is no answer.
        """
        async with self._lock:
            client = await self._connect()
            if (pause_s := self._free_at + gap_s - _now()) > 0:
                await asyncio.sleep(pause_s)
            call = client.read_holding_registers if function == _READ_HOLDING else client.read_input_registers
            before, self._unanswered = self._unanswered, True
            try:
                answer = await call(address, count=count, device_id=unit)
            except ConnectionException as error:
                self._drop()
                raise DeviceError(
                    f"{self.address} cut the connection, or talked nonsense", reason="link_lost"
                ) from error
            except ModbusException as error:
                raise self._silence(unit) from error
            finally:
                self._free_at = _now()
            return self._checked(answer, unit, address, count, in_doubt=before)

    def hang_up(self) -> None:
        """Close it; the next read makes it anew."""
        self._drop()

    def close(self) -> None:
        """Close for good."""
        self._closed = True
        self._drop()

    async def _connect(self) -> AsyncModbusTcpClient:
        if self._closed:
            raise DeviceError(f"{self.address} is closed", reason="stopped")
        if self._client is not None and self._client.connected:
            return self._client
        self._drop()
        if self._failed_at is not None and _now() < self._failed_at + _REST_S:
            raise DeviceError(f"{self.address} cannot be reached", reason="refused")
        client = AsyncModbusTcpClient(
            self.host,
            port=self.port,
            framer=_FRAMERS[self.framing],
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,
            trace_connect=self._heard_of_connection,
        )
        _guard(client)
        self._client = client
        made, began = False, _now()
        try:
            made = await client.connect()
        finally:
            if not made:
                self._drop()
        if not made:
            self._failed_at = _now()
            reason = "refused" if _now() - began < self._timeout_s else "timeout"
            raise DeviceError(f"{self.address} cannot be reached", reason=reason)
        self._failed_at, self._silent, self._unanswered = None, 0, False
        self.generation += 1
        return client

    def _heard_of_connection(self, made: bool) -> None:
        if not made and self._client is not None:
            _end_request(self._client)

    def _silence(self, unit: int) -> DeviceError:
        self._silent += 1
        if self._silent >= _SILENT_AT_MOST:
            self._drop()
        return DeviceError(
            f"unit {unit} at {self.address} does not answer within {self._timeout_s:g} s", reason="timeout"
        )

    def _checked(self, answer: ModbusPDU, unit: int, address: int, count: int, *, in_doubt: bool) -> Words:
        if in_doubt and not answer.transaction_id:
            self._drop()  # it numbers no answers: this one may belong to the request before
            raise DeviceError(f"{self.address} answers late and without numbers", reason="timeout")
        self._silent, self._unanswered = 0, in_doubt
        if isinstance(answer, ExceptionResponse):
            code = answer.exception_code
            said = f"unit {unit} at {self.address} {_EXCEPTIONS.get(code, 'refuses')} (exception {code}, "
            said += f"{count} registers from {address})"
            raise (
                RefusedError(said, reason="refused")
                if code in _REFUSED
                else DeviceError(said, reason="silent")
            )
        if answer.isError() or len(answer.registers) != count:
            self._drop()
            raise DeviceError(f"unit {unit} at {self.address} answers something else", reason="refused")
        return answer.registers

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._silent, self._unanswered = 0, False
        if client is not None:
            client.close()


class Connections:
    """All connections, by address; each lives as long as somebody uses it.

    Attributes:
        timeout_s: of requests on connections that are made from now on.
    """

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self.timeout_s = timeout_s
        self._users: dict[tuple[str, int, Framing], tuple[Connection, int]] = {}

    def take(self, host: str, port: int, framing: Framing = "tcp") -> Connection:
        """Give the connection to an address; `give_back` ends its use."""
        key = (host.lower(), port, framing)
        connection, users = self._users.get(key, (None, 0))
        connection = connection or Connection(host, port, framing=framing, timeout_s=self.timeout_s)
        self._users[key] = connection, users + 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """End the use of a connection; the last user closes it."""
        key = (connection.host.lower(), connection.port, connection.framing)
        _, users = self._users[key]
        if users > 1:
            self._users[key] = connection, users - 1
        else:
            del self._users[key]
            connection.close()


class UnitRegisters:
    """The registers of one unit, read through a connection."""

    def __init__(self, connection: Connection, unit: int) -> None:
        self.connection = connection
        self.unit = unit
        self.gap_s = 0.0

    async def read(self, function: int, address: int, count: int, unit: int | None = None) -> Words:
        """Read registers; as `Registers` says it."""
        asked = self.unit if unit is None else unit
        return await self.connection.read(asked, function, address, count, gap_s=self.gap_s)


def _guard(client: AsyncModbusTcpClient) -> None:
    """Let an answer that cannot be decoded end the request; pymodbus lets it fail in the event loop."""
    decode = client.ctx.callback_data

    def guarded(data: bytes, addr: tuple[Any, ...] | None = None) -> int:
        try:
            return decode(data, addr)
        except (ModbusException, ValueError, IndexError, struct.error):
            _end_request(client)
            return len(data)

    client.ctx.callback_data = guarded  # type: ignore[method-assign]  # there is no hook for it


def _end_request(client: AsyncModbusTcpClient) -> None:
    """End a request that will have no answer at once; pymodbus would wait for its time limit."""
    waiting = client.ctx.response_future
    if not waiting.done():
        waiting.set_exception(ConnectionException("the connection is lost"))
        waiting.exception()  # nobody may be waiting, and that is no error


def _now() -> float:
    return asyncio.get_running_loop().time()
