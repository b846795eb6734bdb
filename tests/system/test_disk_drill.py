"""The disk-full drill: samples are given up in order, operators' facts go on, and all is accounted for."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bus.disk_guard import RESERVE, room
from bus.envelope import Envelope, decode
from bus.journal_sqlite import SqliteJournalReader
from bus.sender import Sender
from tests.services import start_mosquitto
from tests.system.test_sender import ROOT, note, sample, sending
from tests.waiting import PATIENCE_S, until

SIZE = 200_000_000
RECORDER = """
import signal, sys, threading
from pathlib import Path
from bus.connection import Broker
from bus.disk_levels import DiskLimits
from bus.recorder import Recorder
data, told = Path(sys.argv[1]), Path(sys.argv[3])
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
limits = DiskLimits(reserve_bytes=8_000_000)
recorder = Recorder(data, Broker(port=int(sys.argv[2])), node_id="edge", disk=limits)
if told.exists():
    recorder._disk.measure = lambda _: tuple(map(int, told.read_text().split()))
recorder.run(stop.is_set)
"""


@dataclass
class Disk:
    """A disk to fill: a tmpfs, or, where mounting is not allowed, what a recorder is told and limited to."""

    path: Path
    told: Path
    mounted: bool

    def leave(self, free: int, pid: int) -> None:
        """Let so many bytes be free."""
        ballast = self.path / "ballast"
        if self.mounted:
            there = ballast.stat().st_size if ballast.exists() else 0
            with ballast.open("ab") as file:
                size = there + room(self.path)[0] - free
                os.truncate(file.fileno(), min(size, there))
                if size > there:
                    os.posix_fallocate(file.fileno(), there, size - there)
            return
        self.told.write_text(f"{free} {SIZE}")
        most = 4096 if free == 0 else resource.RLIM_INFINITY
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@contextmanager
def small_disk(path: Path, told: Path, *, mount: bool) -> Iterator[Disk]:
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    mounted = mount and subprocess.run(command, capture_output=True, check=False).returncode == 0
    if not mounted:
        told.write_text(f"{SIZE} {SIZE}")
    try:
        yield Disk(path, told, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def recorded(data: Path, *types: str) -> list[Envelope]:
    with closing(SqliteJournalReader(data / "journal")) as reader:
        return [decode(event.body) for event in reader.read(types=types)]


def said(data: Path) -> list[Any]:
    """List what the recorder said of its disk: the levels, and 0 where it was well again."""
    alarms = recorded(data, "alarm.raised", "alarm.cleared")
    return [one.data.get("code", 0) for one in alarms]


def confirmed(sender: Sender, *events: Envelope) -> None:
    for event in events:
        sender.put(event)
    assert sender.flush(PATIENCE_S)


@pytest.mark.parametrize(
    "mount",
    [pytest.param(True, id="small disk"), pytest.param(False, id="told and limited", marks=pytest.mark.soak)],
)
def test_short_of_room_samples_go_and_facts_stay_until_there_is_room_again(
    tmp_path: Path, mount: bool
) -> None:
    data = tmp_path / "disk" / "data"
    with (
        small_disk(tmp_path / "disk", tmp_path / "told", mount=mount) as disk,
        start_mosquitto(tmp_path) as broker,
        sending(tmp_path, broker) as sender,
    ):
        words = [sys.executable, "-c", RECORDER, str(data), str(broker.port), str(disk.told)]
        with subprocess.Popen(words, cwd=ROOT) as recorder:
            confirmed(sender, note(1), sample(1))
            reserve = data / "journal" / RESERVE
            until(lambda: reserve.exists() and reserve.stat().st_size == 8_000_000, "there is a reserve")

            disk.leave(SIZE * 9 // 100, recorder.pid)
            until(lambda: said(data) == [1], "it warns, and gives nothing up")
            confirmed(sender, sample(2))
            disk.leave(SIZE // 100, recorder.pid)
            until(lambda: said(data) == [1, 5], "it says that it refuses samples")
            confirmed(sender, *map(sample, range(3, 103)), note(2))
            assert [one.id for one in recorded(data, "sample.taken")] == ["sample-1", "sample-2"]

            disk.leave(0, recorder.pid)
            many = [note(number) for number in range(3, 1_000)]
            if disk.mounted:
                confirmed(sender, *many)
                until(lambda: reserve.stat().st_size < 8_000_000, "the reserve gives way")
            else:
                many = []
            disk.leave(SIZE, recorder.pid) if not disk.mounted else (data.parent / "ballast").unlink()
            until(lambda: said(data) == [1, 5, 0], "it is well again by itself", within_s=PATIENCE_S)
            until(lambda: recorded(data, "samples.dropped"), "it says how many are missing")
            confirmed(sender, sample(103), note(1_000))
            recorder.send_signal(signal.SIGTERM)

        (dropped,) = recorded(data, "samples.dropped")
        assert dropped.data["count"] == 100
        assert [one.id for one in recorded(data, "sample.taken")] == ["sample-1", "sample-2", "sample-103"]
        wanted = [note(1), note(2), *many, note(1_000)]
        assert [one.id for one in recorded(data, "note.added")] == [one.id for one in wanted]
        with closing(SqliteJournalReader(data / "journal")) as reader:
            assert reader.verify().faults == ()
