"""Real services for tests: VictoriaMetrics and Mosquitto on free loopback ports, each with its own files.

A service is ended through the process that was started, never by name; it may be killed and started again on
the same port and files.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_S


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@dataclass
class Service:
    """A process that can be killed, stopped and started again."""

    command: Sequence[str]
    port: int
    directory: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Where it serves HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it said."""
        return self.directory.with_name(self.directory.name + ".log")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_S
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(
                    f"{self.command[0]} did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
                )
            time.sleep(0.005)

    def ready(self) -> bool:
        """Say whether it accepts connections."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it cleanly."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Let it hang."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it run again."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def wipe(self) -> None:
        """Remove its files; it must not run."""
        assert self.process is None
        shutil.rmtree(self.directory)

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Victoria(Service):
    """A VictoriaMetrics."""

    def ready(self) -> bool:
        """Say whether its storage is open."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def start_victoria(tmp: Path, *flags: str) -> Iterator[Victoria]:
    """Run a VictoriaMetrics on `tmp/victoria-metrics`."""
    port, directory = free_port(), tmp / "victoria-metrics"
    command = (
        _binary("victoria-metrics"),
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={directory}",
        "-retentionPeriod=100y",
        "-dedup.minScrapeInterval=1ms",
        "-search.latencyOffset=1ms",
        "-memory.allowedBytes=64MiB",
        "-loggerLevel=WARN",
        *flags,
    )
    service = Victoria(command, port, directory)
    service.start()
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def start_mosquitto(tmp: Path, *lines: str) -> Iterator[Service]:
    """Run a Mosquitto that trusts everyone on loopback; `lines` are added to its configuration."""
    port, directory = free_port(), tmp / "mosquitto"
    directory.mkdir()
    configuration = directory / "mosquitto.conf"
    said = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence false",
        "set_tcp_nodelay true",
        "max_queued_messages 0",
        "max_inflight_messages 0",
        *lines,
    )
    configuration.write_text("\n".join(said) + "\n")
    service = Service((_binary("mosquitto"), "-c", str(configuration)), port, directory)
    service.start()
    try:
        yield service
    finally:
        service.stop()


def _binary(name: str) -> str:
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"{name} is not installed: apt-get install {name}")
    return found
