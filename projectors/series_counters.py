"""Occurrences, health and alerts as series: counters that only grow, scores, and what is active. Pure.

Rules that must stay true here:
- a series gets its value at the `recordedat` of what changed it, and again at every full minute of the
  stream, so that an instant query finds it; what is written where depends on the stream alone;
- no series gets two values for one millisecond: what changed within one is written when it is over;
- a total never goes down: resets are for people, and a late occurrence only adds;
- what was told at one place and is loaded goes on as if it had never been away;
- a clock that had leapt ahead and is set back takes the minutes with it.
"""

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bus.envelope import Event
from projectors import lines
from projectors.counter_periods import DAY_US
from schemas.occurrences import TABLE

ALERTS: Final = frozenset({"alert.raised", "alert.cleared"})
COUNTED: Final = frozenset(TABLE.occurrences) | ALERTS
SET_BACK_US: Final = DAY_US
"""What is recorded so long before the newest tells that this was ahead of the true time."""

_MINUTE_MS = 60_000
_WINDOW_US = TABLE.health.days * DAY_US
_MOST_TIMES: Final = 1000
"""Of a system: more than a score of 0 takes, also where some lie behind or ahead of the window."""

_HEAVIEST = max(TABLE.health.weights.values())
_CONFIRMED = "confirmed"
Key = tuple[str, str]
"""A system, and the type of occurrence or the name of an alert."""


class CounterSeries:
    """What has been counted at one place of the stream, and what of it is to be written."""

    def __init__(self) -> None:
        self._totals: dict[Key, int] = defaultdict(int)
        self._times: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self._alerts: dict[Key, tuple[str, int]] = {}
        self._changed: set[Key] = set()
        self._now_ms = self._changed_ms = 0
        self._minute = 0

    def move(self, recorded_us: int) -> Iterator[bytes]:
        """Let the stream come so far; yield what is due before."""
        now_ms = recorded_us // 1000
        if now_ms < self._now_ms - SET_BACK_US // 1000:
            yield from self._write(self._changed, self._changed_ms)
            self._changed.clear()
            self._now_ms, self._minute = now_ms, (now_ms - 1) // _MINUTE_MS
        self._now_ms = now_ms = max(self._now_ms, now_ms)
        if self._changed and now_ms > self._changed_ms:
            yield from self._write(self._changed, self._changed_ms)
            self._changed.clear()
        minute = (now_ms - 1) // _MINUTE_MS  # a minute's first millisecond is over when it has passed
        if minute > self._minute:
            self._minute = minute
            yield from self._write([*self._totals, *self._alerts], minute * _MINUTE_MS)
            self._alerts = {key: said for key, said in self._alerts.items() if said[1]}

    def take(self, event: Event, system_id: str) -> None:
        """Count an event; the stream has come to it."""
        key = (system_id, event.type)
        if event.type in ALERTS:
            key = (system_id, event.data["alert"])
            raised = event.type == "alert.raised"
            if not raised and key not in self._alerts:
                return
            self._alerts[key] = event.data["severity"] if raised else self._alerts[key][0], int(raised)
        elif event.data["stage"] == _CONFIRMED:
            self._totals[key] += 1
            weight = TABLE.health.weights[TABLE.get(event.type).severity]
            if weight:
                insort(self._times[system_id], (event.time_us, weight))
                del self._times[system_id][:-_MOST_TIMES]
        else:
            return
        self._changed.add(key)
        self._changed_ms = self._now_ms

    def join(self, aliases: Iterable[str], system_id: str) -> None:
        """Give what was counted under other names to their system."""
        for alias in aliases:
            for key in [key for key in self._totals if key[0] == alias]:
                self._totals[system_id, key[1]] += self._totals.pop(key)
            for key in [key for key in self._alerts if key[0] == alias]:
                self._alerts[system_id, key[1]] = self._alerts.pop(key)
            self._times[system_id] = sorted(self._times[system_id] + self._times.pop(alias, []))
            self._changed = {(system_id if name == alias else name, what) for name, what in self._changed}

    def tell(self) -> dict[str, Any]:
        """Return all that is known at this place, as JSON holds it."""
        return {
            "totals": [[*key, total] for key, total in self._totals.items()],
            "times": self._times,
            "alerts": [[*key, *said] for key, said in self._alerts.items()],
            "changed": sorted(self._changed),
            "now": [self._now_ms, self._changed_ms, self._minute],
        }

    @classmethod
    def load(cls, told: Mapping[str, Any]) -> "CounterSeries":
        """Go on from what `tell` returned."""
        found = cls()
        found._totals.update({(system_id, type_): total for system_id, type_, total in told["totals"]})
        for system_id, times in told["times"].items():
            found._times[system_id] = [(time_us, weight) for time_us, weight in times]
        found._alerts = {(system_id, name): (said, on) for system_id, name, said, on in told["alerts"]}
        found._changed = {(system_id, name) for system_id, name in told["changed"]}
        found._now_ms, found._changed_ms, found._minute = told["now"]
        return found

    def _score(self, system_id: str, now_us: int) -> int:
        """Return the health of a system, 0 to 100, by what was confirmed in the last days."""
        times = self._times[system_id]
        begin = bisect_right(times, (now_us - _WINDOW_US, 0))
        end = bisect_right(times, (now_us, _HEAVIEST))
        return max(0, 100 - sum(weight for _, weight in times[begin:end]))

    def _write(self, keys: Iterable[Key], time_ms: int) -> Iterator[bytes]:
        systems: set[str] = set()
        for system_id, name in sorted(keys):
            if name in TABLE.occurrences:
                systems.add(system_id)
                tags = {
                    "system_id": system_id,
                    "type": TABLE.get(name).label,
                    "severity": TABLE.get(name).severity,
                }
                head = lines.series("ovr_ups_events", tags)
                yield lines.point(head, "total", self._totals[system_id, name], time_ms)
            else:
                severity, active = self._alerts[system_id, name]
                tags = {"system_id": system_id, "alert": name, "severity": severity}
                yield lines.point(lines.series("ovr_alert", tags), "active", active, time_ms)
        for system_id in sorted(systems):
            head = lines.series("ovr_health", {"system_id": system_id})
            yield lines.point(head, "score", self._score(system_id, time_ms * 1000 + 999), time_ms)
