"""A real upsd with dummy UPSes, in directories of its own, as the user who runs the tests."""

import getpass
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services import free_port
from tests.waiting import until

UPSD, DUMMY = Path("/lib/nut/upsd"), Path("/lib/nut/dummy-ups")
ON_LINE = {"ups.status": "OL", "battery.charge": "100", "battery.runtime": "1800", "input.voltage": "230.1"}


class Nut:
    """An upsd and the drivers of its UPSes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.drivers: dict[str, subprocess.Popen[bytes] | None] = {}
        self.upsd: subprocess.Popen[bytes] | None = None
        self._changed_s = 1_000_000_000
        (directory / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {self.port}\nMAXAGE 4\n")
        (directory / "upsd.users").write_text("")

    def set(self, ups: str, variables: Mapping[str, str]) -> None:
        """Say what a UPS has from now on; variables that it had keep their values."""
        lines = "".join(f"{name}: {text}\n" for name, text in variables.items())
        draft = self.directory / f"{ups}.new"
        draft.write_text(lines + "TIMER 1\n")
        self._changed_s += 10  # dummy-ups compares whole seconds
        os.utime(draft, (self._changed_s, self._changed_s))
        draft.replace(self.directory / f"{ups}.dev")

    def add(self, ups: str, variables: Mapping[str, str] = ON_LINE) -> None:
        """Plug a UPS in."""
        self.know(ups, variables)
        self.plug(ups)
        if self.upsd is not None:
            self.upsd.send_signal(signal.SIGHUP)

    def know(self, ups: str, variables: Mapping[str, str]) -> None:
        """Write a UPS into the configuration."""
        self.set(ups, variables)
        self.drivers[ups] = None
        self._configure()

    def plug(self, ups: str) -> None:
        """Start a UPS's driver."""
        self.run_driver(ups)
        self.until_plugged(ups)

    def run_driver(self, ups: str) -> None:
        """Start a UPS's driver, and wait for nothing."""
        self.drivers[ups] = self._run(DUMMY, "-a", ups)

    def until_plugged(self, ups: str) -> None:
        """Wait until upsd can connect to a driver."""
        until((self.directory / f"dummy-ups-{ups}").exists, f"the driver of {ups} listens")

    def freeze(self, ups: str) -> None:
        """Let a UPS's driver hang."""
        process = self.drivers[ups]
        assert process is not None
        process.send_signal(signal.SIGSTOP)

    def thaw(self, ups: str) -> None:
        """Let it go on."""
        process = self.drivers[ups]
        assert process is not None
        process.send_signal(signal.SIGCONT)

    def unplug(self, ups: str) -> None:
        """End a UPS's driver."""
        _end(self.drivers[ups])
        (self.directory / f"dummy-ups-{ups}").unlink(missing_ok=True)

    def remove(self, ups: str) -> None:
        """Take a UPS out of upsd's configuration."""
        self.unplug(ups)
        del self.drivers[ups]
        self._configure()
        assert self.upsd is not None
        self.upsd.send_signal(signal.SIGHUP)

    def start(self) -> None:
        """Start upsd, and wait until it knows its UPSes."""
        self.upsd = self._run(UPSD)
        until(lambda: all(self._has(ups) for ups in self.drivers), "upsd has all its UPSes")

    def stop(self) -> None:
        """End upsd."""
        assert self.upsd is not None
        _end(self.upsd)
        self.upsd = None

    def _has(self, ups: str) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(f"GET VAR {ups} battery.charge\n".encode())
                return connection.recv(100).startswith(b"VAR")
        except OSError:
            return False

    def _configure(self) -> None:
        said = "maxretry = 3\n"
        for ups in self.drivers:
            file = self.directory / f"{ups}.dev"
            said += (
                f'[{ups}]\ndriver = dummy-ups\nport = {file}\npollinterval = 1\ndesc = "the \\"{ups}\\""\n'
            )
        (self.directory / "ups.conf").write_text(said)

    def _run(self, program: Path, *arguments: str) -> subprocess.Popen[bytes]:
        place = str(self.directory)
        environment = os.environ | {"NUT_CONFPATH": place, "NUT_STATEPATH": place, "NUT_ALTPIDPATH": place}
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(
                [str(program), "-F", "-u", getpass.getuser(), *arguments],
                stdout=log,
                stderr=log,
                env=environment,
            )


@contextmanager
def start_nut(**upses: Mapping[str, str]) -> Iterator[Nut]:
    """Run an upsd with these UPSes: one at least, and each with a battery.charge."""
    if not UPSD.exists():
        pytest.fail("upsd is not installed: apt-get install nut-server")
    with tempfile.TemporaryDirectory(prefix="nut") as directory:  # short: a socket's path has 107 bytes
        Path(directory).chmod(0o700)
        nut = Nut(Path(directory))
        try:
            for ups, variables in upses.items():
                nut.know(ups, variables)
            for ups in upses:  # each takes a second to begin
                nut.run_driver(ups)
            for ups in upses:
                nut.until_plugged(ups)
            nut.start()
            yield nut
        finally:
            for process in [*nut.drivers.values(), nut.upsd]:
                _end(process)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
