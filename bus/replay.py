"""The replay service: the past again, for anyone who can reach the broker.

Rules that must stay true here:
- it only reads, and publishes below `…/replay/` alone, whatever a request asks for;
- what a request asks for is answered whole, or with an error that says what to change;
- the number of events sent is told at the end, so that a reader knows whether it got all of them.

A request is JSON on `…/replay/request` with an MQTT 5 response topic below `…/replay/`. All members are
optional: `id`, `from_position`, `to_position`, `from_time`, `to_time`, `subjects`, `types`, `clients`,
`limit`, `newest` (only the newest sample of each stream), `speed` (1 as it was recorded, 10 ten times faster,
0 for no wait). `{"cancel": id}` ends a replay. On `…/replay/request/<client>`, where the broker lets only
that client publish, an uplink gets what it brought, below `…/replay/<client>/`.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from bus import envelope, ids, instants
from bus.connection import Broker, Connection, Message
from bus.envelope import CONTENT_TYPE, Recorded
from bus.health import Health
from bus.journal import JournalReader
from bus.journal_sqlite import SqliteJournalReader
from bus.topics import Topics
from schemas.errors import ConfigurationError, InputError, TransientError

log = logging.getLogger(__name__)

_AT_ONCE = 32
_BACKLOG_BYTES = 1 << 20
_UNACKNOWLEDGED = 200
_SLICE = 200
_LAST_POSITION = 2**62
_MEMBERS = {
    "id": str,
    "cancel": str,
    "from_position": int,
    "to_position": int,
    "from_time": str,
    "to_time": str,
    "subjects": list,
    "types": list,
    "clients": list,
    "limit": int,
    "newest": bool,
    "speed": (int, float),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to replay, and how fast.

    Attributes:
        after: begin behind this position.
        speed: how many times faster than it was recorded; 0 for as fast as possible.
        newest: only the newest sample of each stream, instead of all samples.
    """

    id: str
    after: int = 0
    upto: int | None = None
    since_us: int | None = None
    until_us: int | None = None
    subjects: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    clients: tuple[str, ...] | None = None
    limit: int | None = None
    newest: bool = False
    speed: float = 0.0


