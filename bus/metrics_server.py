"""`/metrics` of one process: a page in Prometheus' text format, on a port of its own.

Rules that must stay true here:
- what is served is made when it is asked for, in a thread that sleeps otherwise; the libraries that write the
  page are loaded by the first who asks;
- one request at a time, short and soon: a client that is slow or talks nonsense is let go;
- a port that is taken is no reason to stop: the process works without its figures, and says so.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from bus import measuring, metrics
from bus.measuring import Histogram, Told

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 2.0
_LONGEST: Final = 8192
_PATH: Final = "/metrics"


class MetricsServer:
    """Answers requests for the page.

    Args:
        address: where to listen.
        port: on which port.
        patience_s: how long a client may take.

    Raises:
        OSError: the port is taken, or the address is not ours.
    """

    def __init__(self, address: str, port: int, *, patience_s: float = _PATIENCE_S) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._patience_s = patience_s
        self._thread: threading.Thread | None = None
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((address, port))
            self.socket.listen(8)
        except OSError:
            self.socket.close()
            raise

    def start(self) -> None:
        """Serve from a thread, until the process ends."""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def serve(self) -> None:
        """Serve one client; waits for one, unless the socket does not block."""
        try:
            client, _ = self.socket.accept()
        except OSError:
            return
        with client, suppress(OSError):
            client.settimeout(self._patience_s)
            client.sendall(_answer(_path(client, time.monotonic() + self._patience_s)))

    def close(self) -> None:
        """Listen no more."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _run(self) -> None:
        while self.socket.fileno() >= 0:
            self.serve()


def listen(address: str, port: int, *, patience_s: float = _PATIENCE_S) -> MetricsServer | None:
    """Listen; None when the port cannot be had."""
    try:
        return MetricsServer(address, port, patience_s=patience_s)
    except OSError as error:
        log.warning("figures are not served at %s:%d: %s", address, port, error.strerror)
        return None


def serve(address: str, port: int) -> MetricsServer | None:
    """Serve this process's figures from now on, in a thread; None when the port cannot be had."""
    server = listen(address, port)
    if server is not None:
        server.start()
    return server


def page(told: Callable[[], list[Told]] = measuring.told) -> bytes:
    """Write everything that this process tells."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector([*told(), Told("kernel", _disk_bytes())]))
    return generate_latest(registry)


class _Collector:
    """Hands samples to prometheus_client."""

    def __init__(self, told: list[Told]) -> None:
        self._told = told

    def collect(self) -> Iterator[Any]:
        """Yield one family a metric."""
        from prometheus_client.metrics_core import Metric  # noqa: PLC0415 - as above

        families: dict[str, Any] = {}
        for sample in metrics.samples(self._told):
            metric = sample.metric
            family = families.get(metric.name)
            if family is None:
                name = metric.name.removesuffix("_total")
                family = families[metric.name] = Metric(name, metric.help, metric.type)
            for suffix, labels, value in _values(sample):
                family.add_sample(metric.name + suffix, labels, value)
        yield from families.values()


def _values(sample: metrics.Sample) -> Iterator[tuple[str, dict[str, str], float]]:
    value = sample.value
    if not isinstance(value, Histogram):
        yield "", dict(sample.labels), value
        return
    counts, total, upto = list(value.counts), value.total, 0
    for bound, count in zip((*map(str, value.bounds), "+Inf"), counts, strict=True):
        upto += count
        yield "_bucket", {**sample.labels, "le": bound}, upto
    yield "_count", dict(sample.labels), upto
    yield "_sum", dict(sample.labels), total


def _disk_bytes() -> dict[str, int]:
    """Ask the kernel what this process had read from and written to disks; empty where it does not say."""
    try:
        with open("/proc/self/io", encoding="ascii") as file:  # noqa: PTH123 - no Path for one line a scrape
            pairs = (line.partition(":") for line in file)
            return {name: int(count) for name, _, count in pairs}
    except (OSError, ValueError):
        return {}


def _path(client: socket.socket, until: float) -> bytes:
    """Read a request; return the path that is asked for, empty for what is no GET."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST and time.monotonic() < until:
        part = client.recv(_LONGEST)
        if not part:
            break
        head += part
    words = head.split(b"\r\n", 1)[0].split(b" ")
    return words[1].partition(b"?")[0] if len(words) == 3 and words[0] == b"GET" else b""  # noqa: PLR2004


def _answer(path: bytes) -> bytes:
    if path != _PATH.encode():
        return _response(b"404 Not Found", b"text/plain", b"the figures are at /metrics\n")
    try:
        return _response(b"200 OK", b"text/plain; version=0.0.4; charset=utf-8", page())
    except RuntimeError:  # a table changed while it was read
        log.exception("the figures cannot be written")
        return _response(b"500 Internal Server Error", b"text/plain", b"see the log\n")


def _response(status: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return head % (status, kind, len(body)) + body
