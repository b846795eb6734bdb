"""Putting a backup back: a working node made from it, beside what is there, and then in its place.

Rules that must stay true here:
- nothing is written over: what was there is moved aside, and what waits in its outboxes is carried over;
- all is made and proven before anything is moved; killed while things are moved, the same command finishes;
- the restored journal begins a new incarnation: its recorder is asked to, and tells what was lost.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bus import ids, instants, restored
from bus.journal import Head
from bus.journal_parts import build
from bus.journal_sqlite import FILE, SqliteJournalReader
from bus.lockfile import hold
from bus.sealed_copy import sync
from ovr.backup_manifest import File, Manifest
from ovr.backup_store import BackupStore
from ovr.layout import REMADE
from ovr.node import Node
from ovr.preparing import locked
from schemas.errors import ConfigurationError

_READY = "ready.json"
_STAYS = frozenset({"run", "recorder", "photos", "simulator"})
_ARCHIVE = "archive/current/"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to.

    Attributes:
        head: the journal's, as it was in the backup.
        aside: where is what was there; None when nothing was.
        carried: events that waited in outboxes there, and wait in the restored ones now.
        kept: files that were there already and stay; the backup's are beside them, named `.restored`.
    """

    head: Head
    aside: Path | None
    carried: int
    kept: tuple[str, ...]


def restore(
    node: Node,
    store: BackupStore,
    manifest: Manifest,
    *,
    replace: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Restored:
    """Make a node of a backup.

    Args:
        node: whose data directory it becomes.
        store: where the backup is.
        manifest: which it is.
        replace: also where a journal is already.
        tell: is told what is done.

    Raises:
        ConfigurationError: the node runs, has a journal that is not to be replaced, or the backup is damaged.
    """
    layout = node.layout
    with _alone(node):
        if not (layout.restoring / _READY).exists():
            if not replace:
                _check_replaced(layout.journal, manifest.head)
            shutil.rmtree(layout.restoring, ignore_errors=True)
            try:
                _make(node, store, manifest, tell)
            except BaseException:
                shutil.rmtree(layout.restoring, ignore_errors=True)
                raise
        tell("moving it into place")
        return _move(layout.data, layout.restoring, layout.recorder)


@contextmanager
def _alone(node: Node) -> Iterator[None]:
    """Make sure that nothing of the node runs."""
    layout = node.layout
    layout.run.mkdir(parents=True, exist_ok=True)
    with locked(node):
        sentence = f"the journal in {layout.journal} is written by process {{holder}}: stop the node first"
        lock = hold(layout.journal / "journal.lock", sentence)
        try:
            yield
        finally:
            os.close(lock)


def _check_replaced(directory: Path, head: Head) -> None:
    """Refuse to replace a journal unasked.

    Raises:
        ConfigurationError: there is one.
    """
    if not (directory / FILE).exists():
        return
    with closing(SqliteJournalReader(directory)) as reader:
        there, known = reader.head(), reader.hash_at(head.position)
    if there.position == 0:
        return
    if there.journal != head.journal or (head.position <= there.position and known != head.hash):
        what = f"another journal, of {there.position:,} events"
    elif there.position > head.position:
        what = f"{there.position - head.position:,} events that the backup does not have"
    else:
        what = f"a journal of {there.position:,} events, all of which the backup has"
    raise ConfigurationError(f"{directory.parent} has {what}: add --replace to move it aside")


def _make(node: Node, store: BackupStore, manifest: Manifest, tell: Callable[[str], None]) -> None:
    """Make everything anew beside its place, and prove the journal."""
    draft = node.layout.restoring
    new, scratch = draft / "new", draft / "scratch"
    scratch.mkdir(parents=True)
    for one in manifest.files:
        tell(one.path)
        root = scratch if one.path.startswith(_ARCHIVE) else new
        _fetch(store, one, root / one.path)
    tell("the journal")
    journal = new / "journal"
    journal.mkdir(parents=True, exist_ok=True)
    tables, segments = store.path(manifest.tables.sha256), store.path(manifest.segments.sha256)
    build(journal / FILE, tables, segments, [store.path(one.sha256) for one in manifest.parts])
    sync(journal / FILE)
    with closing(SqliteJournalReader(journal)) as reader:
        tell("verifying the journal")
        verdict = reader.verify()
        if verdict.faults or verdict.head != manifest.head:
            fault = verdict.faults[0].problem if verdict.faults else f"it ends at {verdict.head.position}"
            raise ConfigurationError(f"the backup {manifest.name} is damaged: {fault}: use another")
        if manifest.archived_upto:
            tell("the archive")
            _archive(reader, scratch / _ARCHIVE, new / "archive", manifest.archived_upto)
    for path in journal.glob(f"{FILE}-*"):
        path.unlink()
    incarnation = ids.token()
    if manifest.victoria:
        _adopt_series(new / "series", incarnation)
    shutil.rmtree(scratch)
    aside = node.layout.data / f"replaced-{instants.now_us()}"
    carried = _carry_over(node.layout.outbox, new / "outbox")
    said = {
        "aside": aside.name,
        "carried": carried,
        "incarnation": incarnation,
        "head": _place(manifest.head),
        "name": manifest.name,
        "made_at": manifest.made_at,
    }
    (draft / _READY).write_bytes(orjson.dumps(said))
    for path in (draft / _READY, new, draft):
        sync(path)


def _fetch(store: BackupStore, one: File, target: Path) -> None:
    store.fetch(one.sha256, one.size, target)
    target.chmod(one.mode)
    if one.modified_ns:
        os.utime(target, ns=(one.modified_ns, one.modified_ns))


def _archive(reader: SqliteJournalReader, old: Path, directory: Path, upto: int) -> None:
    """Make an archive of what the journal has erased; its projector goes on from there."""
    from projectors.archive_rebuild import take_over  # noqa: PLC0415 - Arrow, for those who need it
    from projectors.generations import Generations  # noqa: PLC0415

    generations = Generations(directory, trees=True)
    root = generations.create()
    take_over(reader, old, root, upto)
    generations.serve(root)


def _adopt_series(directory: Path, incarnation: str) -> None:
    """Let the series go on: VictoriaMetrics was copied before the journal, and holds nothing lost."""
    from projectors.series import VERSION  # noqa: PLC0415 - only where there are any
    from projectors.series_store import SeriesStore  # noqa: PLC0415

    with closing(SeriesStore(directory, VERSION)) as series:
        series.adopt(incarnation)


def _carry_over(old: Path, new: Path) -> int:
    """Let what waits in outboxes that are there wait in the restored ones, behind what those hold."""
    count = 0
    for path in sorted(old.glob("*.sqlite")) if old.is_dir() else ():
        target = new / path.name
        if not target.exists():
            new.mkdir(parents=True, exist_ok=True)
            _copy(path, target)
        try:
            count += _append(path, target)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{path} cannot be read ({error}): move it away, and note it") from error
    return count


def _append(path: Path, target: Path) -> int:
    with (
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(target)) as outbox,
    ):
        known = {body for (body,) in outbox.execute("SELECT body FROM item")}
        (last,) = outbox.execute(
            "SELECT max(ifnull((SELECT max(n) FROM item), 0), ifnull((SELECT max(upto) FROM numbered), 0))"
        ).fetchone()
        rows = source.execute("SELECT sample, subject, type, time_us, body FROM item ORDER BY n").fetchall()
        added = [row for row in rows if row[-1] not in known]
        with outbox:
            outbox.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?, ?)",
                [(last + n, *row) for n, row in enumerate(added, start=1)],
            )
    return len(rows)


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as there,
        closing(sqlite3.connect(target)) as here,
    ):
        there.backup(here)


