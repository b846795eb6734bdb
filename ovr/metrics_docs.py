"""docs/metrics.md, written from the table of metrics: `python -m ovr.metrics_docs` writes it anew."""

from itertools import groupby
from pathlib import Path
from typing import Final

from bus import metrics
from ovr.ports import METRICS, ROOM
from ovr.scraping import KEPT

_HEAD: Final = """# Figures of our own processes

Every process serves its figures at `http://address:port/metrics` in Prometheus' text format, and the
node's VictoriaMetrics asks for them every 15 seconds (`[metrics]` in site.toml). Who is asked is written
into `DIR/run/scrape.yml` at every start. The dashboards "Pipeline" and "Counters and health" draw them
([grafana.md](grafana.md)), `deploy/vmalert/pipeline.yml` judges them.

What VictoriaMetrics scraped has the labels `job`, `process` and `node`, which no device's reading has.
It is not made of the journal: `ovr rebuild series` begins it anew, and `ovr verify series` does not look
at it. Labels are bounded: nothing that a client chooses (system ids, topics, texts) becomes one.

A figure costs nothing until somebody asks: it is read where it stands, by a thread that sleeps
otherwise. Counters begin again at 0 with the process; use `rate()` and `increase()`.

## Ports

Counted from the node's first port; on loopback. A port that is taken is told in the process's log, and
stops nothing. In containers every process has port 9464, and `ovr observe` stands in for the supervisor:
it tells what the bus tells, the broker's figures and every process's health.

| process | port |
|---|---|
"""
_MIDDLE: Final = """
## Metrics

Besides these, each process tells `process_resident_memory_bytes`, `process_cpu_seconds_total`,
`process_open_fds` and `process_start_time_seconds`; the HTTP API tells `ovr_http_*` and `map_tiles_*` at
its own port.

"""
_KEPT: Final = """
Of VictoriaMetrics' own figures these are kept:
"""


def document() -> str:
    """Write the page."""
    ports = "".join(f"| `{name}` | +{place} |\n" for name, place in METRICS.items())
    ports += f"| producers, as they are configured | +26 … +{ROOM - 1} |\n"
    return _HEAD + ports + _MIDDLE + _metrics() + _KEPT + ", ".join(f"`{name}`" for name in KEPT) + ".\n"


def _metrics() -> str:
    text = ""
    for by, rows in groupby(metrics.table(), lambda metric: metric.by):
        text += f"\n| {_who(by)} | type | labels | |\n|---|---|---|---|\n"
        for row in rows:
            labels = ", ".join(f"`{one}`" for one in (_outer(row), row.label) if one)
            text += f"| `{row.name}` | {row.type} | {labels} | {row.help} |\n"
    return text.lstrip("\n")


def _who(by: str) -> str:
    return {
        "all": "every process",
        "projectors": "whoever follows the journal",
        "senders": "whoever sends events",
        "producers": "producers",
        "supervisor": "the supervisor, or `ovr observe`",
    }.get(by, f"`{by}`")


def _outer(metric: metrics.Metric) -> str:
    return "client" if metric.source == "outbox" else ""


if __name__ == "__main__":
    (Path(__file__).parents[1] / "docs" / "metrics.md").write_text(document(), encoding="utf-8")
