"""The ports of a node: four in a row, given or found, and who holds one that is taken."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from schemas.errors import ConfigurationError

DEFAULT_BASE = 18_830
_STEP = 10
_TRIES = 100


@dataclass(frozen=True, slots=True)
class Ports:
    """Four ports in a row."""

    base: int

    @property
    def mqtt(self) -> int:
        """MQTT."""
        return self.base

    @property
    def websockets(self) -> int:
        """MQTT over websockets."""
        return self.base + 1

    @property
    def victoria(self) -> int:
        """VictoriaMetrics."""
        return self.base + 2

    @property
    def http(self) -> int:
        """The HTTP API."""
        return self.base + 3

    def all(self) -> tuple[int, ...]:
        """List them."""
        return self.mqtt, self.websockets, self.victoria, self.http


def choose(base: int | None) -> Ports:
    """Take the ports that were asked for, or the first four in a row that are free.

    Raises:
        ConfigurationError: one that was asked for is taken, and by whom; or none are free.
    """
    if base is not None:
        ports = Ports(base)
        check_free(ports.all())
        return ports
    for start in range(DEFAULT_BASE, DEFAULT_BASE + _TRIES * _STEP, _STEP):
        ports = Ports(start)
        if all(is_free(port) for port in ports.all()):
            return ports
    raise ConfigurationError("no four free ports in a row were found: name some with --port-base")


def check_free(ports: Iterable[int]) -> None:
    """Make sure that nobody listens on any of these ports.

    Raises:
        ConfigurationError: somebody does; the message says who.
    """
    for port in ports:
        if not is_free(port):
            raise ConfigurationError(
                f"port {port} is taken by {holder(port)}: stop that, or choose others with --port-base"
            )


def is_free(port: int) -> bool:
    """Tell whether we could listen on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Name the process that listens on a port, as far as we may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        connections = []
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
            try:
                return f"{psutil.Process(one.pid).name()} (process {one.pid})"
            except psutil.Error:
                return f"process {one.pid}"
    return f"another user's process (`sudo ss -ltnp 'sport = :{port}'` names it)"