def _move(data: Path, draft: Path, recorder: Path) -> Restored:
    """Move aside what is in the way, and what was made into place; again after a kill."""
    said: dict[str, Any] = orjson.loads((draft / _READY).read_bytes())
    new, aside = draft / "new", data / said["aside"]
    head = Head(**{**said["head"], "hash": bytes.fromhex(said["head"]["hash"])})
    note = f"from the backup {said['name']} of {said['made_at']}"
    restored.ask(recorder, head, note, said["incarnation"])
    for name in sorted(REMADE - _STAYS):
        if (data / name).exists() and not (new / name).exists() and not _moved(draft, name):
            _aside(data / name, aside)
    kept = []
    for path in sorted(new.iterdir()):
        target = data / path.name
        if path.name in _STAYS and path.is_dir():
            _merge(path, target)
        elif path.is_file() and target.is_file() and path.read_bytes() == target.read_bytes():
            path.unlink()
        elif path.is_file() and target.exists():
            path.replace(target.with_name(f"{path.name}.restored"))
            kept.append(path.name)
        else:
            if target.exists():
                _aside(target, aside)
            (draft / f"moved-{path.name}").touch()
            path.replace(target)
    sync(data)
    shutil.rmtree(draft)
    return Restored(head, aside if aside.exists() else None, int(said["carried"]), tuple(kept))


def _moved(draft: Path, name: str) -> bool:
    return (draft / f"moved-{name}").exists()


def _aside(path: Path, aside: Path) -> None:
    if path.is_dir() and all(one.suffix == ".lock" for one in path.iterdir()):
        shutil.rmtree(path)
        return
    aside.mkdir(exist_ok=True)
    try:
        path.replace(aside / path.name)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be moved aside ({error.strerror}): if a disk is mounted there, restore into a"
            " directory below it"
        ) from error


def _merge(source: Path, target: Path) -> None:
    """Add files to a directory of files that never change."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        path.replace(target / path.name)
    source.rmdir()


def _place(head: Head) -> dict[str, Any]:
    return {
        "journal": head.journal,
        "incarnation": head.incarnation,
        "position": head.position,
        "hash": head.hash.hex(),
    }
