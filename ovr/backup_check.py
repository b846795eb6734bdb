"""Proving a backup: every content read back, and the journal's chain walked over it.

Rules that must stay true here: nothing is changed, and nothing of the node is needed.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bus.envelope import Recorded
from bus.journal import Fault
from bus.journal_parts import names_of, rows_of, segments_of
from bus.journal_verify import verify as verify_events
from bus.segment import Segment
from ovr.backup_manifest import Manifest
from ovr.backup_store import BackupStore
from schemas.errors import ConfigurationError

_SEALED = "journal/sealed/"


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of it; without problems everything is as it was written.

    Attributes:
        events: in the journal, with those of which only the hash is left.
        contents: how many files were read back.
    """

    events: int
    contents: int
    problems: tuple[str, ...]


def check(store: BackupStore, manifest: Manifest, tell: Callable[[str], None] = lambda _: None) -> Checked:
    """Read a whole backup, and say what is wrong with it."""
    objects = manifest.objects()
    problems = []
    for n, (sha256, size) in enumerate(objects.items(), start=1):
        tell(f"content {n:,} of {len(objects):,}")
        if (problem := store.check(sha256, size)) is not None:
            problems.append(problem)
    if problems:
        return Checked(0, len(objects), tuple(problems))
    tell("the journal's chain")
    try:
        events, faults = _chain(store, manifest)
    except (ConfigurationError, KeyError) as error:
        return Checked(0, len(objects), (str(error),))
    told = tuple(f"position {fault.position}: {fault.problem}" for fault in faults)
    return Checked(events, len(objects), told)


def _chain(store: BackupStore, manifest: Manifest) -> tuple[int, tuple[Fault, ...]]:
    sealed = _SealedFiles(store, manifest)
    verdict = verify_events(
        _events(store, manifest, sealed), manifest.head, manifest.head.position, manifest.erased_upto
    )
    faults = list(verdict.faults)
    if manifest.parts and manifest.parts[-1].hash != manifest.head.hash.hex():
        faults.append(Fault(manifest.head.position, "the manifest says another hash"))
    sealed.close()
    return verdict.events, tuple(faults)


def _events(store: BackupStore, manifest: Manifest, sealed: "_SealedFiles") -> Iterator[Recorded]:
    names = names_of(store.path(manifest.tables.sha256))
    for part in manifest.parts:
        yield from rows_of(store.path(part.sha256), names, sealed.body)


class _SealedFiles:
    """The sealed files of a backup, of which the last used is open."""

    def __init__(self, store: BackupStore, manifest: Manifest) -> None:
        self._store = store
        self._rows = segments_of(store.path(manifest.segments.sha256))
        self._contents = {one.path: one.sha256 for one in manifest.files}
        self._open: Segment | None = None

    def body(self, position: int) -> bytes | None:
        n = bisect_right(self._rows, position, key=lambda row: row[0]) - 1
        if n < 0 or position > self._rows[n][1]:
            raise ConfigurationError(f"position {position}: its body is in none of the sealed files")
        path = self._store.path(self._contents[_SEALED + self._rows[n][2]])
        if self._open is None or self._open.path != path:
            self.close()
            self._open = Segment(path)
        return self._open.body(position)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
