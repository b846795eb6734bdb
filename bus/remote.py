"""The journal from another machine: the same reader, through the replay service.

Rules that must stay true here:
- an answer counts only when as many events came as were sent, in order; anything else is asked for again;
- one request at a time, and pages of bounded size, so that no broker queue can overflow.
"""

import contextlib
import time
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

import orjson

from bus import envelope, ids, instants
from bus.connection import Broker, Connection, Message
from bus.envelope import Recorded
from bus.journal import Head, Verdict
from bus.journal_verify import verify
from bus.topics import Topics
from bus.transfer import from_line
from schemas.errors import InputError, TransientError

_PAGE = 500
_PATIENCE_S = 5.0
_TRIES = 5


class RemoteReader:
    """Reads a journal over MQTT."""

    def __init__(self, broker: Broker, client_id: str, *, own: bool = False) -> None:
        """Read as the user of `broker`; `own`: only what that one brought, all that an uplink may ask for."""
        self._topics = Topics(broker.prefix)
        self._id = broker.username if own and broker.username else ids.token()
        self._where = self._topics.own_replay_request(self._id) if own else self._topics.replay_request
        self._own = own
        self._reply = self._topics.replay(self._id, "_reply", "replay")
        self._events: list[Recorded] = []
        self._done: dict[str, Any] | None = None
        self._asked = 0
        self._head: Head | None = None
        self.connection = Connection(broker, client_id)
        self.connection.subscribe(self._topics.replay_filter(self._id), self._receive, qos=1)
        self.connection.subscribe(self._topics.head, self._learn_head)

    def head(self) -> Head:
        """Return the newest event's place, as the recorder tells it.

        Raises:
            TransientError: the recorder cannot be heard.
        """
        self.connection.step(0.0)
        limit = time.monotonic() + _PATIENCE_S
        while self._head is None:
            if time.monotonic() > limit:
                raise TransientError(
                    f"no journal head heard: {self.connection.refusal or 'is the recorder running?'}"
                )
            self.connection.step(0.1)
        return self._head

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        upto: int | None = None,
        subjects: Collection[str] | None = None,
        types: Collection[str] | None = None,
        clients: Collection[str] | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
    ) -> Iterator[Recorded]:
        """Yield events in order of position; see `JournalReader.read`."""
        filters = {
            "to_position": upto,
            "subjects": None if subjects is None else list(subjects),
            "types": None if types is None else list(types),
            "clients": None if clients is None else list(clients),
            "from_time": None if since_us is None else instants.text(since_us),
            "to_time": None if until_us is None else instants.text(until_us),
        }
        left = limit
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            events = self._ask({"from_position": after + 1, "limit": page, **filters})
            yield from events
            if len(events) < page:
                return
            after = events[-1].position
            left = None if left is None else left - len(events)

    def newest_samples(self, upto: int) -> Iterator[Recorded]:
        """Yield the newest sample of each stream up to `upto`."""
        after = 0
        while events := self._ask(
            {"newest": True, "to_position": upto, "from_position": after + 1, "limit": _PAGE}
        ):
            yield from events
            after = events[-1].position

    def hash_at(self, position: int) -> bytes | None:
        """Return the hash of one event; None when there is none."""
        events = list(self.read(position - 1, limit=1, upto=position)) if position > 0 else []
        return events[0].hash if events else None

    def verify(self) -> Verdict:
        """Recompute the hash chain of all that the replay service sends."""
        return verify(self.read(), self.head(), self.head().position)

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def _ask(self, request: dict[str, Any]) -> list[Recorded]:
        for _ in range(_TRIES):
            if self._answered(request):
                assert self._done is not None
                if self._done.get("status") == "error" and self._done.get("reason") != "busy":
                    raise TransientError(f"the replay service refuses: {self._done.get('hint')}")
                if self._done.get("count") == len(self._events) and _in_order(self._events):
                    return self._events
        raise TransientError(
            f"the replay service does not answer: {self.connection.refusal or 'is it running?'}"
        )

    def _answered(self, request: dict[str, Any]) -> bool:
        """Send a request and collect its answer; False when it did not come in time."""
        self._asked += 1
        self._events, self._done = [], None
        limit = time.monotonic() + _PATIENCE_S
        body = {name: value for name, value in request.items() if value is not None} | {"speed": 0}
        if not self._own:
            body["id"] = self._id
        sent = False
        while self._done is None and time.monotonic() < limit:
            sent = sent or self.connection.publish(
                self._where,
                orjson.dumps(body),
                qos=1,
                response_topic=self._reply,
                correlation=str(self._asked).encode(),
            )
            self.connection.step(0.1)
        return self._done is not None

    def _receive(self, message: Message) -> None:
        with contextlib.suppress(InputError):  # what cannot be read is as good as lost, and asked for again
            if message.topic == self._reply:
                self._learn_end(message)
                return
            said = dict(message.user_properties)
            line = message.payload[:-1] + b',"hash":"' + said.get("hash", "").encode() + b'"}'
            self._events.append(from_line(line))

    def _learn_end(self, message: Message) -> None:
        said = envelope.load(message.payload)
        if message.correlation == str(self._asked).encode() and said.get("status") in {"done", "error"}:
            self._done = said

    def _learn_head(self, message: Message) -> None:
        with contextlib.suppress(InputError, KeyError, TypeError, ValueError):
            said = envelope.load(message.payload)
            place = said["journal"], said["incarnation"], int(said["position"]), bytes.fromhex(said["hash"])
            self._head = Head(*place)


def _in_order(events: list[Recorded]) -> bool:
    """Tell whether these are of one answer: those of an earlier one may come late, and stand before."""
    return all(one.position < other.position for one, other in pairwise(events))
