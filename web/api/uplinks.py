"""What the uplinks of other nodes say of themselves now: heard on the bus, in a thread, and never kept.

Rules that must stay true here: what was heard on an earlier connection is forgotten when the broker is away;
what has another form is not news.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bus.connection import Broker, Connection, Message
from bus.ids import token
from bus.topics import Topics

_TURN_S: Final = 0.25
_LANES: Final = ("facts", "samples")


@dataclass(frozen=True, slots=True)
class Said:
    """What an uplink says.

    Attributes:
        connected: both of its lanes reach us.
        head: the newest position at the node.
        lag_events: how many events are not here yet.
        lag_s: how long the oldest of them waits.
        fault: what is wrong, in its words.
    """

    connected: bool
    head: int | None = None
    lag_events: int | None = None
    lag_s: float | None = None
    fault: str | None = None


class Uplinks:
    """Listens; `said` is by node. Without a broker it hears nothing."""

    def __init__(self, broker: Broker | None) -> None:
        self._heard: dict[str, Said] = {}
        self._closing = False
        self._thread: threading.Thread | None = None
        if broker is not None:
            self._connection = Connection(broker, f"web-uplinks-{token()}")
            self._connection.subscribe(Topics(broker.prefix).health_filter, self._on_health, qos=1)
            self._connection.on_disconnect(self._heard.clear)
            self._thread = threading.Thread(target=self._listen, name="uplinks", daemon=True)
            self._thread.start()

    def said(self) -> Mapping[str, Said]:
        """Return what each node's uplink said last."""
        return dict(self._heard)

    def close(self) -> None:
        """Stop listening."""
        self._closing = True
        if self._thread is not None:
            self._thread.join()

    def _listen(self) -> None:
        while not self._closing:
            self._connection.step(_TURN_S)
        self._connection.close()

    def _on_health(self, message: Message) -> None:
        found = read(message.payload)
        if found is not None:
            self._heard[message.topic.rpartition("/")[2]] = found


def read(payload: bytes) -> Said | None:
    """Read the health of an uplink, published under its node's name; None for what is no uplink's.

    What a broker says of one that died names no node: it is an uplink's as far as a node has that name.
    """
    try:
        said = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict):
        return None
    if not isinstance(said.get("node"), str):
        return None if said.get("status") == "online" else Said(connected=False)
    lanes = said.get("lanes")
    of_lanes = [
        lanes[name] for name in _LANES if isinstance(lanes, dict) and isinstance(lanes.get(name), dict)
    ]
    connected = said.get("status") == "online" and said.get("connected") is True
    fault = said.get("fault")
    return Said(
        connected,
        _most(of_lanes, "head"),
        _most(of_lanes, "lag_events"),
        _most(of_lanes, "lag_s"),
        fault if isinstance(fault, str) else None,
    )


def _most(lanes: list[Any], name: str) -> Any:
    numbers = [one[name] for one in lanes if isinstance(one.get(name), int | float)]
    return max(numbers, default=None)
