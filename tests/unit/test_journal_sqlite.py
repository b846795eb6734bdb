"""What only the SQLite journal promises: locks, durability settings, tampering, replacement, dead letters."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bus import journal_rows
from bus.journal import DeadLetter, Entry, check_place
from bus.journal_dead_letters import KEPT
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from schemas.errors import ConfigurationError, TransientError
from tests.contract.test_journal import T0, entry, sample


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path)
    yield opened
    opened.close()


def edit(path: Path, statement: str, *values: object) -> None:
    db = sqlite3.connect(path / FILE)
    with db:
        db.execute(statement, values)
    db.close()


def test_a_second_writer_is_refused_and_told_who_holds_it(journal: SqliteJournal) -> None:
    with pytest.raises(ConfigurationError, match=r"process \d+"):
        SqliteJournal(journal.path.parent)


def test_a_damaged_journal_is_refused_with_what_to_do_and_let_go_of(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"not a database " * 500)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="put a backup there"):
            SqliteJournal(tmp_path)


def test_a_reader_of_a_journal_that_is_not_there_yet_may_try_again(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="recorder"):
        SqliteJournalReader(tmp_path)


def test_a_reader_cannot_write(journal: SqliteJournal) -> None:
    reader = SqliteJournalReader(journal.path.parent)

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM event")
    reader.close()


def test_commits_are_synchronous(journal: SqliteJournal) -> None:
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_past_survives_reopening(tmp_path: Path) -> None:
    first = SqliteJournal(tmp_path)
    first.append([entry(n) for n in range(5)], recorded_us=T0)
    head = first.head()
    first.close()

    again = SqliteJournal(tmp_path)
    again.append([entry(5)], recorded_us=T0)

    assert again.head().position == head.position + 1
    assert again.hash_at(head.position) == head.hash
    assert again.verify().faults == ()
    again.close()


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE event SET body = (SELECT body FROM event WHERE position = 4) WHERE position = 3", "hash"),
        ("UPDATE event SET recorded_us = recorded_us + 1 WHERE position = 3", "hash"),
        ("UPDATE event SET time_us = time_us + 1 WHERE position = 3", "time_us"),
        ("UPDATE event SET subject = type WHERE position = 3", "subject"),
        ("DELETE FROM event WHERE position = 3", "missing"),
        ("DELETE FROM event WHERE position = 9", "removed from the end"),
    ],
)
def test_verify_finds_what_was_changed(journal: SqliteJournal, statement: str, problem: str) -> None:
    journal.append([entry(n) for n in range(1, 10)], recorded_us=T0)
    assert journal.verify().faults == ()

    edit(journal.path.parent, statement)

    faults = journal.verify().faults
    assert faults
    assert problem in faults[0].problem


def test_verify_finds_two_events_that_changed_places(journal: SqliteJournal) -> None:
    journal.append([entry(n) for n in range(1, 6)], recorded_us=T0)
    for old, new in ((2, 99), (3, 2), (99, 3)):
        edit(journal.path.parent, "UPDATE event SET position = ? WHERE position = ?", new, old)

    assert journal.verify().faults


def test_a_position_is_not_used_again_after_the_last_row_was_deleted(journal: SqliteJournal) -> None:
    journal.append([entry(n) for n in range(3)], recorded_us=T0)
    edit(journal.path.parent, "DELETE FROM event WHERE position = 3")

    assert journal.highest_ever() == 3


def test_a_reader_notices_that_the_file_was_replaced(tmp_path: Path, journal: SqliteJournal) -> None:
    journal.append([entry(n) for n in range(4)], recorded_us=T0)
    reader = SqliteJournalReader(journal.path.parent)
    place = reader.head()
    other = SqliteJournal(tmp_path / "other")
    other.append([entry(n) for n in range(10)], recorded_us=T0)
    other.close()
    for suffix in ("-wal", "-shm"):
        journal.path.with_name(FILE + suffix).unlink()

    shutil.copy(tmp_path / "other" / FILE, tmp_path / "copy")
    (tmp_path / "copy").replace(journal.path)

    assert reader.head().position == 10
    with pytest.raises(ConfigurationError, match="rebuild"):
        check_place(reader, place, "the state read model", "run `ovr rebuild state`")
    reader.close()


def test_reading_ends_with_an_error_when_the_file_is_replaced_in_the_middle(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    journal.append([entry(n) for n in range(1500)], recorded_us=T0)
    reader = SqliteJournalReader(journal.path.parent)
    events = reader.read()
    first = next(events)
    journal.backup(tmp_path / "copy")
    journal.close()
    (tmp_path / "copy").replace(journal.path)
    assert reader.head().position == 1500

    read = [first]
    with pytest.raises(TransientError, match="was replaced while it was read"):
        read.extend(events)

    assert [event.position for event in read] == list(range(1, 1001))
    assert {event.source for event in read} == {first.source}
    reader.close()


def test_the_writer_stops_when_its_file_is_replaced(tmp_path: Path, journal: SqliteJournal) -> None:
    journal.append([entry(1)], recorded_us=T0)
    journal.backup(tmp_path / "copy")
    (tmp_path / "copy").replace(journal.path)

    with pytest.raises(ConfigurationError, match="replaced"):
        journal.append([entry(2)], recorded_us=T0)


def test_a_failed_batch_leaves_nothing_behind(journal: SqliteJournal) -> None:
    journal.append([entry(1)], recorded_us=T0)
    broken = Entry("c", "/s", "x", "t", "s", "no number", b"{}")  # type: ignore[arg-type]

    with pytest.raises(TransientError):
        journal.append([entry(2, subject="never_before"), broken], recorded_us=T0)

    journal.append([entry(3, subject="never_before")], recorded_us=T0)
    assert [event.position for event in journal.read()] == [1, 2]
    assert journal.verify().faults == ()


def test_a_backup_is_a_whole_journal(tmp_path: Path, journal: SqliteJournal) -> None:
    journal.append([sample(n) for n in range(50)], recorded_us=T0)

    (tmp_path / "there").mkdir()

    head = journal.backup(tmp_path / "there" / FILE)

    copy = SqliteJournalReader(tmp_path / "there")
    assert copy.head() == head == journal.head()
    assert copy.verify().faults == ()
    copy.close()


def test_a_backup_overwrites_nothing(tmp_path: Path, journal: SqliteJournal) -> None:
    (tmp_path / "precious").write_text("x")

    with pytest.raises(ConfigurationError, match="exists"):
        journal.backup(tmp_path / "precious")


def test_dead_letters_are_kept_counted_and_bounded(journal: SqliteJournal) -> None:
    def letter(n: int) -> DeadLetter:
        return DeadLetter(T0 + n, "eve", "ovr/in/eve/x/y", b"%d" % n, "not_json", "", "send JSON")

    journal.append([], recorded_us=T0, dead_letters=[letter(n) for n in range(KEPT + 10)])
    journal.append([], recorded_us=T0, dead_letters=[letter(KEPT + 9)])

    kept = journal.dead_letters(limit=KEPT * 2)
    assert len(kept) == KEPT
    assert kept[0] == (letter(KEPT + 9), 2)


def test_reading_other_types_does_not_touch_samples(journal: SqliteJournal) -> None:
    journal.append([*(sample(n) for n in range(50)), entry(50)], recorded_us=T0)

    filters = journal._filters(None, None, ["note.added"], None, None, None)
    assert filters is not None
    plan = journal._db.execute(
        f"EXPLAIN QUERY PLAN SELECT body FROM event {filters[0]} AND position > 0 ORDER BY position",
        filters[1],
    ).fetchall()

    assert "event_rare" in plan[0][3]
    assert not any("TEMP B-TREE" in row[3] for row in plan)


def test_duplicates_at_the_end_are_not_taken_for_events_that_were_cut_off(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    known = entry(1)
    journal.append([entry(0), known], recorded_us=T0)

    journal.append([known], recorded_us=T0)

    assert journal.highest_ever() == 2
    assert journal.verify().faults == ()
    journal.close()
    again = SqliteJournal(tmp_path)
    assert again.highest_ever() == 2
    again.close()


def test_duplicates_do_not_hide_that_events_were_cut_off(journal: SqliteJournal, tmp_path: Path) -> None:
    known = entry(0)
    journal.append([known, entry(1), entry(2)], recorded_us=T0)
    journal.close()
    edit(tmp_path, "DELETE FROM event WHERE position > 1")

    again = SqliteJournal(tmp_path)
    again.append([known], recorded_us=T0)

    assert again.highest_ever() == 3
    assert len(again.verify().faults) == 1
    again.close()


def test_names_that_senders_make_up_do_not_fill_the_memory(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_rows, "_MOST_REMEMBERED", 10)
    batch = [entry(n, source=f"/edge/{n}", subject=f"rig_{n % 7}") for n in range(100)]

    journal.append(batch, recorded_us=T0)

    assert len(journal._names._id_of) <= 10
    assert [(event.source, event.subject) for event in journal.read()] == [
        (one.source, one.subject) for one in batch
    ]
    assert journal.verify().faults == ()
