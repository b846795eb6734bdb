"""One lane at work: a connection to the cloud, a reader of the journal, and the lane between them.

Rules that must stay true here:
- only the cloud's ack moves the lane on; nothing is kept of what was sent but its place;
- whatever the link, the cloud or the journal does, the thread goes on, and its figures say what is wrong;
- facts go ahead: samples wait for them, and for the bytes that facts have spent.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from bus import ids, instants
from bus.answers import parse_health, parse_rejection
from bus.connection import Connection, Message
from bus.health import Health
from bus.journal import GENESIS, Head
from bus.journal_sqlite import SqliteJournalReader
from bus.topics import Topics
from bus.uplink_batch import CONTENT_TYPE, FACTS, SAMPLES, Header, pack
from schemas.errors import OvrError
from uplink import lives
from uplink.answers import LaneAck, explain_code, explain_refusal, parse_lane_ack, waits
from uplink.lane import Lane
from uplink.photos import Photos
from uplink.reading import Batch, Reading
from uplink.shared import Shared

log = logging.getLogger(__name__)

_TURN_S: Final = 0.25
_KEEPALIVE_S: Final = 60
_MOST_BACKLOG: Final = 256 << 10
_NOT_YET_S: Final = 30.0
_JOURNAL_S: Final = 2.0
_FIGURES_S: Final = 1.0
_PROGRESS_S: Final = 60.0
_LIVE: Final = 256
_QUESTION: Final = Header(0, Head("none", "none", 0, b""))


@dataclass(frozen=True, slots=True)
class Told:
    """What was last said of progress without samples."""

    position: int = 0
    at_s: float = 0.0


class Forwarding:
    """Sends one lane until it is stopped; everything happens in the thread that calls `run`."""

    def __init__(self, lane: str, shared: Shared, photos: Photos, facts: tuple[str, ...]) -> None:
        self.name = lane
        self._shared = shared
        self._settings = shared.settings
        self._photos = photos
        self._facts = facts
        self._figures = shared.lanes[lane]
        self._lane = Lane(ids.token, self._settings.limits)
        self._user = self._settings.cloud.username or self._settings.node_id
        self._topics = Topics(self._settings.cloud.prefix)
        self._reading: Reading | None = None
        self._places: dict[int, Head] = {}
        self._waiting: Batch | None = None
        self._problem: str | None = None
        self._notice: str | None = None
        self._wait_until_s = self._figures_at_s = self._made_s = 0.0
        self._told = Told()
        self._connection = self._connect()
        self._health = self._tell_cloud() if lane == FACTS else None

    def run(self, stopped: Callable[[], bool]) -> None:
        """Send until `stopped()`."""
        while not stopped():
            try:
                self._turn()
            except OvrError as error:
                self._pause(str(error))
        if self._health is not None:
            self._health.goodbye()
        self._connection.close()

    def _turn(self) -> None:
        now_s, urgent = time.monotonic(), self.name == FACTS
        wait_s = self._shared.allowance.wait_s(now_s, urgent=urgent)
        self._connection.step(min(_TURN_S, wait_s) if wait_s else _TURN_S)
        now_s = time.monotonic()
        self._lane.on_time(now_s)
        self._ask(now_s)
        if now_s >= self._wait_until_s:
            self._send(now_s)
        self._tell(now_s)

    def _ask(self, now_s: float) -> None:
        """Ask the cloud how far it holds the lane."""
        sequence = self._lane.ask(now_s)
        if sequence is None:
            return
        self._waiting = None
        self._places.clear()
        if self.name == FACTS:
            self._shared.facts = None
        self._publish(sequence, pack(_QUESTION, ()))

    def _send(self, now_s: float) -> None:
        """Make and send batches while the lane, the link and the allowance take them."""
        allowance, urgent = self._shared.allowance, self.name == FACTS
        while (
            self._lane.may_send(now_s)
            and self._connection.backlog < _MOST_BACKLOG
            and allowance.may_send(now_s, urgent=urgent)
        ):
            batch = self._next(now_s)
            if batch is None:
                return
            header = Header(self._lane.reached, batch.upto, batch.upto_us)
            payload = pack(header, batch.events, self._settings.level)
            sequence = self._lane.made(batch.upto.position, len(payload), now_s)
            self._places[sequence] = batch.upto
            if not self._publish(sequence, payload):
                return
            allowance.spend(len(payload), now_s, urgent=urgent)
            self._made_s = now_s
            self._told = Told(batch.events[-1].position, self._told.at_s)
            figures = self._figures
            figures.events += len(batch.events)
            figures.bytes += len(payload)
            figures.batches += 1
            now_s = time.monotonic()

    def _next(self, now_s: float) -> Batch | None:
        """Return what is to be sent next; None when that is nothing, or must wait."""
        if self._waiting is not None:
            return self._released()
        reading, lane = self._read(), self._lane
        bound = reading.head().position
        if self.name == SAMPLES:
            samples_upto = self._shared.samples_upto(lane.session)
            if samples_upto is None:
                return None
            bound = min(bound, samples_upto)
            if bound - lane.sent < _LIVE and now_s < self._made_s + self._settings.linger_s:
                return None
        batch = reading.next(lane.sent, bound)
        if batch is None:
            return self._progress(reading, now_s) if self.name == SAMPLES else None
        if not batch.events:
            lane.skip(batch.upto.position)
            self._settle()
            return None
        if self.name == FACTS:
            self._waiting = batch
            return self._released()
        return batch

    def _released(self) -> Batch | None:
        """Return the batch that waits for its photos, when they are there or will not be waited for."""
        assert self._waiting is not None
        batch, self._waiting = self._photos.released(self._waiting, self._read())
        return batch

    def _progress(self, reading: Reading, now_s: float) -> Batch | None:
        """Say how far samples have come when no sample has said so for a while."""
        lane, upto = self._lane, self._lane.sent
        if upto <= self._told.position or lane.underway or now_s < self._made_s + self._settings.idle_s:
            return None
        if now_s < self._told.at_s + _PROGRESS_S and self._told.position:
            return None
        self._told = Told(upto, now_s)
        return reading.progressed(upto)

    def _publish(self, sequence: int, payload: bytes) -> bool:
        epoch = self._lane.epoch
        return self._connection.publish(
            self._topics.uplink(self._user, self.name),
            payload,
            qos=1,
            user_properties=(("epoch", epoch), ("sequence", str(sequence))),
            content_type=CONTENT_TYPE,
            on_ack=partial(self._on_puback, epoch),
        )

    def _on_puback(self, epoch: str, code: int) -> None:
        if code == 0 or epoch != self._lane.epoch:
            return
        self._fail(explain_code(code, self._user))
        self._lane.on_refused(time.monotonic())

    def _on_ack(self, message: Message) -> None:
        ack = parse_lane_ack(message.payload)
        if ack is None:
            return
        if ack.sequence is None:
            self._lane.on_unknown(ack.epoch)
            return
        if not self._lane.on_ack(ack.epoch, ack.sequence, time.monotonic()):
            return
        if not self._lane.started:
            self._start(ack)
            return
        self._problem = None
        done = [sequence for sequence in self._places if sequence <= ack.sequence]
        for sequence in done:
            place = self._places.pop(sequence)
            self._shared.confirmed(self.name, place, ack.cloud)
        self._settle()

    def _start(self, ack: LaneAck) -> None:
        """Begin where the cloud says, laid beside our journal."""
        if ack.held is None:
            self._lane.on_refused(time.monotonic(), _NOT_YET_S)
            self._fail("the cloud's recorder does not know uplinks: update the software there")
            return
        reading = self._read()
        head = reading.head()
        found = lives.start(
            head, lives.lives(head.incarnation, reading.restored()), ack.held, reading.hash_at
        )
        if found.position is None:
            self._fail(found.problem)
            self._lane.on_refused(time.monotonic(), _NOT_YET_S)
            return
        self._problem, self._notice = None, self._recoverable(found.lost, reading.hash_at)
        log.info("%s: the cloud holds up to position %d of %d", self.name, found.position, head.position)
        if self._notice is not None:
            log.warning("%s: %s", self.name, self._notice)
        self._lane.start(found.position)
        self._told = Told(found.position)
        place = Head(
            head.journal, head.incarnation, found.position, reading.hash_at(found.position) or GENESIS
        )
        self._shared.confirmed(self.name, place, ack.cloud)
        self._settle()

    def _recoverable(
        self, lost: tuple[lives.Lost, ...], hash_at: Callable[[int], bytes | None]
    ) -> str | None:
        """Say what the cloud has and we have lost, until it was asked back and is still here."""
        news = lives.not_asked_back(lost, self._shared.checkpoint.recovered, hash_at)
        if not news:
            return None
        gaps = ", ".join(f"{gap.first} to {gap.last} of incarnation {gap.incarnation}" for gap in news)
        return f"the cloud has what a restore lost here ({gaps}): `ovr journal recover` brings it back"

    def _settle(self) -> None:
        """Let samples follow what is confirmed of the facts."""
        figures, lane = self._figures, self._lane
        figures.position = lane.confirmed
        if self.name != FACTS or not lane.started:
            return
        reading = self._read()
        head = reading.head().position
        first = reading.next_fact(lane.confirmed)
        self._shared.facts = lane.session, head if first is None else first - 1

    def _on_rejected(self, message: Message) -> None:
        said = waits(message.payload)
        if said is not None:
            epoch, reason, hint = said
            if epoch == self._lane.epoch:
                self._fail(None if reason == "gap" else hint)
                self._lane.on_refused(time.monotonic(), None if reason == "gap" else _NOT_YET_S)
            return
        rejection = parse_rejection(message.payload)
        if rejection is not None and rejection.topic == self._topics.uplink(self._user, self.name):
            self._figures.rejected += 1
            log.error("the cloud refused event %s: %s", rejection.id, rejection.hint)

    def _on_health(self, message: Message) -> None:
        health = parse_health(message.payload)
        if health is not None:
            self._lane.on_recorder(*health)

    def _connect(self) -> Connection:
        client_id = f"{self._user}-uplink-{self.name}"
        connection = Connection(self._settings.cloud, client_id, keepalive_s=_KEEPALIVE_S)
        connection.on_disconnect(self._lane.on_disconnected)
        connection.subscribe(self._topics.ack(self._user), self._on_ack, qos=1)
        connection.subscribe(self._topics.rejected(self._user), self._on_rejected, qos=1)
        connection.subscribe(self._topics.health("recorder"), self._on_health, qos=1)
        return connection

    def _tell_cloud(self) -> Health:
        return Health(self._connection, self._topics, self._user, elsewhere=True)

    def _read(self) -> Reading:
        if self._reading is None:
            reader = SqliteJournalReader(self._shared.data / "journal")
            self._reading = Reading(reader, self._settings.node_id, self.name, self._facts)
        return self._reading

    def _tell(self, now_s: float) -> None:
        """Keep the figures, and the cloud's picture of us, up to date."""
        if now_s < self._figures_at_s:
            return
        self._figures_at_s = now_s + _FIGURES_S
        figures, connection = self._figures, self._connection
        figures.connected, figures.started = connection.connected, self._lane.started
        figures.rate = self._lane.rate
        refusal = None if connection.connected else connection.refusal
        said = self._problem if refusal is None else explain_refusal(refusal, self._user)
        figures.fault = "; ".join(filter(None, (said, self._notice))) or None
        reading = self._read()
        figures.head = reading.head().position
        if self._lane.started:
            self._settle()
            figures.waiting_us = reading.waiting_since_us(self._covered())
        self._shared.save()
        if self._health is not None:
            self._health.update(**self._shared.figures(instants.now_us()))
            self._health.tick()

    def _covered(self) -> int:
        """Return the position up to which nothing of this lane waits."""
        if self.name == FACTS and self._shared.facts is not None:
            self._figures.position = max(self._lane.confirmed, self._shared.facts[1])
        return self._figures.position

    def _fail(self, problem: str | None) -> None:
        if problem != self._problem and problem is not None:
            log.warning("%s: %s", self.name, problem)
        self._problem = problem

    def _pause(self, problem: str) -> None:
        """Wait a little: the journal cannot be read now."""
        self._fail(problem)
        self._figures.fault = problem
        self._reading = None
        self._wait_until_s = time.monotonic() + _JOURNAL_S
        self._connection.step(_TURN_S)
