"""A whole node for tests: `ovr demo` with real processes, to be looked at, killed by pid, and verified."""

import logging
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner

from bus.envelope import decode
from bus.journal_sqlite import SqliteJournalReader
from ovr.main import app
from projectors.series import VERSION
from projectors.series_store import SeriesStore
from tests.load_sender import number
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[1]
SMALL_SITE = ROOT / "tests" / "samples" / "small_site.toml"
HOST_ONLY = "[archive]\nevery_s = 2\n[producers.host]\ninterval_ms = 500\n"
PORTS = 40


@dataclass
class LoadSender:
    """A sender in a process of its own, that can be killed and goes on where it was."""

    port: int
    client: str
    directory: Path
    process: subprocess.Popen[bytes] | None = None
    promised_before: int = 0

    def start(self) -> None:
        self.promised_before = len(self.promised)
        command = [
            sys.executable,
            "-m",
            "tests.load_sender",
            str(self.port),
            self.client,
            str(self.directory),
        ]
        self.process = subprocess.Popen(command, cwd=ROOT)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def finish(self) -> None:
        """End it once everything it put is confirmed."""
        assert self.process is not None
        until(lambda: len(self.promised) > self.promised_before, f"{self.client} works")
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, f"{self.client} could not get everything confirmed"

    @property
    def promised(self) -> set[int]:
        """The notes whose `put` has returned."""
        path = self.directory / f"{self.client}.promised"
        return {int(line) for line in path.read_text().split()} if path.exists() else set()


@dataclass
class Node:
    """A node that can be killed, and started again on the same data and ports."""

    data: Path
    base: int
    process: subprocess.Popen[bytes] | None = None
    arguments: Sequence[str] = ()
    senders: list[LoadSender] = field(default_factory=list)

    def start(self) -> None:
        """Start it, without waiting for anything."""
        words = ("demo", "--data", str(self.data), "--port-base", str(self.base), *self.arguments)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ovr", *words], cwd=ROOT, stdout=log, stderr=log
            )

    def up(self) -> None:
        """Wait until everything works."""
        until(self.ready, "the node is up")

    @property
    def log(self) -> Path:
        return self.data.with_name("demo.log")

    @property
    def victoria_url(self) -> str:
        return f"http://127.0.0.1:{self.base + 2}"

    def snapshot(self) -> dict[str, Any]:
        said = orjson.loads((self.data / "run" / "supervisor.json").read_bytes())
        assert isinstance(said, dict)
        return said

    def child(self, name: str) -> dict[str, Any]:
        """Return what the running supervisor says of a process; nothing while it starts."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            said = self.snapshot()
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        found = [one for one in said["processes"] if one["name"] == name]
        return found[0] if found and said.get("pid") == self.process.pid else {}

    def pid(self, name: str) -> int:
        return int(self.child(name)["pid"])

    def ready(self) -> bool:
        return bool(self.child("mosquitto") and self.snapshot()["ready"])

    def kill(self, *names: str) -> None:
        """Kill processes as power loss would, all before any is restarted."""
        pids = {name: self.pid(name) for name in names}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        until(lambda: all(self._replaced(n, p) for n, p in pids.items()), f"{names} come back")

    def _replaced(self, name: str, old: int) -> bool:
        one = self.child(name)
        return one.get("pid") not in {None, old} and one["state"] == "ready"

    def journal(self) -> SqliteJournalReader:
        return SqliteJournalReader(self.data / "journal")

    def head(self) -> int:
        reader = self.journal()
        try:
            return reader.head().position
        finally:
            reader.close()

    def grow(self, count: int = 60) -> None:
        """Wait until the journal has grown."""
        start = self.head()
        until(lambda: self.head() >= start + count, "the journal grows")

    def load(self, client: str) -> LoadSender:
        sender = LoadSender(self.base, client, self.data.parent)
        self.senders.append(sender)
        sender.start()
        return sender

    def ovr(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command as a person does."""
        return ovr(*arguments, "--data", str(self.data))

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


@contextmanager
def running(directory: Path, *arguments: str, without: Sequence[str] = ()) -> Iterator[Node]:
    """Run `ovr demo` on free ports until the block ends, with this machine alone or the site asked for.

    What a test does not look at should be left out with `without`: then it starts sooner, and others have
    more of the machine. A `site.toml` that is there already gets this line in front.
    """
    node = Node(directory / "data", free_base(), arguments=arguments)
    site = node.data / "site.toml"
    said = site.read_text() if site.exists() else "" if arguments else HOST_ONLY
    node.data.mkdir(parents=True, exist_ok=True)
    site.write_text((f"without = {list(without)}\n" if without else "") + said)
    node.start()
    try:
        node.up()
        yield node
    finally:
        for sender in node.senders:
            if sender.process is not None and sender.process.poll() is None:
                sender.kill()
        node.stop()


def ovr(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process: one of its own would load everything anew each time."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # it configures those that there are
    try:
        done = CliRunner().invoke(app, words)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for number, handler in signals.items():
            signal.signal(number, handler)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout_bytes, done.stderr_bytes)


def free_base() -> int:
    """Find a node's worth of free loopback ports, below those the system gives to clients."""
    while True:
        base = random.randrange(20_000, 32_000, PORTS)
        if all(_is_free(base + n) for n in range(PORTS)):
            return base


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check_journal(node: Node) -> None:
    """Assert the journal's promises: verified, dense, each promised note once, and order per source."""
    reader = node.journal()
    verdict = reader.verify()
    assert verdict.faults == ()
    seen: dict[str, list[int]] = {}
    expected = 1
    for event in reader.read():
        assert event.position == expected
        expected += 1
        if event.source.startswith("/test/"):
            data = dict(decode(event.body).data)
            if event.type in {"note.added", "sample.taken"}:
                seen.setdefault(event.source, []).append(number(event.type, data))
    reader.close()
    for sender in node.senders:
        numbers = seen.get(f"/test/{sender.client}", [])
        assert numbers == sorted(set(numbers)), f"{sender.client}: order or uniqueness is broken"
        missing = sender.promised - set(numbers)
        assert not missing, f"{sender.client}: promised and not recorded: {sorted(missing)[:10]}"


def series_checkpoint(node: Node) -> int:
    """Return how far the series are known to be durable in VictoriaMetrics."""
    store = SeriesStore(node.data / "series", VERSION)
    try:
        place = store.newest()
    finally:
        store.close()
    return place.head.position if place else 0


def check_read_models(node: Node) -> None:
    """Assert that every read model equals its rebuild from position 0.

    The series' checkpoint trails what VictoriaMetrics accepted; once it has passed all of the load, comparing
    up to it compares the load.
    """
    loaded = node.head()
    until(lambda: series_checkpoint(node) >= loaded, "the series' checkpoint passes the load")
    for projector in ("state", "counters", "series", "archive"):
        done = node.ovr("verify", projector, "--json")
        assert done.returncode == 0, f"{projector}: {done.stdout.decode()}{done.stderr.decode()}"
