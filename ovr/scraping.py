"""What VictoriaMetrics is told to scrape: the figures of a node's processes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from ovr.node import Node
from ovr.ports import Ports
from ovr.processes import MOSQUITTO, SUPERVISOR, VICTORIA, WEB, ProcessSpec
from ovr.web import CONTAINER_PORT

JOB: Final = "ovr"
OBSERVE: Final = "observe"
# VictoriaMetrics tells hundreds of figures of itself; these say whether it is well.
KEPT: Final = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "vm_app_version",
    "vm_cache_size_bytes",
    "vm_data_size_bytes",
    "vm_free_disk_space_bytes",
    "vm_http_request_errors_total",
    "vm_http_requests_total",
    "vm_rows",
    "vm_rows_ignored_total",
    "vm_rows_inserted_total",
    "vm_rows_invalid_total",
    "vm_slow_queries_total",
    "vm_slow_row_inserts_total",
)


def scrape_config(node: Node, ports: Ports, specs: Iterable[ProcessSpec]) -> str:
    """Write what VictoriaMetrics reads: who is to be asked, and what each is called.

    Args:
        node: the node.
        ports: where its services listen.
        specs: what it runs.
    """
    said, listed = node.site.metrics, list(specs)
    host = "[::1]" if ":" in said.address else "127.0.0.1"
    places = {SUPERVISOR: ports.metrics(SUPERVISOR)}
    places |= {spec.name: spec.metrics_port for spec in listed if spec.metrics_port is not None}
    web = node.site.web.port or ports.http
    http = {WEB: web} if WEB in {spec.name for spec in listed} else {}
    return document(
        node.site.node_id,
        {name: f"{host}:{port}" for name, port in places.items()},
        http={name: f"127.0.0.1:{port}" for name, port in http.items()},
        victoria=f"127.0.0.1:{ports.victoria}",
        every_s=said.every_s,
    )


def container_config(node: Node, specs: Iterable[ProcessSpec]) -> str:
    """Write the same for containers, each of which is reached by the name of its process.

    Args:
        node: the node; its `metrics.port` is that of all.
        specs: what runs besides `observe`, which stands in for the supervisor.
    """
    port, names = node.site.metrics.port, [spec.name for spec in specs]
    victoria = urlsplit(node.victoria_url())
    return document(
        node.site.node_id,
        {SUPERVISOR: f"{OBSERVE}:{port}"} | {name: f"{name}:{port}" for name in names},
        http={WEB: f"{WEB}:{node.site.web.port or CONTAINER_PORT}"} if WEB in names else {},
        victoria=f"{victoria.hostname}:{victoria.port or 80}",
        every_s=node.site.metrics.every_s,
    )


def document(
    node_id: str, places: Mapping[str, str], *, http: Mapping[str, str], victoria: str, every_s: float
) -> str:
    """Write a scrape configuration.

    Args:
        node_id: the label `node`; empty leaves it out.
        places: `host:port` of our processes, by name.
        http: of those that tell more at their HTTP API.
        victoria: of VictoriaMetrics.
        every_s: how often to ask.
    """
    told: dict[str, Any] = {
        "global": {"scrape_interval": f"{every_s:g}s", "scrape_timeout": f"{min(5.0, every_s):g}s"},
        "scrape_configs": [
            {"job_name": JOB, "static_configs": _targets(node_id, places)},
            {"job_name": f"{JOB}-http", "static_configs": _targets(node_id, http)},
            {
                "job_name": VICTORIA,
                "static_configs": _targets(node_id, {VICTORIA: victoria}),
                "metric_relabel_configs": [
                    {"source_labels": ["__name__"], "regex": "|".join(KEPT), "action": "keep"}
                ],
            },
        ],
    }
    head = "# Whom VictoriaMetrics asks for the figures of our own processes. Made by ovr; do not edit.\n"
    return head + yaml.safe_dump(told, sort_keys=False)


def _targets(node_id: str, places: Mapping[str, str]) -> list[dict[str, Any]]:
    node = {"node": node_id} if node_id else {}
    return [
        {"targets": [place], "labels": {"process": name, **node}}
        for name, place in places.items()
        if name != MOSQUITTO
    ]
