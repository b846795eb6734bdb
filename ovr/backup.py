"""Copying all that is truth into a store, while everything runs.

Rules that must stay true here:
- what may be newer is copied first where a restore could not do without it: senders' outboxes before the
  journal that confirms, files that events name after it;
- what has not changed since the backup before is not read again;
- a journal's rows are proven against its hash chain as they were written, not as they were read.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bus import instants
from bus.journal import GENESIS, Head
from bus.journal_parts import JournalSource, Range, SealedFile, names_of, rows_of
from bus.journal_sqlite import FILE
from bus.journal_verify import examine
from bus.sealed import DIRECTORY, Sealed
from ovr.backup_files import Found, archived, beneath, configuration
from ovr.backup_manifest import File, Manifest, Part
from ovr.backup_store import BackupStore
from ovr.backup_victoria import snapshot
from ovr.node import Node
from projectors.generations import copy as copy_sqlite
from schemas.errors import ConfigurationError, TransientError

_SQLITE = b"SQLite format 3\0"
_LATER = ("photos", "reports", "site-plan")
"""What events name: it is there before they are recorded."""


@dataclass(slots=True)
class Made:
    """What a backup came to.

    Attributes:
        manifest: what it consists of.
        copied: bytes that had to be written.
        removed: older backups that went.
    """

    manifest: Manifest
    copied: int
    removed: list[str]


@dataclass(slots=True)
class Backup:
    """One backup in the making.

    Attributes:
        tell: is told what is copied.
        copied: bytes written so far.
    """

    node: Node
    store: BackupStore
    tell: Callable[[str], None] = lambda _: None
    copied: int = 0
    _files: list[File] = field(default_factory=list)
    _known: Mapping[tuple[str, int, int], File] = field(default_factory=dict)
    _parts: Mapping[tuple[str, bool], Part] = field(default_factory=dict)

    def make(
        self, *, victoria: bool = False, keep: int | None = None, clock: Callable[[], int] = instants.now_us
    ) -> Made:
        """Copy everything.

        Args:
            victoria: a snapshot of VictoriaMetrics too, with how far the series are.
            keep: remove all backups but the newest so many; None removes none.
            clock: names the backup.

        Raises:
            TransientError: the disk is full, or what is copied was replaced meanwhile.
            ConfigurationError: another backup is being written here, or something is damaged.
        """
        with self.store.writing():
            layout = self.node.layout
            self._remember(layout.data)
            if victoria:
                self.tell("VictoriaMetrics")
                self._victoria()
            for path in layout.kept():
                if path.name not in _LATER:
                    self._take_all(beneath(layout.data, path))
            self._take_all(configuration(self.node))
            checkpoint = self._archive_checkpoint()
            with closing(JournalSource(layout.journal / FILE)) as source:
                head, parts, tables, segments = self._journal(source)
                erased = source.erased_upto()
            for name in _LATER:
                self._take_all(beneath(layout.data, layout.data / name))
            archived_upto = self._archive(erased, checkpoint)
            now_us = clock()
            manifest = Manifest(
                name=self._name(now_us),
                made_at=instants.text(now_us),
                node_id=self.node.site.node_id,
                version=version("ovr"),
                head=head,
                parts=parts,
                tables=tables,
                segments=segments,
                files=tuple(self._files),
                erased_upto=erased,
                archived_upto=archived_upto,
                victoria=victoria,
            )
            self.store.finish(manifest)
            removed = self.store.keep(keep) if keep is not None else []
        return Made(manifest, self.copied, removed)

    def _name(self, now_us: int) -> str:
        """Name it by the time, behind all that there are, also when the clock was set back."""
        text = instants.text(now_us)
        name = f"{text[:13]}{text[14:16]}{text[17:19]}Z"
        newest = max(self.store.names(), default="")
        return name if name > newest else f"{newest}+"

    def _remember(self, data: Path) -> None:
        """Learn what the newest backup holds."""
        before = self.store.newest()
        if before is None:
            return
        self._known = {(one.path, one.size, one.modified_ns): one for one in before.files if one.modified_ns}
        with closing(JournalSource(data / "journal" / FILE)) as source:
            if source.journal() == before.head.journal:
                self._parts = {(one.hash, one.sealed): one for one in before.parts}

    def _take_all(self, found: Iterator[Found]) -> None:
        for one in found:
            self.tell(one.path)
            self._take(one)

    def _take(self, one: Found) -> None:
        try:
            stat = one.source.stat()
            key = (one.path, stat.st_size, stat.st_mtime_ns)
            known = self._known.get(key)
            if known is not None and self.store.has(known.sha256, known.size):
                self._files.append(known)
                return
            with one.source.open("rb") as file:
                if file.read(len(_SQLITE)) != _SQLITE:
                    file.seek(0)
                    sha256, size = self.store.take(file)
                    self._keep(File(one.path, size, sha256, stat.st_mode & 0o777, stat.st_mtime_ns))
                    return
            self._keep_draft(one.path, lambda draft: copy_sqlite(one.source, draft), stat.st_mode & 0o777)
        except FileNotFoundError:
            if one.must:
                raise
        except sqlite3.OperationalError as error:
            raise TransientError(f"{one.source} cannot be copied now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{one.source} is damaged ({error}): move it away") from error

    def _keep(self, one: File) -> File:
        self._files.append(one)
        self.copied += one.size
        return one

    def _keep_draft(self, path: str, write: Callable[[Path], Any], mode: int = 0o644) -> File:
        draft = self.store.draft()
        try:
            write(draft)
            sha256, size = self.store.adopt(draft)
        finally:
            draft.unlink(missing_ok=True)
        return self._keep(File(path, size, sha256, mode))

    def _journal(self, source: JournalSource) -> tuple[Head, tuple[Part, ...], File, File]:
        heads: list[Head] = []
        tables = self._keep_draft("", lambda draft: heads.append(source.tables(draft)))
        head = heads[0]
        names = names_of(self.store.path(tables.sha256))
        parts: list[Part] = []
        for one in source.ranges(head):
            self.tell(f"journal, up to position {one.last:,} of {head.position:,}")
            known = self._parts.get((one.hash.hex(), one.sealed))
            if known is None or known.last != one.last or not self.store.has(known.sha256, known.size):
                known = self._part(source, one, names, parts[-1].hash if parts else GENESIS.hex())
            parts.append(known)
        directory = self.node.layout.journal / DIRECTORY

        def copied(one: SealedFile) -> None:
            self.tell(f"sealed file {one.name}")
            path = f"journal/{DIRECTORY}/{one.name}"
            self._take(Found(path, directory / one.name, must=True))

        segments = self._keep_draft("", lambda draft: _sealed(source, copied, draft))
        self._files = [kept for kept in self._files if kept.path]
        if source.journal() != head.journal:
            raise TransientError("the journal was replaced while it was copied: begin again")
        return head, tuple(parts), tables, segments

    def _part(self, source: JournalSource, one: Range, names: Mapping[int, str], previous: str) -> Part:
        draft = self.store.draft()
        try:
            source.part(one, draft)
            self._prove(draft, one, names, previous)
            sha256, size = self.store.adopt(draft)
        finally:
            draft.unlink(missing_ok=True)
        self.copied += size
        return Part(one.first, one.last, one.hash.hex(), one.sealed, size, sha256)

    def _prove(self, draft: Path, one: Range, names: Mapping[int, str], previous: str) -> None:
        """Walk the chain over the rows that were written."""
        journal = self.node.layout.journal
        with closing(sqlite3.connect(f"{(journal / FILE).resolve().as_uri()}?mode=rw", uri=True)) as db:
            sealed = Sealed(journal / DIRECTORY, db)
            erased = db.execute("SELECT ifnull(max(last), 0) FROM segment WHERE erased = 1").fetchone()[0]
            rows = rows_of(draft, names, sealed.body)
            for event, fault in examine(rows, erased, one.first, bytes.fromhex(previous)):
                if fault is not None:
                    raise ConfigurationError(
                        f"position {event.position} of the journal: {fault}; run `ovr journal verify`"
                    )
            sealed.forget()

    def _archive_checkpoint(self) -> Found | None:
        root = self.node.layout.archive / "current"
        path = root / "_archive.sqlite"
        if not path.exists():
            return None
        self._take(one := Found("archive/current/_archive.sqlite", path.resolve()))
        return one

    def _archive(self, erased: int, checkpoint: Found | None) -> int:
        """Copy what only the archive has; the rest is made again from the journal."""
        if checkpoint is None:
            return 0
        if not erased:
            self._files = [one for one in self._files if one.path != checkpoint.path]
            return 0
        self._take_all(archived(self.node.layout.archive / "current", erased))
        return erased

    def _victoria(self) -> None:
        layout = self.node.layout
        self._take_all(beneath(layout.data, layout.series))
        with snapshot(self.node.victoria_url(), layout) as found:
            self._take_all(found)


def _sealed(source: JournalSource, copied: Callable[[SealedFile], None], draft: Path) -> None:
    try:
        source.sealed(copied, draft)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{error.filename} is missing: put it there again from a backup of the journal"
        ) from error
