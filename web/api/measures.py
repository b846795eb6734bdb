"""What `/metrics` tells: requests, writes, and this month's map tiles."""

from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTHER: Final = "other"


class Measures:
    """The figures of this process."""

    def __init__(self, node_id: str, deployment_id: str) -> None:
        self._place = (node_id, deployment_id)
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "ovr_http_requests", "Requests.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "ovr_http_request_seconds",
            "How long requests took.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._waiting = Gauge("ovr_http_writes_waiting", "Writes not recorded yet.", registry=self.registry)
        self._online = Gauge("ovr_http_recorder_online", "The recorder takes events.", registry=self.registry)
        labels = ("provider", "node_id", "deployment_id")
        self._tiles = Gauge(
            "map_tiles_month_total", "Map tiles this UTC month, of this node.", labels, registry=self.registry
        )
        self._pct = Gauge(
            "map_tiles_month_pct", "Part of the free map tiles; 0.95 is 95 %.", labels, registry=self.registry
        )
        self._blocked = Gauge(
            "map_tiles_blocked", "The provider has reached the limit.", labels, registry=self.registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def write(self, *, waiting: int, online: bool, tiles: dict[str, Any]) -> bytes:
        """Write everything in Prometheus' text format.

        Args:
            waiting: writes that are not recorded yet.
            online: whether the recorder takes events.
            tiles: what `TileCounts.status` said; nothing while there is no journal.
        """
        self._waiting.set(waiting)
        self._online.set(online)
        for name, one in tiles.get("providers", {}).items():
            self._tiles.labels(name, *self._place).set(one["node_tiles"])
            self._pct.labels(name, *self._place).set(one["pct"])
            self._blocked.labels(name, *self._place).set(one["blocked"])
        return generate_latest(self.registry)
