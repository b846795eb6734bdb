"""What the bus tells about the processes: the newest health of each, the journal's head, and its pace.

Rules that must stay true here:
- what is not JSON, or has the wrong form, is not news: anyone may have published it;
- what was heard on an earlier connection is forgotten when the broker is away.
"""

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import orjson

from bus.connection import Broker, Connection, Message
from bus.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACE_S = 10.0


class Watch:
    """Listens to health and head.

    Attributes:
        health: by process, as published.
        head: as the recorder published it; None before.
    """

    def __init__(self, broker: Broker, client_id: str) -> None:
        self.health: dict[str, Mapping[str, Any]] = {}
        self.head: Mapping[str, Any] | None = None
        self.connection = Connection(broker, client_id)
        self._topics = Topics(broker.prefix)
        self._positions: deque[tuple[float, int]] = deque()
        self.connection.subscribe(self._topics.health_filter, self._on_health, qos=1)
        self.connection.subscribe(self._topics.head, self._on_head)
        self.connection.on_disconnect(self._forget)

    def status(self, process: str) -> str:
        """Return what a process says of itself; `unknown` when it was not heard."""
        return str(self.health.get(process, {}).get("status", "unknown"))

    def disk_level(self) -> int:
        """Return how short of room the disk is, as the recorder says; 0 when it was not heard."""
        disk = self.health.get("recorder", {}).get("disk")
        level = disk.get("level") if isinstance(disk, dict) else None
        return level if isinstance(level, int) else 0

    def events_per_s(self) -> float | None:
        """Return the pace of the journal over the last seconds; None when too little was heard."""
        self._drop_old()
        if len(self._positions) < 2:  # noqa: PLR2004 - a pace needs two points
            return None
        (first_s, first), (last_s, last) = self._positions[0], self._positions[-1]
        return round((last - first) / (last_s - first_s), 1) if last_s > first_s else None

    def _on_health(self, message: Message) -> None:
        said = _object(message.payload)
        process = message.topic.rpartition("/")[2]
        if said:
            self.health[process] = said
        else:
            self.health.pop(process, None)

    def _on_head(self, message: Message) -> None:
        said = _object(message.payload)
        if isinstance(said.get("position"), int):
            self.head = said
            self._positions.append((time.monotonic(), said["position"]))
            self._drop_old()

    def _drop_old(self) -> None:
        oldest_s = time.monotonic() - _PACE_S
        while len(self._positions) > 1 and self._positions[1][0] <= oldest_s:
            self._positions.popleft()

    def _forget(self) -> None:
        self.health.clear()
        self.head = None
        self._positions.clear()


def _object(payload: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
