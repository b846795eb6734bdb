"""Reports: from the end of a window to a report that is served, a system's day, a hundred systems' event."""

import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson

from bench.figures import Figure
from bench.node import running
from bench.processes import victoria, wait
from bus import envelope, ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.sender import Sender
from projectors.archive_reader import ArchiveReader
from projectors.archive_rebuild import rebuild_archive
from projectors.report_facts import Wanted
from projectors.report_index import Reports
from projectors.report_making import Sources, make
from reporter.facts import ReportSettings
from reporter.render import paper

DAY_ROWS = 172_800
HOURS_4 = 28_800
SYSTEMS, HOURS_8 = 100, 57_600
_HALF_SECOND_US = 500_000
_BEGIN_US = 1_795_046_400_000_000
_BATCH = 2000
_TURNS = 4
_EVENT = "bench"


def reports(tmp: Path) -> Iterator[Figure]:
    """Measure a node's report of four hours at 2 Hz, and a day's from a warm archive."""
    yield from _end_to_end(tmp / "node")
    _fill(tmp / "day", 1, DAY_ROWS, _BEGIN_US, ended=True)
    rebuild_archive(tmp / "day")
    yield from _in_a_process("day", tmp / "day")


def festival(tmp: Path) -> Iterator[Figure]:
    """Measure the report of an event of a hundred systems and eight hours; filling takes minutes."""
    _fill(tmp / "festival", SYSTEMS, HOURS_8, _BEGIN_US, ended=True)
    rebuild_archive(tmp / "festival")
    yield from _in_a_process("event", tmp / "festival")


def day(data: Path) -> Iterator[Figure]:
    """Make the report of a system's day."""
    times = [_make(data, "rig_00") for _ in range(_TURNS + 1)]
    yield Figure("reports: a system-day at 2 Hz, first", times[0] * 1000, "ms")
    yield Figure("reports: a system-day at 2 Hz, JSON + HTML, warm", min(times[1:]) * 1000, "ms", at_most=500)
    yield Figure("reports: memory of a system-day, highest", _memory_mb(), "MiB", at_most=300)
    document = orjson.loads((data / "reports" / "rig_00" / "data.json").read_bytes())
    began = time.perf_counter()
    paper(document)
    first = time.perf_counter()
    paper(document)
    yield Figure("reports: its PDF, first and next", (time.perf_counter() - first) * 1000, "ms")
    yield Figure("reports: its PDF, first", (first - began) * 1000, "ms", at_most=60_000)


def event(data: Path) -> Iterator[Figure]:
    """Make the report of a whole event."""
    yield Figure(
        f"reports: an event of {SYSTEMS} systems and 8 h, JSON + HTML", _make(data, None), "s", at_most=30
    )
    yield Figure("reports: memory of the event, highest", _memory_mb(), "MiB", at_most=300)


def _make(data: Path, system_id: str | None) -> float:
    settings = ReportSettings(time_zone="Europe/Berlin")
    began = time.perf_counter()
    with closing(SqliteJournalReader(data / "journal")) as reader:
        sources = Sources(
            reader, ArchiveReader(data / "archive"), data / "photos", lambda _: settings, lambda _: None
        )
        make(
            sources,
            Wanted(_EVENT, system_id, None, 1, "operator"),
            reader.head().position,
            data / "reports" / (system_id or "event"),
            data / "reports",
            lambda _done, _total: None,
        )
    return time.perf_counter() - began


