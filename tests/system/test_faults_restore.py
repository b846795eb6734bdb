"""A journal that is restored, swapped or wiped: all who read it notice, and the instructions suffice."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope, decode, encode
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from bus.recorder import Recorder
from tests.node import Node, check_journal, running
from tests.services import free_port
from tests.waiting import until

UNSEEN = ("alerts", "detector", "projector-reports", "replay", "web")
READERS = ("state", "counters", "series", "archive")
VERIFIED = ("state", "series")


def grow_past(data: Path, position: int) -> None:
    """Let a recorder go on, with no reader near, until the journal is longer than it was."""
    recorder = Recorder(data, Broker(port=free_port()))
    now_us = instants.now_us()
    while recorder.journal.head().position <= position:
        n = recorder.journal.head().position
        fact = Envelope(f"again-{n}", "/again", "note.added", "rig_01", now_us, {"text": "again"})
        entry = Entry("again", fact.source, fact.id, fact.type, fact.subject, now_us, encode(fact))
        recorder.journal.append([entry], recorded_us=now_us)
    recorder.journal.close()


def refused(node: Node) -> None:
    """Assert that each reader stopped with instructions, that `ovr status` shows it, and the rest works."""
    for name in READERS:
        until(
            lambda name=name: node.child(f"projector-{name}").get("state") == "failed",  # type: ignore[misc]
            f"{name} notices",
        )
        assert f"run `ovr rebuild {name}`" in node.child(f"projector-{name}")["message"]
    until(lambda: node.child("host").get("state") == "ready", "the rest works")
    done = node.ovr("status", "--json")
    assert done.returncode == 1
    assert not orjson.loads(done.stdout)["ready"]


def mend(node: Node) -> None:
    """Do what the messages say, and nothing else."""
    for name in READERS:
        done = node.ovr("rebuild", name)
        assert done.returncode == 0, done.stderr.decode()
    until(node.ready, "all work again")
    assert node.ovr("status").returncode == 0, "`ovr status` is content"
    for name in VERIFIED:
        done = node.ovr("verify", name, "--json")
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def restored_and_outgrown(node: Node, copy: Path) -> None:
    lost = node.head()
    done = node.ovr("journal", "restore", str(copy), "--json")
    assert done.returncode == 0, done.stderr.decode()
    grow_past(node.data, lost + 100)


def wiped(node: Node, copy: Path) -> None:  # noqa: ARG001 - one of several ways
    shutil.rmtree(node.data / "journal")


def swapped(node: Node, copy: Path) -> None:  # noqa: ARG001 - one of several ways
    shutil.rmtree(node.data / "journal")
    SqliteJournal(node.data / "journal").close()
    grow_past(node.data, node.head() + 100)


@pytest.mark.parametrize(
    "replace",
    [
        restored_and_outgrown,
        pytest.param(wiped, marks=pytest.mark.soak),
        pytest.param(swapped, marks=pytest.mark.soak),
    ],
)
def test_a_replaced_journal_stops_its_readers_until_they_are_rebuilt(
    tmp_path: Path, replace: Callable[[Node, Path], None]
) -> None:
    copy = tmp_path / "copy.sqlite"
    with running(tmp_path, without=UNSEEN) as node:
        node.grow(20)
        done = node.ovr("journal", "backup", str(copy), "--json")
        kept = orjson.loads(done.stdout)["position"] if replace is restored_and_outgrown else 0
        node.grow(60)
        node.stop()
        lost = node.head()

        replace(node, copy)
        node.start()

        refused(node)
        mend(node)
        check_journal(node)
        said = restored(node)
        assert (said["lost_from"], said["lost_to"]) == (kept + 1, lost)


def restored(node: Node) -> dict[str, object]:
    """Return what the recorder recorded about the loss, the only one."""
    reader = node.journal()
    (said,) = reader.read(types=["journal.restored"])
    reader.close()
    return dict(decode(said.body).data)
