"""Ask the replay service to play the past on the bus."""

import time
from collections.abc import Callable
from typing import Any

import orjson

from bus import ids, instants
from bus.connection import Broker, Connection, Message
from bus.replay import Request
from bus.topics import Topics
from schemas.errors import InputError, TransientError

_TURN_S = 0.1
_PATIENCE_S = 10.0


class RemoteReplay:
    """One request to the replay service; `run` asks."""

    def __init__(self, broker: Broker, request: Request) -> None:
        topics = Topics(broker.prefix)
        self._request = request
        self._ask_at = topics.replay_request
        self._reply = topics.replay(ids.token(), "_reply", "replay")
        self._correlation = ids.token().encode()
        self._started = False
        self._lost = False
        self._done: dict[str, Any] | None = None
        self._connection = Connection(broker, f"replay-{ids.token()}")
        self._connection.subscribe(self._reply, self._hear, qos=1)
        self._connection.on_disconnect(self._on_disconnect)

    def run(self, stopped: Callable[[], bool]) -> dict[str, Any]:
        """Return what the service said at the end; cancel it when `stopped()`.

        Raises:
            InputError: the service refuses the request.
            TransientError: it does not answer, or the connection was lost in the middle.
        """
        limit_s = time.monotonic() + _PATIENCE_S
        asked = False
        while self._done is None and not stopped():
            if not self._started and time.monotonic() > limit_s:
                why = self._connection.refusal or "does the replay service run? See `ovr status`"
                raise TransientError(f"nobody answers the request for a replay: {why}")
            if self._started and self._lost:
                raise TransientError("the connection was lost during the replay: ask again")
            asked = asked or self._publish(question(self._request))
            self._connection.step(_TURN_S)
        if self._done is None:
            self._publish({"cancel": self._request.id})
            self._connection.step(_TURN_S)
            return {"status": "cancelled"}
        if self._done["status"] == "error":
            raise InputError(self._done["reason"], self._done["field"], self._done["hint"])
        return self._done

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _publish(self, said: dict[str, Any]) -> bool:
        return self._connection.publish(
            self._ask_at,
            orjson.dumps(said),
            qos=1,
            response_topic=self._reply,
            correlation=self._correlation,
        )

    def _hear(self, message: Message) -> None:
        if message.correlation != self._correlation:
            return
        said = orjson.loads(message.payload)
        if said.get("status") == "started":
            self._started = True
        elif said.get("status") in {"done", "error"}:
            self._done = said

    def _on_disconnect(self) -> None:
        self._lost = self._started


def question(request: Request) -> dict[str, Any]:
    """Write a request as the service reads it."""
    said = {
        "id": request.id,
        "from_position": request.after + 1,
        "to_position": request.upto,
        "from_time": _text(request.since_us),
        "to_time": _text(request.until_us),
        "subjects": _list(request.subjects),
        "types": _list(request.types),
        "limit": request.limit,
        "newest": request.newest,
        "speed": request.speed,
    }
    return {name: value for name, value in said.items() if value is not None}


def _text(instant_us: int | None) -> str | None:
    return None if instant_us is None else instants.text(instant_us)


def _list(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)
