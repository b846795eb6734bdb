"""Compare the series that serve with a rebuild, sample by sample, while they go on growing.

Rules that must stay true here:
- every sample up to the checkpoint must be there, and every sample there must follow from the journal;
- what time alone explains is no fault: a difference counts when it stays after both sides went on;
- what VictoriaMetrics scraped has the label `job`, which nothing of ours has: it is no series of the journal.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bus import instants
from bus.journal import Head
from projectors import victoria_server
from projectors.lines import selector
from projectors.series import VERSION
from projectors.series_projector import POSITION_METRIC, Settings
from projectors.series_rebuild import SERIES, Build, built, remove
from projectors.series_store import SeriesStore
from projectors.victoria import Victoria
from schemas.errors import ConfigurationError

_AT_ONCE = 500_000
_SHORTEST_MS = 60_000
_MOST_FAULTS = 1000
_DIGITS = 1e-12
_MANTISSA = 1e-17
_LOOKS = 8
_PAUSE_S = 0.25

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, int]
Samples = dict[Sample, float]
Stretch = tuple[str, int, int]


@dataclass(slots=True)
class Comparison:
    """What comparing found.

    Attributes:
        upto: every sample up to this place had to be there.
        compared: samples looked at.
        faults: in words: what is missing, and what follows from nothing.
    """

    upto: Head | None
    compared: int = 0
    faults: list[str] = field(default_factory=list)


def verify_series(
    data: Path,
    url: str,
    *,
    settings: Settings | None = None,
    retention: str = victoria_server.RETENTION,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Rebuild the series beside those at `url`, and compare.

    Raises:
        ConfigurationError: there are no series yet.
        ProjectionError: an event cannot be applied.
        TransientError: VictoriaMetrics or the journal is away.
    """
    store = SeriesStore(data / SERIES, VERSION)
    place = store.newest()
    store.close()
    if place is None:
        raise ConfigurationError("the series have no checkpoint yet: wait half a minute, and verify again")
    found = Comparison(place.head)
    live = Victoria(url)
    try:
        with built(data, ".verify", settings, retention) as build:
            build.advance(place.head.position, progress)
            live.flush()
            missing = _missing(live, build.victoria, found)
            build.advance()
            for stretch, samples in missing.items():
                _judge(stretch, samples, build.victoria, live, "is missing", found)
            _judge_surplus(live, build, found)
    finally:
        live.close()
        remove(data, ".verify")
    return found


def _missing(live: Victoria, rebuilt: Victoria, found: Comparison) -> dict[Stretch, Samples]:
    """Find what the rebuild has and the live series lack."""
    missing: dict[Stretch, Samples] = {}
    for stretch in _stretches(rebuilt):
        wanted = _samples(rebuilt, stretch)
        found.compared += len(wanted)
        if (lacking := _without(wanted, _samples(live, stretch))) and len(missing) < _MOST_FAULTS:
            missing[stretch] = lacking
    return missing


def _judge_surplus(live: Victoria, build: Build, found: Comparison) -> None:
    """Tell what is there and follows from nothing that was recorded."""
    for stretch in _stretches(live):
        there = _samples(live, stretch)
        found.compared += len(there)
        surplus = _without(there, _samples(build.victoria, stretch))
        if surplus:
            build.advance()
            _judge(stretch, surplus, live, build.victoria, "should not be there", found)


def _judge(
    stretch: Stretch, samples: Samples, having: Victoria, lacking: Victoria, what: str, found: Comparison
) -> None:
    """Note what stays in one and not in the other; later facts and what is under way explain the rest."""
    for _ in range(_LOOKS):
        lacking.flush()
        having.flush()
        here = _samples(having, stretch)
        samples = {at: value for at, value in samples.items() if at in here}
        samples = _without(samples, _samples(lacking, stretch))
        if not samples:
            return
        time.sleep(_PAUSE_S)
    for (labels, time_ms), value in samples.items():
        if len(found.faults) < _MOST_FAULTS:
            series = selector("", **dict(labels))
            found.faults.append(f"{instants.text(time_ms * 1000)} {series} = {value} {what}")


def _stretches(victoria: Victoria) -> Iterator[Stretch]:
    """Cut everything there into stretches of a bounded number of samples."""
    victoria.forget_results()
    for name in victoria.names():
        series = selector(__name__=name, job="")
        since = victoria.query(f"min(tfirst_over_time({series}[40y]))", _soon_ms())
        until = victoria.query(f"max(tlast_over_time({series}[40y]))", _soon_ms())
        if name != POSITION_METRIC and since and until:
            since_ms, until_ms = (round(float(one[0]["value"][1]) * 1000) for one in (since, until))
            yield from _cut(victoria, (series, since_ms, until_ms))


def _cut(victoria: Victoria, whole: Stretch) -> Iterator[Stretch]:
    waiting = [whole]
    while waiting:
        series, since_ms, until_ms = waiting.pop()
        span_ms = until_ms - since_ms
        counted = victoria.query(f"sum(count_over_time({series}[{span_ms + 1}ms]))", until_ms)
        if span_ms <= _SHORTEST_MS or not counted or float(counted[0]["value"][1]) <= _AT_ONCE:
            yield series, since_ms, until_ms
        else:
            middle_ms = since_ms + span_ms // 2
            waiting += [(series, middle_ms + 1, until_ms), (series, since_ms, middle_ms)]


def _samples(victoria: Victoria, stretch: Stretch) -> Samples:
    series, since_ms, until_ms = stretch
    return {
        (tuple(sorted(one.labels.items())), time_ms): value
        for one in victoria.export(series, since_ms=since_ms, until_ms=until_ms)
        for time_ms, value in zip(one.times_ms, one.values, strict=True)
    }


def _without(samples: Samples, others: Samples) -> Samples:
    """Return the samples that have no equal among the others.

    VictoriaMetrics keeps decimal mantissas that share an exponent in a block, and blocks may differ.
    """
    largest = max(map(abs, samples.values()), default=0.0)
    return {
        at: value
        for at, value in samples.items()
        if at not in others or abs(value - others[at]) > _DIGITS * abs(value) + _MANTISSA * largest
    }


def _soon_ms() -> int:
    return instants.now_us() // 1000 + 2 * 86_400_000
