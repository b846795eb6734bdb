"""The recorder: the one writer of the journal.

Rules that must stay true here:
- order of work: validate, commit, acknowledge to the broker, confirm to the sender, publish;
- nothing is acknowledged or confirmed that is not on disk;
- no input stops it: what cannot be recorded becomes a dead letter with a reason;
- when the disk refuses, it holds what it has, says so, takes no more, and goes on by itself;
- memory is bounded: the broker hands out at most `_IN_HAND` unacknowledged messages, and what is published at
  QoS 0 beyond that is counted and let go; beyond `_BYTES_IN_HAND` only plain messages are kept, for whoever
  numbers them sends them again.
"""

import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bus import anchor, instants, restored
from bus.announce import Announcer
from bus.connection import Broker, Connection, Message
from bus.disk_guard import DiskGuard
from bus.disk_levels import DiskLimits, Level
from bus.envelope import Recorded
from bus.epochs import Answer, Epochs, Transmission, transmission
from bus.health import Health
from bus.intake import REGISTERED, SAMPLE, Judge
from bus.journal import DeadLetter, Duplicate, Entry
from bus.journal_writer import SqliteJournal
from bus.measuring import Histogram
from bus.past import Past
from bus.sealing import Keeping
from bus.taken import Taken
from bus.topics import Topics
from bus.uplink_arrival import DISK_SHORT, Arrivals, NotYetError
from bus.uplink_batch import FACTS
from schemas.errors import ConfigurationError, InputError, TransientError
from schemas.registry import Registry

log = logging.getLogger(__name__)

_SESSION_S = 3600
_IN_HAND = 4000
_FORWARDED_IN_HAND = 20_000
_BYTES_IN_HAND = 64_000_000
_TURN_S = 0.25
_RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """How the recorder groups commits.

    Attributes:
        linger_s: how long a sample may wait for others; operator events never wait.
        batch: commit at the latest when so many are in hand.
        tidy_every_s: how often to look for what can be sealed.
    """

    linger_s: float = 0.2
    batch: int = 512
    tidy_every_s: float = 60.0


