"""How a node is: the supervisor's snapshot, or what the bus tells where none runs.

Rules that must stay true here:
- ready means every process works now; a snapshot of a supervisor that is gone is never taken for the present.
"""

import shutil
import time
from contextlib import closing
from typing import Any

from bus.ids import token
from ovr.node import Node
from ovr.process_identity import is_same
from ovr.processes import ALERTS, DETECTOR, PROJECTORS, RECORDER, REPLAY, UPLINK, WEB, left_out
from ovr.supervisor import ONLINE
from ovr.users import CONSOLE
from ovr.watch import Watch
from schemas.errors import ConfigurationError

_LISTEN_S = 1.5
_PATIENCE_S = 5.0
_TURN_S = 0.05


def status(node: Node) -> dict[str, Any]:
    """Describe a node.

    Raises:
        ConfigurationError: nothing runs here, and no broker is configured.
    """
    said = node.supervised() if supervisor_runs(node) else None
    if said is not None and "ready" in said:
        snapshot = said
    elif node.site.broker.host is not None:
        snapshot = _heard(node)
    elif said is not None:
        snapshot = {**said, "ready": False, "head": None, "events_per_s": None, "urls": {}}
    else:
        raise ConfigurationError(
            f"no node runs in {node.layout.data}: start one with `ovr up --data {node.layout.data}`"
        )
    snapshot["processes"] = [{**one, **_normal(one["health"])} for one in snapshot["processes"]]
    snapshot["outbox_pending"] = sum(one["outbox_pending"] or 0 for one in snapshot["processes"])
    snapshot["dead_letters"] = sum(one["dead_letters"] or 0 for one in snapshot["processes"])
    snapshot["disk"] = disk(node)
    return snapshot


def nodes(node: Node) -> list[dict[str, Any]]:
    """Describe the nodes whose events a cloud holds; none before there is a state."""
    from ovr.fleet import described  # noqa: PLC0415 - what describes nodes is large, and for clouds only

    try:
        return [one.model_dump() for one in described(node, _TURN_S).nodes]
    except ConfigurationError:
        return []


def process_status(node: Node, process: str) -> str:
    """Return what a process says of itself on the bus; `unknown` when it is not heard in time."""
    watch = Watch(node.broker(CONSOLE), f"status-{token()}")
    with closing(watch.connection):  # what was heard is forgotten with it
        until = time.monotonic() + _PATIENCE_S
        while process not in watch.health and time.monotonic() < until:
            watch.connection.step(_TURN_S)
        return watch.status(process)


def supervisor_runs(node: Node) -> bool:
    """Tell whether the supervisor that wrote the snapshot still runs; trying its lock would take it."""
    said = node.supervised()
    return said is not None and is_same(said.get("pid"), said.get("identity"))


def disk(node: Node) -> dict[str, Any]:
    """Measure the disk that the data is on, and the journal on it."""
    data = node.layout.data
    usage = shutil.disk_usage(data if data.exists() else "/")
    journal = sum(file.stat().st_size for file in node.layout.journal.glob("*.sqlite*") if file.is_file())
    return {
        "free_bytes": usage.free,
        "total_bytes": usage.total,
        "used_pct": round(100 * (1 - usage.free / usage.total), 1),
        "journal_bytes": journal,
    }


def _heard(node: Node) -> dict[str, Any]:
    """Listen to the bus for a moment: in containers nobody else knows all processes."""
    watch = Watch(node.broker(CONSOLE), f"status-{token()}")
    with closing(watch.connection):  # what was heard is forgotten with it
        until = time.monotonic() + _PATIENCE_S
        while not watch.connection.connected and time.monotonic() < until:
            watch.connection.step(_TURN_S)
        until = time.monotonic() + (_LISTEN_S if watch.connection.connected else 0.0)
        while time.monotonic() < until:
            watch.connection.step(_TURN_S)
        return _told(node, watch)


def _told(node: Node, watch: Watch) -> dict[str, Any]:
    """Put together what was heard, and who was not."""
    refusal = None if watch.connection.connected else watch.connection.refusal
    expected = [RECORDER, REPLAY, *(f"projector-{name}" for name in PROJECTORS), DETECTOR, ALERTS, WEB]
    expected += [UPLINK] if node.site.uplink.host is not None else []
    expected += [one.name for one in node.site.producers]
    expected = [name for name in expected if name not in left_out(node.site)]
    names = [*expected, *sorted(watch.health.keys() - set(expected))]
    processes = []
    for name in names:
        health = dict(watch.health.get(name, {}))
        works = health.get("status") == ONLINE
        message = "" if works else str(health.get("problem") or refusal or "not heard on the bus")
        processes.append(
            {
                "name": name,
                "state": "ready" if works else str(health.get("status", "unknown")),
                "pid": None,
                "restarts": None,
                "message": message,
                "health": health,
            }
        )
    host = node.site.broker
    return {
        "data": str(node.layout.data),
        "node_id": node.site.node_id,
        "prefix": node.site.prefix,
        "urls": {"mqtt": f"mqtt://{host.host}:{host.port}", "victoria": node.site.victoria.url},
        "ready": all(one["state"] == "ready" for one in processes if one["name"] in expected),
        "head": dict(watch.head) if watch.head else None,
        "events_per_s": watch.events_per_s(),
        "processes": processes,
    }


def _normal(health: dict[str, Any]) -> dict[str, Any]:
    """Pick the figures that processes of all kinds share."""
    outbox = health.get("outbox")
    letters = health.get("dead_letters", health.get("rejected"))
    return {
        "position": health.get("position"),
        "lag_events": health.get("lag_events"),
        "lag_s": health.get("lag_s"),
        "dead_letters": letters if isinstance(letters, int) else None,
        "outbox_pending": outbox.get("pending") if isinstance(outbox, dict) else None,
    }
