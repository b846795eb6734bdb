"""The journal's contract. A further implementation adds one line to `IMPLEMENTATIONS`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import envelope, ids
from bus.envelope import Envelope, Recorded
from bus.journal import DeadLetter, Duplicate, Entry, Journal
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping
from tests.journals import MemoryJournal

T0 = 1_790_000_000_000_000


class Sealed(SqliteJournal):
    """A journal that seals at once, two events a file, whatever is appended."""

    def append(self, *arguments: Any, **options: Any) -> list[Recorded | Duplicate]:
        answers = super().append(*arguments, **options)
        while self.tidy(T0 * 2):
            pass
        return answers


IMPLEMENTATIONS: dict[str, Callable[[Path], Journal]] = {
    "sqlite": lambda path: SqliteJournal(path / "journal"),
    "sealed": lambda path: Sealed(path / "journal", Keeping(seal_after_days=0, events=2, block=1)),
    "memory": lambda _: MemoryJournal(),
}


@pytest.fixture(params=IMPLEMENTATIONS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    opened = IMPLEMENTATIONS[request.param](tmp_path)
    yield opened
    opened.close()


def entry(
    n: int,
    *,
    subject: str = "rig_01",
    type_: str = "note.added",
    source: str = "/edge/alice",
    id_: str | None = None,
    stream: str | None = None,
    time_us: int | None = None,
) -> Entry:
    time_us = T0 + n if time_us is None else time_us
    fact = Envelope(id_ or ids.uuid7(), source, type_, subject, time_us, {"text": f"note {n}"})
    return Entry("alice", source, fact.id, type_, subject, time_us, envelope.encode(fact), stream)


def sample(n: int, subject: str = "rig_01", stream: str = "victron/500", time_us: int | None = None) -> Entry:
    return entry(n, subject=subject, type_="sample.taken", stream=stream, time_us=time_us)


def positions(journal: Journal, **filters: object) -> list[int]:
    return [event.position for event in journal.read(**filters)]  # type: ignore[arg-type]


def test_positions_begin_at_one_and_have_no_holes(journal: Journal) -> None:
    for first in range(0, 30, 3):
        journal.append([entry(n) for n in range(first, first + 3)], recorded_us=T0)

    assert positions(journal) == list(range(1, 31))
    assert journal.head().position == 30


def test_an_empty_journal_has_head_zero_and_verifies(journal: Journal) -> None:
    assert journal.head().position == 0
    assert positions(journal) == []
    assert journal.verify().faults == ()


def test_what_comes_again_is_answered_with_its_position_and_leaves_no_hole(journal: Journal) -> None:
    known = entry(1, id_="once")
    journal.append([entry(0), known], recorded_us=T0)

    answers = journal.append([known, entry(2), known, entry(3)], recorded_us=T0)

    assert answers[0] == Duplicate(2)
    assert answers[2] == Duplicate(2)
    assert [a.position for a in answers if isinstance(a, Recorded)] == [3, 4]


def test_a_duplicate_within_one_batch_is_recorded_once(journal: Journal) -> None:
    twin = entry(1)

    first, second = journal.append([twin, twin], recorded_us=T0)

    assert isinstance(first, Recorded)
    assert second == Duplicate(first.position)


def test_the_same_id_from_another_source_is_another_event(journal: Journal) -> None:
    one, two = entry(1, id_="n1", source="/edge/alice"), entry(1, id_="n1", source="/edge/bob")

    journal.append([one, two], recorded_us=T0)

    assert journal.head().position == 2


@pytest.mark.parametrize("id_", ["x", "01890000-0000-7000-8000-000000000000", "ID-WITH-CAPITALS", "ünï ☃"])
def test_an_event_is_read_as_it_was_appended(journal: Journal, id_: str) -> None:
    written = entry(7, id_=id_)

    (recorded,) = journal.append([written], recorded_us=T0 + 5)

    (read,) = journal.read()
    assert read == recorded
    assert (read.id, read.body, read.recorded_us) == (id_, written.body, T0 + 5)
    assert (read.client, read.source, read.type, read.subject) == (
        "alice",
        "/edge/alice",
        "note.added",
        "rig_01",
    )


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"after": 4}, [5, 6]),
        ({"limit": 2}, [1, 2]),
        ({"after": 2, "limit": 2}, [3, 4]),
        ({"upto": 2}, [1, 2]),
        ({"after": 1, "upto": 3}, [2, 3]),
        ({"subjects": ["rig_02"]}, [2, 5]),
        ({"subjects": []}, []),
        ({"subjects": ["never_seen"]}, []),
        ({"types": ["sample.taken"]}, [1, 2, 4]),
        ({"types": ["note.added"]}, [3, 5, 6]),
        ({"clients": ["alice", "bob"], "types": ["sample.taken"]}, [1, 2, 4]),
        ({"clients": ["bob"]}, []),
        ({"types": ["note.added"], "subjects": ["rig_02"]}, [5]),
        ({"types": ["note.added", "sample.taken"], "limit": 4}, [1, 2, 3, 4]),
        ({"since_us": T0 + 4}, [4, 5, 6]),
        ({"until_us": T0 + 3}, [1, 2]),
        ({"since_us": T0 + 2, "until_us": T0 + 4, "types": ["note.added"]}, [3]),
    ],
)
def test_reading_filters_by_place_subject_type_and_time(
    journal: Journal, filters: dict[str, object], expected: list[int]
) -> None:
    journal.append(
        [sample(1), sample(2, "rig_02"), entry(3), sample(4), entry(5, subject="rig_02"), entry(6)],
        recorded_us=T0,
    )

    assert positions(journal, **filters) == expected


def test_the_newest_sample_of_each_stream_is_found_by_time_then_position(journal: Journal) -> None:
    journal.append(
        [
            sample(1, time_us=T0 + 10),
            sample(2, time_us=T0 + 5),  # came later, is older
            sample(3, stream="victron/5000", time_us=T0),
            sample(4, "rig_02", time_us=T0 + 1),
            sample(5, "rig_02", time_us=T0 + 1),  # same time: the later position counts
            entry(6),
        ],
        recorded_us=T0,
    )

    assert [e.position for e in journal.newest_samples(6)] == [1, 3, 5]
    assert [e.position for e in journal.newest_samples(4)] == [1, 3, 4]
    assert [e.position for e in journal.newest_samples(0)] == []


def test_a_reader_that_goes_on_behind_each_page_sees_every_event_once(journal: Journal) -> None:
    seen: list[int] = []
    for n in range(40):
        journal.append([entry(n)], recorded_us=T0)
        if n % 7 == 0:
            seen += positions(journal, after=seen[-1] if seen else 0, limit=5)
    while page := positions(journal, after=seen[-1], limit=5):
        seen += page

    assert seen == list(range(1, 41))


def test_the_hash_of_an_event_depends_on_all_before_it(journal: Journal) -> None:
    journal.append([entry(1, id_="a"), entry(2, id_="b")], recorded_us=T0)
    other = MemoryJournal()

    other.append([entry(9, id_="c"), entry(2, id_="b")], recorded_us=T0)

    assert journal.hash_at(2) != other.hash_at(2)
    assert journal.hash_at(2) == journal.head().hash
    assert journal.hash_at(3) is None


def test_the_same_events_give_the_same_chain_in_every_implementation(journal: Journal) -> None:
    entries = [entry(n, id_=f"n{n}") for n in range(5)]
    twin = MemoryJournal()

    journal.append(entries, recorded_us=T0)
    twin.append(entries, recorded_us=T0)

    assert journal.head().hash == twin.head().hash


def test_a_new_incarnation_keeps_the_past_and_is_told_by_the_head(journal: Journal) -> None:
    journal.append([entry(1)], recorded_us=T0)
    before = journal.head()

    incarnation = journal.begin_incarnation()

    after = journal.head()
    assert after.incarnation == incarnation != before.incarnation
    assert (after.journal, after.position, after.hash) == (before.journal, before.position, before.hash)


def test_dead_letters_may_come_with_no_event(journal: Journal) -> None:
    letter = DeadLetter(T0, "eve", "ovr/in/eve/x/y", b"\xff", "not_json", "", "send JSON")

    assert journal.append([], recorded_us=T0, dead_letters=[letter]) == []
    assert journal.head().position == 0


@given(batches=st.lists(st.lists(st.integers(0, 30), max_size=6), max_size=12))
def test_any_batches_with_any_repetitions_record_each_id_once_in_first_order(
    batches: list[list[int]],
) -> None:
    journal = MemoryJournal()
    for batch in batches:
        journal.append([entry(n, id_=f"n{n}") for n in batch], recorded_us=T0)

    first_seen = list(dict.fromkeys(n for batch in batches for n in batch))
    assert [event.id for event in journal.read()] == [f"n{n}" for n in first_seen]
    assert journal.verify().faults == ()
