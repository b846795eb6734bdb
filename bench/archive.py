"""The archive: rows a second, bytes a row, memory, what a live one writes, how long a day takes to read."""

import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson

from bench.figures import Figure
from bus import envelope, ids
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from projectors.archive import EVERY_S, ArchiveProjector
from projectors.archive_reader import ArchiveReader
from projectors.archive_rebuild import rebuild_archive
from projectors.archive_verify import verify_archive
from projectors.runner import Runner
from projectors.samples import read_samples

DAY_ROWS = 172_800
LIVE_SYSTEMS, LIVE_HOURS = 10, 1
_BEGIN_US = 1_795_046_400_000_000
_HALF_SECOND_US = 500_000
_BATCH = 512
_TURNS = 5
_PHASES = ("l1", "l2", "l3")
_QUANTITIES = (
    "voltage_v",
    "current_a",
    "power_w",
    "apparent_power_va",
    "reactive_power_var",
    "power_factor_ratio",
)
_TOTALS = {
    "ac_out_power_w": 3,
    "ac_out_energy_wh": 1,
    "ac_out_frequency_hz": 0,
    "battery_voltage_v": 0,
    "battery_current_a": 2,
    "battery_power_w": 3,
    "battery_temperature_c": 0,
    "soc_pct": 0,
    "pv_power_w": 2,
    "grid_power_w": 3,
    "load_pct": 1,
    "rig_temperature_c": 0,
}


def archive(tmp: Path) -> Iterator[Figure]:
    """Archive a day of one system at 2 Hz with 30 readings, and an hour of ten as a node does."""
    _fill(tmp / "day", DAY_ROWS, 1)
    yield from _in_a_process("rebuild", tmp / "day")
    yield from _in_a_process("read", tmp / "day")
    files = list((tmp / "day" / "archive").rglob("*.parquet"))
    yield Figure(
        "archive: bytes a sample of 30 readings", sum(f.stat().st_size for f in files) / DAY_ROWS, "B"
    )
    _fill(tmp / "live", LIVE_SYSTEMS * LIVE_HOURS * 7200, LIVE_SYSTEMS)
    yield from _in_a_process("live", tmp / "live")


def rebuild(data: Path) -> Iterator[Figure]:
    """Build the archive anew, and compare it."""
    began, cpu = time.perf_counter(), time.process_time()
    place = rebuild_archive(data)
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    yield Figure("archive: rebuild, a system-day of 30 readings at 2 Hz", place.position / seconds, "rows/s")
    yield Figure("archive: CPU a row", spent / place.position * 1e6, "us")
    yield Figure("archive: memory of the rebuild, highest", _memory_mb(), "MiB", at_most=300)
    began = time.perf_counter()
    assert not verify_archive(data).faults
    yield Figure("archive: verify", place.position / (time.perf_counter() - began), "rows/s")


def read(data: Path) -> Iterator[Figure]:
    """Read a whole day, and four hours of it."""
    reader = ArchiveReader(data / "archive")
    until_us = _BEGIN_US + DAY_ROWS * _HALF_SECOND_US
    with closing(SqliteJournalReader(data / "journal")) as journal:
        for name, since_us in (("a system-day", _BEGIN_US), ("four hours", until_us - 14_400_000_000)):
            times = []
            for _ in range(_TURNS + 1):
                began = time.perf_counter()
                samples = read_samples(journal, reader, "rig_00", since_us, until_us)
                times.append(time.perf_counter() - began)
            rows = len(samples.streams[0].time_us)
            most = 150 if rows == DAY_ROWS else None
            yield Figure(
                f"archive: read {name}, {rows:,} rows, warm", min(times[1:]) * 1000, "ms", at_most=most
            )
    yield Figure("archive: memory of reading, highest", _memory_mb(), "MiB", at_most=300)


