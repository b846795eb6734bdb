"""Simulated UPSes behind a real upsd: NUT's own server and its dummy driver, in a directory of their own.

Rules that must stay true here:
- everything runs as the user who started us, on loopback, and ends with us;
- the drivers' files hold what the readings say, and a reading that is gone is gone from upsd too;
- the driver looks at its file about every second of this machine, however fast the simulated time runs.
"""

import asyncio
import contextlib
import os
import pwd
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from producers.simulator.nut import program
from producers.simulator.program import Program
from producers.simulator.upsd_file import Ups, lines
from schemas.errors import TransientError

HOST = "127.0.0.1"
_READY_S, _ASK_AGAIN_S, _OTHER_PORTS = 15.0, 0.05, 3
_STALE_AFTER_S = 3


class Upsd:
    """Runs upsd with a driver for each UPS; `start` before anything else, `close` at the end.

    Attributes:
        port: where upsd listens, known after `start`.
    """

    def __init__(self, upses: Mapping[str, Ups], *, port: int = 0) -> None:
        self.port = port
        self._fixed = bool(port)
        self._upses = dict(upses)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._written: dict[str, str] = {}
        self._drivers: dict[str, Program] = {}
        self._upsd: Program | None = None

    @property
    def directory(self) -> Path:
        """Give the place of its files, which are gone after `close`."""
        assert self._temporary is not None, "it was not started"
        return Path(self._temporary.name)

    async def start(self) -> None:
        """Start everything, and wait until every UPS has told its readings.

        Raises:
            ConfigurationError: NUT is not installed.
            TransientError: it does not start.
        """
        upsd, driver = program("upsd"), program("dummy-ups")
        self._temporary = tempfile.TemporaryDirectory(prefix="ovr-ups-")  # a socket's path must be short
        directory = self.directory
        environment = {"NUT_CONFPATH": str(directory), "NUT_STATEPATH": str(directory)}
        who = ["-u", pwd.getpwuid(os.getuid()).pw_name] if os.getuid() == 0 else []
        _write(directory / "ups.conf", "".join(map(self._section, self._upses)))
        _write(directory / "upsd.users", "")
        self.refresh()
        for name in self._upses:
            log = directory / f"{name}.log"
            self._drivers[name] = Program((driver, "-F", "-a", name, *who), log, environment)
        self._upsd = Program((upsd, "-F", *who), directory / "upsd.log", environment)
        await asyncio.gather(*(self.plug(name) for name in self._upses))
        await self._start_upsd(self._upsd)

    async def close(self) -> None:
        """End everything and remove its files."""
        programs = [*self._drivers.values(), *([self._upsd] if self._upsd else [])]
        await asyncio.gather(*(one.stop() for one in programs))
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    async def run(self, every_s: float = 1.0) -> None:
        """Keep upsd up to date until it is cancelled."""
        while True:
            self.refresh()
            await asyncio.sleep(every_s)

    def refresh(self) -> None:
        """Write down what the UPSes tell now, where it has changed."""
        for name, ups in self._upses.items():
            text = ups.sequence or lines(ups)
            if self._written.get(name) != text:
                _write(self._file(name), text)
                self._written[name] = text

    async def plug(self, name: str) -> None:
        """Start a UPS's driver, or let it go on."""
        driver = self._drivers[name]
        if driver.running:
            driver.resume()
            return
        await driver.start()
        await self._until(self._place(f"dummy-ups-{name}").exists, driver)

    async def unplug(self, name: str) -> None:
        """End a UPS's driver: upsd says that it is not connected."""
        await self._drivers[name].stop()
        self._place(f"dummy-ups-{name}").unlink(missing_ok=True)

    def freeze(self, name: str) -> None:
        """Let a UPS's driver hang, until `plug`: a few seconds later upsd calls its readings stale."""
        self._drivers[name].pause()

    async def _start_upsd(self, upsd: Program) -> None:
        for _ in range(_OTHER_PORTS):
            self.port = self.port or _free_port()
            if not _is_free(self.port):  # another upsd would answer in the place of ours
                raise TransientError(f"port {self.port} is taken")
            _write(self._place("upsd.conf"), f"LISTEN {HOST} {self.port}\nMAXAGE {_STALE_AFTER_S}\n")
            await upsd.start()
            try:
                await asyncio.gather(*(self._until_told(name, upsd) for name in self._upses))
            except TransientError:
                await upsd.stop()
                if self._fixed:
                    raise
                self.port = 0  # somebody took it between the search and the start
            else:
                self._fixed = True
                return
        raise TransientError("upsd finds no free port")

    async def _until_told(self, name: str, upsd: Program) -> None:
        deadline = time.monotonic() + _READY_S  # of this machine: the loop's time may run faster
        while not (status := await ask(self.port, f"GET VAR {name} ups.status")).startswith("VAR"):
            self._check(upsd, deadline, f"{name}: {status}")
            await asyncio.sleep(_ASK_AGAIN_S)
        while "WAIT" in await ask(self.port, f"GET VAR {name} ups.status"):
            self._check(upsd, deadline, f"{name} has told nothing")
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _until(self, condition: Callable[[], bool], running: Program) -> None:
        deadline = time.monotonic() + _READY_S
        while not condition():
            self._check(running, deadline, "it does not listen")
            await asyncio.sleep(_ASK_AGAIN_S)

    def _check(self, running: Program, deadline: float, what: str) -> None:
        if not running.running or time.monotonic() > deadline:
            raise TransientError(f"NUT does not start: {what}: {running.said()}")

    def _section(self, name: str) -> str:
        mode = "mode = dummy-loop\npollinterval = 1\n"  # the driver tells two changes of one second apart
        return f"[{name}]\ndriver = dummy-ups\nport = {self._file(name)}\n{mode}"

    def _file(self, name: str) -> Path:
        return self._place(f"{name}.{'seq' if self._upses[name].sequence else 'dev'}")

    def _place(self, name: str) -> Path:
        return self.directory / name


async def ask(port: int, question: str) -> str:
    """Ask upsd one thing; what went wrong when it does not answer."""
    writer = None
    try:
        async with asyncio.timeout(_READY_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(question.encode() + b"\n")
            return (await reader.readline()).decode(errors="replace").strip()
    except (OSError, TimeoutError) as error:
        return str(error)
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _write(path: Path, text: str) -> None:
    """Write a file that only we may read, and that nobody sees half written."""
    part = path.with_name(path.name + ".part")
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
