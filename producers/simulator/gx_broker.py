"""The broker of a simulated GX: a Mosquitto of its own on loopback.

Rules that must stay true here:
- it keeps nothing: what was retained is gone when it stops, as on a GX that restarts;
- it dies with its parent, however that ends;
- with TLS its certificate is self-signed, in the name of venus.local, and stays the same over restarts.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from producers.simulator.program import Program
from schemas.errors import ConfigurationError, TransientError

HOST = "127.0.0.1"
DEVICE_USER = "venus-device"
_READY_S = 10.0
_ASK_AGAIN_S = 0.01
_OTHER_PORTS = 3


class GxBroker:
    """Runs the broker.

    Attributes:
        port: where clients connect.
        inner_port: where the device itself connects, when clients need TLS; else the same.
        certificate: the certificate that clients see, with TLS.
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        tls: bool = False,
        password: str | None = None,
        usernames: Sequence[str] = (),
        device_password: str = "",
    ) -> None:
        self.certificate = directory / "venus.local.crt"
        self.port = port
        self.inner_port = 0
        self._fixed = bool(port)
        self._directory = directory
        self._tls = tls
        self._password = password
        self._usernames = usernames
        self._device_password = device_password
        self._program = Program((), directory / "mosquitto.log", {})

    async def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            TransientError: it does not start; its last words are in the message.
            ConfigurationError: Mosquitto or openssl is not installed.
        """
        for _ in range(_OTHER_PORTS):
            try:
                await self._start_once()
            except TransientError:
                if self._fixed:
                    raise
                self.port = 0  # somebody took it between the search and the start
            else:
                self._fixed = True
                return
        raise TransientError("the broker of the simulated GX finds no free port")

    async def _start_once(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        if self._tls and not self.certificate.exists():
            await self._make_certificate()
        if self._password is not None:
            await self._write_passwords()
        taken = _free_ports(2)
        self.port = self.port or taken[0]
        self.inner_port = taken[1] if self._tls else self.port
        configuration = self._directory / "mosquitto.conf"
        configuration.write_text("\n".join(self._lines()) + "\n", encoding="utf-8")
        self._program = Program(
            (binary("mosquitto"), "-c", str(configuration)), self._directory / "mosquitto.log", {}
        )
        await self._program.start()
        await self._wait_until_ready()

    async def stop(self) -> None:
        """Stop it; connected clients see their connection end."""
        await self._program.stop()

    def kill(self) -> None:
        """End it at once, as when the GX loses its power."""
        self._program.kill()

    def pause(self) -> None:
        """Let it hang."""
        self._program.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._program.resume()

    def _lines(self) -> list[str]:
        lines = ["user root"] if os.geteuid() == 0 else []  # else it gives up its rights to read its key
        lines += [
            "per_listener_settings false",
            "persistence false",
            "set_tcp_nodelay true",
            "max_queued_messages 100000",
            "max_packet_size 16777216",
            "log_type error",
            "log_type warning",
        ]
        if self._password is None:
            lines.append("allow_anonymous true")
        else:
            lines += ["allow_anonymous false", f"password_file {self._directory / 'passwords'}"]
        if self._tls:
            lines += [
                f"listener {self.port} {HOST}",
                f"certfile {self.certificate}",
                f"keyfile {self.certificate.with_suffix('.key')}",
            ]
        return [*lines, f"listener {self.inner_port} {HOST}"]

    async def _make_certificate(self) -> None:
        key = self.certificate.with_suffix(".key")
        made = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=venus.local", "-days", "36500"]
        files = ["-keyout", str(key), "-out", str(self.certificate)]
        await _run([binary("openssl"), "req", "-x509", *made, *files])
        key.chmod(0o600)

    async def _write_passwords(self) -> None:
        """Write the password file: a GX looks at the password alone, Mosquitto wants it for each user."""
        path = self._directory / "passwords"
        path.touch(mode=0o600)
        users = [f"{name}:{self._password}" for name in self._usernames]
        path.write_text(
            "\n".join([*users, f"{DEVICE_USER}:{self._device_password}"]) + "\n", encoding="utf-8"
        )
        await _run([binary("mosquitto_passwd"), "-U", str(path)])

    async def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_S  # of this machine: the loop's time may run faster
        ports = {self.port, self.inner_port}
        while not ports <= _listening(self._program.pid):
            if not self._program.running or time.monotonic() > deadline:
                await self.stop()
                said = self._program.said()
                raise TransientError(f"the broker of the simulated GX did not start on {ports}: {said}")
            await asyncio.sleep(_ASK_AGAIN_S)


def binary(name: str) -> str:
    """Find a program.

    Raises:
        ConfigurationError: it is not installed.
    """
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ConfigurationError(f"{name} is not installed: apt-get install {name.split('_', maxsplit=1)[0]}")
    return found


async def _run(command: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        raise ConfigurationError(f"{command[0]} failed: {said.decode(errors='replace')[-300:]}")


def _listening(pid: int | None) -> set[int]:
    """Return the ports on which a process listens: another's broker on our port is not ours."""
    if pid is None:
        return set()
    try:
        return {item.laddr.port for item in psutil.Process(pid).net_connections("tcp4") if not item.raddr}
    except psutil.Error:
        return set()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
