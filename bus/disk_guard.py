"""The recorder's watch over its disk: measures, says, and gives samples up before anything else.

Rules that must stay true here:
- nothing is given up before the journal says so, and what was given up is counted in it: soon, for a kill
  takes along what is not told yet, then less often, for telling takes room too, and before the recorder ends;
- the reserve is given up in slices, and only when the disk refuses a commit: then facts still have room;
- samples of other nodes are never given up: their node has them, and sends them again.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bus import envelope, ids, instants, system_ids
from bus.disk_levels import DOES, DiskLimits, Level, level_at
from bus.envelope import Envelope, Recorded
from bus.intake import RECORDER, SAMPLE, SITE
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

ALARM: Final = "disk_short"
RESERVE: Final = "reserve"
_RAISED, _CLEARED, _DROPPED = "alarm.raised", "alarm.cleared", "samples.dropped"
_HOST: Final = "host/"
_LEVELS: Final = {int(level): level for level in Level}
_LOOK_EVERY_S = 1.0
_TELL_FIRST_US, _TELL_AT_LEAST_US = 30 * instants.SECOND_US, 600 * instants.SECOND_US
_THIN_US = 60 * instants.SECOND_US
_SLICES = 8
_LOOK_BACK = 1000
_MOST_COUNTED = 500


def room(path: Path) -> tuple[int, int]:
    """Measure the disk that a path is on: free bytes for us, and all of it."""
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize


@dataclass(slots=True)
class _Count:
    """Samples given up: how many, and the times of the first and the last."""

    count: int
    first_us: int
    last_us: int


@dataclass(slots=True)
class DiskGuard:
    """Watches the disk of one journal.

    Attributes:
        directory: the journal's.
        node_id: whose host the alarms are about.
        level: what is done now, as the journal says.
        refused: samples given up since the start.
    """

    directory: Path
    node_id: str
    limits: DiskLimits = field(default_factory=DiskLimits)
    measure: Callable[[Path], tuple[int, int]] = room
    level: Level = Level.GOOD
    refused: int = 0
    _wanted: Level = Level.GOOD
    _free: int = 0
    _look_at: float = 0.0
    _told_us: int = 0
    _tell_after_us: int = _TELL_FIRST_US
    _facts: list[Entry] = field(default_factory=list)
    _counts: dict[tuple[str, str, str], _Count] = field(default_factory=dict)
    _kept_us: dict[str, int] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Name who says what is said here."""
        return f"/{self.node_id}/recorder"

    def begin(self, journal: SqliteJournal) -> None:
        """Learn what the journal says about the disk: an alarm that stands is this recorder's to clear."""
        before = journal.head().position + 1  # however many facts are behind the alarm
        try:
            facts, _ = journal.newest_facts(
                before, types=(_RAISED, _CLEARED), subjects=(self._host,), limit=_LOOK_BACK, within=before
            )
        except ConfigurationError as error:
            log.error("whether the disk was short is not known: %s", error)  # noqa: TRY400 - it says all
            facts = []
        levels = (level for level in map(self._said, facts) if level is not None)
        self.level = self._wanted = next(levels, Level.GOOD)

    def _said(self, fact: Recorded) -> Level | None:
        """Return the level that a fact tells; None where it is not this recorder's own, whoever says so."""
        if (fact.client, fact.source) != (RECORDER, self.source):
            return None
        data = envelope.decode(fact.body).data
        if data.get("alarm") != ALARM:
            return None
        return _LEVELS.get(data.get("code", 0), Level.GOOD) if fact.type == _RAISED else Level.GOOD

    @property
    def due(self) -> bool:
        """Tell whether it is time to measure again."""
        return time.monotonic() >= self._look_at

    def tend(self, now_us: int) -> Sequence[Entry]:
        """Measure; return what the journal must say before anything changes."""
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._free, total = self.measure(self.directory)
        wanted = level_at(self.level, self._free, self.limits.of(total))
        if wanted is not self._wanted or (wanted is not self.level and not self._facts):
            self._wanted = wanted
            self._facts = [] if wanted is self.level else [self._alarm(wanted, now_us)]
        if wanted is self.level:
            self._hold_reserve(total)
        ended = wanted < Level.THINNING and not self._facts
        if self._counts and (ended or now_us - self._told_us >= self._tell_after_us):
            return [*self._facts, *self._dropped(now_us)]
        return self._facts

    def recorded(self, facts: Sequence[Recorded]) -> None:
        """Act on what the journal says now."""
        if any(fact.type == _DROPPED for fact in facts):
            self._counts.clear()
            self._told_us = facts[-1].recorded_us
            self._tell_after_us = min(2 * self._tell_after_us, _TELL_AT_LEAST_US)
        if self.level is not self._wanted:
            log.warning(
                "disk: %s; %s", self._wanted.name.lower(), DOES.get(self._wanted, "there is room again")
            )
            if self.level < Level.THINNING:
                self._tell_after_us = _TELL_FIRST_US
            self.level, self._facts = self._wanted, []
            self._told_us = facts[-1].recorded_us
            self._look_at = 0.0

    def last(self, now_us: int) -> Sequence[Entry]:
        """Return what the journal must say before the recorder ends: what was given up and not told yet."""
        return [*self._facts, *self._dropped(now_us)] if self._counts else []

    def refuses(self, entry: Entry) -> bool:
        """Tell whether an event is given up; it is counted then."""
        if self.level < Level.THINNING or entry.type != SAMPLE:
            return False
        if self.level is Level.THINNING and not self._thinned(entry):
            return False
        self.refused += 1
        reason = "disk_short" if self.level is Level.REFUSING else "thinned"
        kind = (entry.stream or "").partition("/")[0]
        key = (entry.subject, kind, reason)
        if key not in self._counts and len(self._counts) >= _MOST_COUNTED:
            key = (SITE, "", reason)
        count = self._counts.setdefault(key, _Count(0, entry.time_us, entry.time_us))
        count.count += 1
        count.first_us = min(count.first_us, entry.time_us)
        count.last_us = max(count.last_us, entry.time_us)
        return True

    def give_way(self) -> bool:
        """Give up a slice of the reserve, because a commit found no room; False when there is none left."""
        path = self.directory / RESERVE
        try:
            size = path.stat().st_size
            left = max(0, size - max(1, self._reserved(path) // _SLICES))
            os.truncate(path, left)
            if not left:
                path.unlink()
        except OSError:
            return False
        log.warning("the disk is full: %d bytes of the reserve are given up", size - left)
        self._look_at = 0.0
        return True

    def status(self) -> dict[str, Any]:
        """Return figures for health."""
        told = {"free_bytes": self._free, "level": int(self.level), "does": DOES.get(self.level)}
        return {"disk": told, "samples_refused": self.refused}

    @property
    def _host(self) -> str:
        return system_ids.canonical(f"host_{self.node_id}")

    def _alarm(self, level: Level, now_us: int) -> Entry:
        if level is Level.GOOD:
            return self._entry(_CLEARED, self._host, now_us, {"alarm": ALARM})
        told = f"{self._free / 1e6:,.0f} MB are free; {DOES[level]}"
        grade = "alarm" if level >= Level.THINNING else "warning"
        data = {"alarm": ALARM, "level": grade, "code": int(level), "text": told}
        return self._entry(_RAISED, self._host, now_us, data)

    def _dropped(self, now_us: int) -> list[Entry]:
        facts = []
        for (subject, kind, reason), told in self._counts.items():
            data = {
                "count": told.count,
                "from": instants.text(told.first_us),
                "to": instants.text(told.last_us),
                "reason": reason,
            }
            facts.append(self._entry(_DROPPED, subject, now_us, data | ({"kind": kind} if kind else {})))
        return facts

    def _entry(self, type_: str, subject: str, now_us: int, data: dict[str, Any]) -> Entry:
        said = Envelope(ids.uuid7(now_us), self.source, type_, subject, now_us, data)
        return Entry(RECORDER, said.source, said.id, type_, subject, now_us, envelope.encode(said))

    def _thinned(self, entry: Entry) -> bool:
        if not (entry.stream or "").startswith(_HOST):
            return False
        kept_us = self._kept_us.get(entry.subject)
        if kept_us is not None and 0 <= entry.time_us - kept_us < _THIN_US:
            return True
        if len(self._kept_us) >= _MOST_COUNTED:
            self._kept_us.clear()
        self._kept_us[entry.subject] = entry.time_us
        return False

    def _hold_reserve(self, total: int) -> None:
        """Have the reserve whole while there is room for it."""
        size, path = self.limits.reserve(total), self.directory / RESERVE
        if not size or self.level >= Level.ERASING:
            return
        with contextlib.suppress(OSError):
            if path.exists() and path.stat().st_size == size:
                return
            with path.open("ab") as file:
                os.truncate(file.fileno(), min(size, os.fstat(file.fileno()).st_size))
                os.posix_fallocate(file.fileno(), 0, size)

    def _reserved(self, path: Path) -> int:
        return self.limits.reserve(self.measure(path.parent)[1])
