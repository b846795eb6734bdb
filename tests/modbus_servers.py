"""Simulated Modbus devices for tests that block: a server on a loop of its own, in a thread."""

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from producers.simulator.modbus_pdu import Registers
from producers.simulator.modbus_server import Fault, ModbusServer
from tests.waiting import PATIENCE_S


@dataclass(frozen=True)
class Serving:
    """A server that runs."""

    server: ModbusServer
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def fail(self, fault: Fault | None, *, unit: int | None = None) -> None:
        """Let it fail from now on."""
        self.do(self.server.fail(fault, unit=unit))

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Let its loop do something, and wait for the end."""
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)


@contextmanager
def serving(units: Mapping[int, Registers], **options: Any) -> Iterator[Serving]:
    """Serve units on a free loopback port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    served = Serving(ModbusServer(units, **options), loop)
    try:
        served.do(served.server.start())
        yield served
    finally:
        served.do(served.server.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


def mbpoll(
    port: int,
    address: int,
    kind: str,
    count: int,
    *,
    unit: int = 1,
    input_registers: bool = False,
    low_word_first: bool = False,
) -> list[float]:
    """Read numbers with Debian's mbpoll: `kind` is `4`, `4:int` or `4:float` as its manual says."""
    if shutil.which("mbpoll") is None:
        pytest.fail("mbpoll is not installed: apt-get install mbpoll")
    if input_registers:
        kind = "3" + kind[1:]
    order = "" if low_word_first else "-B"
    where = f"-m tcp -a {unit} -p {port} -0 -r {address} -c {count} -t {kind} {order} -1 -q 127.0.0.1"
    command = ["mbpoll", *where.split()]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert answer.returncode == 0, answer.stderr or answer.stdout
    rows = [line for line in answer.stdout.splitlines() if line.startswith("[")]
    return [float(row.partition(":")[2].split()[0]) for row in rows]