def _end_to_end(tmp: Path) -> Iterator[Figure]:
    """End a window of four hours that a node recorded, with samples flowing, and wait for its report."""
    tmp.mkdir()
    now_us = instants.now_us() // _HALF_SECOND_US * _HALF_SECOND_US
    _fill(tmp / "data", 1, HOURS_4, now_us - HOURS_4 * _HALF_SECOND_US, ended=False)
    with victoria(tmp) as server, running(tmp, server.port) as node:
        sender = Sender(Broker(port=node["port_base"]), client="bench", name="rig", path=tmp / "rig.sqlite")
        index, chance = Reports(tmp / "data"), random.Random(1)
        sent_us = now_us

        def flow() -> None:
            nonlocal sent_us
            while sent_us <= instants.now_us():
                sender.put(_sample("rig_00", sent_us, chance))
                sent_us += _HALF_SECOND_US

        archive, filled = ArchiveReader(tmp / "data" / "archive"), HOURS_4 + 1

        def archived() -> bool:
            flow()
            place = archive.place()
            return place is not None and place.position >= filled

        wait(archived, 120.0)  # as it is on a node that has run for four hours: the last minutes are missing
        ended_us = instants.now_us()
        sender.put(_fact("window.ended", "rig_00", ended_us, event_id=_EVENT))
        began = time.monotonic()

        def there() -> bool:
            flow()
            return any(one.state == "ready" for one in index.find(_EVENT, scope="system"))

        wait(there, 60.0)
        whole_s = time.monotonic() - began
        sender.close()
        asked_s = (_asked_us(tmp / "data") - ended_us) / 1e6
        what = "reports: window.ended to a report of four hours that is served"
        yield Figure(what, whole_s * 1000, "ms", at_most=2000)
        yield Figure("reports: of that, until samples from behind the end had come", asked_s * 1000, "ms")


def _asked_us(data: Path) -> int:
    """Tell when the node recorded that it wants a report."""
    with closing(SqliteJournalReader(data / "journal")) as reader:
        return next(reader.read(types=["report.requested"])).recorded_us


def _fill(data: Path, systems: int, rows: int, begin_us: int, *, ended: bool) -> None:
    chance = random.Random(5)
    names = [f"rig_{n:02d}" for n in range(systems)]
    end_us = begin_us + rows * _HALF_SECOND_US
    with closing(SqliteJournal(data / "journal")) as journal:
        journal.append(
            [_entry(_fact("window.started", one, begin_us, event_id=_EVENT)) for one in names],
            recorded_us=begin_us,
        )
        batch: list[Entry] = []
        for number in range(rows + 1):
            time_us = begin_us + number * _HALF_SECOND_US
            batch += [_entry(_sample(one, time_us, chance)) for one in names]
            if len(batch) >= _BATCH or number == rows:
                journal.append(batch, recorded_us=time_us)
                batch = []
        if ended:
            journal.append(
                [_entry(_fact("window.ended", one, end_us, event_id=_EVENT)) for one in names],
                recorded_us=end_us,
            )


def _fact(kind: str, system_id: str, time_us: int, **said: str) -> Envelope:
    return Envelope(ids.uuid7(), "/bench/ops", kind, system_id, time_us, said)


def _sample(system_id: str, time_us: int, chance: random.Random) -> Envelope:
    level = 5000 + 3000 * math.sin(time_us / 3e9) + chance.gauss(0, 50)
    values = {
        "ac_out_power_w": round(level),
        "soc_pct": 80.0,
        "battery_power_w": round(-level * 0.4),
        "grid_power_w": round(level * 0.6),
        "pv_power_w": 0.0,
    }
    for phase in ("l1", "l2", "l3"):
        values |= {
            f"ac_out_{phase}_power_w": round(level / 3),
            f"ac_out_{phase}_voltage_v": round(230 + chance.gauss(0, 0.4), 1),
            f"ac_out_{phase}_current_a": round(level / 690, 1),
        }
    data = {"kind": "victron", "interval_ms": 500, "values": values}
    return Envelope(ids.uuid7(), "/bench/rig", "sample.taken", system_id, time_us, data)


def _entry(said: Envelope) -> Entry:
    stream = "victron/500" if said.type == "sample.taken" else None
    body = envelope.encode(said)
    return Entry("bench", said.source, said.id, said.type, said.subject, said.time_us, body, stream)


def _in_a_process(part: str, data: Path) -> Iterator[Figure]:
    """Measure a part in a process of its own, so that its memory is its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.reports", part, str(data)], check=True, capture_output=True
    )
    for said in orjson.loads(done.stdout):
        yield Figure(**said)


def _memory_mb() -> float:
    """Tell the most memory this process had; not that of who started it."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    part, where = sys.argv[1:]
    figures = {"day": day, "event": event}[part](Path(where))
    names = ("name", "value", "unit", "at_least", "at_most")
    said = [{name: getattr(figure, name) for name in names} for figure in figures]
    sys.stdout.buffer.write(orjson.dumps(said))
