"""Short of room, samples are given up in order and by the book; what operators say never is."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import envelope
from bus.disk_guard import RESERVE, DiskGuard
from bus.disk_levels import DiskLimits, Level, level_at
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from schemas.registry import Registry
from tests.unit.test_sealing import T0, fact

GB = 10**9
MINUTE_US = 60_000_000
LIMITS = DiskLimits(reserve_bytes=8_000_000)
NEEDED = LIMITS.of(100 * GB)
REGISTRY = Registry.load()


@dataclass
class Disk:
    """A disk whose free room the test decides."""

    free: int = 50 * GB
    total: int = 100 * GB

    def measure(self, _: Path) -> tuple[int, int]:
        return self.free, self.total


@dataclass
class Watched:
    """A guard with its journal, as the recorder has them."""

    guard: DiskGuard
    journal: SqliteJournal
    disk: Disk
    now_us: int = T0

    def at(self, free: int, rounds: int = 2) -> Level:
        """Let the guard look, and the journal record what it says."""
        self.disk.free = free
        for _ in range(rounds):
            self.now_us += 1
            facts = self.guard.tend(self.now_us)
            if facts:
                self.guard.recorded([*self.journal.append(facts, recorded_us=self.now_us)])  # type: ignore[list-item]
        return self.guard.level

    def said(self) -> list[tuple[str, dict[str, object]]]:
        found = []
        for event in self.journal.read():
            said = envelope.decode(event.body)
            REGISTRY.check(said.type, said.version, said.data)
            found.append((said.type, dict(said.data)))
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    disk = Disk()
    with closing(SqliteJournal(tmp_path)) as journal:
        yield Watched(DiskGuard(tmp_path, "edge-01", LIMITS, disk.measure), journal, disk)


def sample(n: int, kind: str = "victron") -> Entry:
    one = fact(n * 10 + 1)
    return Entry(
        one.client, one.source, one.id, one.type, f"{kind}_1", T0 + n * 1_000_000, one.body, f"{kind}/500"
    )


@given(st.integers(0, 5), st.lists(st.integers(0, 3 * GB), max_size=30))
def test_levels_are_entered_at_once_and_left_only_when_there_is_clearly_more_room(
    start: int, frees: list[int]
) -> None:
    level = Level(start)
    for free in frees:
        before, level = level, level_at(level, free, NEEDED)
        assert level >= level_at(Level.GOOD, free, NEEDED)
        if level > before:
            assert free < NEEDED[level - 1]
        if level < before:
            assert free >= NEEDED[before - 1] * 1.25
        assert level_at(level, free, NEEDED) == level


def test_small_disks_have_small_limits_in_the_same_order() -> None:
    for total in (10**7, 10**9, 30 * 10**9, 10**12):
        assert all(more > less for more, less in pairwise(LIMITS.of(total)))
    assert LIMITS.of(10**12)[0] == 2 * GB
    assert LIMITS.of(8 * GB)[-1] == 160_000_000
    assert (LIMITS.reserve(50_000_000), LIMITS.reserve(10**9)) == (0, 8_000_000)


def test_every_step_is_said_before_it_is_taken_and_taken_back_by_itself(watched: Watched) -> None:
    for level, needed in enumerate(NEEDED, start=1):
        assert watched.at(needed - 1) == level
    assert watched.at(50 * GB) is Level.GOOD

    said = watched.said()
    raised = [data for type_, data in said if type_ == "alarm.raised"]
    assert [data["code"] for data in raised] == [1, 2, 3, 4, 5]
    assert [data["level"] for data in raised] == ["warning"] * 3 + ["alarm"] * 2
    assert said[-1] == ("alarm.cleared", {"alarm": "disk_short"})


def test_what_cannot_be_said_is_not_done_and_is_forgotten_when_room_is_back(watched: Watched) -> None:
    watched.disk.free = 0
    assert [entry.type for entry in watched.guard.tend(T0)] == ["alarm.raised"]
    assert watched.guard.level is Level.GOOD
    assert not watched.guard.refuses(sample(1))
    watched.disk.free = 50 * GB
    assert watched.guard.tend(T0) == []


def test_samples_are_refused_at_the_end_and_counted_and_facts_never_are(watched: Watched) -> None:
    watched.at(0)
    assert [watched.guard.refuses(sample(n)) for n in range(5)] == [True] * 5
    assert watched.guard.refuses(sample(7, "acuvim"))
    assert not watched.guard.refuses(fact(10))
    watched.at(50 * GB, rounds=4)

    assert not watched.guard.refuses(sample(8))
    dropped = [data for type_, data in watched.said() if type_ == "samples.dropped"]
    assert [(data["kind"], data["count"], data["reason"]) for data in dropped] == [
        ("victron", 5, "disk_short"),
        ("acuvim", 1, "disk_short"),
    ]
    assert (watched.guard.refused, watched.at(50 * GB)) == (6, Level.GOOD)
    assert len([type_ for type_, _ in watched.said() if type_ == "samples.dropped"]) == 2


def test_a_long_shortage_is_accounted_for_now_and_then(watched: Watched) -> None:
    watched.at(0)
    watched.guard.refuses(sample(1))
    watched.at(0)
    assert watched.said()[-1][0] == "alarm.raised"
    watched.now_us += MINUTE_US // 2
    watched.at(0)
    assert watched.said()[-1][0] == "samples.dropped"


def test_the_longer_a_shortage_lasts_the_less_often_it_is_accounted_for(watched: Watched) -> None:
    """Or the accounts of many systems fill the disk that is short."""
    for _ in range(2):
        began, told = watched.now_us, list[int]()
        for half_minute in range(1, 101):
            watched.at(0)
            watched.guard.refuses(sample(half_minute))
            watched.now_us = began + half_minute * MINUTE_US // 2
            before = watched.journal.head().position
            watched.at(0)
            if watched.journal.head().position > before:
                told.append(half_minute)
        assert told == [1, 3, 7, 15, 31, 51, 71, 91]
        watched.at(50 * GB, rounds=4)
    dropped = [data["count"] for type_, data in watched.said() if type_ == "samples.dropped"]
    assert (len(dropped), watched.guard.refused) == (18, 200)


def test_an_alarm_is_found_behind_however_many_facts(watched: Watched, tmp_path: Path) -> None:
    watched.at(NEEDED[1] - 1)
    body = fact(10).body
    many = [Entry("x", "/x", f"f{n}", "note.added", "rig_01", T0, body) for n in range(20_001)]
    watched.journal.append(many, recorded_us=T0)

    again = DiskGuard(tmp_path, "edge-01", LIMITS, watched.disk.measure)
    again.begin(watched.journal)

    assert again.level is Level.TIDYING


def test_what_was_given_up_and_is_not_told_yet_is_the_last_thing_said(watched: Watched) -> None:
    watched.at(0)
    assert watched.guard.last(T0) == []
    watched.guard.refuses(sample(1))

    (told,) = watched.guard.last(T0)

    assert (told.type, envelope.decode(told.body).data["count"]) == ("samples.dropped", 1)


def test_of_this_machines_own_samples_one_a_minute_stays(watched: Watched) -> None:
    assert watched.at(NEEDED[3] - 1) is Level.THINNING
    kept = [n for n in range(180) if not watched.guard.refuses(sample(n, "host"))]
    assert kept == [0, 60, 120]
    assert not any(watched.guard.refuses(sample(n)) for n in range(10))


def test_the_reserve_is_there_and_goes_in_slices_when_a_commit_finds_no_room(
    watched: Watched, tmp_path: Path
) -> None:
    watched.at(50 * GB)
    path = tmp_path / RESERVE
    assert path.stat().st_size == 8_000_000 <= path.stat().st_blocks * 512
    watched.at(0)
    for left in range(7, -1, -1):
        assert watched.guard.give_way()
        assert (path.stat().st_size if path.exists() else 0) == left * 1_000_000
    assert not watched.guard.give_way()
    watched.at(50 * GB, rounds=4)
    assert path.stat().st_size == 8_000_000


def test_an_alarm_that_stands_is_cleared_by_the_next_recorder(watched: Watched, tmp_path: Path) -> None:
    watched.at(NEEDED[1] - 1)
    data = {"alarm": "hot", "level": "alarm", "text": "x"}
    for n in range(60):
        said = Envelope(f"a{n}", "/edge-01/host", "alarm.raised", "host_edge_01", T0, data)
        entry = Entry("host", said.source, said.id, said.type, said.subject, T0, envelope.encode(said))
        watched.journal.append([entry], recorded_us=T0)
    again = DiskGuard(tmp_path, "edge-01", LIMITS, watched.disk.measure)
    again.begin(watched.journal)
    assert again.level is Level.TIDYING
    watched.guard = again
    assert watched.at(50 * GB) is Level.GOOD
    assert watched.said()[-1][0] == "alarm.cleared"
    after = DiskGuard(tmp_path, "edge-01", LIMITS, watched.disk.measure)
    after.begin(watched.journal)
    assert after.level is Level.GOOD


@pytest.mark.parametrize(
    ("client", "code"), [("alice", {"code": 5}), ("recorder", {"code": 99}), ("recorder", {})]
)
def test_an_alarm_of_somebody_else_or_of_no_level_says_nothing_about_the_disk(
    watched: Watched, tmp_path: Path, client: str, code: dict[str, int]
) -> None:
    data = {"alarm": "disk_short", "level": "alarm", "text": "x", **code}
    said = Envelope("forged", "/edge-01/recorder", "alarm.raised", "host_edge_01", T0, data)
    entry = Entry(client, said.source, said.id, said.type, said.subject, T0, envelope.encode(said))
    watched.journal.append([entry], recorded_us=T0)

    again = DiskGuard(tmp_path, "edge-01", LIMITS, watched.disk.measure)
    again.begin(watched.journal)

    assert again.level is Level.GOOD
