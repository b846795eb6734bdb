"""Outbox, window and recorder deliver exactly once and in order, whatever is lost, repeated or restarted.

The outbox is the real one on a file, the window and the recorder's epochs are the real pure parts; the
network and the journal are models. The network may do what a broker may: within one connection it loses,
repeats and reorders; what came by an older connection never follows what came by a newer one.
"""

import contextlib
import itertools
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import orjson
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bus.envelope import Envelope
from bus.epochs import Answer, Epochs, Transmission
from bus.outbox import Outbox, OutboxFull
from bus.outbox_items import DROPPED, SAMPLE, OutboxLimits
from bus.window import Window, WindowLimits

LIMITS = OutboxLimits(events=12, memory_events=6)
WINDOW = WindowLimits(items=5, stall_s=2.0, refused_s=0.25, longest_s=8.0)
SIZE = 1_000_000


@dataclass(frozen=True)
class Sent:
    """A numbered message on its way to the recorder."""

    connection: int
    number: Transmission
    body: bytes


@dataclass(frozen=True)
class Ack:
    """An answer on its way to the sender; `sequence` None says that the epoch is unknown."""

    connection: int
    epoch: str
    sequence: int | None
    incarnation: str


@dataclass
class Recorder:
    """Keeps (source, id) unique in its journal, and epochs in memory."""

    session: str = "session-0"
    incarnation: str = "incarnation-0"
    journal: list[str] = field(default_factory=list)
    epochs: Epochs = field(default_factory=Epochs)

    def receive(self, sent: Sent) -> Ack:
        answer = self.epochs.offer(sent.number)
        if answer is Answer.TAKE:
            event_id = orjson.loads(sent.body)["id"]
            if event_id not in self.journal:
                self.journal.append(event_id)
            self.epochs.commit(sent.number)
        epoch = sent.number.epoch
        sequence = None if answer is Answer.UNKNOWN else self.epochs.committed(sent.number.client, epoch)
        return Ack(sent.connection, epoch, sequence, self.incarnation)


