"""What is kept of the reports on one thing: how many there were, and up to which place they count. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from projectors.windows import Window

SYSTEM, EVENT = "system", "event"
WINDOW_ENDED, EVENT_ENDED = "window_ended", "event_ended"
LATE_DATA, CORRECTED, OPERATOR = "late_data", "corrected", "operator"
NODES_BEHIND, CAUGHT_UP = "nodes_behind", "caught_up"
WAIT_US: Final = 5_000_000
"""A report waits so long for a sample behind the end of its window."""

QUIET_US: Final = 60_000_000
"""A new revision waits until nothing late came for so long; each one for late data doubles that."""

LONGEST_QUIET_US: Final = 3_600_000_000
"""But never longer than this: what trickles in over a night is a few revisions, not hundreds."""

EDGE_US: Final = 60_000_000
"""A line between two samples is never longer (see `reporter.columns.gap_guard_us`)."""

BEHIND_US: Final = 60_000_000
"""What nodes have not brought yet is waited for so long before there is a provisional report."""

_MOST_DOUBLED: Final = 6


@dataclass(slots=True)
class Line:
    """The reports on one window of a system, or on one event_id.

    Attributes:
        revision: of the newest report that was asked for; 0 before the first.
        cut: the position it counts up to; 0 before the first.
        told: what was decided up to the cut stands for a report, asked for or long past.
        spec: the window as that report knows it; None while the thing is open again.
        due_us: when to ask for the next report; None when nothing calls for one.
        reason: why then.
        late: position of the newest thing that came late.
        early: a provisional report was asked for since the thing was open last.
        late_ones: how many revisions late data led to since the thing was open last.
        tail_us: the newest sample of the system when the report was decided on, where none from behind the
            end had come: the next one tells the window's last moments. 0 where it had.
    """

    revision: int = 0
    cut: int = 0
    told: bool = False
    spec: list[Any] | None = None
    due_us: int | None = None
    reason: str = LATE_DATA
    late: int = 0
    early: bool = False
    late_ones: int = 0
    tail_us: int = 0

    @property
    def waiting(self) -> bool:
        """Whether it ended, and its first report, or its first since it was open again, is to come."""
        return self.spec is None and self.due_us is not None

    def touch(self, reason: str, now_us: int, position: int) -> None:
        """Note that something came late; a correction says more than late data."""
        if self.due_us is None or reason == CORRECTED:
            self.reason = reason
        doubled = 0 if self.reason == CORRECTED else self.late_ones
        quiet_us = min(QUIET_US << doubled, LONGEST_QUIET_US)
        self.due_us, self.late = now_us + quiet_us, position

    def end(self, reason: str, due_us: int) -> None:
        """Note that what it is about has ended."""
        self.due_us, self.reason = due_us, reason

    def reopen(self) -> None:
        """Note that what it is about goes on, or is no more."""
        self.spec = self.due_us = None
        self.early = False
        self.late_ones = self.tail_us = 0

    def settle(self, cut: int, spec: list[Any], newest_us: int = 0) -> None:
        """Note that a report up to a position is decided on.

        Args:
            cut: the position.
            spec: what it is about.
            newest_us: the newest sample of the system; 0 where that is not known, or does not matter.
        """
        if self.spec is not None and self.reason == LATE_DATA:
            self.late_ones = min(self.late_ones + 1, _MOST_DOUBLED)
        self.tail_us = newest_us if newest_us < spec[1] else 0
        self.cut, self.spec, self.told = max(self.cut, cut), spec, True
        self.due_us, self.reason, self.early = None, LATE_DATA, False

    def covers(self, time_us: int) -> bool:
        """Tell whether an instant lies in what the report is about."""
        return self.spec is not None and bool(self.spec[0] <= time_us < self.spec[1])

    def reaches(self, time_us: int) -> bool:
        """Take in a sample from behind the end; tell whether it ends the line that the report lacks."""
        if self.spec is None or not self.tail_us or time_us < self.spec[1]:
            return False
        near = time_us - self.tail_us <= EDGE_US
        self.tail_us = 0
        return near

    def dump(self) -> dict[str, Any]:
        """Write it as JSON."""
        return asdict(self)

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> "Line":
        """Read what `dump` wrote."""
        return cls(**said)


@dataclass(frozen=True, slots=True)
class Request:
    """A report that is to be made.

    Attributes:
        scope: `system` or `event`.
        system_id: None for a whole event.
        window: position of the fact that started the window; None for a whole event.
        cut: the position up to which it counts.
        trigger: source and id of the event that made it due.
        time_us: when it became due, by the stream's clock.
    """

    scope: str
    event_id: str
    system_id: str | None
    window: int | None
    revision: int
    cut: int
    reason: str
    from_us: int
    to_us: int
    trigger: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A reported window, or a whole event, that never was."""

    event_id: str
    system_id: str | None
    from_us: int


def spec_of(window: Window) -> list[Any]:
    """Return what a report says about a window that ended: another spec is another report."""
    segments = [[part.location, part.from_us, part.to_us] for part in window.segments]
    return [window.started_us, window.ended_us, window.superseded, segments]


def is_reportable(window: Window) -> bool:
    """Tell whether a window ended, and lasted at all."""
    return window.ended_us is not None and window.ended_us > window.started_us
