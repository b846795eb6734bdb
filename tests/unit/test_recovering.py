"""What a node gets back from the cloud: all of it, said as it is, in little memory, whatever happened."""

import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bus import anchor, envelope, restored, uplink_checkpoint
from bus.envelope import Envelope, Recorded
from bus.journal import Entry, Head
from bus.journal_writer import SqliteJournal
from bus.uplink_batch import Forwarded, spliced
from bus.uplink_checkpoint import Anchor, Checkpoint
from ovr import recovering
from ovr.config import Site
from ovr.layout import Layout
from ovr.node import Node
from ovr.uplink_settings import UplinkSettings
from tests.journals import MemoryJournal
from uplink import lives, recover
from uplink.found import Found, Spool

T0 = 1_790_000_000_000_000


def entry(n: int) -> Entry:
    """Every fifth event is a note, the others are samples."""
    note = n % 5 == 0
    type_ = "note.added" if note else "sample.taken"
    data = {"text": f"note {n}"} if note else {"kind": "x", "interval_ms": 500, "values": {}}
    body = envelope.encode(Envelope(f"e{n}", "/edge/alice", type_, "rig_01", T0 + n, data))
    stream = None if note else "x/500"
    return Entry("alice", "/edge/alice", f"e{n}", type_, "rig_01", T0 + n, body, stream)


class World:
    """A node that recorded and was restored to a copy, and a cloud that has some of it."""

    def __init__(self, path: Path, *, count: int, samples_upto: int, copy_at: int) -> None:
        self.recorder = path / "recorder"
        self.spool = path / "run" / "spool"
        self.cloud = MemoryJournal()
        with closing(SqliteJournal(path / "node")) as journal:
            for n in range(1, count + 1):
                journal.append([entry(n)], recorded_us=T0 + n)
            self.whole = journal.head()
            for event in journal.read():
                if event.type != "sample.taken" or event.position <= samples_upto:
                    self.bring(event)
        with closing(sqlite3.connect(path / "node" / "journal.sqlite")) as db:
            db.execute("DELETE FROM event WHERE position > ?", (copy_at,))
            db.execute("DELETE FROM newest WHERE position > ?", (copy_at,))
            db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'event'", (copy_at,))
            db.commit()
        self.journal = SqliteJournal(path / "node")

    def open_again(self) -> None:
        """Open the journal as the next process does."""
        directory = self.journal.path.parent
        self.journal.close()
        self.journal = SqliteJournal(directory)

    def bring(self, event: Recorded) -> None:
        """Let the cloud have an event."""
        there = Forwarded(event.position, event.recorded_us, event.client, event.body)
        body = spliced(there, "edge", self.whole.incarnation)
        self.cloud.append(
            [Entry("edge", event.source, event.id, event.type, event.subject, event.time_us, body)],
            recorded_us=event.recorded_us,
        )

    def recover(self) -> recover.Outcome:
        """Do what `ovr journal recover` does, and then the recorder."""
        copy = anchor.directory(self.recorder)
        with Spool(self.spool) as found:
            found.add(recover.missing(self.cloud, 0, self.journal, "edge"))
            known = recovering.known(self.journal, found, copy)
            outcome = recovering.bring_back(self.journal, found, "edge", known, self.recorder)
        restored.note(self.journal, copy, "/edge/recorder")
        anchor.save(copy, self.journal.head())
        return outcome

    def told(self) -> list[tuple[int, dict[str, Any]]]:
        """List the `journal.restored` events."""
        events = self.journal.read(types=["journal.restored"])
        return [(event.position, dict(envelope.decode(event.body).data)) for event in events]

    def lost(self) -> list[int]:
        """List what is nowhere."""
        everything = range(1, self.whole.position + 1)
        return [n for n in everything if self.journal.find("/edge/alice", f"e{n}") is None]


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    count, samples_upto, copy_at = request.param
    made = World(tmp_path, count=count, samples_upto=samples_upto, copy_at=copy_at)
    yield made
    made.journal.close()


@pytest.mark.parametrize("world", [(50, 30, 25), (50, 48, 25), (90, 30, 25)], indirect=True)
def test_what_neither_has_is_told_once_and_truly(world: World) -> None:
    """The cloud is behind with samples; the copy of the head that is still there knows of all of them."""
    anchor.save(anchor.directory(world.recorder), world.whole)

    outcome = world.recover()

    ((position, said),) = world.told()
    truly, new = world.lost(), world.journal.head().incarnation
    assert (said["lost_from"], said["lost_to"]) == (truly[0], truly[-1])
    assert (said["previous_incarnation"], said["incarnation"]) == (world.whole.incarnation, new)
    assert position == 25 + outcome.same + 1
    assert outcome.same + outcome.anew == world.whole.position - 25 - len(truly)
    lived = lives.lives(new, world.told())
    assert lived == [lives.Life(new, position - 1), lives.Life(world.whole.incarnation, 0)]
    assert world.journal.verify().faults == ()


