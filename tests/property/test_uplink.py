"""Laws of the uplink: whatever is lost, restored or said, each event is in the cloud once, in order."""

import hashlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from hypothesis import given
from hypothesis import strategies as st

from bus import envelope
from bus.envelope import Envelope
from bus.epochs import Answer, Epochs, Transmission
from bus.intake import Judge
from bus.journal import Head, Held
from bus.uplink_arrival import Arrival, Arrivals, NotYetError
from bus.uplink_batch import FACTS, LANES, SAMPLES, Forwarded, Header, pack, spliced, unpack, unspliced
from bus.uplink_checkpoint import Anchor, thinned
from schemas.registry import Registry
from tests.laws import examples
from uplink import lives
from uplink.allowance import Allowance
from uplink.lane import Lane, LaneLimits

REGISTRY = Registry.load()
LIMITS = LaneLimits(batches=2, stall_s=5.0, refused_s=0.5)
BATCH = 2


def body(number: int, *, fact: bool) -> bytes:
    """Make an event as a node stores it."""
    sample = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": 1.0}}
    type_, data = ("note.added", {"text": f"note {number}"}) if fact else ("sample.taken", sample)
    return envelope.encode(Envelope(f"event-{number}", "/edge/alice", type_, "rig_01", 10**15 + number, data))


@dataclass
class Node:
    """A journal that can be restored to an earlier place."""

    events: list[tuple[bool, bytes]] = field(default_factory=list)
    incarnation: str = "life0"
    restored: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=count)

    def append(self, *, fact: bool) -> None:
        self.events.append((fact, body(next(self.numbers), fact=fact)))

    def restore(self, position: int) -> None:
        """Lose the end, and begin another life with a fact that says so."""
        del self.events[position:]
        self.restored = [one for one in self.restored if one[0] <= position]
        new = f"life{next(self.numbers)}"
        self.append(fact=True)
        said = {"previous_incarnation": self.incarnation, "incarnation": new}
        self.restored.append((len(self.events), said))
        self.incarnation = new

    def place(self, position: int) -> Head:
        past = b"".join(stored for _, stored in self.events[:position])
        return Head("journal", self.incarnation, position, hashlib.sha256(past).digest())

    def hash_at(self, position: int) -> bytes | None:
        return self.place(position).hash if position <= len(self.events) else None

    def lane(self, lane: str, after: int, bound: int) -> list[Forwarded]:
        return [
            Forwarded(position, position, "alice", stored)
            for position, (fact, stored) in enumerate(self.events, start=1)
            if after < position <= bound and fact is (lane == FACTS)
        ]


