"""Rebuilding read models: the state in events a second, the series against curl posting the same lines."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench import load
from bench.figures import Figure
from bench.processes import victoria
from bus import envelope, ids, instants
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from projectors.lines import Compatibility
from projectors.rebuild import rebuild_state
from projectors.series_rebuild import rebuild_series
from projectors.series_samples import SampleWriter
from schemas.registry import Registry

RARE = 60_000
SAMPLES = 60_000
_BATCH = 512
_LINES_A_POST = 2_000


def state(tmp: Path) -> Iterator[Figure]:
    """Rebuild the state from rare events, and from samples of which only the newest count."""
    for name, entries, count in (
        ("rare events", _notes(RARE), RARE),
        ("samples", _samples(SAMPLES), SAMPLES),
    ):
        data = tmp / name
        _fill(data, entries)
        began, cpu = time.perf_counter(), time.process_time()
        rebuild_state(data)
        seconds, spent = time.perf_counter() - began, time.process_time() - cpu
        yield Figure(f"state: rebuild from {count:,} {name}", count / seconds, "events/s", at_least=40_000)
        yield Figure(f"state: CPU an event, {name}", spent / count * 1e6, "us")


def series(tmp: Path) -> Iterator[Figure]:
    """Rebuild the series, and post the same lines with curl to an empty VictoriaMetrics."""
    data = tmp / "data"
    _fill(data, _samples(SAMPLES))
    files = _ready_lines(data, tmp)
    other = tmp / "other"
    other.mkdir()
    with victoria(other) as port:
        began = time.perf_counter()
        for file in files:
            subprocess.run(
                ["curl", "-sf", "--data-binary", f"@{file}", f"http://127.0.0.1:{port}/write"], check=True
            )
        curl = time.perf_counter() - began
    began, cpu = time.perf_counter(), time.process_time()
    rebuild_series(data)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    yield Figure("series: rebuild, samples of 50 readings", SAMPLES / seconds, "events/s")
    yield Figure("series: curl posting the same ready lines", SAMPLES / curl, "events/s")
    yield Figure("ratio: series rebuild / curl", seconds / curl, "x", at_most=2)
    yield Figure("series: our CPU an event", spent / SAMPLES * 1e6, "us")


def _fill(data: Path, entries: Iterator[Entry]) -> None:
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


def _notes(count: int) -> Iterator[Entry]:
    start_us = instants.now_us() - count * 10_000
    for n in range(count):
        data = {"text": f"note {n}"}
        yield _entry(
            Envelope(
                ids.uuid7(), "/bench/notes", "note.added", f"rig_{n % 100:03d}", start_us + n * 10_000, data
            )
        )


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
