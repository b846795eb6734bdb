"""Producers at work on real TCP and real Mosquittos: how punctual devices are read, and at what cost.

A hundred meters, and ninety of them while ten hang: accept connections and never answer; and GX devices.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import gx, meters
from bench.figures import Figure
from bench.processes import Usage, mosquitto, ours, recording, usage, wait
from bus.connection import Broker, Connection, Message
from bus.topics import Topics
from producers.run import run_producer

METERS, HANGING = 100, 10
GX = 5
FAST_MS, SLOW_MS = 1_000, 10_000
WARM_S = 15.0
SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a producer did for a while.

    Attributes:
        devices: its counters at the end less those at the beginning, by device.
        messages: what GX devices said.
        jitter_p50_ms: how late half of the last reads began at most.
    """

    seconds: float
    devices: dict[str, dict[str, int]]
    messages: int
    jitter_p50_ms: float
    jitter_p99_ms: float
    used: Usage

    def count(self, what: str, *, but: frozenset[str] = frozenset()) -> int:
        """Add up a counter of all devices but some."""
        return sum(counts[what] for name, counts in self.devices.items() if name not in but)


def producers(tmp: Path) -> Iterator[Figure]:
    """Measure all producers that have many devices."""
    for number, measure in enumerate((modbus, victron)):
        directory = tmp / str(number)
        directory.mkdir()
        yield from measure(directory)


def modbus(tmp: Path) -> Iterator[Figure]:
    """Read a hundred meters, and then ninety while ten hang."""
    with mosquitto(tmp) as port, recording(tmp, port), ours(meters.serve, METERS, tmp):
        wait(lambda: meters.ports(tmp))
        with (
            ours(produce, "modbus", port, tmp, meter_options(meters.ports(tmp))) as pid,
            hearing(port) as figures,
        ):
            wait(lambda: figures.now("modbus").get("connected") == METERS)
            settled(figures, WARM_S)
            fine = stretch(figures, "modbus", pid, SECONDS)
            meters.hang(tmp, HANGING)
            wait(lambda: figures.now("modbus").get("disconnected") == HANGING)
            settled(figures, WARM_S)
            hung = stretch(figures, "modbus", pid, SECONDS)
            away = frozenset(figures.away("modbus"))
    yield from _told(f"{METERS} meters, each once a second", fine, frozenset())
    yield from _told(f"the other {METERS - HANGING} while {HANGING} hang", hung, away)


def victron(tmp: Path) -> Iterator[Figure]:
    """Listen to some GX devices."""
    with (
        mosquitto(tmp) as port,
        recording(tmp, port),
        brokers_of(tmp, GX) as brokers,
        ours(gx.serve, brokers),
        ours(produce, "victron", port, tmp, gx_options(brokers)) as pid,
        hearing(port) as figures,
    ):
        wait(lambda: figures.now("victron").get("connected", 0) >= GX)
        settled(figures, WARM_S)
        told = stretch(figures, "victron", pid, SECONDS)
    yield Figure(f"{GX} GX devices: messages", told.messages / told.seconds, "/s")
    yield from _told(f"{GX} GX devices", told, frozenset())


def produce(kind: str, port: int, data: Path, options: dict[str, Any]) -> None:
    """Be a producer until SIGTERM."""
    run_producer(kind, Broker(port=port), client=kind, node_id="bench", data=data, options=options)


class Health:
    """Hears what producers say of themselves."""

    def __init__(self, port: int) -> None:
        self._topics = Topics("ovr")
        self._said: dict[str, dict[str, Any]] = {}
        self._connection = Connection(Broker(port=port), "bench-health")
        self._connection.subscribe(self._topics.health_filter, self._hear)

    def now(self, process: str) -> dict[str, Any]:
        """Return what a process said last."""
        self._connection.step(0.05)
        return self._said.get(process, {})

    def away(self, process: str) -> list[str]:
        """Name the devices that are not connected."""
        devices = self.now(process).get("devices", {})
        return [name for name, device in devices.items() if not device["connected"]]

    def close(self) -> None:
        """Hear no more."""
        self._connection.close()

    def _hear(self, message: Message) -> None:
        said = orjson.loads(message.payload)
        self._said[said["process"]] = said


