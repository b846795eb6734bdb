"""A small file for events that wait for a trusted clock, so that a killed process loses none of them.

It is written only in the first minute after a boot, at most every 2 s, and removed when the outbox has had
time to take over. Events keep their ids, so what is published twice around a crash is recorded once.
"""

from collections.abc import Sequence
from pathlib import Path

from producers.holding import Held, dump, load

_WRITE_EVERY_US = 2_000_000
_FORGET_AFTER_US = 5_000_000


class Spool:
    """The waiting events of one producer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._exists = path.exists()
        self._write_at_us = 0
        self._released_us: int | None = None

    def load(self) -> list[Held]:
        """Read what an earlier process left."""
        return list(load(self._path.read_bytes())) if self._exists else []

    def keep(self, held: Sequence[Held], now_us: int) -> bool:
        """Write what waits, when that is due; True when all of it is written now."""
        if now_us < self._write_at_us:
            return False
        self._write_at_us = now_us + _WRITE_EVERY_US
        self.write(held)
        return True

    def write(self, held: Sequence[Held]) -> None:
        """Write what waits, replacing the file as a whole."""
        self._released_us = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_bytes(dump(held))
        part.replace(self._path)
        self._exists = True

    def released(self, now_us: int) -> None:
        """Note that all of it has been published; the file goes when the outbox surely has it."""
        if not self._exists:
            return
        if self._released_us is None:
            self._released_us = now_us
        if now_us - self._released_us >= _FORGET_AFTER_US:
            self._path.unlink(missing_ok=True)
            self._exists = False
