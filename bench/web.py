"""The HTTP API while 400 samples a second flow: how long writes and reads take; what a page loads."""

import http.client
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from bench.figures import Figure, percentile
from bench.node import RATE, flow, running
from bench.processes import ours, usage, victoria
from bus import ids

COUNT = 300
_WARM = 20
# Every write ends a window, and readings are random: hundreds of reports and occurrences are no part of this.
_SITE = """
without = ["projector-reports", "detector", "alerts"]
[web]
requests_per_s = 10000.0
"""
_READS = {
    "status of 60 systems": "/api/status",
    "timeline, 100 facts": "/api/timeline",
    "counters": "/api/counters",
    "an hour of a chart": "/api/range?system_id=rig_00&names=ac_out_power_w",
}
STATIC = Path(__file__).parents[1] / "web" / "static"


def api(tmp: Path) -> Iterator[Figure]:
    """Write and read while samples flow, one request after the other on one connection."""
    with (
        victoria(tmp) as server,
        running(tmp, server.port, _SITE) as node,
        ours(flow, node["port_base"], tmp),
    ):
        pid = next(one["pid"] for one in node["processes"] if one["name"] == "web")
        client = http.client.HTTPConnection("127.0.0.1", node["port_base"] + 3)
        for number in range(_WARM):
            _post(client, number)
        before, began = usage(pid), time.monotonic()
        writes = [_post(client, number) for number in range(COUNT)]
        spent, seconds = usage(pid).since(before), time.monotonic() - began
        what = f"HTTP: POST /api/event/start to confirmed, {RATE} samples/s flowing"
        yield Figure(f"{what}, p50", percentile(writes, 50) * 1e3, "ms")
        yield Figure(f"{what}, p99", percentile(writes, 99) * 1e3, "ms", at_most=100)
        yield Figure("HTTP: confirmed writes, one after the other", COUNT / seconds, "requests/s")
        yield Figure("HTTP: CPU of the web process a write", spent.cpu_s / COUNT * 1e3, "ms")
        for name, path in _READS.items():
            times = [_get(client, path) for _ in range(60)]
            yield Figure(f"HTTP: {name}, p99", percentile(times, 99) * 1e3, "ms")
        yield Figure("HTTP: memory of the web process", usage(pid).resident_bytes / 2**20, "MB", at_most=150)
        client.close()
    yield from sizes(STATIC)


def sizes(static: Path) -> Iterator[Figure]:
    """Add up what browsers load first, and everything, as the build notes it."""
    build = orjson.loads((static / "build.json").read_bytes())
    packed = {name: size["gzip"] for name, size in build["files"].items()}
    first = sum(packed[name] for name in build["first"])
    yield Figure("pages: first load, gzip", first / 1000, "KB", at_most=150)
    yield Figure("pages: everything, gzip", sum(packed.values()) / 1000, "KB")


def _post(client: http.client.HTTPConnection, number: int) -> float:
    said: Mapping[str, Any] = {
        "system_id": f"rig_{number % 60:02}",
        "event_id": f"event {number % 7}",
        "location": "warehouse",
        "id": ids.uuid7(),
    }
    began = time.perf_counter()
    client.request("POST", "/api/event/start", orjson.dumps(said), {"Content-Type": "application/json"})
    answer = client.getresponse()
    body = answer.read()
    seconds = time.perf_counter() - began
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"a write was answered with {answer.status}: {body.decode()}")
    return seconds


def _get(client: http.client.HTTPConnection, path: str) -> float:
    began = time.perf_counter()
    client.request("GET", path)
    answer = client.getresponse()
    answer.read()
    seconds = time.perf_counter() - began
    if answer.status != http.HTTPStatus.OK:
        raise RuntimeError(f"{path} was answered with {answer.status}")
    return seconds