def settled(figures: Health, seconds: float) -> None:
    """Let some time pass."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        figures.now("")


def stretch(figures: Health, process: str, pid: int, seconds: float) -> Stretch:
    """Watch a producer for a while."""
    before, used, began = _fresh(figures, process), usage(pid), time.monotonic()
    settled(figures, seconds)
    after = _fresh(figures, process)
    seconds = time.monotonic() - began
    counted = _counters(before)
    devices = {
        name: {what: count - counted.get(name, {}).get(what, 0) for what, count in counts.items()}
        for name, counts in _counters(after).items()
    }
    return Stretch(
        seconds,
        devices,
        _messages(after) - _messages(before),
        after["jitter_p50_ms"],
        after["jitter_p99_ms"],
        usage(pid).since(used),
    )


@contextmanager
def brokers_of(tmp: Path, count: int) -> Iterator[list[int]]:
    """Run the brokers of some GX devices; yield their ports."""
    with ExitStack() as stack:
        ports = []
        for number in range(count):
            directory = tmp / f"gx_{number}"
            directory.mkdir()
            ports.append(stack.enter_context(mosquitto(directory)))
        yield ports


@contextmanager
def hearing(port: int) -> Iterator[Health]:
    """Hear what producers say of themselves."""
    figures = Health(port)
    try:
        yield figures
    finally:
        figures.close()


def _fresh(figures: Health, process: str) -> dict[str, Any]:
    """Wait for the next figures: those of now."""
    old = figures.now(process).get("polls")
    wait(lambda: figures.now(process).get("polls") != old)
    return figures.now(process)


def _messages(said: dict[str, Any]) -> int:
    """Count the messages of all GX devices."""
    return sum(device["messages"] for device in said["source"].get("gx", {}).values())


def _counters(said: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Add up the polls of each device."""
    return {
        name: {
            what: sum(poll[what] for every, poll in device.items() if every.startswith("every "))
            for what in ("polls", "failed", "late", "missed")
        }
        for name, device in said["devices"].items()
    }


def meter_options(ports: list[int]) -> dict[str, Any]:
    """Write the options of a producer of these meters."""
    return {
        "devices": [
            {"host": "127.0.0.1", "port": port, "map": "acuvim_ii", "system_id": f"acuvim_{number:03d}"}
            for number, port in enumerate(ports)
        ],
        "fast_ms": FAST_MS,
        "slow_ms": SLOW_MS,
    }


def gx_options(ports: list[int]) -> dict[str, Any]:
    """Write the options of a producer of these GX devices."""
    return {
        "gx": [
            {"host": "127.0.0.1", "port": port, "system_id": f"rig_{number:02d}"}
            for number, port in enumerate(ports)
        ]
    }


def _told(what: str, told: Stretch, but: frozenset[str]) -> Iterator[Figure]:
    polls = told.count("polls", but=but)
    yield Figure(f"{what}: reads", polls / told.seconds, "/s")
    yield Figure(f"{what}: reads that failed", told.count("failed", but=but), "", at_most=0)
    yield Figure(f"{what}: reads that were missed", told.count("missed", but=but), "", at_most=0)
    yield Figure(f"{what}: samples that were late", told.count("late", but=but), "", at_most=0)
    yield Figure(f"{what}: reads begin after their time, p50", told.jitter_p50_ms, "ms")
    yield Figure(f"{what}: reads begin after their time, p99", told.jitter_p99_ms, "ms", at_most=100)
    yield Figure(f"{what}: CPU", told.used.cpu_s / told.seconds * 100, "% of a core", at_most=50)
    yield Figure(f"{what}: memory", told.used.resident_bytes / 2**20, "MiB", at_most=150)
