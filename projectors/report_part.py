"""One system as reports see it: its windows, what was reported of them, and how new its samples are. Pure.

Rules that must stay true here:
- windows are folded anew when a fact arrives, in whatever order facts come;
- a line belongs to the window that the same fact started, however that window is moved.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from projectors.report_lines import (
    CORRECTED,
    WAIT_US,
    WINDOW_ENDED,
    Line,
    is_reportable,
    spec_of,
)
from projectors.windows import Window, WindowFact, fold_windows

_FAST_MS: Final = 1000
_ALIVE_US: Final = 10_000_000
_EVER: Final = 2**62


@dataclass(slots=True)
class Part:
    """What is known of one system.

    Attributes:
        facts: its own facts about windows, by position.
        windows: what they came to, by the position of the fact that started each.
        lines: of reports, by the same.
        streams: the newest time of each stream, by its interval and kind.
        first_us, last_us: all that was reported lies between them.
        newest_us: the newest time of all, while that matters.
        waiting: the windows that ended, and wait to be reported.
        open_ended: the windows that were reported before a sample from behind their end came.
        tracked: whether it matters how new its streams are.
    """

    facts: dict[int, WindowFact] = field(default_factory=dict)
    windows: dict[int, Window] = field(default_factory=dict)
    lines: dict[int, Line] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    first_us: int = _EVER
    last_us: int = 0
    newest_us: int = 0
    waiting: tuple[int, ...] = ()
    open_ended: tuple[int, ...] = ()
    tracked: bool = False

    def refold(self, shared: Iterable[WindowFact]) -> None:
        """Fold its windows anew."""
        found = fold_windows((*self.facts.values(), *shared)).windows
        self.windows = {window.started_by: window for window in found}

    def compare(self, now_us: int, node_us: int, position: int) -> Iterator[tuple[int, Line]]:
        """Bring the lines up to the windows; yield those of windows that were reported and are no more so.

        Args:
            now_us: the stream's clock.
            node_us: that of the node where the fact was recorded; a window that ended waits by it.
            position: of the fact.
        """
        for number, line in self.lines.items():
            if number not in self.windows:
                if line.spec is not None:
                    line.touch(CORRECTED, now_us, position)
                    yield number, line
                line.reopen()
        for number, window in self.windows.items():
            line = self.lines.setdefault(number, Line())
            if not is_reportable(window):
                line.reopen()
            elif line.spec is None:
                if line.due_us is None:
                    line.end(WINDOW_ENDED, max(node_us, spec_of(window)[1]) + WAIT_US)
            elif line.spec != spec_of(window):
                line.touch(CORRECTED, now_us, position)
                yield number, line

    def heard(self, kind: str, interval_ms: int, time_us: int) -> None:
        """Note the time of a sample."""
        stream = f"{interval_ms}/{kind}"
        self.streams[stream] = max(time_us, self.streams.get(stream, time_us))

    def passed(self, number: int) -> bool:
        """Tell whether samples from behind a window's end have come.

        Of each of the fast streams that were alive then, or of any where none is fast: of one that is sampled
        every five seconds nobody wants to wait for the next one.
        """
        window = self.windows[number]
        assert window.ended_us is not None
        fast = [
            newest_us
            for stream, newest_us in self.streams.items()
            if int(stream.partition("/")[0]) <= _FAST_MS and newest_us >= window.ended_us - _ALIVE_US
        ]
        if fast:
            return all(newest_us >= window.ended_us for newest_us in fast)
        return any(newest_us >= window.ended_us for newest_us in self.streams.values())

    def reported(self, time_us: int) -> list[tuple[int, Line]]:
        """Return the lines of which a report is about this instant."""
        if not self.first_us <= time_us < self.last_us:
            return []
        return [(number, line) for number, line in self.lines.items() if line.covers(time_us)]

    def reached(self, time_us: int) -> list[tuple[int, Line]]:
        """Return the lines reported without this sample, which tells the last moments of their windows."""
        lines = [(number, self.lines[number]) for number in self.open_ended]
        found = [(number, line) for number, line in lines if line.reaches(time_us)]
        if not all(line.tail_us for _, line in lines):
            self.note()
        return found

    def note(self) -> None:
        """Work out from windows and lines what every sample is asked for."""
        self.waiting = tuple(number for number, line in self.lines.items() if line.waiting)
        self.open_ended = tuple(number for number, line in self.lines.items() if line.tail_us)
        self.tracked = bool(self.waiting) or any(window.active for window in self.windows.values())
        specs = [line.spec for line in self.lines.values() if line.spec is not None]
        self.first_us = min((spec[0] for spec in specs), default=_EVER)
        self.last_us = max((spec[1] for spec in specs), default=0)

    def absorb(self, other: "Part") -> None:
        """Take in all that was folded under another name."""
        self.facts |= other.facts
        self.lines |= other.lines
        self.newest_us = max(self.newest_us, other.newest_us)
        for stream, newest_us in other.streams.items():
            self.streams[stream] = max(newest_us, self.streams.get(stream, newest_us))

    def dump(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "facts": [asdict(fact) for _, fact in sorted(self.facts.items())],
            "lines": {str(number): line.dump() for number, line in sorted(self.lines.items())},
            "streams": self.streams,
            "newest_us": self.newest_us,
        }

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> "Part":
        """Read what `dump` wrote; the windows are folded when all is read."""
        facts = [WindowFact(**fact) for fact in said["facts"]]
        return cls(
            facts={fact.position: fact for fact in facts},
            lines={int(number): Line.load(line) for number, line in said["lines"].items()},
            streams=dict(said["streams"]),
            newest_us=said.get("newest_us", 0),
        )
