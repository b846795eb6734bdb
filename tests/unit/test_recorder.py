"""The recorder without a broker: what it learns, tells and survives, message by message."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import envelope, instants
from bus.connection import Broker, Message
from bus.envelope import Envelope
from bus.journal_sqlite import SqliteJournalReader
from bus.recorder import Recorder
from bus.replay import ReplayService
from bus.sealing import Keeping
from bus.topics import Topics

TOPICS = Topics()
NOBODY = Broker("127.0.0.1", 1)
SEAL = Keeping(seal_after_days=0, events=5, block=5)
TB = 10**12
packets = count(1)


@contextmanager
def recording(path: Path, keeping: Keeping | None = None) -> Iterator[Recorder]:
    recorder = Recorder(path, NOBODY, node_id="edge-01", keeping=keeping)
    with closing(recorder.journal):
        yield recorder


def take(recorder: Recorder, type_: str, subject: str, data: Mapping[str, Any], id_: str) -> None:
    """Hand over one message, as the broker does."""
    said = Envelope(id_, "/edge-01/alice", type_, subject, instants.now_us(), data)
    topic = TOPICS.intake("alice", subject, type_)
    recorder._take(Message(topic, envelope.encode(said), qos=1, mid=next(packets)))


def note(recorder: Recorder, n: int, text: str = "") -> None:
    take(recorder, "note.added", "rig_01", {"text": text or f"note {n}"}, f"note-{n}")


def recorded(path: Path) -> list[tuple[str, str]]:
    with closing(SqliteJournalReader(path / "journal")) as journal:
        return [(one.type, one.subject) for one in journal.read()]


def sealed(recorder: Recorder) -> Path:
    """Seal what can be; return the first file."""
    while recorder.journal.tidy(instants.now_us() + 10**7):
        pass
    return next(recorder.journal.path.parent.glob("sealed/*/*.seal"))


@pytest.mark.parametrize("commit_between", [True, False])
def test_a_registration_that_is_refused_gives_no_names(tmp_path: Path, commit_between: bool) -> None:
    with recording(tmp_path) as recorder:
        take(recorder, "system.registered", "rig_99", {"name": "Rig 99"}, "same")
        if commit_between:
            recorder._commit()
        take(recorder, "system.registered", "rig_99", {"name": "Rig", "aliases": ["rig_01"]}, "same")
        note(recorder, 1)
        recorder._commit()

        assert [letter.reason for letter, _ in recorder.journal.dead_letters()] == ["id_reused"]
    assert recorded(tmp_path) == [("system.registered", "rig_99"), ("note.added", "rig_01")]


def test_names_that_are_registered_count_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        take(recorder, "system.registered", "rig_99", {"name": "Rig", "aliases": ["rig_01"]}, "r")
        note(recorder, 1)
        recorder._commit()
    with recording(tmp_path) as recorder:
        note(recorder, 2)
        recorder._commit()

    assert [subject for _, subject in recorded(tmp_path)] == ["rig_99"] * 3


def test_samples_given_up_for_want_of_disk_are_told_before_a_stop(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, NOBODY, node_id="edge-01")
    recorder._disk.measure = lambda _: (0, TB)
    for _ in range(2):
        recorder._disk._look_at = 0.0
        recorder._watch_disk()
    for n in range(7):
        data = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": 1.0}}
        take(recorder, "sample.taken", "rig_01", data, f"s{n}")
    recorder.run(lambda: True)

    with closing(SqliteJournalReader(tmp_path / "journal")) as journal:
        (told,) = journal.read(types=["samples.dropped"])
    assert (told.subject, envelope.decode(told.body).data["count"]) == ("rig_01", 7)


def test_a_damaged_sealed_file_does_not_stop_recording_and_is_told(tmp_path: Path) -> None:
    with recording(tmp_path, SEAL) as recorder:
        for n in range(6):
            note(recorder, n)
        recorder._commit()
        file = sealed(recorder)
        file.write_bytes(file.read_bytes()[:30] + b"\xff" + file.read_bytes()[31:])
        note(recorder, 1)
        note(recorder, 7)
        recorder._commit()

        assert file.name in str(recorder._past.problem)
        assert recorder.journal.head().position == 7
        recorder._announcer.published = 0
        recorder._on_connect(session_present=True)


def test_a_recorder_starts_with_a_sealed_file_gone_and_knows_the_names_in_it(tmp_path: Path) -> None:
    with recording(tmp_path, SEAL) as recorder:
        take(recorder, "system.registered", "rig_99", {"name": "Rig", "aliases": ["rig_01"]}, "r")
        take(recorder, "alarm.raised", "host_edge_01", {"alarm": "hot", "level": "alarm", "text": "x"}, "a")
        for n in range(6):
            note(recorder, n)
        recorder._commit()
        sealed(recorder).unlink()
    with recording(tmp_path, SEAL) as recorder:
        note(recorder, 8)
        recorder._commit()

        (newest,) = recorder.journal.read(8)
        assert newest.subject == "rig_99"


def test_a_recorder_starts_without_names_that_nothing_gives_back_and_says_so(tmp_path: Path) -> None:
    with recording(tmp_path, SEAL) as recorder:
        take(recorder, "system.registered", "rig_99", {"name": "Rig", "aliases": ["rig_01"]}, "r")
        for n in range(6):
            note(recorder, n)
        recorder._commit()
        file = sealed(recorder)
        file.unlink()
        recorder.journal._db.execute("UPDATE event SET body = x'' WHERE position = 1")
    with recording(tmp_path, SEAL) as recorder:
        note(recorder, 8)
        recorder._commit()

        assert recorder.journal.head().position == 8
        assert file.name in str(recorder._past.problem)


def test_messages_with_ids_that_are_taken_cost_one_commit_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(tmp_path) as recorder:
        for n in range(20):
            note(recorder, n)
        recorder._commit()
        append, commits = recorder.journal.append, count()
        monkeypatch.setattr(
            recorder.journal, "append", lambda *said, **more: (next(commits), append(*said, **more))[1]
        )
        for n in range(20):
            note(recorder, n, "other")
        recorder._commit()

        assert len(recorder.journal.dead_letters()) == 20
        assert next(commits) == 2


def test_a_replay_of_what_cannot_be_read_is_answered_and_ends_no_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(tmp_path, SEAL) as recorder:
        for n in range(6):
            note(recorder, n)
        recorder._commit()
        file = sealed(recorder)
        file.unlink()
    service, answers = ReplayService(tmp_path, NOBODY), list[dict[str, Any]]()
    monkeypatch.setattr(
        service.connection, "publish", lambda _, body, **__: answers.append(orjson.loads(body))
    )

    service._request(Message("ovr/replay/request", b"{}", qos=1, response_topic="ovr/replay/me"))
    service._reader.close()

    assert answers[-1]["reason"] == "unavailable"
    assert file.name in answers[-1]["hint"]


def numbered(recorder: Recorder, n: int, length: int) -> None:
    said = Envelope(
        f"n{n}", "/edge-01/alice", "note.added", "rig_01", instants.now_us(), {"text": "x" * length}
    )
    number = (("epoch", "e1"), ("sequence", str(n)))
    topic = TOPICS.intake("alice", "rig_01", "note.added")
    recorder._take(Message(topic, envelope.encode(said), qos=1, mid=next(packets), user_properties=number))


def test_what_is_in_hand_is_bounded_by_bytes_and_a_sender_goes_back_to_what_was_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.recorder._BYTES_IN_HAND", 10_000)
    with recording(tmp_path) as recorder:
        for n in range(1, 31):
            numbered(recorder, n, 1_000)
        note(recorder, 1)
        recorder._commit()
        taken = recorder.journal.head().position - 1
        assert 5 < taken <= 10

        for n in range(taken + 1, 16):
            numbered(recorder, n, 1_000)
            recorder._commit()
        assert recorder.journal.head().position == 16


def test_of_what_is_refused_no_more_is_held_than_is_buried(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        recorder._blocked = True
        recorder._take(Message("ovr/in/alice/rig_01/note.added", bytes(200_000), qos=1, mid=1))

        (held,) = recorder._batch
        assert (len(held.message.payload), len(held.letters[0].payload)) == (0, 65_536)
