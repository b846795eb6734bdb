"""What a snapshot of the supervisor says in words: one short line a process. Pure."""

from collections.abc import Mapping
from typing import Any

Snapshot = Mapping[str, Any]
REACHED = "reached"


def figures(process: Mapping[str, Any], snapshot: Snapshot) -> str:
    """Say in a line how a process is: why it does not work, or how far it is."""
    name, health = process["name"], process["health"]
    if process["message"]:
        return str(process["message"])
    if name == "mosquitto":
        return f"{snapshot['urls']['mqtt']}  {snapshot['urls']['websockets']}"
    if name == "victoria-metrics":
        return str(snapshot["urls"]["victoria"])
    if name in {"web", "recorder"}:
        return _web(health, snapshot) if name == "web" else _recorder(health, snapshot)
    if name == "uplink":
        return _uplink(health)
    if "lag_events" in health:
        return _projector(health)
    if "scenario" in health:
        return _site(health)
    if "outbox" in health:
        return _producer(health)
    if "playing" in health:
        return f"{health['playing']} replays running"
    return ""


def _web(health: Mapping[str, Any], snapshot: Snapshot) -> str:
    words = [str(snapshot["urls"].get("http") or f"port {health.get('port', '?')}")]
    if health.get("outbox_pending"):
        words.append(f"{health['outbox_pending']:,} wait for the recorder")
    return ", ".join(words)


def _recorder(health: Mapping[str, Any], snapshot: Snapshot) -> str:
    head, pace = snapshot["head"] or health, snapshot["events_per_s"]
    words = [f"position {head.get('position', 0):,}"]
    if pace is not None:
        words.append(f"{pace:,.1f} events/s")
    if health.get("rejected"):
        words.append(f"{health['rejected']:,} refused")
    words += [str(health[name]) for name in ("problem", "sealing") if health.get(name)]
    return ", ".join(words)


def _projector(health: Mapping[str, Any]) -> str:
    words = [f"at {health.get('position', 0):,}"]
    if health["lag_events"]:
        words.append(f"{health['lag_events']:,} events, {health.get('lag_s', 0)} s behind")
    if health.get("dead_letters"):
        words.append(f"{health['dead_letters']:,} dead letters")
    if health.get("alertmanager", REACHED) != REACHED:
        words.append(f"Alertmanager: {health['alertmanager']}")
    return ", ".join(words)


def _uplink(health: Mapping[str, Any]) -> str:
    words = [f"the cloud has all up to {health.get('position', 0):,}"]
    if health.get("lag_s"):
        words.append(f"{health.get('lag_events', 0):,} events, {health['lag_s']:,} s behind")
    if health.get("sent_events"):
        words.append(f"{health['sent_bytes'] / health['sent_events']:,.0f} bytes an event")
    counts = [name for name in ("photos_waiting", "photos_missing", "rejected") if health.get(name)]
    words += [f"{health[name]:,} {name.replace('_', ' ')}" for name in counts]
    words += [str(health[name]) for name in ("fault", "photos_problem") if health.get(name)]
    return ", ".join(words)


def _site(health: Mapping[str, Any]) -> str:
    words = [str(health["scenario"]), f"{health.get('devices', 0)} devices"]
    if health.get("speed", 1.0) != 1.0:
        words.append(f"{health['speed']:g} times as fast")
    return ", ".join([*words, *health.get("holding", [])])


def _producer(health: Mapping[str, Any]) -> str:
    words = [f"{health.get('connected', 0)} devices", f"{health.get('published', 0):,} events"]
    if health.get("disconnected"):
        words.insert(1, f"{health['disconnected']} away")
    if health.get("alarms"):
        words.append(f"{health['alarms']} alarms")
    pending = health["outbox"].get("pending", 0)
    if pending:
        words.append(f"{pending:,} not confirmed")
    if health["outbox"].get("fault"):
        words.append(str(health["outbox"]["fault"]))
    if health.get("problem"):
        words.append(str(health["problem"]))
    if health.get("stuck_s"):
        words.append(f"stuck for {health['stuck_s']} s")
    return ", ".join(words)
