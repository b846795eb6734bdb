"""One file of sealed bodies: written once, compressed together, read by position.

Rules that must stay true here:
- a file is whole or it is not there: it is written beside its place, synced, and moved;
- what is read is what was written, or an error: every block carries a checksum;
- threads share nothing: each opens a file for itself.

A file is `ovrseal1`, blocks, an index, and where the index is. A block is a zstd frame (RFC 8878) of how many
events it has (32 bit), their positions (64 bit), lengths (32 bit) and bodies, little-endian. The index has
four numbers of 64 bit a block: first and last position, where it begins, how long it is; behind it stand
where the index begins, and `ovrseal1` again.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import zstandard

from schemas.errors import ConfigurationError

_MAGIC = b"ovrseal1"
_COUNT = struct.Struct("<I")
_ENTRY = struct.Struct("<4Q")
_TAIL = struct.Struct("<Q8s")
_MADE = 3
"""Directories that are synced: the file's, that of all sealed files, and the journal's, which names it."""

_LEVEL = 9
"""A tenth better than 3 at 30 us an event; 19 would save another third at 600 us."""


class SegmentWriter:
    """Writes one file, block by block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._index: list[tuple[int, int, int, int]] = []
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._part.open("wb")
        self._file.write(_MAGIC)

    def add(self, positions: Sequence[int], bodies: Sequence[bytes]) -> None:
        """Write the next block; positions rise."""
        count = len(positions)
        head = struct.pack(f"<I{count}Q{count}I", count, *positions, *map(len, bodies))
        packed = self._compressor.compress(b"".join((head, *bodies)))
        self._index.append((positions[0], positions[-1], self._file.tell(), len(packed)))
        self._file.write(packed)

    def finish(self) -> int:
        """Put the file in its place, durably; return its size."""
        begins = self._file.tell()
        self._file.write(b"".join(_ENTRY.pack(*entry) for entry in self._index))
        self._file.write(_TAIL.pack(begins, _MAGIC))
        size = self._file.tell()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.replace(self._path)
        for directory in self._path.parents[:_MADE]:
            descriptor = os.open(directory, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        return size

    def abandon(self) -> None:
        """Let go of an unfinished file."""
        self._file.close()
        self._part.unlink(missing_ok=True)


class Segment:
    """Reads one file; keeps the last block that was asked for."""

    def __init__(self, path: Path) -> None:
        """Open `path`.

        Raises:
            FileNotFoundError: it is gone.
            ConfigurationError: it is damaged.
        """
        self.path = path
        self._file = path.open("rb")
        self._decompressor = zstandard.ZstdDecompressor()
        try:
            self._index = self._read_index()
        except (struct.error, ValueError, OSError) as error:
            self._file.close()
            raise self._damaged(error) from error
        self._firsts = [first for first, *_ in self._index]
        self._block: tuple[int, Mapping[int, bytes]] = (-1, {})

    def body(self, position: int) -> bytes | None:
        """Return the body of one event; None when it is not in this file.

        Raises:
            ConfigurationError: the file is damaged.
        """
        n = bisect_right(self._firsts, position) - 1
        if n < 0 or position > self._index[n][1]:
            return None
        if self._block[0] != n:
            self._block = (n, dict(self._read_block(n)))
        return self._block[1].get(position)

    def bodies(self) -> Iterator[tuple[int, bytes]]:
        """Yield all positions and bodies, in order."""
        for n in range(len(self._index)):
            yield from self._read_block(n)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_index(self) -> list[tuple[int, int, int, int]]:
        end = self._file.seek(-_TAIL.size, os.SEEK_END)
        begins, magic = _TAIL.unpack(self._file.read(_TAIL.size))
        if magic != _MAGIC:
            raise ValueError("it does not end as it should")
        self._file.seek(begins)
        return [
            (first, last, at, size)
            for first, last, at, size in _ENTRY.iter_unpack(self._file.read(end - begins))
        ]

    def _read_block(self, n: int) -> Iterator[tuple[int, bytes]]:
        _, _, at, size = self._index[n]
        self._file.seek(at)
        try:
            block = self._decompressor.decompress(self._file.read(size))
            (count,) = _COUNT.unpack_from(block)
            numbers = struct.Struct(f"<{count}Q{count}I")
            told = numbers.unpack_from(block, _COUNT.size)
        except (zstandard.ZstdError, struct.error, ValueError) as error:
            raise self._damaged(error) from error
        at = _COUNT.size + numbers.size
        for position, length in zip(told[:count], told[count:], strict=True):
            yield position, block[at : at + length]
            at += length

    def _damaged(self, error: Exception) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path} is damaged ({error}): put it there again from a backup of the journal"
        )
