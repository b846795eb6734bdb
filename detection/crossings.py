"""How often each thing occurred to one system lately, and which limits that crosses. Pure.

Rules that must stay true here:
- "lately" ends at the stream's clock, the newest `recordedat`: what lies further back than the period does
  not count, however late it comes; what a device dates into the future counts at once;
- more than the limit raises, once; it is over when the count has fallen to `Limit.calm`, and not before;
- what happened before a reset counts no more, as with the counters themselves;
- only the newest `KEPT` times of a type are kept, which decides nothing: what is not kept leaves the window
  first, and limits are below that number, or that many more are kept.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from bus.instants import SECOND_US
from detection.limits import PERIODS, Limit

KEPT: Final = 1000
ENDED_US: Final = 900 * SECOND_US
"""How long an alert that is over is remembered, so that whoever delivers alerts can say so."""

_LONGEST_US: Final = max(PERIODS.values())


@dataclass(frozen=True, slots=True)
class Active:
    """An alert that was raised and is not over.

    Attributes:
        limit: as it was then.
        since_us: when it was raised, by the stream's clock.
        trigger: names the event that raised it.
    """

    limit: Limit
    since_us: int
    trigger: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """An alert that begins or is over.

    Attributes:
        active: which.
        raised: it begins.
        time_us: when.
        count: how many there were then.
    """

    active: Active
    raised: bool
    time_us: int
    count: int


@dataclass(slots=True)
class Crossings:
    """One system.

    Attributes:
        times: when each type occurred, oldest first.
        resets: by type, when its counter was last reset.
        active: by name of the alert.
        ended: alerts that are over since a short time, and since when.
    """

    times: dict[str, list[int]] = field(default_factory=dict)
    resets: dict[str, int] = field(default_factory=dict)
    active: dict[str, Active] = field(default_factory=dict)
    ended: dict[str, tuple[Active, int]] = field(default_factory=dict)

    def add(self, counted: str, time_us: int) -> None:
        """Take in one occurrence."""
        insort(self.times.setdefault(counted, []), time_us)

    def reset(self, counted: str, time_us: int) -> None:
        """Take in that a counter was reset at a time."""
        self.resets[counted] = max(time_us, self.resets.get(counted, time_us))

    def absorb(self, other: Self) -> None:
        """Take in what was counted under another name; an alert that both have is this one's."""
        for counted, times in other.times.items():
            self.times[counted] = sorted(self.times.get(counted, []) + times)
        for counted, reset_us in other.resets.items():
            self.reset(counted, reset_us)
        self.active = {**other.active, **self.active}

    def judge(
        self, limits: Collection[Limit], now_us: int, trigger: str, recorded_us: int
    ) -> Iterator[Crossing]:
        """Tell which alerts begin and which are over, and forget what is too old to matter.

        Args:
            limits: those that hold.
            now_us: the stream's clock.
            trigger: names the event that gives reason to judge.
            recorded_us: its `recordedat`. It is before the stream's clock when the recorder's clock was set
                back; no alert is dated later, as the recorder takes nothing out of the future.
        """
        self._forget(now_us - _LONGEST_US, max((limit.most + 1 for limit in limits), default=0))
        by_name = {limit.alert: limit for limit in limits}
        at_us = min(now_us, recorded_us)
        yield from self._over(by_name, now_us, at_us)
        for name, limit in by_name.items():
            count = self.count(limit, now_us)
            if name not in self.active and count > limit.most:
                self.active[name] = one = Active(limit, at_us, trigger)
                self.ended.pop(name, None)
                yield Crossing(one, raised=True, time_us=at_us, count=count)

    def count(self, limit: Limit, now_us: int) -> int:
        """Count what a limit is about, of what is kept."""
        times = self.times.get(limit.counted, ())
        return len(times) - bisect_right(times, now_us - limit.period_us)

    def due_us(self, limits: Collection[Limit]) -> int | None:
        """Return when an alert is over, should nothing more occur; None when none is active."""
        by_name = {limit.alert: limit for limit in limits}
        found = [self._falls_us(by_name[name]) for name in self.active if name in by_name]
        return min((one for one in found if one is not None), default=None)

    def dump(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        active = {name: _row(one) for name, one in self.active.items()}
        ended = {name: [*_row(one), over_us] for name, (one, over_us) in self.ended.items()}
        return {"times": self.times, "resets": self.resets, "active": active, "ended": ended}

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Self:
        """Read what `dump` gave."""
        active = {name: _active(row) for name, row in said["active"].items()}
        ended = {name: (_active(row), row[-1]) for name, row in said["ended"].items()}
        return cls(dict(said["times"]), dict(said["resets"]), active, ended)

    def _over(self, limits: Mapping[str, Limit], now_us: int, at_us: int) -> Iterator[Crossing]:
        found: list[tuple[int, str]] = []
        for name, one in self.active.items():
            limit = limits.get(name)
            if limit is None:
                found.append((now_us, name))
            elif self.count(limit, now_us) <= limit.calm:
                falls_us = self._falls_us(limit) or now_us
                found.append((min(now_us, max(falls_us, one.since_us)), name))
        for over_us, name in sorted(found):
            one = self.active.pop(name)
            count, self.ended[name] = self.count(one.limit, over_us), (one, over_us)
            yield Crossing(one, raised=False, time_us=min(at_us, over_us), count=count)

    def _falls_us(self, limit: Limit) -> int | None:
        """Return when the count falls, or fell, to what is calm; None when it always was."""
        times = self.times.get(limit.counted, ())
        return times[-limit.calm - 1] + limit.period_us if len(times) > limit.calm else None

    def _forget(self, until_us: int, more: int) -> None:
        for counted, times in list(self.times.items()):
            first = max(
                bisect_left(times, self.resets[counted]) if counted in self.resets else 0,
                len(times) - max(KEPT, more),
                self._first_needed(counted, times, until_us),
            )
            del times[:first]
            if not times:
                del self.times[counted]
        self.resets = {counted: time_us for counted, time_us in self.resets.items() if time_us > until_us}
        horizon_us = until_us + _LONGEST_US - ENDED_US
        self.ended = {name: row for name, row in self.ended.items() if row[1] > horizon_us}

    def _first_needed(self, counted: str, times: list[int], until_us: int) -> int:
        """Keep a time beyond the window where it tells when an active alert was over."""
        first = bisect_right(times, until_us)
        needed = [one.limit.calm + 1 for one in self.active.values() if one.limit.counted == counted]
        return max(0, min([first, *(len(times) - one for one in needed)]))


def _row(one: Active) -> list[int | str]:
    limit = one.limit
    return [limit.counted, limit.period, limit.most, limit.severity, one.since_us, one.trigger]


def _active(row: Sequence[Any]) -> Active:
    counted, period, most, severity, since_us, trigger = row[:6]
    return Active(Limit(counted, period, most, severity), since_us, trigger)