def parse_request(payload: bytes) -> Request:
    """Read a request.

    Raises:
        InputError: a member is unknown or has the wrong form.
    """
    said = envelope.load(payload or b"{}")
    for name, value in said.items():
        kind = _MEMBERS.get(name)
        if kind is None:
            raise InputError("unknown_member", name, f"use one of {', '.join(_MEMBERS)}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):  # type: ignore[arg-type]
            raise InputError("member", name, f"{name} has the wrong type")
    chosen = said.get("id") or ids.token()
    longest = 64
    if not chosen.isalnum() or not chosen.isascii() or len(chosen) > longest or chosen == "request":
        raise InputError("member", "id", f"choose an id of at most {longest} letters and digits")
    for name in ("from_position", "to_position"):
        if not 0 <= said.get(name, 0) <= _LAST_POSITION:
            raise InputError("member", name, f"give {name} as a position in the journal")
    if not 0 <= said.get("speed", 0) < float("inf") or said.get("limit", 1) < 1:
        raise InputError("member", "speed", "give a speed of 0 or more, and a limit of 1 or more")
    if said.get("newest") and (other := said.keys() & {"from_time", "to_time", "types", "clients"}):
        raise InputError("member", min(other), "newest is asked for by positions and subjects alone")
    return Request(
        id=chosen,
        after=max(0, said.get("from_position", 1) - 1),
        upto=said.get("to_position"),
        since_us=_instant(said, "from_time"),
        until_us=_instant(said, "to_time"),
        subjects=_names(said, "subjects"),
        types=_names(said, "types"),
        clients=_names(said, "clients"),
        limit=said.get("limit"),
        newest=said.get("newest", False),
        speed=float(said.get("speed", 0)),
    )


def _instant(said: dict[str, Any], name: str) -> int | None:
    try:
        return instants.parse(said[name]) if name in said else None
    except ValueError as error:
        raise InputError("member", name, f"give {name} as RFC 3339 text: {error}") from error


def _names(said: dict[str, Any], name: str) -> tuple[str, ...] | None:
    if name not in said:
        return None
    most = 500
    if len(said[name]) > most or not all(isinstance(item, str) for item in said[name]):
        raise InputError("member", name, f"give {name} as a list of at most {most} texts")
    return tuple(said[name])


def select(reader: JournalReader, request: Request) -> Iterator[Recorded]:
    """Yield what a request asks for."""
    if request.newest:
        upto = reader.head().position if request.upto is None else request.upto
        subjects = request.subjects
        chosen = (
            event
            for event in reader.newest_samples(upto)
            if event.position > request.after and (subjects is None or event.subject in subjects)
        )
        return iter(list(chosen)[: request.limit])
    return reader.read(
        request.after,
        limit=request.limit,
        upto=request.upto,
        subjects=request.subjects,
        types=request.types,
        clients=request.clients,
        since_us=request.since_us,
        until_us=request.until_us,
    )


class Playback:
    """One running replay."""

    def __init__(
        self, request: Request, events: Iterator[Recorded], answer: Callable[[dict[str, Any]], None]
    ) -> None:
        self.request = request
        self.answer = answer
        self.count = 0
        self.last = (0, bytes(32))
        self._events = events
        self._next = next(events, None)
        self._began_at = time.monotonic()
        self._first_us = self._next.recorded_us if self._next else 0

    @property
    def done(self) -> bool:
        """Everything was sent."""
        return self._next is None

    def due_in_s(self) -> float:
        """Return how long to wait for the next event, by the pace at which the stream was recorded."""
        if self._next is None or not self.request.speed:
            return 0.0
        offset_s = (self._next.recorded_us - self._first_us) / 1e6 / self.request.speed
        return max(0.0, self._began_at + offset_s - time.monotonic())

    def take(self) -> Recorded:
        """Return the next event and move on."""
        event = self._next
        assert event is not None
        self.count += 1
        self.last = (event.position, event.hash)
        self._next = next(self._events, None)
        return event


class ReplayService:
    """Serves replays over one connection, side by side."""

    def __init__(self, data: Path, broker: Broker) -> None:
        self._reader = SqliteJournalReader(data / "journal")
        self._topics = Topics(broker.prefix)
        self._playing: dict[str, Playback] = {}
        self.connection = Connection(broker, "replay")
        self._health = Health(self.connection, self._topics, "replay")
        self.connection.subscribe(self._topics.replay_request, self._request, qos=1)
        self.connection.subscribe(self._topics.own_replay_request("+"), self._request, qos=1)
        self.connection.on_disconnect(self._playing.clear)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Serve until `stopped()`."""
        while not stopped():
            self.turn()
        self._health.goodbye()
        self.connection.close()
        self._reader.close()

    def turn(self) -> None:
        """Serve the broker once, and send a slice of every replay."""
        waits = [p.due_in_s() for p in self._playing.values()]
        self.connection.step(0.0 if self.connection.backlog else min([0.25, *waits]))
        for playback in list(self._playing.values()):
            try:
                self._play(playback)
            except (TransientError, ConfigurationError) as error:
                self._playing.pop(playback.request.id, None)
                playback.answer(_unavailable(error))
        self._health.update(playing=len(self._playing))
        self._health.tick()

    def _request(self, message: Message) -> None:
        own = self._topics.parse_own_replay_request(message.topic)
        if message.response_topic and not self._topics.may_answer_on(message.response_topic, own):
            return

        def answer(said: dict[str, Any]) -> None:
            if message.response_topic:
                body = orjson.dumps(said)
                self.connection.publish(message.response_topic, body, qos=1, correlation=message.correlation)

        try:
            said = envelope.load(message.payload or b"{}")
            if "cancel" in said and own is None:
                known = self._playing.pop(str(said["cancel"]), None)
                answer({"id": said["cancel"], "status": "cancelled" if known else "unknown"})
                return
            request = parse_request(message.payload)
            if own is not None:
                request = _own(request, own)
                self._playing.pop(own, None)
            self._check_room(request)
            playback = Playback(request, select(self._reader, request), answer)
        except InputError as error:
            answer({"status": "error", "reason": error.reason, "field": error.field, "hint": error.hint})
            return
        except (TransientError, ConfigurationError) as error:
            answer(_unavailable(error))
            return
        log.info("replaying %s", request)
        answer({"id": request.id, "status": "started", "topic": self._topics.replay_filter(request.id)})
        self._playing[request.id] = playback

    def _check_room(self, request: Request) -> None:
        if request.id in self._playing or len(self._playing) >= _AT_ONCE:
            raise InputError("busy", "id", f"choose another id, or wait: {_AT_ONCE} replays run at once")

    def _play(self, playback: Playback) -> None:
        for _ in range(_SLICE):
            if playback.done:
                self._end(playback)
                return
            full = (
                self.connection.backlog > _BACKLOG_BYTES or self.connection.unacknowledged > _UNACKNOWLEDGED
            )
            if full or playback.due_in_s() > 0:
                return
            event = playback.take()
            self.connection.publish(
                self._topics.replay(playback.request.id, event.subject, event.type),
                envelope.published(event),
                qos=1,
                user_properties=(
                    ("position", str(event.position)),
                    ("recordedat", instants.text(event.recorded_us)),
                    ("client", event.client),
                    ("hash", event.hash.hex()),
                ),
                content_type=CONTENT_TYPE,
            )

    def _end(self, playback: Playback) -> None:
        self._playing.pop(playback.request.id, None)
        head = self._reader.head()
        playback.answer(
            {
                "id": playback.request.id,
                "status": "done",
                "count": playback.count,
                "position": playback.last[0],
                "hash": playback.last[1].hex(),
                "journal": head.journal,
                "incarnation": head.incarnation,
                "head": head.position,
                "head_hash": head.hash.hex(),
            }
        )


def _unavailable(error: Exception) -> dict[str, Any]:
    return {"status": "error", "reason": "unavailable", "field": "", "hint": str(error)}


def _own(request: Request, client: str) -> Request:
    """Narrow a request to what a client brought.

    Raises:
        InputError: it asks for what cannot be narrowed.
    """
    if request.newest:
        raise InputError("member", "newest", "ask for positions, times, subjects or types")
    return replace(request, id=client, clients=(client,))
