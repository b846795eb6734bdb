"""The checks of `ovr doctor` that look at the node: ports, broker, VictoriaMetrics, processes, journal."""

import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from bus.journal import GENESIS, chain
from bus.journal_sqlite import SqliteJournalReader
from ovr import health_findings, ports, processes
from ovr import status as node_status
from ovr.config import is_loopback
from ovr.findings import Finding, Grade
from ovr.node import Node
from ovr.users import CONSOLE
from ovr.watch import Watch

_TAIL = 10_000
_FAR_BEHIND_S = 30.0
_REACH_S = 3.0


def check_network(node: Node) -> Iterator[Finding]:
    """Look at who can reach the broker, and who holds its ports."""
    listen = node.site.listen
    if not is_loopback(listen.address) and listen.cert_file is None:
        yield Finding(
            Grade.NOTE,
            "network",
            f"MQTT listens on {listen.address} without TLS: passwords can be overheard",
            "give listen.cert_file and listen.key_file in site.toml, where the network is not your own",
        )
    web = node.site.web.address or listen.address
    if not is_loopback(web) and not node.layout.keys.exists():
        yield Finding(
            Grade.NOTE,
            "web",
            f"listens on {web} without any key: whoever reaches it may write",
            "`ovr key add NAME`, or put a proxy in front that asks who comes",
        )
    if node_status.supervisor_runs(node) or listen.port_base is None:
        return
    chosen = ports.Ports(listen.port_base)
    for port in chosen.all():
        if not ports.is_free(port):
            yield Finding(
                Grade.BAD,
                "ports",
                f"{port} is taken by {ports.holder(port)}",
                "stop it, or change listen.port_base",
            )


def check_services(node: Node) -> Iterator[Finding]:
    """Ask the broker, VictoriaMetrics and every process how they are."""
    if not node_status.supervisor_runs(node) and node.site.broker.host is None:
        yield Finding(Grade.NOTE, "node", "is not running", f"`ovr up --data {node.layout.data}`")
        return
    said = node_status.status(node)
    yield _broker(node)
    yield _victoria(node)
    for one in said["processes"]:
        yield _process(one, _see(node, one["name"]))
        yield from health_findings.findings(one["name"], one["health"])


def _broker(node: Node) -> Finding:
    watch = Watch(node.broker(CONSOLE), f"doctor-{time.monotonic_ns()}")
    until = time.monotonic() + _REACH_S
    while not watch.connection.connected and time.monotonic() < until:
        watch.connection.step(0.05)
    reached, refusal = watch.connection.connected, watch.connection.refusal
    watch.connection.close()
    if reached:
        return Finding(Grade.GOOD, "broker", "answers")
    return Finding(Grade.BAD, "broker", refusal or "does not answer", _see(node, processes.MOSQUITTO))


def _victoria(node: Node) -> Finding:
    url = node.victoria_url()
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=_REACH_S):  # noqa: S310 - the configured place
            return Finding(Grade.GOOD, processes.VICTORIA, f"answers at {url}")
    except OSError as error:
        remedy = _see(node, processes.VICTORIA)
        return Finding(Grade.BAD, processes.VICTORIA, f"{url} does not answer: {error}", remedy)


def _dead_letters(name: str, count: int) -> tuple[str, str]:
    if name == processes.RECORDER:
        return f"refused {_count(count, 'message')}", "`ovr journal dead-letters` says why"
    return f"could not apply {_count(count, 'event')}", "table dead_letters of its read model says why"


def _see(node: Node, process: str) -> str:
    if node.site.broker.host is not None:
        return f"see its log: `docker compose -p ovr logs {process}`, where it is a container"
    return f"see {node.layout.logs / process}.log"


def _process(one: dict[str, Any], remedy: str) -> Finding:
    name = one["name"]
    if one["state"] != "ready":
        return Finding(Grade.BAD, name, f"{one['state']}: {one['message']}".rstrip(": "), remedy)
    if (one["lag_s"] or 0) > _FAR_BEHIND_S:
        return Finding(
            Grade.NOTE, name, f"is {one['lag_s']} s behind", "it catches up by itself; see its log"
        )
    if one["restarts"]:
        return Finding(Grade.NOTE, name, f"was started again {_count(one['restarts'], 'time')}", remedy)
    if one["dead_letters"]:
        return Finding(Grade.NOTE, name, *_dead_letters(name, one["dead_letters"]))
    return Finding(Grade.GOOD, name, "works")


def check_journal(node: Node) -> Iterator[Finding]:
    """Prove the newest events of the journal."""
    if not node.layout.journal.exists():
        return
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        head = reader.head()
        after = max(0, head.position - _TAIL)
        previous = reader.hash_at(after) if after else GENESIS
        count = 0
        for event in reader.read(after, upto=head.position):
            wanted = chain(previous or GENESIS, event.position, event.recorded_us, event.client, event.body)
            if event.position != after + count + 1 or event.hash != wanted:
                yield Finding(
                    Grade.BAD,
                    "journal",
                    f"position {event.position} is not what was recorded",
                    f"keep a copy of {node.layout.journal}, run `ovr journal verify`, restore a backup",
                )
                return
            previous, count = event.hash, count + 1
    yield Finding(
        Grade.GOOD,
        "journal",
        f"the last {_count(count, 'event')} up to position {head.position:,} are unchanged",
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
