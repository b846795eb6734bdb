"""Real processes to measure: a Mosquitto, a VictoriaMetrics and ours, each ended by its pid."""

import multiprocessing
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

import psutil

from bus.connection import Broker
from bus.recorder import Recorder
from projectors import victoria_server

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far."""

    cpu_s: float
    written_bytes: int
    resident_bytes: int

    def since(self, earlier: "Usage") -> "Usage":
        """Return what was used in between; memory is the later one's."""
        return Usage(
            self.cpu_s - earlier.cpu_s, self.written_bytes - earlier.written_bytes, self.resident_bytes
        )


def usage(pid: int) -> Usage:
    """Read what a process has used."""
    process = psutil.Process(pid)
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
        return Usage(times.user + times.system, process.io_counters().write_bytes, memory.rss)


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mosquitto(directory: Path) -> Iterator[int]:
    """Run a Mosquitto with the limits we ship; yield its port."""
    port = free_port()
    configuration = directory / "mosquitto.conf"
    configuration.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
        "max_inflight_messages 4000\nmax_queued_messages 100000\n"
    )
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    with subprocess.Popen(
        ["mosquitto", "-c", configuration], env={"PATH": path}, stderr=subprocess.DEVNULL
    ) as broker:
        try:
            _listening(port)
            yield port
        finally:
            broker.terminate()


@dataclass(frozen=True, slots=True)
class Server:
    """A process that was started, and the port it listens on."""

    pid: int
    port: int


@contextmanager
def victoria(directory: Path) -> Iterator[Server]:
    """Run a VictoriaMetrics as we ship it."""
    port = free_port()
    command = victoria_server.command(directory / "victoria-metrics", port)
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            _listening(port)
            yield Server(server.pid, port)
        finally:
            server.terminate()


@contextmanager
def ours(work: Callable[..., None], *arguments: object) -> Iterator[int]:
    """Run `work(*arguments)` in a fresh process until the block ends; yield its pid."""
    process: BaseProcess = _spawn.Process(target=work, args=arguments)
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        process.terminate()
        process.join(20)


@contextmanager
def recording(data: Path, port: int) -> Iterator[int]:
    """Run a recorder; yield its pid when it records."""
    with ours(record, data, port) as pid:
        journal = data / "journal" / "journal.sqlite"
        wait(journal.exists)
        yield pid


def record(data: Path, port: int) -> None:
    """Be a recorder until SIGTERM."""
    stop = stopping()
    Recorder(data, Broker(port=port)).run(lambda: bool(stop))


def stopping() -> list[int]:
    """Return a list that SIGTERM fills."""
    stop: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        stop.append(number)

    signal.signal(signal.SIGTERM, note)
    return stop


def wait(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition."""
    limit = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError("the benchmark's processes did not get ready")
        time.sleep(0.01)


def _listening(port: int) -> None:
    def accepts() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait(accepts)
