"""A process's health on the bus: retained birth, last-will death, and figures in between.

Rules that must stay true here:
- birth, figures and death carry one session id, so that a death of another session can be told and ignored;
- when such a death overwrites our retained message, we publish ours again.
"""

import time
from typing import TYPE_CHECKING, Any

import orjson

from bus import heartbeat, ids, instants
from bus.connection import Connection, Message
from bus.measuring import Histogram, Told, tell
from bus.mqtt import Will
from bus.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EVERY_S = 5.0
_AT_MOST_EVERY_S = 1.0


class Health:
    """Publishes the health of one process over its connection, and tells it to whoever asks at /metrics.

    Attributes:
        ask: more figures for /metrics, of now; called from another thread.
        histograms: for /metrics.
    """

    def __init__(
        self, connection: Connection, topics: Topics, process: str, *, elsewhere: bool = False
    ) -> None:
        """Publish as `process`; `elsewhere`: to another node's bus, beside the health on our own."""
        self.session = ids.token()
        self.ask: Callable[[], Mapping[str, Any]] = dict
        self.histograms: dict[str, Histogram] = {}
        self._connection = connection
        self._topic = topics.health(process)
        self._process = process
        self._elsewhere = elsewhere
        self._status = "online"
        self._fields: dict[str, Any] = {}
        self._started_us = instants.now_us()
        self._published_at = 0.0
        self._changed = True
        connection.will = Will(self._topic, self._body("offline"))
        connection.subscribe(self._topic, self._repair)
        connection.on_connect(lambda _: self._publish())
        if not elsewhere:
            tell(self)

    def update(self, *, status: str | None = None, **fields: Any) -> None:
        """Set figures; a change of status goes out at once, figures at most once a second."""
        urgent = status is not None and status != self._status
        if urgent and status is not None:
            self._status = status
        self._changed = self._changed or urgent or any(self._fields.get(k) != v for k, v in fields.items())
        self._fields |= fields
        if urgent:
            self._publish()

    def tick(self) -> None:
        """Publish when it is due; call it once a turn."""
        silent_s = time.monotonic() - self._published_at
        if silent_s >= _EVERY_S or (self._changed and silent_s >= _AT_MOST_EVERY_S):
            self._publish()

    def told(self) -> Told:
        """Say all figures of now, for /metrics."""
        figures = {**self._fields, **self.ask(), "online": self._status == "online"}
        return Told("health", figures, histograms=self.histograms)

    def goodbye(self) -> None:
        """Say that the process stopped on purpose."""
        self._status = "stopped"
        self._publish()

    def _publish(self) -> None:
        if self._connection.publish(self._topic, self._body(self._status), qos=1, retain=True):
            self._published_at = time.monotonic()
            self._changed = False
            if not self._elsewhere:
                heartbeat.beat(online=self._status == "online")

    def _body(self, status: str) -> bytes:
        return orjson.dumps(
            {
                "process": self._process,
                "status": status,
                "session": self.session,
                "started": instants.text(self._started_us),
                "time": instants.text(instants.now_us()),
                **(self._fields if status != "offline" else {}),
            },
            default=str,
        )

    def _repair(self, message: Message) -> None:
        try:
            said = orjson.loads(message.payload)
        except orjson.JSONDecodeError:
            said = {}
        died = isinstance(said, dict) and said.get("status") == "offline"
        if died and said.get("session") != self.session:
            self._publish()
