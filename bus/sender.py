"""Sends events to the recorder, each exactly once and in order: the outbox, the window and one connection.

Rules that must stay true here:
- `put` only touches the outbox; the network belongs to one thread, which a socket pair wakes;
- only `ovr/ack` removes anything from the outbox; a PUBACK paces, and one with a code undoes;
- whatever the broker or the recorder says, events stay in the outbox, and `status` says what is wrong.
"""

import logging
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from bus import envelope, ids
from bus.answers import Rejection, explain_puback, parse_ack, parse_health, parse_rejection
from bus.connection import Broker, Connection, Message
from bus.envelope import CONTENT_TYPE, Envelope
from bus.measuring import Told, tell
from bus.naming import EVENT
from bus.outbox import Outbox
from bus.outbox_items import OutboxLimits, segment_fits
from bus.rivalry import Rivalry
from bus.topics import Topics
from bus.window import Window, WindowLimits
from schemas.errors import ConfigurationError, OvrError

__all__ = ["OutboxLimits", "Rejection", "Sender"]

log = logging.getLogger(__name__)

RECORDER = "recorder"
_TURN_S = 0.5
_MOST_UNANSWERED = 100
_MOST_BACKLOG = 1 << 20
_MOST_REJECTIONS = 1_000


class Sender:
    """Takes events from any thread and gets them into the journal.

    Attributes:
        client: our user name at the broker, and the client of the topics.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client: str,
        name: str,
        path: Path,
        limits: OutboxLimits | None = None,
        window: WindowLimits | None = None,
        on_progress: Callable[[], None] | None = None,
    ) -> None:
        """Open the outbox file at `path` and begin to send; `name` tells apart the senders of one client.

        `on_progress` is called, in the sender's thread, whenever `confirmed` has moved.

        Raises:
            ConfigurationError: another process has the outbox, or `client` cannot be part of a topic.
        """
        if not segment_fits(client):
            raise ConfigurationError(
                f"the client name {client!r} cannot be part of a topic: use a-z, 0-9, - and _"
            )
        self.client = client
        self._broker = broker
        self._topics = Topics(broker.prefix)
        self._intake = lru_cache(maxsize=4096)(partial(self._topics.intake, client))
        self._epochs: deque[str] = deque(maxlen=64)
        self._outbox = Outbox(path, limits)
        self._window = Window(self._new_epoch, window)
        self._connection = self._connect(f"{client}-{name}")
        self._rejected: OrderedDict[str, Rejection] = OrderedDict()
        self._progress = threading.Condition()
        self._on_progress = on_progress
        self._confirmed = self._refused = 0
        self._rivalry = Rivalry()
        self._recorder = "unknown"
        self._problem: str | None = None
        self._closing = self._woken = False
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"sender-{name}", daemon=True)
        self._thread.start()
        tell(self)

    def put(self, event: Envelope) -> int:
        """Take an event and return its place; anything but a sample is on the disk when this returns.

        Raises:
            InputError: it can never be sent.
            OutboxFull: too much that may not be dropped is waiting already.
            TransientError: the disk is full or fails, or the sender is closed; the event was not taken.
        """
        return self.put_all((event,))

    def put_all(self, events: Sequence[Envelope]) -> int:
        """Take events in their order, all or none, with one write to the disk for all facts among them.

        Returns:
            The place of the last one; `confirmed` says up to which place all is confirmed.

        Raises:
            InputError: one of them can never be sent.
            OutboxFull: too much that may not be dropped is waiting already.
            TransientError: as `put`.
        """
        place = self._outbox.put_all(events, time.monotonic())
        self._wake()
        return place

    @property
    def confirmed(self) -> int:
        """Give the place up to which everything is confirmed, or refused for good."""
        return self._outbox.confirmed

    @property
    def online(self) -> bool:
        """Tell whether the broker and the recorder are there, so that an answer can be expected soon."""
        return self._connection.connected and self._window.online

    def waiting(self) -> list[tuple[int, Envelope]]:
        """List the facts that are not confirmed, each with its place; for a process that begins."""
        return [(item.n, envelope.decode(item.body)) for item in self._outbox.waiting()]

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put so far is confirmed; False when that took too long."""
        target = self._outbox.last
        with self._progress:
            return self._progress.wait_for(lambda: self._outbox.confirmed >= target, timeout_s)

    def pending(self) -> int:
        """Count what is not confirmed."""
        return self._outbox.pending

    def rejected(self) -> list[Rejection]:
        """List what the recorder refused since the start, the newest thousand."""
        with self._progress:
            return list(self._rejected.values())

    def status(self) -> dict[str, Any]:
        """Say how sending goes; `fault` is a sentence for people, or None.

        `stopped` says that only a person can help: the fault is one of configuration.
        """
        return {
            "epoch": self._window.epoch,
            "pending": self._outbox.pending,
            "confirmed": self._confirmed,
            "dropped": self._outbox.dropped,
            "rejected": self._refused,
            "connected": self._connection.connected,
            "recorder": self._recorder,
            "fault": self._fault(),
            "stopped": self._stopped,
        }

    def told(self) -> Told:
        """Say all figures of now, for /metrics."""
        return Told("outbox", self.status(), {"client": self.client})

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop sending and leave what is not confirmed in the outbox file."""
        self._closing = True
        self._wake()
        self._thread.join(timeout_s)
        try:
            self._outbox.close()
        except OvrError as error:
            log.error("%s; the samples of the last seconds are lost", error)  # noqa: TRY400 - no trace needed
        with self._progress:
            self._progress.notify_all()

    @property
    def _stopped(self) -> bool:
        return self._rivalry.certain or not (self._closing or self._thread.is_alive())

    @property
    def _room(self) -> int:
        """Tell how many messages the broker may get before it has answered some."""
        connection = self._connection
        return 0 if connection.backlog > _MOST_BACKLOG else _MOST_UNANSWERED - connection.unacknowledged

    def _fault(self) -> str | None:
        if self._rivalry.likely:
            return (
                f"another process connects as MQTT client {self._connection.client_id!r}: "
                "stop it, or give one of the two another name"
            )
        if self._stopped:
            return "the sender's thread ended by an error of ours: see the log, then restart this process"
        refusal = None if self._connection.connected else self._connection.refusal
        faults = [fault for fault in (self._outbox.fault, self._problem, refusal) if fault]
        return "; ".join(faults) or None

    def _new_epoch(self) -> str:
        epoch = ids.token()
        self._epochs.append(epoch)
        return epoch

    def _connect(self, client_id: str) -> Connection:
        connection = Connection(self._broker, client_id)
        connection.on_connect(self._on_connect)
        connection.on_disconnect(self._on_disconnect)
        connection.subscribe(self._topics.ack(self.client), self._on_ack, qos=1)
        connection.subscribe(self._topics.rejected(self.client), self._on_rejected, qos=1)
        connection.subscribe(self._topics.health(RECORDER), self._on_health, qos=1)
        return connection

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            try:
                self._rope.send(b"\0")
            except (BlockingIOError, OSError):
                return  # it has been rung often enough, or the sender is closed

    def _run(self) -> None:
        try:
            while not self._closing:
                self._turn()
        finally:
            self._connection.close()
            self._bell.close()
            self._rope.close()

    def _turn(self) -> None:
        now_s = time.monotonic()
        wait_s = min(_TURN_S, self._window.wait_s(now_s)) if self._room > 0 else _TURN_S
        if self._connection.connected or (now_s >= self._rivalry.retry_at_s and not self._stopped):
            self._connection.step(wait_s, wake=(self._bell,))
        else:
            self._bell.settimeout(_TURN_S)
        self._listen()
        now_s = time.monotonic()
        self._outbox.tick(now_s)
        self._window.on_time(now_s)
        self._publish(now_s)

    def _listen(self) -> None:
        """Take the wake-up calls; what was put before is seen after."""
        self._woken = False
        try:
            self._bell.recv(4096)
        except (BlockingIOError, TimeoutError):
            pass
        finally:
            self._bell.setblocking(False)

    def _publish(self, now_s: float) -> None:
        window, connection = self._window, self._connection
        room = self._room
        if room <= 0 or not window.online:
            return
        if window.room > 0 and (items := self._outbox.take(min(room, window.room), window.room_size)):
            window.number(items)
        count = 0
        for sequence, item in window.ready(room, now_s):
            topic = self._intake(item.subject, item.type)
            published = connection.publish(
                topic,
                item.body,
                qos=1,
                user_properties=(("epoch", window.epoch), ("sequence", str(sequence))),
                content_type=CONTENT_TYPE,
                on_ack=partial(self._on_puback, window.epoch, sequence, topic),
            )
            if not published:
                break
            count += 1
        window.sent(count, now_s)

    def _on_puback(self, epoch: str, sequence: int, topic: str, code: int) -> None:
        if code == 0:
            return
        self._window.on_refused(epoch, sequence, time.monotonic())
        problem = explain_puback(code, topic, self.client, self._broker.username)
        if problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem

    def _on_ack(self, message: Message) -> None:
        ack = parse_ack(message.payload)
        if ack is None:
            return
        if ack.sequence is None:
            self._window.on_unknown(ack.epoch, ack.incarnation)
            return
        confirmed = self._window.on_ack(ack.epoch, ack.sequence, ack.incarnation, time.monotonic())
        if confirmed:
            self._outbox.confirm(confirmed)
            self._confirmed += len(confirmed)
            self._problem = None
            with self._progress:
                self._progress.notify_all()
            if self._on_progress is not None:
                self._on_progress()

    def _on_rejected(self, message: Message) -> None:
        rejection = parse_rejection(message.payload)
        if rejection is None or rejection.epoch not in self._epochs or rejection.id in self._rejected:
            return
        self._refused += 1
        if self._refused <= _MOST_REJECTIONS:
            said = {name: getattr(rejection, name) for name in ("id", "type", "subject", "reason")}
            log.warning(
                "the recorder refused what came by %s: %s",
                rejection.topic,
                rejection.hint,
                extra={EVENT: said},
            )
        with self._progress:
            self._rejected[rejection.id] = rejection
            if len(self._rejected) > _MOST_REJECTIONS:
                self._rejected.popitem(last=False)

    def _on_health(self, message: Message) -> None:
        health = parse_health(message.payload)
        if health is not None:
            self._window.on_recorder(*health)
            self._recorder = health[0]

    def _on_connect(self, _: bool) -> None:
        self._rivalry.on_connect(self._connection.attempts, time.monotonic())

    def _on_disconnect(self) -> None:
        self._window.on_disconnected()
        self._recorder = "unknown"
        told, self._connection.taken_over = self._connection.taken_over, False
        self._rivalry.on_disconnect(time.monotonic(), told=told, explained=self._problem is not None)
        if self._rivalry.likely:
            log.error("%s", self._fault())
