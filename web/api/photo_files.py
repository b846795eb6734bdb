"""Photos as files, named by their SHA-256: stored whole and synced before anything names them.

Rules that must stay true here:
- a file has its name only when all of it is on the disk; the name is the hash, never what a client says;
- what a file is follows from its first bytes; nothing but images is taken, or handed out as one;
- the same photo sent twice is one file.
"""

import hashlib
import os
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.ids import token
from schemas.errors import TransientError
from web.api.problems import Problem

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEAD: Final = 1 << 16
_BRANDS: Final = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A stored photo; `extent` is its width and height, where its first bytes tell."""

    sha256: str
    media_type: str
    size: int
    extent: tuple[int, int] | None


class PhotoFiles:
    """The photos of a node."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, sha256: str) -> Path | None:
        """Return the file of a photo; None when it is not here."""
        if _SHA256.fullmatch(sha256) is None:
            return None
        path = self.directory / sha256
        return path if path.is_file() else None

    def store(self, chunks: Iterable[bytes], expected: str | None = None) -> Photo:
        """Store a photo; `expected` is the hash that it must have.

        Raises:
            Problem: it is no image that browsers show, or has another hash.
            TransientError: the disk is full or fails.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        part = self.directory / f".part-{token()}"
        try:
            return self._store(part, chunks, expected)
        except OSError as error:
            raise TransientError(f"the photo cannot be stored: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)

    def _store(self, part: Path, chunks: Iterable[bytes], expected: str | None) -> Photo:
        digest = hashlib.sha256()
        head, size = b"", 0
        with part.open("xb") as file:
            for chunk in chunks:
                head = head if len(head) >= _HEAD else (head + chunk)[:_HEAD]
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
            media_type = media_type_of(head)
            if media_type is None:
                raise Problem(
                    "media-type",
                    "Send a photo as JPEG, PNG, WebP, AVIF, HEIC or GIF.",
                    field="file",
                    reason="not_an_image",
                )
            if expected is not None and digest.hexdigest() != expected:
                raise Problem(
                    "invalid",
                    f"The body's SHA-256 is {digest.hexdigest()}: send it again, whole.",
                    field="sha256",
                    reason="hash",
                )
            file.flush()
            os.fsync(file.fileno())
        name = digest.hexdigest()
        part.replace(self.directory / name)
        _sync(self.directory)
        return Photo(name, media_type, size, extent(head))


def media_type_of(head: bytes) -> str | None:
    """Tell what an image is by its first bytes; None when it is none that we take."""
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return _BRANDS.get(head[8:12]) if head[4:8] == b"ftyp" else None


def extent(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, GIF or JPEG in pixels, when its first bytes tell."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:  # noqa: PLR2004 - IHDR's place
        return _sane(*struct.unpack(">II", head[16:24]))
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:  # noqa: PLR2004 - the screen's size
        return _sane(*struct.unpack("<HH", head[6:10]))
    return _extent_of_jpeg(head) if head.startswith(b"\xff\xd8\xff") else None


def _extent_of_jpeg(head: bytes) -> tuple[int, int] | None:
    """Look for the frame header: ISO/IEC 10918-1, B.2.2."""
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:  # noqa: PLR2004 - a marker begins so
        marker = head[place + 1]
        (length,) = struct.unpack(">H", head[place + 2 : place + 4])
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # noqa: PLR2004 - frame headers
            height, width = struct.unpack(">HH", head[place + 5 : place + 9])
            return _sane(width, height)
        place += 2 + max(2, length)
    return None


def _sane(width: int, height: int) -> tuple[int, int] | None:
    most = 100_000
    return (width, height) if 0 < width <= most and 0 < height <= most else None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
