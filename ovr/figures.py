"""What is known of a whole node, for /metrics: its processes, and its broker as Mosquitto tells of itself.

Rules that must stay true here:
- names heard on the bus become labels only when they look like names, and no more of them than there can be.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bus import measuring, metrics, topics
from bus.connection import Message
from bus.measuring import Told
from ovr.certificates import ends_at_s
from ovr.watch import Watch

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_NUMBER: Final = re.compile(rb"-?[0-9]{1,18}(\.[0-9]{1,9})?")
ONLINE: Final = "online"


@dataclass(frozen=True, slots=True)
class Life:
    """How a process is: it works, it was given up, and how often it was started again."""

    online: bool
    failed: bool = False
    restarts: int = 0


class Figures:
    """Tells them to /metrics; both of its tellers live as long as this.

    Args:
        watch: hears the bus; Mosquitto's figures are subscribed to on its connection.
        lives: of all processes; those that the bus tells of, when left out.
        url: where the node's pages are reached, for links on dashboards.
        certificates: files of certificates that end some day.
    """

    def __init__(
        self,
        watch: Watch,
        lives: Callable[[], Mapping[str, Life]] | None = None,
        *,
        url: str | None = None,
        certificates: Iterable[Path | None] = (),
    ) -> None:
        self._watch = watch
        self._url = url.rstrip("/") if url else None
        self._certificates = [path for path in certificates if path is not None]
        self._lives = lives or self._heard
        self._broker: dict[str, float] = {}
        self._tellers = (_Teller(self._of_broker), _Teller(self._of_processes))
        for metric in metrics.table():
            if metric.source == "broker" and metric.field != "up":
                watch.connection.subscribe(
                    topics.broker_figure(metric.field), partial(self._take, metric.field)
                )
        watch.connection.on_disconnect(self._broker.clear)
        for teller in self._tellers:
            measuring.tell(teller)

    def _take(self, field: str, message: Message) -> None:
        found = _NUMBER.match(message.payload)
        if found is not None:
            self._broker[field] = float(found.group())

    def _of_broker(self) -> Told:
        return Told("broker", {**self._broker, "up": self._watch.connection.connected})

    def _of_processes(self) -> Told:
        lives = dict(self._lives())
        figures: dict[str, Any] = {
            "online": {name: life.online for name, life in lives.items()},
            "failed": {name: life.failed for name, life in lives.items()},
            "restarts": {name: life.restarts for name, life in lives.items()},
            "web_url": {self._url: 1} if self._url else {},
            "certificates": {path.name: ends_at_s(path) for path in self._certificates},
            **_nodes(self._watch.health),
        }
        head = self._watch.head
        return Told("supervisor", figures if head is None else figures | {"head": head["position"]})

    def _heard(self) -> dict[str, Life]:
        heard = dict(self._watch.health)
        return {
            name: Life(said.get("status") == ONLINE) for name, said in heard.items() if _NAME.fullmatch(name)
        }


def _nodes(health: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Say how far the nodes of a cloud are behind, as their uplinks tell."""
    found: dict[str, dict[str, float]] = {"node_connected": {}, "node_lag_s": {}, "node_lag_events": {}}
    for user, said in dict(health).items():
        lanes = said.get("lanes")
        if not isinstance(lanes, Mapping) or not _NAME.fullmatch(user):
            continue
        told = [lane for lane in lanes.values() if isinstance(lane, Mapping)]
        found["node_connected"][user] = said.get("status") == ONLINE
        for name in ("lag_s", "lag_events"):
            numbers = [lane[name] for lane in told if isinstance(lane.get(name), int | float)]
            if numbers:
                found[f"node_{name}"][user] = max(numbers)
    return found


class _Teller:
    """One of the two; see `bus.measuring.Teller`."""

    def __init__(self, told: Callable[[], Told]) -> None:
        self.told = told
