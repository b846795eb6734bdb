"""Rebuilding read models: the state in events a second, the series against curl posting the same lines."""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from bench import load, rare
from bench.figures import Figure
from bench.processes import victoria
from bus import envelope, instants
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from projectors.lines import Compatibility
from projectors.rebuild import rebuild
from projectors.series_rebuild import rebuild_series
from projectors.series_samples import SampleWriter
from projectors.state import STATE
from schemas.registry import Registry

RARE = 200_000
STATE_SAMPLES = 50_000
SERIES_SAMPLES = 120_000
_BATCH = 512
_LINES_A_POST = 2_000


def state(tmp: Path) -> Iterator[Figure]:
    """Rebuild the state: it must read all rare events, and of samples only the newest of each stream."""
    _fill(tmp, chain(_samples(STATE_SAMPLES), map(_entry, rare.events(RARE))))
    began, cpu = time.perf_counter(), time.process_time()
    rebuild(STATE, tmp)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    yield Figure(
        f"state: rebuild, {RARE:,} rare events beside {STATE_SAMPLES:,} samples",
        RARE / seconds,
        "rare events/s",
        at_least=40_000,
    )
    yield Figure("state: CPU a rare event", spent / RARE * 1e6, "us")


def series(tmp: Path) -> Iterator[Figure]:
    """Rebuild the series, between two times of posting the same lines with curl to a new VictoriaMetrics."""
    data = tmp / "data"
    _fill(data, _samples(SERIES_SAMPLES))
    files = _ready_lines(data, tmp)
    before = _curl(tmp / "before", files)
    began, cpu = time.perf_counter(), time.process_time()
    rebuild_series(data)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    curl = (before + _curl(tmp / "after", files)) / 2
    yield Figure("series: rebuild, samples of 50 readings", SERIES_SAMPLES / seconds, "events/s")
    yield Figure("series: curl posting the same ready lines", SERIES_SAMPLES / curl, "events/s")
    yield Figure("ratio: series rebuild, start and stop included / curl", seconds / curl, "x", at_most=2)
    yield Figure("series: our CPU an event", spent / SERIES_SAMPLES * 1e6, "us")


def _curl(directory: Path, files: Sequence[Path]) -> float:
    """Post files to a VictoriaMetrics that runs already; return the seconds it took."""
    directory.mkdir()
    with victoria(directory) as server:
        url = f"http://127.0.0.1:{server.port}/write?precision=ms"
        began = time.perf_counter()
        for file in files:
            subprocess.run(["curl", "-sf", "--data-binary", f"@{file}", url], check=True)
        return time.perf_counter() - began


def _fill(data: Path, entries: Iterable[Entry]) -> None:
    journal = SqliteJournal(data / "journal")
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            journal.append(batch, recorded_us=batch[-1].time_us)
            batch = []
    journal.append(batch, recorded_us=instants.now_us())
    journal.close()


def _samples(count: int) -> Iterator[Entry]:
    start_us = instants.now_us() - count * 10_000
    for n in range(count):
        fact = load.sample(n, start_us + n * 10_000)
        yield _entry(fact, "victron/500")


def _entry(fact: Envelope, stream: str | None = None) -> Entry:
    body = envelope.encode(fact)
    return Entry("bench", fact.source, fact.id, fact.type, fact.subject, fact.time_us, body, stream)


def _ready_lines(data: Path, tmp: Path) -> list[Path]:
    reader, writer = SqliteJournalReader(data / "journal"), SampleWriter(Registry.load(), Compatibility())
    lines = [line for event in reader.read() if (line := writer.line(event, event.subject)) is not None]
    reader.close()
    files = []
    for start in range(0, len(lines), _LINES_A_POST):
        files.append(tmp / f"{start}.lines")
        files[-1].write_bytes(b"\n".join(lines[start : start + _LINES_A_POST]))
    return files
