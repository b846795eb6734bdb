"""The ports of a node: four in a row and those of /metrics, given or found; and who holds one."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.errors import ConfigurationError

DEFAULT_BASE = 18_830
ROOM = 40
_TRIES = 100
# Where each process serves /metrics, counted from the first port; producers follow as they are configured.
METRICS: Mapping[str, int] = {
    "supervisor": 10,
    "recorder": 11,
    "replay": 12,
    "projector-state": 13,
    "projector-counters": 14,
    "projector-series": 15,
    "projector-archive": 16,
    "projector-reports": 17,
    "detector": 18,
    "alerts": 19,
    "web": 20,
    "simulator": 21,
    "uplink": 22,
}
_PRODUCERS = 26


@dataclass(frozen=True, slots=True)
class Ports:
    """Four ports in a row, and a block of others for /metrics, on loopback: `ROOM` in all."""

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

    def metrics(self, process: str, producers: Sequence[str] = ()) -> int | None:
        """Give the port at which a process serves /metrics; None when it has none.

        Args:
            process: its name.
            producers: all that are configured, in their order.
        """
        if process in METRICS:
            return self.base + METRICS[process]
        place = _PRODUCERS + producers.index(process) if process in producers else ROOM
        return self.base + place if place < ROOM else None


def choose(base: int | None) -> Ports:
    """Take the ports that were asked for, or the first that are free.

    Of those that were asked for, the ones for /metrics may be taken: who cannot have its port says so.

    Raises:
        ConfigurationError: one that was asked for is taken, and by whom; or none are free.
    """
    if base is not None:
        ports = Ports(base)
        check_free(ports.all())
        return ports
    for start in range(DEFAULT_BASE, DEFAULT_BASE + _TRIES * ROOM, ROOM):
        ports = Ports(start)
        if all(is_free(port) for port in range(start, start + ROOM)):
            return ports
    raise ConfigurationError("no free ports were found: name some with --port-base")


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
    import psutil  # noqa: PLC0415 - every process knows its ports, few find one taken

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
