"""A year of occurrences: how long rebuilding the counters takes, and every question that is asked of them."""

import gc
import random
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from bench.figures import Figure
from bus import envelope
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_writer import SqliteJournal
from projectors.counter_periods import DAY_US, HOUR_US
from projectors.counter_queries import Counters
from projectors.counter_report import KINDS, Period, report
from projectors.counters import kind
from projectors.rebuild import rebuild
from schemas.occurrences import TABLE

SYSTEMS = 100
OCCURRENCES = 2_000_000
_BATCH = 2000
_BEGIN_US = 1_763_683_200_000_000
_YEAR_US = 365 * DAY_US
_TURNS = 5


def a_year(tmp: Path) -> Iterator[Figure]:
    """Rebuild and ask the counters of a hundred systems with two million occurrences in a year."""
    fresh = get_context("spawn")
    with ProcessPoolExecutor(1, fresh) as filling:
        filling.submit(_fill, tmp, OCCURRENCES).result()
    with ProcessPoolExecutor(1, fresh) as rebuilding:
        seconds, spent, highest = rebuilding.submit(_rebuild, tmp).result()
    yield Figure(f"counters: rebuild, {OCCURRENCES:,} occurrences of a year", seconds, "s")
    yield Figure("counters: rebuild", OCCURRENCES / seconds, "events/s", at_least=40_000)
    yield Figure("counters: CPU an event", spent / OCCURRENCES * 1e6, "us")
    yield Figure("counters: memory, highest", highest, "MiB", at_most=150)
    size = sum(path.stat().st_size for path in (tmp / "counters").glob("*.sqlite"))
    yield Figure("counters: on disk", size / 2**20, "MiB")
    with ProcessPoolExecutor(1, fresh) as asking:
        answered = asking.submit(_ask, tmp).result()
    for name, slowest in answered.items():
        yield Figure(f"counters: {name}, slowest of {_TURNS}", slowest * 1000, "ms", at_most=100)


def _rebuild(data: Path) -> tuple[float, float, float]:
    """Rebuild; return seconds, seconds of CPU, and the highest memory of a process that does nothing else."""
    began, cpu = time.perf_counter(), time.process_time()
    rebuild(kind(), data)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    return seconds, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _ask(data: Path) -> dict[str, float]:
    """Ask every question as the web process does; return how many seconds each took at most."""
    gc.freeze()
    slowest: dict[str, float] = {}
    with closing(Counters.open(data)) as counters:
        for name, ask in _questions(counters).items():
            times = []
            for _ in range(_TURNS):
                began = time.perf_counter()
                ask()
                times.append(time.perf_counter() - began)
            slowest[name] = max(times)
    return slowest


def _questions(counters: Counters) -> dict[str, Callable[[], object]]:
    now_us = _BEGIN_US + _YEAR_US - HOUR_US // 2
    loss = "ups.ac_power_loss"
    year = Period(now_us - _YEAR_US + DAY_US, now_us)
    month = Period(now_us - 30 * DAY_US, now_us)
    questions: dict[str, Callable[[], object]] = {
        "all counts of the fleet": lambda: counters.show(now_us),
        "all counts of a system": lambda: counters.show(now_us, "rig_042"),
        "rate of a type over 17 days, fleet": lambda: counters.rate(loss, now_us, 17 * DAY_US),
        "statistics of a year, fleet": lambda: counters.statistics(now_us, 365),
        "statistics of a year, system": lambda: counters.statistics(now_us, 365, system_id="rig_042"),
        "health of the fleet": lambda: counters.health(now_us),
        "health of a system": lambda: counters.health(now_us, "rig_042"),
        "time on battery in a year, fleet": lambda: counters.durations(now_us, year.since_us),
        "days of a year, fleet": lambda: counters.by_day(year.since_us, year.until_us),
        "newest 100 of the fleet": counters.history,
        "newest 1000 of the fleet": lambda: counters.history(limit=1000),
        "newest 100 of a type, fleet": lambda: counters.history(types=[loss]),
        "newest 100 of a system, last month": lambda: counters.history(
            system_id="rig_042", since_us=month.since_us, until_us=month.until_us
        ),
    }
    for which in KINDS:
        questions[f"{which} report of a system, a month"] = partial(report, counters, which, month, "rig_042")
        questions[f"{which} report of the fleet, a year"] = partial(report, counters, which, year)
    return questions


def _fill(data: Path, number: int) -> None:
    chance = random.Random(4)
    types = list(TABLE.occurrences)
    journal = SqliteJournal(data / "journal")
    batch: list[Entry] = []
    for n in range(number):
        time_us = _BEGIN_US + n * _YEAR_US // number
        system, type_ = f"rig_{chance.randrange(SYSTEMS):03}", chance.choice(types)
        said = {
            "stage": chance.choice(("confirmed", "edge")),
            "rule": "any",
            "cause": "voltage",
            "measured": 47.5,
        }
        event = Envelope(f"{n:x}", "/edge-01/detector", type_, system, time_us, said)
        batch.append(
            Entry("detector", event.source, event.id, type_, system, time_us, envelope.encode(event), None)
        )
        if len(batch) == _BATCH:
            journal.append(batch, recorded_us=time_us)
            batch = []
    journal.close()
