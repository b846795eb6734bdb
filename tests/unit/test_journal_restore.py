"""Putting a backup back: nothing of the journal that was killed gets into it."""

import shutil
from pathlib import Path

import pytest

from bus.journal_restore import restore
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from schemas.errors import ConfigurationError
from tests.contract.test_journal import T0, entry


def killed(tmp_path: Path) -> tuple[Path, Path]:
    """Make a backup of three events, and what a killed recorder leaves of eight; return both."""
    journal = SqliteJournal(tmp_path / "live")
    journal.append([entry(n) for n in range(3)], recorded_us=T0)
    journal.backup(tmp_path / "backup.sqlite")
    journal.append([entry(n) for n in range(3, 8)], recorded_us=T0)
    shutil.copytree(tmp_path / "live", tmp_path / "left")
    journal.close()
    return tmp_path / "backup.sqlite", tmp_path / "left"


def test_a_restored_journal_is_the_backup_and_what_was_there_is_kept_whole(tmp_path: Path) -> None:
    backup, directory = killed(tmp_path)
    assert (directory / f"{FILE}-wal").stat().st_size > 0

    head, aside = restore(backup, directory)

    restored = SqliteJournalReader(directory)
    assert restored.head() == head
    assert [event.position for event in restored.read()] == [1, 2, 3]
    assert restored.verify().faults == ()
    restored.close()
    assert aside is not None
    replaced = SqliteJournalReader(aside)
    assert replaced.head().position == 8
    assert replaced.verify().faults == ()
    replaced.close()


def test_a_journal_may_be_restored_where_none_is(tmp_path: Path) -> None:
    backup, _ = killed(tmp_path)

    head, aside = restore(backup, tmp_path / "new")

    assert (head.position, aside) == (3, None)


def test_a_journal_that_is_written_is_not_replaced(tmp_path: Path) -> None:
    backup, directory = killed(tmp_path)
    writer = SqliteJournal(directory)

    with pytest.raises(ConfigurationError, match="stop the node first"):
        restore(backup, directory)

    assert writer.append([entry(9)], recorded_us=T0)
    writer.close()


@pytest.mark.parametrize("content", [b"", b"no database " * 1000])
def test_what_is_no_journal_replaces_nothing(tmp_path: Path, content: bytes) -> None:
    _, directory = killed(tmp_path)
    (tmp_path / "wrong").write_bytes(content)

    with pytest.raises(ConfigurationError, match="is not a whole journal"):
        restore(tmp_path / "wrong", directory)

    reader = SqliteJournalReader(directory)
    assert reader.head().position == 8
    reader.close()
    assert {path.suffix for path in directory.iterdir()} <= {".sqlite", ".sqlite-wal", ".sqlite-shm", ".lock"}