@pytest.mark.parametrize("world", [(50, 50, 25)], indirect=True)
def test_what_comes_back_whole_is_the_same_life(world: World) -> None:
    anchor.save(anchor.directory(world.recorder), world.whole)

    outcome = world.recover()

    assert (outcome.same, outcome.anew, outcome.begun) == (25, 0, False)
    assert world.journal.head() == world.whole
    assert world.told() == []


@pytest.mark.parametrize("world", [(50, 28, 25), (50, 50, 25), (50, 25, 25)], indirect=True)
def test_a_restore_begins_its_new_incarnation_however_much_comes_back(world: World) -> None:
    """On another machine nothing but the restore's wish tells that positions were given out already."""
    anchor.directory(world.recorder)
    restored.ask(world.recorder, world.journal.head(), "from the backup x", "wanted")

    world.recover()

    ((_, said),) = world.told()
    assert (world.journal.head().incarnation, said["incarnation"]) == ("wanted", "wanted")
    assert (said["previous_incarnation"], said["reason"]) == (world.whole.incarnation, "restore")
    assert "from the backup x" in said["note"]
    assert not (world.recorder / "restored.json").exists()
    restored.note(world.journal, world.recorder / "head.json", "/edge/recorder")
    assert len(world.told()) == 1


@pytest.mark.parametrize("world", [(50, 28, 25)], indirect=True)
@pytest.mark.parametrize("by_recorder", [True, False], ids=["recorder", "recover"])
def test_a_kill_while_an_incarnation_begins_loses_neither_it_nor_the_word_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, by_recorder: bool
) -> None:
    """Whatever was written in which order: it is told once, truly, and the wish is forgotten."""
    copy = anchor.directory(world.recorder)
    restored.ask(world.recorder, world.journal.head(), "from the backup x", "wanted")

    insert = SqliteJournal._insert

    def killed_telling(journal: SqliteJournal, said: Entry, *place: Any) -> Any:
        if said.type == "journal.restored":
            raise KeyboardInterrupt
        return insert(journal, said, *place)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    def go_on() -> None:
        if by_recorder:
            restored.note(world.journal, copy, "/edge/recorder")
        else:
            world.recover()

    for where, name, broken in (
        (SqliteJournal, "_insert", killed_telling),
        (restored, "fulfilled", killed),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(where, name, broken)
            with pytest.raises(KeyboardInterrupt):
                go_on()
        world.open_again()

    go_on()

    ((_, said),) = world.told()
    assert (world.journal.head().incarnation, said["incarnation"]) == ("wanted", "wanted")
    assert said["previous_incarnation"] == world.whole.incarnation
    assert not (world.recorder / "restored.json").exists()


@pytest.mark.parametrize("world", [(50, 28, 25), (90, 30, 25)], indirect=True)
@pytest.mark.parametrize("by_recorder", [True, False], ids=["recorder", "recover"])
def test_a_kill_before_the_copy_of_the_head_follows_tells_no_loss_twice(
    world: World, monkeypatch: pytest.MonkeyPatch, by_recorder: bool
) -> None:
    copy = anchor.directory(world.recorder)
    anchor.save(copy, world.whole)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    if by_recorder:
        restored.note(world.journal, copy, "/edge/recorder")
    else:
        with monkeypatch.context() as patched:
            patched.setattr(anchor, "save", killed)
            with pytest.raises(KeyboardInterrupt):
                world.recover()
    ((position, said),) = world.told()
    world.open_again()

    assert restored.note(world.journal, copy, "/edge/recorder") == position - 1

    assert world.told() == [(position, said)]
    assert world.journal.head().incarnation == said["incarnation"]


@pytest.mark.parametrize("world", [(50, 50, 25)], indirect=True)
def test_a_wish_that_another_incarnation_has_overtaken_is_not_granted_later(world: World) -> None:
    copy = anchor.directory(world.recorder)
    restored.ask(world.recorder, world.journal.head(), "from the backup x", "wanted")
    data = {"previous_incarnation": world.whole.incarnation, "incarnation": "another", "reason": "restore"}
    restored.begin_life(world.journal, "/edge/recorder", data)

    restored.note(world.journal, copy, "/edge/recorder")

    assert world.journal.head().incarnation == "another"
    assert len(world.told()) == 1
    assert not (world.recorder / "restored.json").exists()


@pytest.mark.parametrize("world", [(50, 28, 25)], indirect=True)
def test_what_came_back_is_not_missing_when_it_is_asked_for_again(world: World) -> None:
    anchor.save(anchor.directory(world.recorder), world.whole)
    world.recover()

    with Spool(world.spool) as found:
        found.add(recover.missing(world.cloud, 0, world.journal, "edge"))
        gone = recovering.known(world.journal, found, world.recorder / "head.json").gone

    assert len(found.lives) == 0
    assert [(one.first, one.last) for one in gone] == [(world.lost()[0], world.lost()[-1])]
    assert not world.spool.exists()


@pytest.mark.parametrize("world", [(50, 28, 25)], indirect=True)
def test_a_life_of_which_nothing_is_missing_any_more_counts_as_asked_back(world: World) -> None:
    """Its events may have come back before: nothing else would ever end the notice of an uplink."""
    anchor.save(anchor.directory(world.recorder), world.whole)
    world.recover()
    head = world.journal.head()

    with Spool(world.spool) as found:
        found.add(recover.missing(world.cloud, 0, world.journal, "edge"))
        back = recovering.asked_back(world.journal, found)

    assert back == {world.whole.incarnation: (head.position, head.hash.hex())}
    lost = [lives.Lost(world.whole.incarnation, 26, 50)]
    assert lives.not_asked_back(lost, back, world.journal.hash_at) == []


@pytest.mark.parametrize("world", [(50, 50, 25)], indirect=True)
def test_what_came_back_is_noted_before_photos_are_fetched(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They take long: whoever ends the command then is not asked for it once more."""
    world.journal.close()
    layout = Layout(tmp_path / "data")
    layout.data.mkdir()
    (tmp_path / "node").rename(layout.journal)
    with closing(SqliteJournal(layout.journal)) as journal:
        journal.begin_incarnation()
    node = Node(Site(node_id="edge", uplink=UplinkSettings(host="cloud")), layout, None)
    noted = list[str]()

    def killed(*_: object) -> None:
        noted.extend(uplink_checkpoint.load(layout.data).recovered)
        raise KeyboardInterrupt

    monkeypatch.setattr(recovering, "RemoteReader", lambda *_, **__: world.cloud)
    monkeypatch.setattr(recovering, "_photos", killed)

    with pytest.raises(KeyboardInterrupt):
        recovering.recover(node)

    assert noted == [world.whole.incarnation]


@pytest.mark.parametrize("world", [(50, 50, 45)], indirect=True)
def test_the_cloud_is_asked_from_where_it_was_only_if_it_is_that_cloud(world: World) -> None:
    life, hash_at = world.whole.incarnation, world.journal.hash_at

    def noted(position: int, cloud: str, its_life: str) -> Anchor:
        return Anchor(life, position, (hash_at(position) or b"").hex(), cloud, position * 1000, its_life)

    def begin(*anchors: Anchor) -> int:
        return recover.begin_at(Checkpoint({}, anchors), hash_at, Head("cloud", "now", 9, b""))

    assert begin(noted(10, "cloud", "now"), noted(20, "cloud", "now"), noted(30, "cloud", "now")) == 20_000
    assert begin(noted(10, "other", "now"), noted(20, "other", "now")) == 0
    assert begin(noted(10, "cloud", "then"), noted(20, "cloud", "then")) == 0
    assert begin(noted(10, "cloud", ""), noted(20, "cloud", "")) == 0
    assert begin(noted(10, "cloud", "then"), noted(20, "cloud", "now"), noted(30, "cloud", "now")) == 20_000
    assert begin(noted(20, "cloud", "now"), noted(30, "cloud", "now"), noted(48, "cloud", "now")) == 20_000


def test_found_events_are_read_in_order_in_little_memory(tmp_path: Path) -> None:
    """However much was lost: here six times what may be used."""
    count, body = 6000, b'{"x":"' + b"0123456789" * 500 + b'"}'

    def found() -> Iterator[Found]:
        for n in range(count, 0, -1):
            life = "first" if n % 3 else "second"
            yield Found(life, Forwarded(n, T0 + n, "alice", body + b" " * (n % 7)), "/edge/alice", f"e{n}")

    tracemalloc.start()
    try:
        with Spool(tmp_path / "spool") as spool:
            spool.add(found())
            read = [(one.incarnation, one.event.position) for one in spool.read(0, count)]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    order = [("second", n) for n in range(1, count + 1) if n % 3 == 0]
    assert read == order + [("first", n) for n in range(1, count + 1) if n % 3]
    assert most < count * len(body) / 6