class SenderProtocol(RuleBasedStateMachine):
    """One sender, one recorder, and everything that can happen between them."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="sender-protocol-"))
        self.path = self.directory / "outbox.sqlite"
        self.names = itertools.count(1)
        self.now_s = 0.0
        self.recorder = Recorder()
        self.journal_went_back = self.dropped = False
        self.older_outboxes = 0
        self.to_recorder: list[Sent] = []
        self.to_sender: list[Ack] = []
        self.connection = 0
        self.samples: list[str] = []  # ids rise in the order of put
        self.facts: list[str] = []
        self.lost: set[str] = set()  # samples that were only in memory when the sender was killed
        self.counts: dict[str, int] = {}  # what each `samples.dropped` says
        self.confirmed: set[str] = set()
        self.copies: list[Path] = []

    @initialize()
    def start(self) -> None:
        self.outbox = Outbox(self.path, LIMITS, self.name)
        self.window = Window(self.name, WINDOW)
        self.connect()

    def teardown(self) -> None:
        try:
            self.settle()
            self.check_all_arrived()
        finally:
            self.outbox.close()
            shutil.rmtree(self.directory)

    def name(self) -> str:
        return f"{next(self.names):06d}"

    def connect(self) -> None:
        self.connection += 1
        self.window.on_recorder("online", self.recorder.session)

    # --- what the sender's owner does

    @rule(count=st.integers(1, 4))
    def put_samples(self, count: int) -> None:
        for _ in range(count):
            self.samples.append(self.put(SAMPLE))

    @rule()
    def put_fact(self) -> None:
        with contextlib.suppress(OutboxFull):
            self.facts.append(self.put("note.added"))

    def put(self, type_: str) -> str:
        event_id = self.name()
        self.outbox.put(Envelope(event_id, "/edge/a", type_, "rig_01", next(self.names), {}), self.now_s)
        return event_id

    @rule(seconds=st.sampled_from([0.1, 0.3, 1.0, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.outbox.tick(self.now_s)
        self.window.on_time(self.now_s)

    @rule(limit=st.integers(1, 8))
    def publish(self, limit: int) -> None:
        if self.window.online and self.window.room > 0:
            self.window.number(self.outbox.take(min(limit, self.window.room), SIZE))
        ready = self.window.ready(limit, self.now_s)
        for sequence, item in ready:
            number = Transmission("a", self.window.epoch, sequence)
            self.to_recorder.append(Sent(self.connection, number, item.body))
            event = orjson.loads(item.body)
            if item.type == DROPPED:
                self.counts[event["id"]] = event["data"]["count"]
        self.window.sent(len(ready), self.now_s)

    # --- what the network does

    @precondition(lambda self: self.to_recorder)
    @rule(data=st.data(), lose=st.booleans(), repeat=st.booleans())
    def carry_to_recorder(self, data: st.DataObject, lose: bool, repeat: bool) -> None:
        oldest = min(sent.connection for sent in self.to_recorder)
        candidates = [sent for sent in self.to_recorder if sent.connection == oldest]
        sent = data.draw(st.sampled_from(candidates[:6]))
        if not repeat:
            self.to_recorder.remove(sent)
        if not lose:
            self.to_sender.append(self.recorder.receive(sent))

    @rule(count=st.integers(1, 10))
    def carry_in_order(self, count: int) -> None:
        for _ in range(min(count, len(self.to_recorder))):
            self.to_sender.append(self.recorder.receive(self.to_recorder.pop(0)))

    @precondition(lambda self: self.to_sender)
    @rule(data=st.data(), lose=st.booleans(), repeat=st.booleans())
    def carry_to_sender(self, data: st.DataObject, lose: bool, repeat: bool) -> None:
        ack = data.draw(st.sampled_from(self.to_sender[-8:]))
        if not repeat:
            self.to_sender.remove(ack)
        if not lose:
            self.accept(ack)

    @precondition(lambda self: self.to_recorder)
    @rule(data=st.data())
    def broker_refuses(self, data: st.DataObject) -> None:
        sent = data.draw(st.sampled_from(self.to_recorder[-8:]))
        self.to_recorder.remove(sent)
        self.window.on_refused(sent.number.epoch, sent.number.sequence, self.now_s)

    @rule(lose=st.booleans())
    def connection_breaks(self, lose: bool) -> None:
        self.window.on_disconnected()
        if lose:
            self.to_recorder.clear()
            self.to_sender.clear()
        self.connect()

    def accept(self, ack: Ack) -> None:
        if ack.sequence is None:
            self.window.on_unknown(ack.epoch, ack.incarnation)
            return
        confirmed = self.window.on_ack(ack.epoch, ack.sequence, ack.incarnation, self.now_s)
        if confirmed:
            self.outbox.confirm(confirmed)
            if ack.incarnation == self.recorder.incarnation:
                self.confirmed |= {orjson.loads(item.body)["id"] for item in confirmed}

    # --- what goes wrong

    @rule()
    def recorder_restarts(self) -> None:
        self.recorder.epochs = Epochs()
        self.recorder.session = self.name()
        self.window.on_recorder("online", self.recorder.session)

    @rule()
    def recorder_restarts_unseen(self) -> None:
        self.recorder.epochs = Epochs()

    @rule(data=st.data())
    def journal_goes_back(self, data: st.DataObject) -> None:
        kept = data.draw(st.integers(0, len(self.recorder.journal)))
        self.recorder.journal = self.recorder.journal[:kept]
        self.recorder.incarnation = self.name()
        self.recorder.epochs = Epochs()
        self.confirmed &= set(self.recorder.journal)
        self.journal_went_back = True

    @rule(copy=st.none() | st.integers(0, 10))
    def sender_is_killed(self, copy: int | None) -> None:
        """Lose the memory, and perhaps find an older file."""
        self.lost |= {orjson.loads(item.body)["id"] for item in self.outbox._memory.items}
        self.outbox._file.close()
        if copy is not None and self.copies:
            shutil.copy(self.copies[copy % len(self.copies)], self.path)
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self.older_outboxes += 1
        self.begin_again()

    @rule()
    def sender_restarts(self) -> None:
        self.outbox.close()
        self.begin_again()

    def begin_again(self) -> None:
        self.outbox = Outbox(self.path, LIMITS, self.name)
        self.window = Window(self.name, WINDOW)
        self.connect()

    @precondition(lambda self: len(self.copies) < 4)
    @rule()
    def outbox_is_copied(self) -> None:
        self.outbox._file._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.copies.append(self.directory / f"copy-{len(self.copies)}")
        shutil.copy(self.path, self.copies[-1])

    # --- what must hold

    @invariant()
    def nothing_counts_twice(self) -> None:
        assert len(self.recorder.journal) == len(set(self.recorder.journal))

    @invariant()
    def order_holds(self) -> None:
        self.dropped |= hasattr(self, "outbox") and self.outbox.dropped > 0
        went_back_twice = self.older_outboxes + self.journal_went_back > 1
        if went_back_twice or (self.older_outboxes and self.dropped):
            return  # an old file may bring what was missing in another one, in the journal, or dropped
        put = {*self.samples, *self.facts}
        events = [event_id for event_id in self.recorder.journal if event_id in put]
        assert events == sorted(events)

    @invariant()
    def what_was_confirmed_is_in_the_journal(self) -> None:
        assert self.confirmed <= set(self.recorder.journal)

    def settle(self) -> None:
        """Let everything work until nothing is left: what was in the outbox arrives."""
        self.connection_breaks(lose=False)
        self.to_sender = [ack for ack in self.to_sender if ack.incarnation == self.recorder.incarnation]
        self.time_passes(5.0)
        waiting = set(self.waiting())
        for _ in range(100):
            self.publish(100)
            self.carry_in_order(1000)
            for ack in self.to_sender:
                self.accept(ack)
            self.to_sender.clear()
            self.time_passes(5.0)
        assert self.outbox.pending == 0
        assert waiting <= set(self.recorder.journal)
        self.nothing_counts_twice()
        self.order_holds()
        self.what_was_confirmed_is_in_the_journal()

    def waiting(self) -> list[str]:
        query = "SELECT body FROM item WHERE n > ?"
        stored = self.outbox._file._database.execute(query, (self.outbox._confirmed,))
        bodies = [body for (body,) in stored] + [item.body for item in self.outbox._memory.items]
        return [orjson.loads(body)["id"] for body in bodies]

    def check_all_arrived(self) -> None:
        """Find all that was put: in the journal, or counted, or lost with a killed sender's memory."""
        journal = set(self.recorder.journal)
        if self.journal_went_back or self.older_outboxes:
            return
        assert set(self.facts) <= journal
        missing = set(self.samples) - journal - self.lost
        said = sum(count for event_id, count in self.counts.items() if event_id in journal)
        assert len(missing) == said


SenderProtocolTest = SenderProtocol.TestCase
SenderProtocolTest.settings = settings(max_examples=2 * settings().max_examples)
