"""Old bodies move into sealed files, samples too old are erased: nothing else changes, whatever happens."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bus import envelope, ids
from bus.envelope import Envelope, Recorded
from bus.journal import Entry
from bus.journal_restore import restore
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.sealed_copy import beside, copy_sealed
from bus.sealing import Keeping
from bus.segment import Segment, SegmentWriter
from schemas.errors import ConfigurationError

DAY_US = 86_400_000_000
T0 = 1_790_000_000_000_000
SEAL = Keeping(seal_after_days=1, events=20, block=7)
ERASE = Keeping(seal_after_days=1, samples_days=2, events=20, block=7)


def fact(n: int) -> Entry:
    """Every tenth event is a note, the others are samples of three systems."""
    note = n % 10 == 0
    type_, subject = ("note.added", "rig_01") if note else ("sample.taken", f"rig_{n % 3:02d}")
    data = {"text": f"note {n} " * 50} if note else {"kind": "victron", "values": {"soc_pct": n / 7}}
    said = Envelope(ids.uuid7(), "/edge/alice", type_, subject, T0 + n, data)
    return Entry(
        "alice",
        said.source,
        said.id,
        type_,
        subject,
        T0 + n,
        envelope.encode(said),
        None if note else "v/500",
    )


def filled(path: Path, keeping: Keeping, count: int = 50) -> SqliteJournal:
    """A journal of one event an hour."""
    journal = SqliteJournal(path, keeping)
    for n in range(count):
        journal.append([fact(n)], recorded_us=T0 + n * DAY_US // 24)
    return journal


def tidy(journal: SqliteJournal, now_us: int) -> int:
    slices = 0
    while journal.tidy(now_us):
        slices += 1
    return slices


def everything(journal: SqliteJournalReader) -> list[Recorded]:
    return list(journal.read())


def in_tables(path: Path) -> list[int]:
    with closing(sqlite3.connect(path / FILE)) as db:
        return [n for (n,) in db.execute("SELECT position FROM event WHERE body <> x'' ORDER BY position")]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = filled(tmp_path, SEAL)
    yield opened
    opened.close()


def test_whole_files_of_old_events_are_sealed_and_read_as_before(
    journal: SqliteJournal, tmp_path: Path
) -> None:
    before = everything(journal)
    assert tidy(journal, T0 + 1 * DAY_US) == 0  # event 20 is not a day old yet
    tidy(journal, T0 + 3 * DAY_US)
    assert in_tables(tmp_path) == list(range(41, 51))
    assert everything(journal) == before
    verdict = journal.verify()
    assert (verdict.events, verdict.faults, verdict.erased) == (50, (), 0)
    assert [e.position for e in journal.read(types=["note.added"])] == [1, 11, 21, 31, 41]
    assert [e.position for e in journal.read(18, limit=4)] == [19, 20, 21, 22]
    assert [e.position for e in journal.newest_samples(100)] == [48, 49, 50]


def test_readers_that_were_open_before_go_on(journal: SqliteJournal, tmp_path: Path) -> None:
    with closing(SqliteJournalReader(tmp_path)) as reader:
        before = everything(reader)
        midway = reader.read()
        first = [next(midway) for _ in range(3)]
        tidy(journal, T0 + 3 * DAY_US)
        assert first + list(midway) == before
        assert everything(reader) == before


def test_an_event_that_comes_again_is_known_however_old_it_is(journal: SqliteJournal) -> None:
    tidy(journal, T0 + 3 * DAY_US)
    old = next(journal.read())
    again = Entry("alice", old.source, old.id, old.type, old.subject, old.time_us, old.body)
    (answer,) = journal.append([again], recorded_us=T0 + 4 * DAY_US)
    assert answer.position == 1


@pytest.mark.parametrize("keeping", [SEAL, ERASE], ids=["sealing", "erasing"])
def test_a_kill_after_any_slice_loses_nothing_and_the_work_goes_on(tmp_path: Path, keeping: Keeping) -> None:
    journal = filled(tmp_path / "whole", keeping)
    before = everything(journal)
    tidy(journal, T0 + 5 * DAY_US)
    expected = everything(journal)
    journal.close()

    killed, more = 0, True
    held = []  # what is killed cleans nothing up
    while more:
        journal = SqliteJournal(tmp_path / "killed", keeping) if killed else _copy(tmp_path, before, keeping)
        for _ in range(2):  # a single slice would begin a file anew for ever
            more = journal.tidy(T0 + 5 * DAY_US)
        for event in everything(journal):
            assert event.body == before[event.position - 1].body
        assert journal.verify().faults == ()
        journal.close()
        held.append(journal)
        killed += 1
        assert killed < 500
        if killed % 3 == 0:  # sometimes it lives for long
            journal = SqliteJournal(tmp_path / "killed", keeping)
            for _ in range(killed):
                more = journal.tidy(T0 + 5 * DAY_US)
            journal.close()
    with closing(SqliteJournalReader(tmp_path / "killed")) as reader:
        assert [e.body for e in everything(reader)] == [e.body for e in expected]
    assert not list((tmp_path / "killed").rglob("*.part"))


def _copy(tmp_path: Path, events: list[Recorded], keeping: Keeping) -> SqliteJournal:
    journal = SqliteJournal(tmp_path / "killed", keeping)
    for e in events:
        stream = "v/500" if e.type == "sample.taken" else None
        entry = Entry(e.client, e.source, e.id, e.type, e.subject, e.time_us, e.body, stream)
        journal.append([entry], recorded_us=e.recorded_us)
    return journal


def test_samples_too_old_are_erased_and_only_they(tmp_path: Path) -> None:
    journal = filled(tmp_path, ERASE, 130)
    before = everything(journal)
    tidy(journal, T0 + 5 * DAY_US)

    left = everything(journal)
    assert journal.erased_upto() == 60
    kept = [e for e in before if e.position > 60 or e.type != "sample.taken"]
    assert left == kept
    verdict = journal.verify()
    assert (verdict.events, verdict.faults) == (130, ())
    assert verdict.erased == 130 - len(kept)
    assert len(list((tmp_path / "sealed").rglob("*.seal"))) == 1
    assert [e.position for e in journal.read(0, limit=3)] == [1, 11, 21]
    assert journal.hash_at(2) == before[1].hash
    journal.close()


def test_samples_stay_that_others_have_only_of_another_life(tmp_path: Path) -> None:
    held: dict[str, int] = {}
    keeping = replace(ERASE, erasable=lambda incarnation: held.get(incarnation, 0))
    with closing(filled(tmp_path, keeping, 130)) as journal:
        held[journal.head().incarnation] = 60
        journal.begin_incarnation()
        tidy(journal, T0 + 5 * DAY_US)
        assert journal.erased_upto() == 0

        held[journal.head().incarnation] = 40
        tidy(journal, T0 + 5 * DAY_US)
        assert journal.erased_upto() == 40


def test_a_clock_that_leaps_ahead_erases_nothing(tmp_path: Path) -> None:
    journal = filled(tmp_path, ERASE)
    before = everything(journal)
    leapt_us = T0 + 3000 * DAY_US
    journal.append([fact(50)], recorded_us=leapt_us)
    tidy(journal, leapt_us)
    assert [e.position for e in everything(journal) if e.position > 20] == list(range(21, 52))
    assert journal.erased_upto() <= 20
    assert everything(journal)[-31:-1] == before[-30:]
    journal.close()


def test_a_file_that_lost_what_must_stay_is_not_rewritten(tmp_path: Path) -> None:
    journal = filled(tmp_path, SEAL, 100)
    tidy(journal, T0 + 5 * DAY_US)
    journal.close()
    (path,) = (tmp_path / "sealed").rglob("1-20.seal")
    writer = SegmentWriter(path)
    writer.add([2], [b"{}"])
    writer.finish()
    journal = SqliteJournal(tmp_path, ERASE)
    with pytest.raises(ConfigurationError, match="does not give back position 1"):
        tidy(journal, T0 + 9 * DAY_US)
    assert journal.erased_upto() == 0
    journal.close()


def test_the_newest_sample_of_a_stream_outlives_its_time(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path, ERASE)
    gone = fact(1)
    journal.append([gone], recorded_us=T0)
    for n in range(2, 60):
        journal.append([fact(n * 3)], recorded_us=T0)
    tidy(journal, T0 + 10 * DAY_US)
    newest = {e.subject: e.body for e in journal.newest_samples(100)}
    assert newest[gone.subject] == gone.body
    assert journal.verify().faults == ()
    journal.close()


def test_the_oldest_are_erased_until_the_size_is_kept(tmp_path: Path) -> None:
    journal = filled(tmp_path, SEAL, 100)
    tidy(journal, T0 + 30 * DAY_US)
    journal.close()
    sizes = [path.stat().st_size for path in (tmp_path / "sealed").rglob("*.seal")]
    most = sum(sizes) - 100
    journal = SqliteJournal(tmp_path, Keeping(seal_after_days=1, sealed_bytes=most, events=20))
    tidy(journal, T0 + 30 * DAY_US)
    assert journal.erased_upto() == 20
    assert sum(path.stat().st_size for path in (tmp_path / "sealed").rglob("*.*")) <= most
    assert journal.verify().faults == ()
    journal.close()


def test_a_body_that_vanished_is_found_by_verifying(journal: SqliteJournal, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE event SET body = x'' WHERE position = 45")
        db.execute("INSERT INTO segment VALUES (41, 45, 'x', 1, 45, 0)")
    writer = SegmentWriter(tmp_path / "sealed" / "x")
    writer.add([41], [b"{}"])
    writer.finish()
    (fault,) = journal.verify().faults
    assert fault.position == 45
    assert "body is missing" in fault.problem
    with pytest.raises(ConfigurationError, match="body of position 45 is missing"):
        everything(journal)


@pytest.mark.parametrize("harm", ["gone", "cut", "changed"])
def test_a_missing_or_damaged_file_is_named(journal: SqliteJournal, tmp_path: Path, harm: str) -> None:
    tidy(journal, T0 + 3 * DAY_US)
    (path,) = (tmp_path / "sealed").rglob("21-40.seal")
    kept = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(kept[:-9])
    else:
        path.write_bytes(kept[:60] + bytes([kept[60] ^ 1]) + kept[61:])
    with closing(SqliteJournalReader(tmp_path)) as reader:
        with pytest.raises(ConfigurationError, match=r"21-40\.seal is (missing|damaged)"):
            everything(reader)
        path.write_bytes(kept)
        assert len(everything(reader)) == 50


def test_what_a_file_does_not_give_back_stays_in_the_tables(journal: SqliteJournal, tmp_path: Path) -> None:
    while not list((tmp_path / "sealed").rglob("1-20.seal")):
        assert journal.tidy(T0 + 3 * DAY_US)
    (path,) = (tmp_path / "sealed").rglob("1-20.seal")
    writer = SegmentWriter(path)
    for n in range(1, 21):
        writer.add([n], [b"something else"])
    writer.finish()
    with pytest.raises(ConfigurationError, match="does not give back position 1"):
        tidy(journal, T0 + 3 * DAY_US)
    assert in_tables(tmp_path) == list(range(1, 51))


def test_a_journal_of_the_format_before_is_taken_over(tmp_path: Path) -> None:
    journal = filled(tmp_path, SEAL)
    before = everything(journal)
    journal.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("DROP TABLE segment")
        db.execute("UPDATE identity SET format = 1")
    with closing(SqliteJournalReader(tmp_path)) as reader:
        assert reader.verify().faults == ()
    journal = SqliteJournal(tmp_path, SEAL)
    tidy(journal, T0 + 3 * DAY_US)
    assert everything(journal) == before
    journal.close()


def test_what_a_restored_journal_seals_replaces_nothing_of_the_life_before(tmp_path: Path) -> None:
    journal = filled(tmp_path / "a", SEAL)
    copy = tmp_path / "copy.sqlite"
    journal.backup(copy)
    tidy(journal, T0 + 3 * DAY_US)
    sealed = sorted((tmp_path / "a" / "sealed").rglob("*.seal"))
    journal.close()
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / "a" / f"{FILE}{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, tmp_path / "a" / FILE)
    journal = SqliteJournal(tmp_path / "a", SEAL)
    journal.begin_incarnation()
    tidy(journal, T0 + 3 * DAY_US)
    assert set(sealed) < set((tmp_path / "a" / "sealed").rglob("*.seal"))
    assert journal.verify().faults == ()
    journal.close()


def test_a_segment_gives_back_what_was_written_block_by_block(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "deep" / "one.seal")
    writer.add([3, 5], [b"three", b""])
    writer.add([9], [b"\n\x00nine"])
    assert writer.finish() == (tmp_path / "deep" / "one.seal").stat().st_size
    with closing(Segment(tmp_path / "deep" / "one.seal")) as segment:
        assert dict(segment.bodies()) == {3: b"three", 5: b"", 9: b"\n\x00nine"}
        found = {n: body for n in range(12) if (body := segment.body(n)) is not None}
    assert found == {3: b"three", 5: b"", 9: b"\n\x00nine"}


def test_a_backup_takes_its_sealed_files_along_and_restores_them(tmp_path: Path) -> None:
    journal = filled(tmp_path / "live", SEAL)
    tidy(journal, T0 + 3 * DAY_US)
    before = everything(journal)
    head = journal.backup(tmp_path / "usb.sqlite")
    with pytest.raises(ConfigurationError, match="name a new file"):
        journal.backup(tmp_path / "usb.sqlite")
    journal.close()
    shutil.rmtree(tmp_path / "live")

    restored, aside = restore(tmp_path / "usb.sqlite", tmp_path / "live")

    assert (restored, aside) == (head, None)
    with closing(SqliteJournalReader(tmp_path / "live")) as reader:
        assert everything(reader) == before
        assert reader.verify().faults == ()


def test_what_an_erasure_replaces_while_it_is_copied_is_copied_as_it_is_then(tmp_path: Path) -> None:
    journal = filled(tmp_path / "live", ERASE)
    tidy(journal, T0 + 3 * DAY_US)
    assert list((tmp_path / "live" / "sealed").rglob("21-40.seal"))
    with closing(sqlite3.connect(tmp_path / "copy.sqlite")) as copy:
        journal._db.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        tidy(journal, T0 + 5 * DAY_US)
        copy_sealed(copy, journal._db, tmp_path / "live" / "sealed", beside(tmp_path / "copy.sqlite"))
    expected = everything(journal)
    journal.close()

    restore(tmp_path / "copy.sqlite", tmp_path / "new")
    with closing(SqliteJournalReader(tmp_path / "new")) as reader:
        assert everything(reader) == expected
        assert reader.verify().faults == ()


def test_a_replaced_journal_stays_readable_where_it_is_moved_to(tmp_path: Path) -> None:
    journal = filled(tmp_path / "live", SEAL, 30)
    journal.backup(tmp_path / "copy.sqlite")
    tidy(journal, T0 + 3 * DAY_US)
    journal.close()

    _, aside = restore(tmp_path / "copy.sqlite", tmp_path / "live")

    assert aside is not None
    with closing(SqliteJournalReader(aside)) as reader:
        assert len(everything(reader)) == 30
        assert reader.verify().faults == ()


def test_a_backup_whose_sealed_files_are_lost_is_not_restored(tmp_path: Path) -> None:
    journal = filled(tmp_path / "live", SEAL)
    tidy(journal, T0 + 3 * DAY_US)
    journal.backup(tmp_path / "copy.sqlite")
    journal.close()
    shutil.rmtree(beside(tmp_path / "copy.sqlite"))

    with pytest.raises(ConfigurationError, match=r"1-20\.seal is missing"):
        restore(tmp_path / "copy.sqlite", tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere" / FILE).exists()
    restore(tmp_path / "copy.sqlite", tmp_path / "live")  # where they still are
    with closing(SqliteJournalReader(tmp_path / "live")) as reader:
        assert reader.verify().faults == ()