@dataclass
class Cloud:
    """A recorder that can be killed, and its journal, which can be restored."""

    bodies: list[bytes] = field(default_factory=list)
    held: dict[tuple[str, str, str], Held] = field(default_factory=dict)
    session: int = 0
    taken: list[tuple[Transmission, Arrival]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what was not committed."""
        self.session += 1
        self.epochs, self.arrivals = Epochs(), Arrivals(Judge(REGISTRY, "cloud"))
        self.arrivals.held |= self.held
        self.taken.clear()

    def take(self, lane: str, number: Transmission, payload: bytes) -> str | None:
        """Take a message; return what is said at once."""
        answer = self.epochs.offer(number)
        if answer is not Answer.TAKE:
            return "unknown" if answer is Answer.UNKNOWN else None
        try:
            header, events = self.arrivals.open("edge", lane, number.epoch, payload)
            arrival = self.arrivals.judged("edge", lane, header, events, "topic", 0)
        except NotYetError:
            self.epochs.forget(number)
            return "waits"
        assert not arrival.letters
        assert arrival.held is not None
        self.taken.append((number, arrival))
        return None

    def commit(self) -> list[Transmission]:
        known = {_key(one) for one in self.bodies}
        for number, arrival in self.taken:
            for entry in arrival.entries:
                if _key(entry.body) not in known:
                    known.add(_key(entry.body))
                    self.bodies.append(entry.body)
            self.epochs.commit(number)
            assert arrival.held is not None
            self.arrivals.committed(arrival.held)
        self.held = dict(self.arrivals.held)
        done = [number for number, _ in self.taken]
        self.taken.clear()
        return done


class World:
    """A node, its two lanes, the cloud, and messages on their way."""

    def __init__(self) -> None:
        self.node, self.cloud = Node(), Cloud()
        self.now_s = 0.0
        names = count()
        self.lanes = {lane: Lane(lambda: f"epoch{next(names)}", LIMITS) for lane in LANES}
        self.out: dict[str, deque[tuple[Transmission, bytes]]] = {lane: deque() for lane in LANES}
        self.back: dict[str, deque[tuple[str, int | None, dict[str, Head]]]] = {
            lane: deque() for lane in LANES
        }
        self.facts: tuple[str | None, int] | None = None
        self.saved = (list[bytes](), dict[tuple[str, str, str], Held]())
        for lane in LANES:
            self.hear(lane)

    def hear(self, lane: str) -> None:
        self.lanes[lane].on_recorder("online", str(self.cloud.session))

    def turn(self, lane: str) -> None:
        """Do what the thread of a lane does in a turn."""
        one = self.lanes[lane]
        one.on_time(self.now_s)
        if one.ask(self.now_s):
            if lane == FACTS:
                self.facts = None
            self._send(lane, 1, pack(Header(0, Head("none", "none", 0, b"")), ()))
        if not one.may_send(self.now_s):
            return
        bound = len(self.node.events)
        if lane == SAMPLES:
            if self.facts is None or self.facts[0] != one.session:
                return
            bound = min(bound, self.facts[1])
        events = self.node.lane(lane, one.sent, bound)[:BATCH]
        if not events:
            one.skip(bound)
            self.settle()
            return
        upto = events[-1].position if len(events) == BATCH else bound
        payload = pack(Header(one.reached, self.node.place(upto)), events)
        self._send(lane, one.made(upto, len(payload), self.now_s), payload)

    def _send(self, lane: str, sequence: int, payload: bytes) -> None:
        self.out[lane].append((Transmission("edge", self.lanes[lane].epoch, sequence), payload))

    def arrive(self, lane: str) -> None:
        if not self.out[lane]:
            return
        number, payload = self.out[lane].popleft()
        said = self.cloud.take(lane, number, payload)
        if said is not None:
            self.back[lane].append((number.epoch, None, {}))

    def commit(self) -> None:
        for number in self.cloud.commit():
            lane = str(self.cloud.arrivals.told("edge", number.epoch)["lane"])
            held = {
                life: one.place for (_, which, life), one in self.cloud.arrivals.held.items() if which == lane
            }
            self.back[lane].append((number.epoch, number.sequence, held))

    def confirm(self, lane: str) -> None:
        if not self.back[lane]:
            return
        one = self.lanes[lane]
        epoch, sequence, held = self.back[lane].popleft()
        if sequence is None:
            one.on_unknown(epoch)
        elif one.on_ack(epoch, sequence, self.now_s) and not one.started:
            head = self.node.place(len(self.node.events))
            lived = lives.lives(self.node.incarnation, self.node.restored)
            found = lives.start(head, lived, held, self.node.hash_at)
            assert found.position is not None, found.problem
            one.start(found.position)
        self.settle()

    def settle(self) -> None:
        one = self.lanes[FACTS]
        if one.started:
            ahead = self.node.lane(FACTS, one.confirmed, len(self.node.events))
            self.facts = one.session, ahead[0].position - 1 if ahead else len(self.node.events)

    def disconnect(self, lane: str) -> None:
        self.out[lane].clear()
        self.back[lane].clear()
        self.lanes[lane].on_disconnected()
        self.hear(lane)

    def restart_cloud(self) -> None:
        self.cloud.restart()
        for lane in LANES:
            self.hear(lane)

    def save_cloud(self) -> None:
        self.saved = list(self.cloud.bodies), dict(self.cloud.held)

    def restore_cloud(self) -> None:
        self.cloud.bodies, self.cloud.held = list(self.saved[0]), dict(self.saved[1])
        self.restart_cloud()

    def restore_node(self, back: int) -> None:
        """Restore the node; its uplink begins anew with it."""
        self.node.restore(max(0, len(self.node.events) - back))
        self.facts = None
        for lane in LANES:
            self.disconnect(lane)

    def round(self, skipped: int) -> None:
        """Let each part do its next step, but for those that are skipped: a bit each."""
        steps = [
            *((step, lane) for lane in LANES for step in (self.turn, self.arrive)),
            (self.commit, None),
            *((self.confirm, lane) for lane in LANES),
        ]
        for bit, (step, lane) in enumerate(steps):
            if not skipped >> bit & 1:
                step(*(() if lane is None else (lane,)))  # type: ignore[operator]

    def finish(self) -> None:
        """Let everything settle."""
        for _ in range(400):
            self.now_s += 1.0
            for lane in LANES:
                self.turn(lane)
                self.arrive(lane)
            self.commit()
            for lane in LANES:
                while self.back[lane]:
                    self.confirm(lane)
            if all(one.started and one.confirmed == len(self.node.events) for one in self.lanes.values()):
                return


def _key(stored: bytes) -> str:
    return envelope.decode(stored).id


ACTIONS = st.one_of(
    st.tuples(st.just("round"), st.integers(0, 255)),
    st.tuples(st.just("round"), st.integers(0, 255)),
    st.tuples(st.just("append"), st.booleans()),
    st.tuples(st.sampled_from(["restart_cloud", "save_cloud", "restore_cloud"]), st.none()),
    st.tuples(st.just("disconnect"), st.sampled_from(LANES)),
    st.tuples(st.just("restore_node"), st.integers(0, 6)),
    st.tuples(st.just("wait"), st.floats(0, 8)),
)


@examples(60)
@given(st.lists(st.booleans(), max_size=25), st.lists(ACTIONS, min_size=10, max_size=60))
def test_whatever_is_lost_or_restored_each_event_is_in_the_cloud_once_and_in_order(
    recorded: Sequence[bool], actions: Sequence[tuple[str, object]]
) -> None:
    world = World()
    for fact in recorded:
        world.node.append(fact=fact)
    for name, said in actions:
        if name == "append":
            world.node.append(fact=bool(said))
        elif name == "wait":
            world.now_s += float(str(said))
        elif name == "restore_node":
            world.restore_node(int(str(said)))
        else:
            getattr(world, name)(*(() if said is None else (said,)))
    world.finish()

    there = [_key(one) for one in world.cloud.bodies]
    assert len(there) == len(set(there))
    place = {id_: index for index, id_ in enumerate(there)}
    ours = [(fact, _key(stored)) for fact, stored in world.node.events]
    assert all(id_ in place for _, id_ in ours)
    for lane in (True, False):
        order = [place[id_] for fact, id_ in ours if fact is lane]
        assert order == sorted(order)
    assert all(world.lanes[lane].confirmed == len(world.node.events) for lane in LANES)
    _check_no_sample_overtook(world)


def _check_no_sample_overtook(world: World) -> None:
    """Assert that each sample came after all facts that the node of now had recorded before it."""
    place = {_key(stored): index for index, stored in enumerate(world.cloud.bodies)}
    latest_fact = -1
    for fact, stored in world.node.events:
        if fact:
            latest_fact = max(latest_fact, place[_key(stored)])
        elif unspliced(world.cloud.bodies[place[_key(stored)]])[0] == world.node.incarnation:
            assert place[_key(stored)] > latest_fact


EVENTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 2**50), st.text(min_size=1, max_size=20), st.booleans()),
    max_size=8,
)


@given(EVENTS, st.integers(0, 1000), st.integers(1, 9))
def test_a_batch_comes_back_as_it_was_packed(
    said: Sequence[tuple[int, int, str, bool]], after: int, level: int
) -> None:
    events, position = [], after
    for number, (step, recorded_us, client, fact) in enumerate(said):
        position += step
        events.append(Forwarded(position, recorded_us, client, body(number, fact=fact)))
    header = Header(after, Head("journal", "life", position, bytes(32)), 17)

    assert unpack(pack(header, events, level)) == (header, events)


@given(st.integers(1, 2**40), st.integers(0, 2**50), st.text(min_size=1, max_size=30), st.booleans())
def test_what_the_cloud_stores_gives_back_what_the_node_recorded(
    position: int, recorded_us: int, client: str, fact: bool
) -> None:
    event = Forwarded(position, recorded_us, client, body(position, fact=fact))

    stored = spliced(event, "edge-01", "life")

    assert unspliced(stored) == ("life", event)
    assert envelope.decode(stored).extensions["nodeposition"] == str(position)


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 100_000), st.booleans()), max_size=60))
def test_no_more_goes_than_is_allowed_and_facts_never_wait_for_samples(
    asked: Sequence[tuple[float, int, bool]],
) -> None:
    both, alone = Allowance(10_000.0), Allowance(10_000.0)
    now_s, sent, largest = 0.0, 0, 0
    for later_s, size, urgent in asked:
        now_s += later_s
        assert both.may_send(now_s, urgent=True) == alone.may_send(now_s, urgent=True)
        if both.may_send(now_s, urgent=urgent):
            both.spend(size, now_s, urgent=urgent)
            sent, largest = sent + size, max(largest, size)
            if urgent:
                alone.spend(size, now_s, urgent=True)
        assert sent <= 2 * (64 << 10) + 10_000.0 * (now_s + 2) + 2 * largest
    for urgent in (True, False):
        wait_s = both.wait_s(now_s, urgent=urgent)
        assert both.may_send(now_s + wait_s + 0.001, urgent=urgent)


@given(st.lists(st.integers(1, 50_000), max_size=300))
def test_anchors_stay_few_and_in_order(steps: Sequence[int]) -> None:
    anchors: tuple[Anchor, ...] = ()
    position = 0
    for step in steps:
        position += step
        anchors = thinned(anchors, Anchor("life", position, "", "cloud", position * 2))

    assert len(anchors) <= 64
    assert all(one.position < other.position for one, other in pairwise(anchors))
    assert not anchors or position - anchors[-1].position < 70_000