def live(data: Path) -> Iterator[Figure]:
    """Take ten systems as they come, in an hour that passes quickly, and let the day end."""
    now = [0.0]
    root = data / "archive" / "000001"
    root.mkdir(parents=True)
    projector = ArchiveProjector(root, clock=lambda: now[0])
    reader = SqliteJournalReader(data / "journal")
    batch = LIVE_SYSTEMS * 2 * 10
    runner = Runner(reader, projector, batch=batch, clock=lambda: now[0])
    before, cpu = _written(), time.process_time()
    while runner.turn():
        now[0] += 10.0
        list(projector.messages(now[0]))
    now[0] += EVERY_S
    list(projector.messages(now[0]))
    day, spent = _written() - before, time.process_time() - cpu
    projector.finish()
    over = _written() - before
    rows = projector.rows
    projector.close()
    reader.close()
    what = f"{LIVE_SYSTEMS} systems at 2 Hz"
    yield Figure(f"archive: written to disk a sample, {what}", day / rows, "B", at_most=1000)
    yield Figure("archive: with the day made one file", over / rows, "B", at_most=1000)
    yield Figure(f"archive: CPU a sample, {what}", spent / rows * 1e6, "us")
    yield Figure(f"archive: memory, highest, {what}", _memory_mb(), "MiB", at_most=300)


def _in_a_process(part: str, data: Path) -> Iterator[Figure]:
    """Measure a part in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.archive", part, str(data)], check=True, capture_output=True
    )
    for said in orjson.loads(done.stdout):
        yield Figure(**said)


def _fill(data: Path, count: int, systems: int) -> None:
    chance = random.Random(5)
    journal = SqliteJournal(data / "journal")
    batch: list[Entry] = []
    for n in range(count):
        time_us = _BEGIN_US + n // systems * _HALF_SECOND_US
        said = {"kind": "victron", "interval_ms": 500, "values": _values(n // systems, chance)}
        event = Envelope(ids.uuid7(), "/bench/load", "sample.taken", f"rig_{n % systems:02d}", time_us, said)
        body = envelope.encode(event)
        batch.append(
            Entry("bench", event.source, event.id, event.type, event.subject, time_us, body, "victron/500")
        )
        if len(batch) == _BATCH or n == count - 1:
            journal.append(batch, recorded_us=time_us)
            batch = []
    journal.close()


def _values(n: int, chance: random.Random) -> dict[str, float]:
    """Make readings that move as a site's do: slow waves, noise, counters that rise, some almost still."""
    level = 0.5 + 0.4 * math.sin(n / 9000) + chance.gauss(0, 0.01)
    values: dict[str, float] = {}
    for phase in _PHASES:
        volts, amps = round(230 + chance.gauss(0, 0.4), 1), round(30 * level + chance.gauss(0, 0.2), 1)
        real, apparent = round(volts * amps * 0.95), round(volts * amps)
        reactive = round(apparent * 0.3)
        numbers = (volts, amps, real, apparent, reactive, 0.95)
        values |= {
            f"ac_out_{phase}_{name}": number for name, number in zip(_QUANTITIES, numbers, strict=True)
        }
    for name, moves in _TOTALS.items():
        slow = round(50 + 20 * math.sin(n / 50_000), 1)
        fast = round(20_000 * level + chance.gauss(0, 40))
        values[name] = n // 4 if name.endswith("_wh") else (slow, slow, fast / 100, fast)[moves]
    return values


def _written() -> int:
    """Return how many bytes this process has sent to disks."""
    os.sync()
    said = Path("/proc/self/io").read_text(encoding="ascii")
    return int(next(line for line in said.splitlines() if line.startswith("write_bytes")).split()[1])


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    part, where = sys.argv[1:]
    figures = {"rebuild": rebuild, "read": read, "live": live}[part](Path(where))
    names = ("name", "value", "unit", "at_least", "at_most")
    said = [{name: getattr(figure, name) for name in names} for figure in figures]
    sys.stdout.buffer.write(orjson.dumps(said))
