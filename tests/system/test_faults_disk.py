"""A full disk under the journal, and a killed supervisor: no promise is broken, and all goes on by itself."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
import pytest

from tests.node import Node, check_journal, running
from tests.services import Service, start_mosquitto
from tests.system.test_recorder import Ear
from tests.system.test_sender import RecorderProcess, note, sending
from tests.waiting import PATIENCE_S, until

SIZE = 24 << 20
HEALTH = "ovr/health/recorder"
UNSEEN = (
    "alerts",
    "detector",
    "projector-archive",
    "projector-counters",
    "projector-reports",
    "projector-series",
    "replay",
    "web",
)


@dataclass
class SmallDisk:
    """A directory that can be full: a small tmpfs, or, where mounting is not allowed, limits on processes.

    Attributes:
        mounted: it is a tmpfs.
    """

    path: Path
    mounted: bool

    def fill(self, *pids: int) -> None:
        """Leave no space: to nobody on the tmpfs, else to these processes for anything that grows."""
        if not self.mounted:
            for pid in pids:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
            return
        with (self.path / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                return

    def free(self, *pids: int) -> None:
        """Give the space back."""
        if self.mounted:
            (self.path / "ballast").unlink()
            return
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@contextmanager
def small_disk(path: Path, *, mount: bool = True) -> Iterator[SmallDisk]:
    path.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)]
    mounted = mount and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield SmallDisk(path, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def problem(node: Node) -> str:
    """Return what the recorder's health says while it is blocked."""
    health = node.child("recorder").get("health", {})
    return str(health.get("problem")) if health.get("status") == "blocked" else ""


def alive(pids: list[int]) -> list[int]:
    living = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                living.append(pid)
    return living


def test_a_full_disk_and_a_killed_supervisor_lose_nothing_that_was_promised(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "data" / "journal") as disk,
        running(tmp_path, without=UNSEEN) as node,
    ):
        alice = node.load("alice")
        node.grow(30)

        disk.fill(node.pid("recorder"))
        until(lambda: "full" in problem(node) or "disk" in problem(node), "it says what is wrong")
        assert problem(node) in node.child("recorder")["message"]
        done = node.ovr("status", "--json")
        assert (done.returncode, orjson.loads(done.stdout)["ready"]) == (1, False)

        head, promised = node.head(), len(alice.promised)
        until(lambda: len(alice.promised) > promised + 10, "operators' facts are still taken")
        if disk.mounted:
            killed = node.pid("recorder")
            os.kill(killed, signal.SIGKILL)
            until(
                lambda: node.child("recorder")["pid"] not in {None, killed} and problem(node),
                "a recorder that starts on a full disk says so too",
            )
        assert node.head() == head

        disk.free(node.pid("recorder"))
        until(node.ready, "it goes on by itself")
        node.grow(30)

        assert node.process is not None
        children = [one["pid"] for one in node.snapshot()["processes"]]
        node.process.kill()
        node.process.wait()
        until(lambda: not alive(children), "no process outlives its supervisor")
        node.start()
        node.up()
        node.grow(30)

        alice.finish()
        check_journal(node)
        done = node.ovr("verify", "state", "--json")
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@contextmanager
def recording_process(data: Path, broker: Service) -> Iterator[tuple[RecorderProcess, Ear]]:
    """Run a recorder as a process, with someone who listens."""
    recorder = RecorderProcess(data, broker.port)
    recorder.start()
    ear = Ear(broker.port)
    try:
        yield recorder, ear
    finally:
        ear.connection.close()
        recorder.end(signal.SIGTERM)


@pytest.mark.parametrize("mount", [True, False], ids=["small disk", "limited process"])
def test_a_recorder_whose_disk_is_full_survives_a_restart_of_the_broker_and_takes_what_came(
    tmp_path: Path, mount: bool
) -> None:
    data = tmp_path / "data"
    with (
        small_disk(data, mount=mount) as disk,
        start_mosquitto(tmp_path) as broker,
        recording_process(data, broker) as (recorder, ear),
        sending(tmp_path, broker) as sender,
    ):
        assert recorder.process is not None
        sender.put(note(1))
        assert sender.flush(PATIENCE_S)

        disk.fill(recorder.process.pid)
        sender.put(note(2))
        ear.until(lambda: ear.said(HEALTH, "blocked"), "it says that it is blocked")
        assert "cannot be written" in ear.on(HEALTH)[-1]["problem"]
        broker.kill()
        ear.heard.clear()
        broker.start()
        ear.until(lambda: ear.said(HEALTH, "blocked"), "it says so to a new broker")
        ear.until(lambda: len(ear.on("ovr/head")) > 2, "seconds pass")
        assert recorder.process.poll() is None
        assert sender.pending() == 1

        disk.free(recorder.process.pid)
        assert sender.flush(PATIENCE_S)
        ear.until(lambda: ear.said(HEALTH, "online"), "all is well again")
        assert recorder.recorded() == ["note-1", "note-2"]
