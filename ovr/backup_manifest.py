"""What one backup consists of: every file with its size and hash, and the journal's place. Pure.

Rules that must stay true here:
- a manifest proves itself: it carries the hash of all that it says;
- a path in it stays below the directory that it is restored to, whoever wrote the manifest.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

import orjson

from bus.journal import Head
from schemas.errors import ConfigurationError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class File:
    """One file of a backup.

    Attributes:
        path: below the data directory.
        size: in bytes.
        sha256: of its content, under which it is kept.
        mode: permissions.
        modified_ns: when the copied file was changed; 0 for what was made by copying.
    """

    path: str
    size: int
    sha256: str
    mode: int = 0o644
    modified_ns: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of the journal: positions first to last, the hash at the last, and the file they are in."""

    first: int
    last: int
    hash: str
    sealed: bool
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """One whole backup.

    Attributes:
        name: of the backup; it sorts by time.
        made_at: RFC 3339.
        head: how far the journal goes.
        erased_upto: samples up to there may have been erased from the journal.
        archived_upto: rows of the archive up to there are in the backup, where it has any; 0 otherwise.
        parts: the journal's rows.
        tables: the journal's small tables.
        segments: the journal's table of sealed files.
        files: everything else.
        victoria: whether a snapshot of VictoriaMetrics is among the files.
    """

    name: str
    made_at: str
    node_id: str
    version: str
    head: Head
    parts: Sequence[Part]
    tables: File
    segments: File
    files: Sequence[File] = field(default_factory=tuple)
    erased_upto: int = 0
    archived_upto: int = 0
    victoria: bool = False

    def objects(self) -> dict[str, int]:
        """List every kept file that this backup needs, with its size."""
        return {one.sha256: one.size for one in self._all()}

    @property
    def size(self) -> int:
        """Sum up all files."""
        return sum(one.size for one in self._all())

    def _all(self) -> tuple[Part | File, ...]:
        return (*self.parts, self.tables, self.segments, *self.files)


def write(manifest: Manifest) -> bytes:
    """Write a manifest with the hash of what it says."""
    said = asdict(manifest) | {"format": FORMAT}
    said["head"]["hash"] = manifest.head.hash.hex()
    body = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return orjson.dumps({"sha256": _digest(body), "backup": orjson.Fragment(body)})


def read(text: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        ConfigurationError: it is none, was changed, or is of another format.
    """
    try:
        document = orjson.loads(text)
        said = document["backup"]
        body = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        if document["sha256"] != _digest(body):
            raise ConfigurationError(f"{where} was changed, or is not whole: use another backup")
        if said["format"] != FORMAT:
            raise ConfigurationError(f"{where} is of format {said['format']}, this version reads {FORMAT}")
        return _manifest(said)
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{where} is no backup: {error!r:.200}") from error


def _manifest(said: Mapping[str, Any]) -> Manifest:
    head = Head(**{**said["head"], "hash": bytes.fromhex(said["head"]["hash"])})
    files = tuple(File(**one) for one in said["files"])
    for one in files:
        path = PurePosixPath(one.path)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError(f"the path {one.path!r} leads out of the data directory")
    rest = {
        name: value
        for name, value in said.items()
        if name not in {"format", "head", "files", "parts", "tables", "segments"}
    }
    return Manifest(
        head=head,
        files=files,
        parts=tuple(Part(**one) for one in said["parts"]),
        tables=File(**said["tables"]),
        segments=File(**said["segments"]),
        **rest,
    )


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
