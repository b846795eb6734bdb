"""A whole node under 400 samples a second: how late samples are, and what our processes cost together."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench import load
from bench.figures import Figure, percentile
from bench.processes import Usage, usage, victoria, wait
from bench.proxy import noting
from bus import instants
from bus.connection import Broker
from bus.sender import Sender

RATE = 400
SECONDS = 30.0
WARM_S = 15.0
MILLION = 1_000_000
_CHUNK = 50_000
OURS = ("recorder", "replay", "projector-state", "projector-series", "host")


def under_load(tmp: Path) -> Iterator[Figure]:
    """Let samples flow through a node, and look."""
    with victoria(tmp) as port, noting(port) as (proxy, accepted), _node(tmp, proxy) as node:
        stop = threading.Event()
        source = threading.Thread(target=_flow, args=(node["port_base"], tmp, stop))
        source.start()
        time.sleep(WARM_S)
        pids = {one["name"]: one["pid"] for one in node["processes"] if one["name"] in OURS}
        before = {name: usage(pid) for name, pid in pids.items()}
        accepted.clear()
        committed = _committed(tmp / "data" / "state" / "current")
        spent = {name: usage(pid).since(before[name]) for name, pid in pids.items()}
        noted = list(accepted)
        stop.set()
        source.join()
    yield from _figures(noted, committed, spent)


def memory(tmp: Path) -> Iterator[Figure]:
    """Record a million samples at full rate, and look at how large our processes are then."""
    with victoria(tmp) as port, _node(tmp, port) as node:
        for _ in range(MILLION // _CHUNK):
            load.run(node["port_base"], _CHUNK)
        pids = {one["name"]: one["pid"] for one in node["processes"] if one["name"] in OURS}
        wait(lambda: _lag(tmp / "data") == 0, 300.0)
        for name, pid in pids.items():
            resident = usage(pid).resident_bytes / 2**20
            yield Figure(f"{name}: memory after a million samples", resident, "MiB", at_most=150)
        journal = sum(file.stat().st_size for file in (tmp / "data" / "journal").iterdir())
        yield Figure("journal on disk, before sealing", journal / MILLION, "bytes a sample")


def _lag(data: Path) -> int:
    """Return how far the slowest projector is behind; more than nothing while that is not known."""
    lags = [
        one["health"].get("lag_events") for one in _snapshot(data)["processes"] if "projector" in one["name"]
    ]
    return max((1 if lag is None else int(lag) for lag in lags), default=1)


def _figures(accepted: list[float], committed: list[float], spent: dict[str, Usage]) -> Iterator[Figure]:
    yield Figure("sample: put to accepted by VictoriaMetrics, p50", percentile(accepted, 50) * 1e3, "ms")
    yield Figure(
        "sample: put to accepted by VictoriaMetrics, p99", percentile(accepted, 99) * 1e3, "ms", at_most=400
    )
    yield Figure("sample: put to committed state, p99", percentile(committed, 99) * 1e3, "ms", at_most=1_500)
    events = RATE * SECONDS
    for name, used in spent.items():
        yield Figure(f"{name}: CPU", used.cpu_s / SECONDS * 100, "% of a core")
    total = sum(used.cpu_s for used in spent.values()) / SECONDS * 100
    yield Figure("all our processes: CPU", total, "% of a core", at_most=100)
    for name, used in spent.items():
        yield Figure(f"{name}: written a sample", used.written_bytes / events, "bytes")
    written = sum(used.written_bytes for used in spent.values()) / events
    yield Figure("all our processes: written a sample", written, "bytes", at_most=4_096)


@contextmanager
def _node(tmp: Path, victoria_port: int) -> Iterator[dict[str, Any]]:
    data = tmp / "data"
    data.mkdir()
    (data / "site.toml").write_text(
        f'[victoria]\nurl = "http://127.0.0.1:{victoria_port}"\n[producers.host]\nkind = "host"\n'
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


def _flow(port: int, tmp: Path, stop: threading.Event) -> None:
    sender = Sender(Broker(port=port), client="bench", name="flow", path=tmp / "flow.sqlite")
    n, began = 0, time.monotonic()
    while not stop.is_set():
        while n < (time.monotonic() - began) * RATE:
            sender.put(load.sample(n, instants.now_us()))
            n += 1
        stop.wait(0.005)
    sender.close()


def _committed(current: Path) -> list[float]:
    """Watch the state's tables; return how old each sample was when its commit was first seen."""
    seen: dict[str, int] = {}
    delays: list[float] = []
    limit = time.monotonic() + SECONDS
    with closing(sqlite3.connect(f"file:{current.resolve()}?mode=ro", uri=True)) as db:
        while time.monotonic() < limit:
            rows = db.execute(
                "SELECT system_id, time_us FROM latest_samples WHERE kind = 'victron'"
            ).fetchall()
            now_us = instants.now_us()
            for system_id, time_us in rows:
                if seen.get(system_id) not in {None, time_us}:
                    delays.append((now_us - time_us) / 1e6)
                seen[system_id] = time_us
            time.sleep(0.01)
    return delays
