"""What a cloud's state says of its nodes, and of a rig that goes from one to another."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.topics import Topics
from projectors.runner import Runner
from projectors.state import StateProjector
from schemas.registry import Registry
from tests.fleets import bring, entries, progressed
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample


class Cloud:
    """A cloud's journal, and the state projector behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.journal = MemoryJournal()
        self.nodes: dict[str, MemoryJournal] = {}
        self.projector = StateProjector(path, Registry.load(), Topics())
        self.runner = Runner(self.journal, self.projector)
        self.now_s = 0.0

    def bring(self, node: str, said: Sequence[Said]) -> None:
        journal = self.nodes.setdefault(node, MemoryJournal())
        first = journal.head().position
        record(journal, [replace(one, id=f"{node}-{first + n}") for n, one in enumerate(said)])
        bring(self.journal, (one for at, one in entries(node, journal) if at > first), recorded_s=10**6)
        self.runner.finish()

    def messages(self) -> dict[str, Any]:
        self.now_s += 10
        said = self.projector.messages(self.now_s)
        return {topic: orjson.loads(payload) if payload else None for topic, payload in said}

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path / "state.sqlite")
    yield made
    made.projector.close()


def connected(at_s: float, *, yes: bool = True) -> Said:
    return Said(f"device.{'' if yes else 'dis'}connected", "rig_01", at_s, {"device": "gx"})


def started(at_s: float, event_id: str) -> Said:
    return Said("window.started", "rig_01", at_s, {"event_id": event_id, "location": event_id})


def test_a_rig_that_moved_is_where_its_newest_sample_is_from_and_keeps_what_was(cloud: Cloud) -> None:
    cloud.bring(
        "site_a", [connected(1), started(2, "may"), sample("rig_01", 5, 1.0), connected(9, yes=False)]
    )
    cloud.bring("site_b", [connected(900), started(901, "june"), sample("rig_01", 905, 2.0)])

    said = cloud.messages()["ovr/state/rig_01"]

    assert (said["node"], said["window"]["event_id"], said["location"]["name"]) == ("site_b", "june", "june")
    assert [one["values"] for one in said["readings"]] == [{"ac_out_power_w": 2.0}]
    assert [(one["node"], one["window"]["event_id"]) for one in said["elsewhere"]] == [("site_a", "may")]
    assert cloud.ask("SELECT node, event_id FROM systems") == [("site_b", "june")]
    assert cloud.ask("SELECT * FROM conflicts") == []


def test_a_node_that_went_dark_with_the_rig_is_no_conflict_and_one_that_goes_on_is(cloud: Cloud) -> None:
    cloud.bring("site_a", [connected(1), sample("host_a", 60, 1.0, kind="host")])
    cloud.bring("site_b", [connected(500), sample("host_b", 2000, 1.0, kind="host")])
    assert cloud.ask("SELECT * FROM conflicts") == []

    cloud.bring("site_a", [sample("host_a", 1500, 1.0, kind="host")])

    found = cloud.ask("SELECT system_id, node, other, since_us FROM conflicts")
    assert found == [("rig_01", "site_a", "site_b", BASE_US + 500 * S)]


def test_a_node_s_place_is_told_and_goes_on_without_samples(cloud: Cloud) -> None:
    cloud.bring("site_a", [sample("rig_01", 5, 1.0), started(7, "may")])
    said = cloud.messages()["ovr/state/_nodes/site_a"]
    assert (said["facts"]["position"], said["samples"]["position"], said["systems"]) == (2, 1, ["rig_01"])

    bring(cloud.journal, [progressed("site_a", said["incarnation"], 2, 70)], recorded_s=10**6)
    cloud.runner.finish()

    said = cloud.messages()["ovr/state/_nodes/site_a"]
    assert (said["samples"]["position"], said["samples"]["recorded_at"][:19]) == (2, "2026-11-18T11:07:50")


def test_a_restored_node_is_known_as_such_with_what_it_lost(cloud: Cloud) -> None:
    lost = {"previous_incarnation": "a", "incarnation": "b", "lost_from": 4, "lost_to": 9}
    cloud.bring("site_a", [Said("journal.restored", "_site", 3, lost)])

    said = cloud.messages()["ovr/state/_nodes/site_a"]

    assert (said["restored"]["lost_from"], said["restored"]["lost_to"]) == (4, 9)