class Recorder:
    """Takes the intake, records it, and tells everyone."""

    def __init__(
        self,
        data: Path,
        broker: Broker,
        *,
        node_id: str = "node",
        aliases: dict[str, str] | None = None,
        limits: Limits | None = None,
        keeping: Keeping | None = None,
        disk: DiskLimits | None = None,
        figures: Callable[[], Mapping[str, Any]] = dict,
        clock: Callable[[], int] = instants.now_us,
    ) -> None:
        """Open the journal in `data`; `figures` gives more for health, asked now and then."""
        self._limits = limits or Limits()
        self._clock = clock
        self._topics = Topics(broker.prefix)
        self.journal = SqliteJournal(data / "journal", keeping)
        self._anchor = anchor.directory(data / "recorder")
        self._judge = Judge(Registry.load(), node_id, dict(aliases or {}))
        self._past = Past(self.journal, self._judge)
        self._disk = DiskGuard(data / "journal", node_id, disk or DiskLimits())
        self._more = figures
        self._epochs = Epochs()
        self._deliveries = self.journal.deliveries()
        self._batch: list[Taken] = []
        self._bytes = 0
        self._urgent = self._blocked = False
        self._oldest = 0.0
        self._retry_at = self._tidy_at = 0.0
        self.connection = Connection(
            broker,
            _client_id(broker),
            clean_start=False,
            session_expiry_s=_SESSION_S,
            receive_maximum=_IN_HAND,
        )
        self._health = Health(self.connection, self._topics, "recorder")
        self._health.ask = self._figures
        self._commits = self._health.histograms["commit"] = Histogram()
        self._arrivals = Arrivals(self._judge)
        self._announcer = Announcer(self.connection, self._topics, self._epochs, self._arrivals.told)
        self.connection.on_connect(self._on_connect)
        self.connection.on_disconnect(self._on_disconnect)
        self.connection.subscribe(
            self._topics.intake_filter, self._take, qos=1, retain_handling=2, manual_ack=True
        )
        self.connection.subscribe(
            self._topics.uplink_filter, self._take_batch, qos=1, retain_handling=2, manual_ack=True
        )
        self._begin()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Record until `stopped()`; then finish what is in hand."""
        while not stopped():
            self.turn()
        with contextlib.suppress(TransientError):
            self._commit()
            self._say(self._disk.last(self._clock()))
        anchor.save(self._anchor, self.journal.head())
        self._health.goodbye()
        self.connection.close()
        self.journal.close()

    def turn(self) -> None:
        """Serve the broker once, and commit when it is due."""
        self.connection.step(self._patience())
        if not self.connection.backlog:
            self._announcer.delivered = self._announcer.published
        if self._due():
            try:
                self._commit()
            except TransientError as error:
                if not self._blocked:
                    log.error("%s; %d messages in hand, trying on", error, len(self._batch))  # noqa: TRY400
                self._blocked = True
                self._health.update(status="blocked", problem=str(error))
                gave_way = self._disk.give_way()
                self._retry_at = 0.0 if gave_way else time.monotonic() + _RETRY_S
        self._watch_disk()
        self._tidy()
        self._announcer.unknown_epochs(self.journal.head())
        if self._announcer.head(self.journal.head()):
            anchor.save(self._anchor, self.journal.head())
        self._health.tick()

    def _begin(self) -> None:
        """Learn the systems' names, and notice a restored journal."""
        self._past.begin()
        self._health.update(problem=self._past.problem)
        for held in self.journal.held():
            self._arrivals.committed(held)
        self._disk.begin(self.journal)
        self._announcer.published = restored.note(self.journal, self._anchor, self._disk.source)
        self._announcer.delivered = self._announcer.published
        anchor.save(self._anchor, self.journal.head())

    def _on_connect(self, session_present: bool) -> None:
        if not session_present:
            self._deliveries.clear()
            self.journal.forget_deliveries()
        self._announcer.unpublished(self.journal)

    def _on_disconnect(self) -> None:
        if self.connection.refusal is not None:
            log.warning("lost the broker: %s", self.connection.refusal)
        self._announcer.published = self._announcer.delivered
        for taken in self._batch:
            taken.known_to_broker = False

    def _take(self, message: Message) -> None:
        place = self._topics.parse_intake(message.topic)
        client = place.client if place else "unknown"
        number = transmission(client, message.user_properties)
        full = self._bytes >= _BYTES_IN_HAND
        if message.qos == 0 and (full or len(self._batch) >= _IN_HAND):
            self._announcer.overflowed += 1
            return
        if number is not None and full:
            self.connection.ack(message)  # its sender goes back to it when its acks stall
            return
        if number is not None:
            answer = self._epochs.offer(number)
            if answer is not Answer.TAKE:
                self._announcer.answer(number, answer)
                self.connection.ack(message)
                return
        elif self._redelivered(message):
            held = next((t for t in self._batch if t.number is None and t.message.mid == message.mid), None)
            if held is None:
                self.connection.ack(message)
            else:
                held.message, held.known_to_broker = replace(message, payload=b""), True
            return
        now_us = self._clock()
        entry, letter = None, None
        try:
            entry = self._judge.judge(place, message.payload, now_us)
            self._learn(entry)
        except InputError as error:
            letter = DeadLetter(
                now_us, client, message.topic, message.payload, error.reason, error.field, error.hint
            )
        urgent = entry is None or entry.type != SAMPLE
        if entry is not None and not self._blocked and self._disk.refuses(entry):
            entry = None  # it is counted, and its sender told that it is done with
        taken = Taken(message, client, number, [entry] if entry else [], [letter] if letter else [])
        self._keep(taken, urgent=urgent)

    def _learn(self, entry: Entry) -> None:
        if entry.type == REGISTERED:
            in_hand = (one for taken in self._batch for one in taken.entries)
            if not self._past.holds(entry, in_hand):
                self._past.learn(entry.subject, entry.body)

    def _postpone(self, message: Message, number: Transmission, error: NotYetError) -> None:
        """Tell an uplink that it is to come again later, and why."""
        self._epochs.forget(number)
        self._announcer.not_yet(message.topic, number, error)
        self.connection.ack(message)

    def _take_batch(self, message: Message) -> None:
        """Take what an uplink brings; its topic says whose, and the broker lets no one else write there."""
        client, lane = self._topics.parse_uplink(message.topic) or ("unknown", "")
        number = transmission(client, message.user_properties)
        if number is None or self._bytes >= _BYTES_IN_HAND or self._in_hand() >= _FORWARDED_IN_HAND:
            self.connection.ack(message)  # an uplink goes back to it when its lane stalls
            return
        if self._disk.level is Level.REFUSING and lane != FACTS:
            self._postpone(message, number, DISK_SHORT)
            return
        answer = self._epochs.offer(number)
        if answer is not Answer.TAKE:
            self._announcer.answer(number, answer)
            self.connection.ack(message)
            return
        epoch, topic, now_us = number.epoch, message.topic, self._clock()
        try:
            found = self._arrivals.take(client, lane, epoch, message.payload, topic, now_us)
        except NotYetError as error:
            self._postpone(message, number, error)
            return
        for entry in found.entries:
            self._learn(entry)
        taken = Taken(message, client, number, list(found.entries), list(found.letters), found.held)
        self._keep(taken, urgent=lane == FACTS)

    def _keep(self, taken: Taken, *, urgent: bool) -> None:
        if not self._batch:
            self._oldest = time.monotonic()
        self._urgent = self._urgent or urgent
        self._bytes += taken.lighten(waits=self._blocked)
        self._batch.append(taken)

    def _in_hand(self) -> int:
        return sum(max(1, len(taken.entries)) for taken in self._batch)

    def _redelivered(self, message: Message) -> bool:
        digest = hashlib.blake2b(message.topic.encode() + b"\n" + message.payload, digest_size=16).digest()
        known = self._deliveries.get(message.mid) == digest
        self._deliveries[message.mid] = digest
        return known and message.dup

    def _patience(self) -> float:
        if not self._batch:
            return _TURN_S
        now = time.monotonic()
        if self._retry_at > now:
            return self._retry_at - now
        return 0.0 if self._urgent else max(0.0, self._oldest + self._limits.linger_s - now)

    def _due(self) -> bool:
        now = time.monotonic()
        if not self._batch or now < self._retry_at:
            return False
        return (
            self._urgent
            or self._in_hand() >= self._limits.batch
            or now >= self._oldest + self._limits.linger_s
        )

    def _commit(self) -> None:
        batch = self._batch
        if not batch:
            return
        plain = [t.message.mid for t in batch if t.number is None and t.message.qos]
        began = time.monotonic()
        answers = self.journal.append(
            [entry for taken in batch for entry in taken.entries],
            recorded_us=self._clock(),
            dead_letters=[letter for taken in batch for letter in taken.letters],
            deliveries={mid: self._deliveries[mid] for mid in plain if mid in self._deliveries},
            held=[taken.held for taken in batch if taken.held is not None],
        )
        self._commits.observe(time.monotonic() - began)
        self._batch, self._urgent, self._retry_at, self._bytes = [], False, 0.0, 0
        for taken in batch:
            if taken.known_to_broker:
                self.connection.ack(taken.message)
        recorded = self._settle(batch, answers)
        self._announcer.confirm(self.journal.head())
        self._announcer.events(recorded)
        self._blocked = False
        figures = self._announcer.figures(self.journal.head())
        self._health.update(status="online", problem=self._past.problem, **figures)

    def _watch_disk(self) -> None:
        """Look how much room there is, and record it when that changes what is recorded."""
        if not self._disk.due:
            return
        try:
            self._say(self._disk.tend(self._clock()))
        except TransientError:
            return  # what cannot be said is not done
        self._health.update(**self._disk.status(), **self._more())

    def _say(self, facts: Sequence[Entry]) -> None:
        """Record what this recorder itself tells."""
        if facts:
            said = self.journal.append(facts, recorded_us=self._clock())
            recorded = [one for one in said if isinstance(one, Recorded)]
            self._announcer.events(recorded)
            self._announcer.count(recorded, 0)
            self._disk.recorded(recorded)

    def _tidy(self) -> None:
        """Seal a slice of what is old while nothing is in hand, for a tenth of the time."""
        began = time.monotonic()
        if self._batch or began < self._tidy_at:
            return
        try:
            more = self.journal.tidy(self._clock(), short=self._disk.level >= Level.ERASING)
            self._health.update(sealing=None)
        except (TransientError, ConfigurationError) as error:
            log.error("%s", error)  # noqa: TRY400 - it says all
            self._health.update(sealing=str(error))
            more = False
        now = time.monotonic()
        self._tidy_at = now + (9 * (now - began) if more else self._limits.tidy_every_s)

    def _settle(self, batch: list[Taken], answers: list[Recorded | Duplicate]) -> list[Recorded]:
        """Note what became of each message; return what is new."""
        new: list[Recorded] = []
        reused: list[tuple[DeadLetter, Transmission | None]] = []
        rest, now_us, forget = iter(answers), self._clock(), False
        for taken in batch:
            if taken.number is not None:
                self._epochs.commit(taken.number)
                self._announcer.owe(taken.number)
            if taken.held is not None:
                self._arrivals.committed(taken.held)
            for letter in taken.letters:
                self._announcer.rejected(letter, taken.number)
            for entry in taken.entries:
                answer = next(rest)
                if isinstance(answer, Recorded):
                    new.append(answer)
                elif refused := self._past.refusal(entry, answer, taken.message.topic, now_us):
                    reused.append((refused, taken.number))
                    forget = forget or (taken.held is not None and entry.type == REGISTERED)
                    continue
                if taken.number is None:
                    self._announcer.plain(entry, answer.position)
        self._announcer.count(new, len(answers) - len(new))
        self._bury(reused)
        if forget:
            self._past.begin()  # names that a node brought were learned before it turned out whose they are
        return new

    def _bury(self, reused: list[tuple[DeadLetter, Transmission | None]]) -> None:
        """Keep messages whose id is taken by another claim: they are no duplicates, and must not vanish."""
        letters = [letter for letter, _ in reused]
        if letters:
            with contextlib.suppress(TransientError):
                self.journal.append([], recorded_us=letters[0].received_us, dead_letters=letters)
        for letter, number in reused:
            self._announcer.rejected(letter, number)

    def _figures(self) -> dict[str, object]:
        """Say what /metrics tells besides health; from another thread, so nothing here asks the journal."""
        return self._announcer.counted() | {
            "in_hand": len(self._batch),
            "backlog": self.connection.backlog,
        }


def _client_id(broker: Broker) -> str:
    """Name our session so that nobody without our password can take it, and the intake queued in it, over."""
    if broker.password is None:
        return "recorder"
    return f"recorder-{hashlib.sha256(broker.password.encode()).hexdigest()[:16]}"
