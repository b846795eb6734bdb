"""What a process measures while it works, and who in it can be asked for figures.

Rules that must stay true here:
- nothing here is dear: counting costs less than a microsecond, and telling happens only when somebody asks;
- whoever tells is asked from another thread: it hands over what it has, and waits for nobody;
- what others choose (texts, ids) never becomes a label without a bound: see `Tally`.
"""

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from weakref import WeakSet

OTHER: Final = "other"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_MOST_KEYS: Final = 48


class Histogram:
    """Counts how long things took, in seconds.

    Attributes:
        bounds: upper ends of the buckets, ascending; one more bucket takes the rest.
        counts: how many were in each bucket.
        total: the sum of all.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Tally(dict[str, int]):
    """Counts by a word, of which there are never more than a bounded number: the rest is `other`."""

    def add(self, word: str, count: int = 1) -> None:
        """Count so many of a word."""
        if word not in self and len(self) >= _MOST_KEYS:
            word = OTHER
        self[word] = self.get(word, 0) + count


@dataclass(frozen=True, slots=True)
class Told:
    """What one teller says.

    Attributes:
        source: where bus/metrics.toml looks for it: `health`, `outbox`, `broker`, `supervisor`.
        figures: by field; what is no number is no figure.
        labels: of all of them.
        histograms: by field.
    """

    source: str
    figures: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    histograms: Mapping[str, Histogram] = field(default_factory=dict)


class Teller(Protocol):
    """Someone in this process who knows figures."""

    def told(self) -> Told:
        """Say them; called from any thread."""
        ...


_tellers: WeakSet[Teller] = WeakSet()
_lock = threading.Lock()


def tell(teller: Teller) -> None:
    """Let a teller be asked for as long as it lives."""
    with _lock:
        _tellers.add(teller)


def told() -> list[Told]:
    """Ask everyone."""
    with _lock:
        asked = list(_tellers)
    return [teller.told() for teller in asked]
