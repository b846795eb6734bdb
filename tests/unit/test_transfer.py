"""Export and import of a journal: to the byte, and tampering shows."""

from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bus import transfer
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from schemas.errors import ConfigurationError, InputError
from tests.contract.test_journal import T0, entry
from tests.journals import MemoryJournal


def filled(journal: MemoryJournal | SqliteJournal, count: int = 30) -> None:
    for n in range(0, count, 3):
        journal.append([entry(n), entry(n + 1), entry(n + 2)], recorded_us=T0 + n)


def test_an_import_into_an_empty_journal_gives_the_same_chain(tmp_path: Path) -> None:
    origin, copy = MemoryJournal(), SqliteJournal(tmp_path / "copy")
    filled(origin)

    transfer.export(origin.read(), origin.head(), tmp_path / "journal.jsonl.zst")
    counts = transfer.import_(tmp_path / "journal.jsonl.zst", copy)

    assert counts == (30, 0)
    assert list(copy.read()) == list(origin.read())
    assert copy.verify().faults == ()
    copy.close()


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    origin, copy = MemoryJournal(), MemoryJournal()
    filled(origin)
    transfer.export(origin.read(), origin.head(), tmp_path / "journal.jsonl.zst")

    transfer.import_(tmp_path / "journal.jsonl.zst", copy)
    counts = transfer.import_(tmp_path / "journal.jsonl.zst", copy)

    assert counts == (0, 30)
    assert len(copy.events) == 30


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    origin = MemoryJournal()
    filled(origin)
    origin.tamper(7, origin.events[6].body.replace(b"note", b"mote"))
    transfer.export(origin.read(), origin.head(), tmp_path / "journal.jsonl.zst")

    with pytest.raises(ConfigurationError, match="was changed"):
        transfer.import_(tmp_path / "journal.jsonl.zst", MemoryJournal())


def test_a_part_of_a_journal_may_be_imported_into_another(tmp_path: Path) -> None:
    origin, other = MemoryJournal(), MemoryJournal()
    filled(origin)
    filled(other)
    transfer.export(origin.read(after=20), origin.head(), tmp_path / "part.jsonl.zst")

    assert transfer.import_(tmp_path / "part.jsonl.zst", other) == (10, 0)
    assert other.head().position == 40


def test_a_file_that_is_no_export_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"hello":1}\n')

    with pytest.raises(ConfigurationError, match="no journal export"):
        list(transfer.read(tmp_path / "x.jsonl"))


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    origin = MemoryJournal()
    filled(origin, 3)
    transfer.export(origin.read(), origin.head(), tmp_path / "journal.jsonl.zst")
    plain = zstandard.ZstdDecompressor().stream_reader((tmp_path / "journal.jsonl.zst").read_bytes()).read()
    (tmp_path / "broken.jsonl").write_bytes(plain + b"{}\n")

    with pytest.raises(InputError, match="line 5"):
        list(transfer.read(tmp_path / "broken.jsonl"))


def test_an_export_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")

    with pytest.raises(ConfigurationError, match="exists"):
        transfer.export([], MemoryJournal().head(), tmp_path / "precious")


@given(st.text(max_size=60), st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_survives_a_line(note: str, id_: str) -> None:
    journal = MemoryJournal()
    written = entry(1, id_="x" + "".join(c for c in id_ if c.isprintable()))
    body = written.body.replace(b"note 1", b'\\",\\"position\\":\\"' if not note else b"note 2")
    journal.append([Entry("c", written.source, written.id, written.type, "rig_01", T0, body)], recorded_us=T0)

    assert transfer.from_line(transfer.to_line(journal.events[0])).body == body
