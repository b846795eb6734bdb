"""A backup is whole or it is not there, is small the second time, and makes a node again."""

import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bus import anchor, restored
from bus.envelope import decode
from bus.journal_parts import JournalSource, build
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.outbox import Outbox
from bus.sealing import Keeping
from ovr.backup import Backup, Made
from ovr.backup_check import check
from ovr.backup_manifest import read, write
from ovr.backup_store import BackupStore, stores
from ovr.config import Site
from ovr.layout import Layout
from ovr.node import Node
from ovr.restoring import restore
from projectors.archive_place import place_of
from projectors.archive_rebuild import rebuild_archive
from schemas.errors import ConfigurationError
from tests.unit.test_outbox import fact as waiting_fact
from tests.unit.test_sealing import DAY_US, ERASE, SEAL, T0, everything, fact, filled, tidy

COUNT = 120


def node_at(data: Path) -> Node:
    return Node(Site(node_id="edge-01", data=data), Layout(data), None)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node with events of five days, a photo, an outbox, users and things that are remade."""
    data = tmp_path / "data"
    filled(data / "journal", SEAL, COUNT).close()
    outbox = Outbox(data / "outbox" / "alice.sqlite")
    outbox.put(waiting_fact(1), 0.0)
    outbox.close()
    for name, content in {
        "photos/" + "9f" * 32: b"a photo",
        "users.json": b"{}",
        "state/000001.sqlite": b"made again",
        "series.verify/series.sqlite": b"made for a moment",
        "recorder/head.json": b"{}",
        "run/secrets/web": b"secret",
    }.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    (data / "users.json").chmod(0o600)
    return node_at(data)


@pytest.fixture
def store(tmp_path: Path) -> BackupStore:
    return BackupStore(tmp_path / "usb" / "edge-01")


def backed_up(node: Node, store: BackupStore) -> Made:
    return Backup(node, store).make()


def grown(node: Node, keeping: Keeping, now_us: int) -> None:
    """Let the recorder seal and erase."""
    with closing(SqliteJournal(node.layout.journal, keeping)) as journal:
        tidy(journal, now_us)


@pytest.mark.parametrize("keeping", [None, SEAL, ERASE], ids=["whole", "sealed", "erased"])
def test_a_restored_node_has_every_event_with_its_hash_and_all_that_is_truth(
    node: Node, store: BackupStore, tmp_path: Path, keeping: Keeping | None
) -> None:
    if keeping is not None:
        grown(node, keeping, T0 + 9 * DAY_US)
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        before, verdict = everything(reader), reader.verify()
    manifest = backed_up(node, store).manifest
    assert check(store, manifest).problems == ()

    target = node_at(tmp_path / "new")
    done = restore(target, store, manifest)

    assert (done.head, done.aside, done.carried) == (manifest.head, None, 0)
    with closing(SqliteJournal(target.layout.journal, keeping)) as journal:
        assert everything(journal) == before
        assert journal.verify() == verdict
        assert (verdict.erased > 0) is (keeping is ERASE)
        tidy(journal, T0 + 9 * DAY_US)
        assert everything(journal) == before
    assert (target.layout.photos / ("9f" * 32)).read_bytes() == b"a photo"
    assert (target.layout.users.stat().st_mode & 0o777) == 0o600
    outbox = Outbox(target.layout.outbox / "alice.sqlite")
    assert [decode(item.body).id for item in outbox.waiting()] == [waiting_fact(1).id]
    outbox.close()
    assert not {path.name for path in target.layout.data.iterdir()} & {"state", "series.verify", ".restoring"}
    assert not (target.layout.run / "secrets").exists()


def test_the_second_backup_copies_only_what_is_new(node: Node, store: BackupStore) -> None:
    first = backed_up(node, store)
    second = backed_up(node, store)

    assert second.manifest.head == first.manifest.head
    assert second.manifest.parts == first.manifest.parts
    assert second.copied < 100_000  # tables, and the outbox's few pages
    assert len(store.names()) == 2
    assert store.names() == sorted(store.names())


def test_parts_of_another_past_are_not_taken_for_this_one(node: Node, store: BackupStore) -> None:
    before = backed_up(node, store).manifest
    with closing(sqlite3.connect(node.layout.journal / FILE)) as db, db:
        db.execute("DELETE FROM event WHERE position > 110")
    with closing(SqliteJournal(node.layout.journal)) as journal:
        journal.begin_incarnation()
        journal.append([fact(n) for n in range(110, COUNT)], recorded_us=T0)

    after = backed_up(node, store).manifest

    assert after.head.position == before.head.position
    assert after.parts[-1].sha256 != before.parts[-1].sha256
    assert check(store, after).problems == check(store, before).problems == ()


def test_a_backup_that_was_killed_is_not_there_and_the_next_one_cleans_up(
    node: Node, store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = backed_up(node, store).manifest

    def killed(_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        backed_up(node, store)
    (store.directory / "objects" / ".part-torn").write_bytes(b"half")
    monkeypatch.undo()

    assert store.names() == [whole.name]
    backed_up(node, store)
    assert store.keep(1) == [whole.name]
    kept = {path.name for path in (store.directory / "objects").rglob("*") if path.is_file()}
    assert kept == set(store.manifest().objects())
    assert check(store, store.manifest()).problems == ()


@pytest.mark.parametrize("how", ["changed", "gone", "shorter"])
def test_any_damage_is_found_and_nothing_is_restored_from_it(
    node: Node, store: BackupStore, tmp_path: Path, how: str
) -> None:
    manifest = backed_up(node, store).manifest
    for sha256 in manifest.objects():
        path = store.path(sha256)
        kept = path.read_bytes()
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(kept[:-1] + (b"" if how == "shorter" else bytes([kept[-1] ^ 1])))
        assert len(check(store, manifest).problems) == 1
        if sha256 == manifest.parts[0].sha256:
            with pytest.raises((ConfigurationError, OSError, sqlite3.Error)):
                restore(node_at(tmp_path / "new"), store, manifest)
            assert not (tmp_path / "new" / "journal" / FILE).exists()
        path.write_bytes(kept)
        path.chmod(0o600)
    assert check(store, manifest).problems == ()


def test_a_manifest_proves_itself_and_leads_nowhere_else(node: Node, store: BackupStore) -> None:
    manifest = backed_up(node, store).manifest
    assert read(write(manifest), "it") == manifest
    text = write(manifest)
    with pytest.raises(ConfigurationError, match="was changed"):
        read(text.replace(b"users.json", b"loser.json"), "it")
    outside = replace(manifest, files=(replace(manifest.files[0], path="../../etc/passwd"),))
    with pytest.raises(ConfigurationError, match="leads out"):
        read(write(outside), "it")
    for torn in (b"", b"{}", text[:-9], b"null"):
        with pytest.raises(ConfigurationError):
            read(torn, "it")


def test_a_journal_is_replaced_only_when_that_is_said_and_what_waits_there_goes_on_waiting(
    node: Node, store: BackupStore
) -> None:
    manifest = backed_up(node, store).manifest
    outbox = Outbox(node.layout.outbox / "alice.sqlite")
    outbox.put(waiting_fact(2), 0.0)
    outbox.close()
    node.layout.users.write_bytes(b'{"alice": 1}')
    with closing(SqliteJournal(node.layout.journal)) as journal:
        anchor.save(anchor.directory(node.layout.recorder), journal.head())
        journal.begin_incarnation()

    with pytest.raises(ConfigurationError, match="all of which the backup has: add --replace"):
        restore(node, store, manifest)
    with (
        closing(SqliteJournal(node.layout.journal)),
        pytest.raises(ConfigurationError, match="stop the node"),
    ):
        restore(node, store, manifest, replace=True)

    done = restore(node, store, manifest, replace=True)

    assert done.aside is not None
    with closing(SqliteJournalReader(done.aside / "journal")) as old:
        assert old.head().position == COUNT
    assert (done.aside / "state").is_dir()
    assert not node.layout.state.exists()
    assert done.kept == ("users.json",)
    outbox = Outbox(node.layout.outbox / "alice.sqlite")
    assert [decode(item.body).id for item in outbox.waiting()] == [waiting_fact(n).id for n in (1, 2)]
    outbox.close()


def test_a_restored_journal_begins_a_new_incarnation_and_says_so_once(
    node: Node, store: BackupStore, tmp_path: Path
) -> None:
    manifest = backed_up(node, store).manifest
    target = node_at(tmp_path / "new")
    restore(target, store, manifest)
    copy = anchor.directory(target.layout.recorder)
    for _ in range(2):
        with closing(SqliteJournal(target.layout.journal)) as journal:
            restored.note(journal, copy, "/edge-01/recorder")
            anchor.save(copy, journal.head())
            assert journal.head().incarnation != manifest.head.incarnation
            said = [decode(event.body) for event in journal.read(COUNT)]
    assert [one.type for one in said] == ["journal.restored"]
    assert said[0].data["reason"] == "restore"
    assert said[0].data["previous_incarnation"] == manifest.head.incarnation
    assert manifest.name in said[0].data["note"]


def test_a_restore_that_was_killed_while_it_moved_things_is_finished_by_the_same_command(
    node: Node, store: BackupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = backed_up(node, store).manifest
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        before = everything(reader)
    moves = 0
    while True:
        left = moves
        real = os.replace

        def moving(source: object, target: object, real: object = real) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            real(source, target)  # type: ignore[operator]

        monkeypatch.setattr(os, "replace", moving)
        try:
            restore(node, store, manifest, replace=True)
        except KeyboardInterrupt:
            monkeypatch.undo()
            moves += 1
            continue
        monkeypatch.undo()
        break
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        assert everything(reader) == before
    assert moves > 2


def test_a_manifest_that_cannot_be_read_stops_no_backup_and_loses_nothing(
    node: Node, store: BackupStore
) -> None:
    whole = backed_up(node, store).manifest
    torn = store.directory / f"{whole.name}+.json"
    torn.write_text("{")

    made = Backup(node, store).make(keep=1)

    assert made.removed == [whole.name, torn.stem]
    assert store.names() == [made.manifest.name]
    torn.write_text("{")
    assert store.newest() is not None
    store.keep(2)
    assert check(store, made.manifest).problems == ()


def test_what_the_journal_erased_is_restored_from_the_archive(
    node: Node, store: BackupStore, tmp_path: Path
) -> None:
    rebuild_archive(node.layout.data)
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        samples = sum(event.type == "sample.taken" for event in reader.read())
    grown(node, ERASE, T0 + 9 * DAY_US)

    manifest = backed_up(node, store).manifest
    target = node_at(tmp_path / "new")
    restore(target, store, manifest)

    place = place_of((target.layout.archive / "current").resolve())
    assert place is not None
    assert place.position == manifest.archived_upto == manifest.erased_upto > 0
    rebuild_archive(target.layout.data)
    rows = pq.read_table(target.layout.archive / "current", partitioning=None)["position"].to_pylist()
    assert len(set(rows)) == len(rows) == samples


def _segments(db: sqlite3.Connection) -> list[tuple[int, int, int]]:
    return db.execute("SELECT first, last, cleared FROM segment ORDER BY first").fetchall()


@pytest.mark.parametrize("type_", ["system.registered", "note.added"])
@pytest.mark.parametrize("sealed_first", [True, False], ids=["sealed", "whole"])
def test_bodies_are_taken_out_again_only_where_they_came_along(
    tmp_path: Path, type_: str, *, sealed_first: bool
) -> None:
    """Those of registrations stay in the tables, and tell nothing."""
    path, parts = tmp_path / "journal", list[Path]()
    with closing(SqliteJournal(path, SEAL)) as journal:
        for n in range(50):
            one = replace(fact(n), type=type_) if n % 10 == 0 else fact(n)
            journal.append([one], recorded_us=T0 + n)
        if sealed_first:
            tidy(journal, T0 + 9 * DAY_US)
        with closing(JournalSource(path / FILE)) as source:
            for one_range in source.ranges(journal.head()):
                parts.append(tmp_path / f"part-{one_range.first}")
                source.part(one_range, parts[-1])
            tidy(journal, T0 + 9 * DAY_US)
            source.tables(tmp_path / "tables")
            source.sealed(lambda _: None, tmp_path / "segments")

    build(tmp_path / "built", tmp_path / "tables", tmp_path / "segments", parts)

    with closing(sqlite3.connect(tmp_path / "built")) as built:
        cleared = [(1, 20, 20), (21, 40, 40)] if sealed_first else [(1, 20, 0), (21, 40, 20)]
        assert _segments(built) == cleared


def test_backups_of_several_nodes_lie_in_one_place(node: Node, tmp_path: Path) -> None:
    for name in ("edge-01", "edge-02"):
        backed_up(node, BackupStore(tmp_path / "usb" / name))
    assert [one.directory.name for one in stores(tmp_path / "usb")] == ["edge-01", "edge-02"]
    assert [one.directory.name for one in stores(tmp_path / "usb" / "edge-02")] == ["edge-02"]
