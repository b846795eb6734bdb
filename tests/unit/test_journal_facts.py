"""Finding single facts in the journal: by source and id, and the newest first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus import envelope, ids
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal

T0 = 1_790_000_000_000_000


def entry(n: int, type_: str, subject: str, id_: str | None = None) -> Entry:
    fact = Envelope(id_ or ids.uuid7(), "/edge/web", type_, subject, T0 + n, {"text": str(n)})
    stream = "host/500" if type_ == "sample.taken" else None
    return Entry("web", fact.source, fact.id, type_, subject, T0 + n, envelope.encode(fact), stream)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[SqliteJournalReader]:
    """Open a journal: of each three events, two are samples; every second fact is of rig_02."""
    journal = SqliteJournal(tmp_path / "journal")
    said = [
        entry(n, "note.added" if n % 3 == 0 else "sample.taken", "rig_01" if n % 6 else "rig_02")
        for n in range(1, 61)
    ]
    journal.append([*said, entry(61, "photo.added", "rig_01", "not a uuid")], recorded_us=T0)
    opened = SqliteJournalReader(tmp_path / "journal")
    yield opened
    opened.close()
    journal.close()


def test_an_event_is_found_by_its_source_and_id(reader: SqliteJournalReader) -> None:
    for recorded in reader.read():
        assert reader.find("/edge/web", recorded.id) == recorded
    assert reader.find("/edge/web", ids.uuid7()) is None
    assert reader.find("/other/web", "not a uuid") is None


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("within", [2, 7, 1000])
def test_facts_are_read_backwards_in_pages_without_a_gap(
    reader: SqliteJournalReader, limit: int, within: int
) -> None:
    wanted = [row for row in reader.read(types=["note.added"]) if row.subject == "rig_02"]
    found, before = [], 2**62
    while True:
        page, following = reader.newest_facts(
            before, types=["note.added"], subjects=["rig_02"], limit=limit, within=within
        )
        found += page
        assert len(page) <= limit
        if following is None:
            break
        assert following < before
        before = following

    assert found == wanted[::-1]


def test_types_and_systems_that_were_never_met_are_no_error(reader: SqliteJournalReader) -> None:
    assert reader.newest_facts(2**62, types=["alarm.raised"]) == ([], None)
    assert reader.newest_facts(2**62, types=["note.added"], subjects=["nobody"]) == ([], None)
