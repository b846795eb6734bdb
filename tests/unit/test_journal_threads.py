"""Several threads of one process read one journal: an uplink's lanes, and the questions of the web."""

import random
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from bus import envelope
from bus.envelope import Envelope
from bus.journal import Entry
from bus.journal_sqlite import SqliteJournalReader
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping

ROOT = Path(__file__).parents[2]
T0 = 1_790_000_000_000_000
_EVENTS, _READERS, _READ_S = 1536, 3, 0.8


def read_at_once(directory: Path, events_per_file: int) -> None:
    """Read a journal in several threads for a while; in a process of its own, for it may not survive."""
    chance = random.Random(1)
    wanted: dict[int, bytes] = {}
    with closing(SqliteJournal(directory, Keeping(seal_after_days=0, events=events_per_file))) as journal:
        for n in range(1, _EVENTS + 1):
            data = {"kind": "victron", "values": {f"v_{i}": chance.random() for i in range(40)}}
            said = Envelope(f"e{n}", "/edge/m", "sample.taken", "rig_01", T0 + n, data)
            wanted[n] = envelope.encode(said)
        entries = [
            Entry("m", "/edge/m", f"e{n}", "sample.taken", "rig_01", T0 + n, body, "victron/500")
            for n, body in wanted.items()
        ]
        journal.append(entries, recorded_us=T0)
        while journal.tidy(T0 * 2):
            pass
    faults = list[str]()
    end_s = time.monotonic() + _READ_S

    def read() -> None:
        try:
            while time.monotonic() < end_s:
                with closing(SqliteJournalReader(directory)) as reader:
                    wrong = [one.position for one in reader.read() if one.body != wanted[one.position]]
                faults.extend(f"position {position} is another" for position in wrong)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is to be told
            faults.append(repr(error))

    threads = [threading.Thread(target=read) for _ in range(_READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        sys.exit("; ".join(faults[:3]))


@pytest.mark.parametrize("events_per_file", [512, 10**6], ids=["sealed", "live"])
def test_threads_that_read_at_the_same_time_read_what_was_written(
    tmp_path: Path, events_per_file: int
) -> None:
    code = f"from {__name__} import *; read_at_once(Path({str(tmp_path)!r}), {events_per_file})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
