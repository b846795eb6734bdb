"""A whole node under 400 samples a second: how late samples are, and what our processes cost together."""

import sqlite3
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench import load
from bench.figures import Figure, percentile
from bench.processes import Usage, ours, stopping, usage, victoria, wait
from bench.proxy import noting
from bus import instants
from bus.connection import Broker
from bus.journal_sqlite import SqliteJournalReader
from bus.sender import Sender

RATE = 400
SECONDS = 30.0
WARM_S = 15.0
MILLION = 1_000_000
_CHUNK = 50_000
OURS = ("recorder", "replay", "projector-state", "projector-counters", "projector-series", "host")
DEVICE = "the device's side, making samples included"

Seen = list[tuple[int, int]]


def under_load(tmp: Path) -> Iterator[Figure]:
    """Let samples flow through a node, and look."""
    data = tmp / "data"
    with (
        victoria(tmp) as server,
        noting(server.port) as (proxy, accepted),
        running(tmp, proxy) as node,
        ours(flow, node["port_base"], tmp) as device,
    ):
        time.sleep(WARM_S)
        pids = {**_ours(node), DEVICE: device}
        apart = {"mosquitto": _pids(node)["mosquitto"], "victoria-metrics": server.pid}
        before = {name: usage(pid) for name, pid in (pids | apart).items()}
        accepted.clear()
        began = time.monotonic()
        seen = _watch(data / "state" / "current")
        spent = {name: usage(pid).since(before[name]) for name, pid in (pids | apart).items()}
        seconds = time.monotonic() - began
        noted = list(accepted)
    yield from _late(noted, _committed(data, seen))
    yield from _cost({name: spent[name] for name in pids}, {name: spent[name] for name in apart}, seconds)


def memory(tmp: Path) -> Iterator[Figure]:
    """Record a million samples at full rate, and look at how large our processes are then."""
    with victoria(tmp) as server, running(tmp, server.port) as node:
        for _ in range(MILLION // _CHUNK):
            load.run(node["port_base"], _CHUNK)
        wait(lambda: _lag(tmp / "data") == 0, 300.0)
        for name, pid in _ours(node).items():
            resident = usage(pid).resident_bytes / 2**20
            yield Figure(f"{name}: memory after a million samples", resident, "MiB", at_most=150)
        journal = sum(file.stat().st_size for file in (tmp / "data" / "journal").iterdir())
        yield Figure("journal on disk, before sealing", journal / MILLION, "bytes a sample")


def flow(port: int, tmp: Path) -> None:
    """Be a device's side until SIGTERM: put samples at a steady rate."""
    stop = stopping()
    sender = Sender(Broker(port=port), client="bench", name="flow", path=tmp / "flow.sqlite")
    n, began = 0, time.monotonic()
    while not stop:
        while n < (time.monotonic() - began) * RATE:
            sender.put(load.sample(n, instants.now_us()))
            n += 1
        time.sleep(0.005)
    sender.close()


def _lag(data: Path) -> int:
    """Return how far the slowest projector is behind; more than nothing while that is not known."""
    lags = [
        one["health"].get("lag_events") for one in _snapshot(data)["processes"] if "projector" in one["name"]
    ]
    return max((1 if lag is None else int(lag) for lag in lags), default=1)


def _late(accepted: list[float], committed: list[float]) -> Iterator[Figure]:
    for what, delays, budget in (
        ("accepted by VictoriaMetrics", accepted, 400),
        ("committed state", committed, 1_500),
    ):
        yield Figure(f"sample: put to {what}, p50", percentile(delays, 50) * 1e3, "ms")
        yield Figure(f"sample: put to {what}, p99", percentile(delays, 99) * 1e3, "ms", at_most=budget)


def _cost(spent: dict[str, Usage], apart: dict[str, Usage], seconds: float) -> Iterator[Figure]:
    for name, used in spent.items():
        yield Figure(f"{name}: CPU", used.cpu_s / seconds * 100, "% of a core")
    total = sum(used.cpu_s for used in spent.values()) / seconds * 100
    yield Figure("all our processes: CPU", total, "% of a core", at_most=100)
    for name, used in apart.items():
        yield Figure(f"{name}, not ours: CPU", used.cpu_s / seconds * 100, "% of a core")
    events = RATE * seconds
    for name, used in spent.items():
        yield Figure(f"{name}: written a sample", used.written_bytes / events, "bytes")
    written = sum(used.written_bytes for used in spent.values()) / events
    yield Figure("all our processes: written a sample", written, "bytes", at_most=4_096)
    for name, used in apart.items():
        yield Figure(f"{name}, not ours: written a sample", used.written_bytes / events, "bytes")


def _pids(node: dict[str, Any]) -> dict[str, int]:
    return {one["name"]: one["pid"] for one in node["processes"]}


def _ours(node: dict[str, Any]) -> dict[str, int]:
    pids = _pids(node)
    return {"supervisor": node["pid"], **{name: pids[name] for name in OURS}}


@contextmanager
def running(tmp: Path, victoria_port: int, more: str = "") -> Iterator[dict[str, Any]]:
    """Run a node with this machine alone, and `more` in its site.toml; yield what its supervisor says."""
    data = tmp / "data"
    data.mkdir(exist_ok=True)
    (data / "site.toml").write_text(
        f'{more}[victoria]\nurl = "http://127.0.0.1:{victoria_port}"\n[producers.host]\nkind = "host"\n'
    )
    command = [sys.executable, "-m", "ovr", "demo", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: _snapshot(data).get("ready"))
            yield _snapshot(data)
        finally:
            process.terminate()


def _snapshot(data: Path) -> dict[str, Any]:
    try:
        said = orjson.loads((data / "run" / "supervisor.json").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return {}
    return said if isinstance(said, dict) else {}


def _watch(current: Path) -> Seen:
    """Watch the state's checkpoint for a while; return when each of its places was first seen, and which."""
    seen: Seen = []
    limit = time.monotonic() + SECONDS
    with closing(sqlite3.connect(f"file:{current.resolve()}?mode=ro", uri=True)) as db:
        while time.monotonic() < limit:
            (position,) = db.execute("SELECT position FROM checkpoint").fetchone()
            if not seen or position > seen[-1][1]:
                seen.append((instants.now_us(), position))
            time.sleep(0.005)
    return seen


def _committed(data: Path, seen: Seen) -> list[float]:
    """Return how old each sample was when a commit that holds it was first seen."""
    with closing(SqliteJournalReader(data / "journal")) as reader:
        samples = reader.read(seen[0][1], upto=seen[-1][1], types={"sample.taken"})
        return [
            (seen[bisect_left(seen, one.position, key=lambda place: place[1])][0] - one.time_us) / 1e6
            for one in samples
            if one.client == "bench"
        ]
