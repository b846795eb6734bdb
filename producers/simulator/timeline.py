"""Values over a day, as data: straight lines between points of time, and spans in which something holds.

Pure. Times are seconds of the scenario's clock; a day repeats for ever.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A value over the day: linear between its points, and from the last on to the first of the next day."""

    times_s: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time_s: float) -> float:
        """Give the value at a time."""
        times, values = self.times_s, self.values
        day_s = time_s % DAY_S
        after = bisect_right(times, day_s)
        if len(times) == 1:
            return values[0]
        if after == 0 or after == len(times):
            begin_s, end_s = times[-1], times[0] + DAY_S
            part = ((day_s if after else day_s + DAY_S) - begin_s) / (end_s - begin_s)
            return values[-1] + (values[0] - values[-1]) * part
        begin_s, end_s = times[after - 1], times[after]
        return values[after - 1] + (values[after] - values[after - 1]) * (day_s - begin_s) / (end_s - begin_s)


@dataclass(frozen=True, slots=True)
class Spans:
    """The times of day in which something holds, each from its begin to before its end."""

    spans_s: tuple[tuple[float, float], ...] = ()

    def hold(self, time_s: float) -> bool:
        """Tell whether it holds at a time."""
        day_s = time_s % DAY_S
        return any(begin_s <= day_s < end_s for begin_s, end_s in self.spans_s)

    def edges(self) -> Iterator[float]:
        """Give the times of day at which something changes."""
        for span in self.spans_s:
            yield from span


def next_edge(edges_s: Sequence[float], time_s: float) -> float:
    """Give the first time after `time_s` at which one of the sorted times of day comes round."""
    if not edges_s:
        return float("inf")
    day, day_s = divmod(time_s, DAY_S)
    after = bisect_right(edges_s, day_s)
    ahead = (*edges_s[after : after + 2], edges_s[0] + DAY_S, edges_s[0] + 2 * DAY_S)
    return next(
        edge for edge_s in ahead if (edge := day * DAY_S + edge_s) > time_s
    )  # rounding may hit `time_s`
