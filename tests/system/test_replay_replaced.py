"""A journal that is replaced under the replay service: who reads through it is told, and others go on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.follow import Follower
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from schemas.errors import ConfigurationError
from tests.contract.test_journal import T0, entry
from tests.replaying import COUNT, Asker, Serving, reading, serving, tell
from tests.waiting import until


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path) as found:
        yield found


def replace(local: SqliteJournalReader, copy: Path, subject: str, count: int) -> None:
    """Put a copy of the journal in its place, grown by events of another system."""
    journal = SqliteJournal(copy)
    journal.append([entry(COUNT + n, subject=subject) for n in range(count)], recorded_us=T0)
    journal.close()
    for suffix in ("-wal", "-shm"):
        local.path.with_name(FILE + suffix).unlink(missing_ok=True)
    (copy / FILE).replace(local.path)


def older(tmp_path: Path, local: SqliteJournalReader) -> Path:
    """Copy the journal as it is into a directory of its own."""
    (tmp_path / "older").mkdir()
    local.backup(tmp_path / "older" / FILE)
    return tmp_path / "older"


def test_a_replay_whose_journal_is_replaced_ends_with_an_error_and_the_next_one_works(
    tmp_path: Path, site: Serving
) -> None:
    local, asker = site.local, Asker(site.broker.port)
    copy = older(tmp_path, local)
    asker.answers.clear()
    request = b'{"id":"slow","speed":1}'
    asker.connection.publish("ovr/replay/request", request, qos=1, response_topic="ovr/replay/x/_reply/me")
    until(lambda: asker.events, "it runs", turn=lambda: asker.connection.step(0.02))

    replace(local, copy, "rig_9", 1)
    until(lambda: len(asker.answers) == 2, "it ends", turn=lambda: asker.connection.step(0.02))

    assert (asker.answers[1]["status"], asker.answers[1]["reason"]) == ("error", "unavailable")
    assert asker.ask(b'{"id":"next"}')["count"] == COUNT + 1
    asker.connection.close()


def test_a_follower_on_another_machine_notices_a_journal_that_was_restored_and_outgrew_it(
    tmp_path: Path, site: Serving
) -> None:
    local = site.local
    copy = older(tmp_path, local)
    journal = SqliteJournal(local.path.parent)
    journal.append([entry(COUNT + n) for n in range(3)], recorded_us=T0)
    journal.close()
    tell(site)
    with reading(site) as remote:
        until(lambda: remote.head().position == COUNT + 3, "the head is heard")
        follower = Follower(remote, None, what="the copy", remedy="begin again")
        while follower.place.position < COUNT + 3:
            follower.batch(500)

        replace(local, copy, "rig_9", 10)
        tell(site)
        until(lambda: remote.head().position == COUNT + 10, "the new head is heard")

        with pytest.raises(ConfigurationError, match="restored or replaced: begin again"):
            follower.batch(500)
