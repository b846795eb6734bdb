"""What became of the newest backups, kept in the node's directory for `ovr doctor`, metrics and the next one.

Rules that must stay true here: it is a note, not the truth: without it a backup is due.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import orjson

from bus import instants

_LOOK_EVERY_US = 30 * instants.SECOND_US


@dataclass(frozen=True, slots=True)
class BackupState:
    """What became of backups.

    Attributes:
        made_us: when the newest whole one was made; 0 when none was.
        name: of it.
        place: where it is.
        position: of the journal in it.
        size: of all that it needs, in bytes.
        copied: what of that had to be written.
        took_s: how long it took.
        tried_us: when the newest try began.
        problem: why that made none; empty when it did.
    """

    made_us: int = 0
    name: str = ""
    place: str = ""
    position: int = 0
    size: int = 0
    copied: int = 0
    took_s: float = 0.0
    tried_us: int = 0
    problem: str = ""

    def age_s(self, now_us: int) -> float | None:
        """Tell how old the newest backup is; None when there is none."""
        return max(0.0, (now_us - self.made_us) / instants.SECOND_US) if self.made_us else None

    def failed(self, now_us: int, problem: str) -> "BackupState":
        """Note a try that made none."""
        return replace(self, tried_us=now_us, problem=problem)


class BackupAge:
    """Tells how old the newest backup is, for health; looks now and then."""

    def __init__(self, path: Path, clock: Callable[[], int] = instants.now_us) -> None:
        self._path = path
        self._clock = clock
        self._look_us = 0
        self._state = BackupState()

    def figures(self) -> Mapping[str, float | None]:
        """Return the age in whole minutes of seconds, so that health does not change with every look."""
        now_us = self._clock()
        if abs(now_us - self._look_us) >= _LOOK_EVERY_US:
            self._look_us, self._state = now_us, load(self._path)
        age_s = self._state.age_s(now_us)
        return {"backup_age_s": None if age_s is None else age_s // 60 * 60}


def load(path: Path) -> BackupState:
    """Read the note; an empty one when there is none."""
    try:
        return BackupState(**orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return BackupState()


def save(path: Path, state: BackupState) -> None:
    """Replace the note."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_bytes(orjson.dumps(asdict(state)))
    draft.replace(path)
