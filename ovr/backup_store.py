"""Where backups of one node are kept: every content once under its hash, and a manifest for each backup.

    TARGET/edge-01/objects/9f/9f86d081…          a content
    TARGET/edge-01/2026-11-21T053000Z.json       a backup: what it consists of

Rules that must stay true here:
- a backup is there when its manifest is, and that is written last: killed at any moment, the backups before
  it are whole, and what was copied in vain is found again or removed by the next one;
- a content is written once, synced, read back, and never changed;
- no links and no long names: any file system will do, a stick's too.
"""

import contextlib
import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bus.ids import token
from bus.lockfile import hold
from ovr.backup_manifest import Manifest, read, write
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

_OBJECTS = "objects"
_PART = ".part-"
_CHUNK = 1 << 20


class BackupStore:
    """The backups in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._objects = directory / _OBJECTS

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the only one who writes here; what a killed one left unfinished is removed.

        Raises:
            ConfigurationError: another process writes here, or the directory cannot be made.
            TransientError: the disk is full or fails.
        """
        lock = hold(
            self.directory / "backup.lock", f"process {{holder}} writes a backup to {self.directory}: wait"
        )
        try:
            _private(self.directory, 0o700)
            self._objects.mkdir(exist_ok=True)
            for part in self._objects.glob(f"{_PART}*"):
                part.unlink()
            yield
        except OSError as error:
            raise TransientError(f"{self.directory} cannot be written: {error}") from error
        finally:
            os.close(lock)

    def draft(self) -> Path:
        """Name a file that is not there yet, to be kept by `adopt`."""
        return self._objects / f"{_PART}{token()}"

    def take(self, source: BinaryIO) -> tuple[str, int]:
        """Keep what a file holds; return its hash and size."""
        draft = self.draft()
        digest = hashlib.sha256()
        with draft.open("xb") as copy:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                copy.write(chunk)
            size = copy.tell()
            copy.flush()
            os.fsync(copy.fileno())
        return self._keep(draft, digest.hexdigest()), size

    def adopt(self, draft: Path) -> tuple[str, int]:
        """Keep a draft that was written; return its hash and size."""
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
            size = os.fstat(file.fileno()).st_size
        return self._keep(draft, digest_of(draft)), size

    def has(self, sha256: str, size: int) -> bool:
        """Tell whether a content is kept, by its size alone."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def path(self, sha256: str) -> Path:
        """Name the file of a content."""
        return self._objects / sha256[:2] / sha256

    def check(self, sha256: str, size: int) -> str | None:
        """Read a content back; say what is wrong with it."""
        path = self.path(sha256)
        try:
            if path.stat().st_size != size:
                return f"{path} has {path.stat().st_size} bytes instead of {size}"
            same = digest_of(path) == sha256
        except OSError as error:
            return f"{path} cannot be read: {error.strerror or error}"
        return None if same else f"{path} is not what was written: remove it, and back up again"

    def finish(self, manifest: Manifest) -> Path:
        """Let a backup be there; all that it needs is kept."""
        path = self.directory / f"{manifest.name}.json"
        draft = self.draft()
        with draft.open("xb") as file:
            file.write(write(manifest))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        _sync(self.directory)
        return path

    def names(self) -> list[str]:
        """List the backups, oldest first."""
        return sorted(path.stem for path in self.directory.glob("[0-9]*.json"))

    def manifest(self, name: str | None = None) -> Manifest:
        """Read the manifest of a backup; of the newest unless it is named.

        Raises:
            ConfigurationError: there is none, or it is not whole.
        """
        names = self.names()
        if not names or (name is not None and name not in names):
            known = f"; there are {', '.join(names[-5:])}" if names else ""
            raise ConfigurationError(f"there is no backup {name or ''} in {self.directory}{known}")
        path = self.directory / f"{name or names[-1]}.json"
        return read(path.read_bytes(), str(path))

    def newest(self) -> Manifest | None:
        """Read the newest manifest; None when there is none that can be read."""
        try:
            return self.manifest()
        except (ConfigurationError, OSError):
            return None

    def keep(self, count: int) -> list[str]:
        """Remove all backups but the newest, and contents that no other needs; return which went.

        While there is one that cannot be read, contents stay: it may be mended.
        """
        names = self.names()
        gone = names[: max(0, len(names) - count)]
        for name in gone:
            (self.directory / f"{name}.json").unlink()
        _sync(self.directory)
        try:
            needed = {sha256 for name in self.names() for sha256 in self.manifest(name).objects()}
        except ConfigurationError as error:
            log.warning("%s; contents that nobody needs stay until then", error)
            return gone
        for path in self._objects.glob("??/*"):
            if path.name not in needed:
                path.unlink()
        return gone

    def fetch(self, sha256: str, size: int, target: Path) -> None:
        """Copy a content to a place, synced.

        Raises:
            ConfigurationError: it is not what was written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.path(sha256), target)
        if target.stat().st_size != size or digest_of(target) != sha256:
            raise ConfigurationError(f"{self.path(sha256)} is damaged: use another backup")
        _sync(target)

    def _keep(self, draft: Path, sha256: str) -> str:
        path = self.path(sha256)
        size = draft.stat().st_size
        if self.has(sha256, size):
            draft.unlink()
            return sha256
        if digest_of(draft) != sha256:
            draft.unlink()
            raise TransientError(f"{self.directory} does not give back what was written: check the disk")
        path.parent.mkdir(exist_ok=True)
        _private(draft, 0o600)
        draft.replace(path)
        _sync(path.parent)
        return sha256


def stores(directory: Path) -> list[BackupStore]:
    """List the stores in a directory: itself, or those of the nodes below it."""
    found = [directory, *sorted(path for path in directory.glob("*") if path.is_dir())]
    return [BackupStore(path) for path in found if (path / _OBJECTS).is_dir()]


def digest_of(path: Path) -> str:
    """Hash what a file holds."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _private(path: Path, mode: int) -> None:
    with contextlib.suppress(PermissionError):  # a stick's file system may know no permissions
        path.chmod(mode)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):  # some file systems cannot sync directories
        os.fsync(descriptor)
    os.close(descriptor)
