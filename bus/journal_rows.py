"""How journal values look inside SQLite: interned names, packed ids, compressed bodies.

Rules that must stay true here: several threads of a process may read journals at the same time.
"""

import sqlite3
import threading
from collections.abc import Collection

import zstandard

SAMPLE = "sample.taken"
_FRAME = b"\x28\xb5\x2f\xfd"  # RFC 8878, section 3.1.1; no JSON object begins so
_WORTH_COMPRESSING = 320  # below, it saves a fifth of the bytes and costs a tenth of a rebuild
_UUID_TEXT, _UUID_BYTES = 36, 16
_MOST_REMEMBERED = 50_000


class _Zstd(threading.local):
    """Compressing for one thread: two that share a context crash, or read each other's bytes."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=1, write_checksum=False).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_zstd = _Zstd()


def pack_body(body: bytes) -> bytes:
    """Compress a body when that makes it smaller."""
    if len(body) < _WORTH_COMPRESSING:
        return body
    packed = _zstd.compress(body)
    return packed if len(packed) < len(body) else body


def unpack_body(stored: bytes) -> bytes:
    """Undo `pack_body`."""
    return _zstd.decompress(stored) if stored.startswith(_FRAME) else stored


def pack_id(value: str) -> bytes | str:
    """Store a UUID in 16 bytes; any other id as it is."""
    if len(value) != _UUID_TEXT:
        return value
    try:
        packed = bytes.fromhex(value.replace("-", ""))
    except ValueError:
        return value
    return packed if len(packed) == _UUID_BYTES and unpack_id(packed) == value else value


def unpack_id(stored: bytes | str) -> str:
    """Undo `pack_id`."""
    if isinstance(stored, str):
        return stored
    digits = stored.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Names:
    """Interned names, in both directions; what a transaction adds is forgotten when it is rolled back."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._id_of: dict[str, int] = {}
        self._name_of: dict[int, str] = {}

    def intern(self, name: str) -> int:
        """Return the number of a name, giving it one inside the current transaction if need be."""
        known = self._id_of.get(name)
        if known is not None:
            return known
        row = self._db.execute("SELECT name_id FROM name WHERE name = ?", (name,)).fetchone()
        if row is None:
            row = self._db.execute("INSERT INTO name (name) VALUES (?) RETURNING name_id", (name,)).fetchone()
        self._remember(row[0], name)
        return int(row[0])

    def find(self, names: Collection[str]) -> list[int]:
        """Return the numbers of those names that the journal knows."""
        marks = ",".join("?" * len(names))
        rows = self._db.execute(f"SELECT name_id FROM name WHERE name IN ({marks})", tuple(names))  # noqa: S608 - marks only
        return [row[0] for row in rows]

    def name(self, name_id: int) -> str:
        """Return the name behind a number."""
        known = self._name_of.get(name_id)
        if known is not None:
            return known
        (name,) = self._db.execute("SELECT name FROM name WHERE name_id = ?", (name_id,)).fetchone()
        self._remember(name_id, name)
        return str(name)

    def forget(self) -> None:
        """Drop what is remembered: after a rollback it may never have been; it is read again when needed."""
        self._id_of.clear()
        self._name_of.clear()

    def _remember(self, name_id: int, name: str) -> None:
        if len(self._id_of) >= _MOST_REMEMBERED:  # senders choose names: they must not fill the memory
            self.forget()
        self._id_of[name] = name_id
        self._name_of[name_id] = name
