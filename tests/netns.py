"""Hosts of their own on one machine: network namespaces, and cables between them that this process carries.

Each host has a TAP device; every frame passes a switch here, which may lose, delay, reorder, repeat and
throttle it, or carry nothing at all: no module of the kernel is needed but TUN. Needs root and Debian's
iproute2; a host is removed at the end of the block, with all that runs in it.
"""

import contextlib
import fcntl
import heapq
import os
import random
import selectors
import signal
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

NETWORK = "10.77.0"
_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_FRAME = 2048
_QUEUE_S = 0.5


@dataclass(frozen=True)
class Spoilt:
    """What is wrong with a cable, each way.

    Attributes:
        delay_s, jitter_s: what every frame takes.
        reorder, duplicate, loss: the part of frames that overtake, come twice, and never come.
        bytes_per_s: what does not fit is dropped after half a second.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    reorder: float = 0.0
    duplicate: float = 0.0
    loss: float = 0.0
    bytes_per_s: float | None = None


@dataclass
class Host:
    """A namespace, and its cable to the switch.

    Attributes:
        sent: bytes that it sent into its cable, frames and all.
    """

    name: str
    address: str
    tap: int
    plugged: bool = True
    spoilt: Spoilt = field(default_factory=Spoilt)
    sent: int = 0
    _free_s: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def command(self, *words: str) -> list[str]:
        """Return a command as it runs on this host."""
        return ["ip", "netns", "exec", self.name, *words]

    def carry(self, size: int, now_s: float, *, out: bool, chance: random.Random) -> list[float]:
        """Return when a frame comes out of the cable, once or more often; never when it is lost."""
        bad = self.spoilt
        if not self.plugged or chance.random() < bad.loss:
            return []
        begin_s = now_s
        if bad.bytes_per_s is not None:
            begin_s = max(now_s, self._free_s[out])
            if begin_s - now_s > _QUEUE_S:
                return []
            self._free_s[out] = begin_s = begin_s + size / bad.bytes_per_s
        times = 2 if chance.random() < bad.duplicate else 1
        overtakes = chance.random() < bad.reorder
        late = [0.0 if overtakes else bad.delay_s + chance.uniform(0, bad.jitter_s) for _ in range(times)]
        return [begin_s + each for each in late]


class Switch:
    """Carries frames between hosts until it is closed."""

    def __init__(self) -> None:
        self.hosts: list[Host] = []
        self._chance = random.Random(77)
        self._heap: list[tuple[float, int, Host, bytes]] = []
        self._numbers = count()
        self._places: dict[bytes, Host] = {}
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def add(self, host: Host) -> None:
        """Plug a host in."""
        self.hosts.append(host)
        self._selector.register(host.tap, selectors.EVENT_READ, host)

    def start(self) -> None:
        """Begin to carry."""
        self._thread.start()

    def close(self) -> None:
        """Carry nothing any more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for host in self.hosts:
            os.close(host.tap)

    def _run(self) -> None:
        while not self._over.is_set():
            wait_s = min(0.05, max(0.0, self._heap[0][0] - time.monotonic())) if self._heap else 0.05
            for key, _ in self._selector.select(wait_s):
                with contextlib.suppress(BlockingIOError, OSError):
                    self._take(key.data, os.read(key.data.tap, _FRAME))
            now_s = time.monotonic()
            while self._heap and self._heap[0][0] <= now_s:
                _, _, host, frame = heapq.heappop(self._heap)
                with contextlib.suppress(BlockingIOError, OSError):
                    os.write(host.tap, frame)

    def _take(self, host: Host, frame: bytes) -> None:
        now_s = time.monotonic()
        host.sent += len(frame)
        self._places[frame[6:12]] = host
        found = self._places.get(frame[:6])
        targets = [found] if found is not None else [one for one in self.hosts if one is not host]
        for leaves_s in host.carry(len(frame), now_s, out=True, chance=self._chance):
            for target in targets:
                for due_s in target.carry(len(frame), leaves_s, out=False, chance=self._chance):
                    heapq.heappush(self._heap, (due_s, next(self._numbers), target, frame))


@contextmanager
def hosts(*names: str) -> Iterator[Sequence[Host]]:
    """Make hosts on one network; the first has the address 10.77.0.1."""
    switch = Switch()
    try:
        for number, name in enumerate(names, start=1):
            switch.add(
                _host(f"{name}{os.getpid()}", f"{NETWORK}.{number}", f"tap{number}p{os.getpid() % 100_000}")
            )
        switch.start()
        yield switch.hosts
    finally:
        for host in switch.hosts:
            for pid in _run("ip", "netns", "pids", host.name, check=False).stdout.split():
                os.kill(int(pid), signal.SIGKILL)
        switch.close()
        for host in switch.hosts:
            _run("ip", "netns", "del", host.name, check=False)


def _host(name: str, address: str, device: str) -> Host:
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _TAP_WITHOUT_HEADER))
    _run("ip", "netns", "add", name)
    _run("ip", "link", "set", device, "netns", name, "name", "eth0")
    host = Host(name, address, tap)
    _run(*host.command("ip", "link", "set", "lo", "up"))
    _run(*host.command("ip", "addr", "add", f"{address}/24", "dev", "eth0"))
    _run(*host.command("ip", "link", "set", "eth0", "up"))
    return host


def _run(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=check, timeout=30)
