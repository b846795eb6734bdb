"""Half an hour at 400 events a second with faults: memory flat, lag bounded, nothing lost, figures printed.

`SOAK_S` and `SOAK_RATE` make it shorter or slower.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import pytest

from ovr.backup_check import check
from ovr.backup_state import load
from ovr.backup_store import BackupStore
from ovr.layout import Layout
from tests.node import ROOT, LoadSender, Node, check_journal, running, series_checkpoint
from tests.waiting import until

LASTS_S = float(os.environ.get("SOAK_S", "1800"))
RATE = float(os.environ.get("SOAK_RATE", "400"))
FAULT_EVERY_S = min(45.0, LASTS_S / 4)
LOOK_EVERY_S = min(10.0, LASTS_S / 20)
CALM_S = 30.0
MOST_LAG_S = 60.0
MOST_MB = {"projector-archive": 300, "projector-reports": 300, "victoria-metrics": 1000}
SITE = """
[journal]
seal_after_days = 0.0007
[archive]
every_s = 20
[backup]
to = "{usb}"
every_h = 0.05
keep = 2
[producers.host]
interval_ms = 5000
"""
KILLED = (
    *("mosquitto", "victoria-metrics", "recorder", "detector", "replay"),
    *("projector-state", "projector-counters", "projector-series", "projector-archive"),
)


@dataclass
class SoakSender(LoadSender):
    """A sender with a rate."""

    rate: float = 0.0

    def start(self) -> None:
        self.promised_before = len(self.promised)
        words = ("-m", "tests.soak_sender", str(self.port), self.client, str(self.directory), str(self.rate))
        self.process = subprocess.Popen((sys.executable, *words), cwd=ROOT)

    def finish(self) -> None:
        assert self.process is not None
        self.process.terminate()
        assert self.process.wait(900) == 0, f"{self.client} could not get everything confirmed"


@dataclass
class Seen:
    """What was seen now and then, by process."""

    memory_mb: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    lag_s: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def look(self, node: Node, at_s: float, *, calm: bool) -> None:
        for one in node.snapshot()["processes"]:
            with contextlib.suppress(psutil.Error, TypeError):
                self.memory_mb[one["name"]].append((at_s, psutil.Process(one["pid"]).memory_info().rss / 1e6))
            lag = one["health"].get("lag_s")
            if calm and one["state"] == "ready" and lag is not None:
                self.lag_s[one["name"]].append(float(lag))

    def growth(self, name: str) -> float:
        """Compare the last third of the run with the middle one, in MB of the usual use."""
        seen = self.memory_mb[name]
        end = seen[-1][0]
        middle = [mb for at, mb in seen if end / 3 <= at < 2 * end / 3]
        last = [mb for at, mb in seen if at >= 2 * end / 3]
        return median(last) - median(middle) if middle and last else 0.0


def verified(node: Node, projector: str) -> None:
    words = (sys.executable, "-m", "ovr", "verify", projector, "--json", "--data", str(node.data))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False, timeout=3600)
    assert done.returncode == 0, f"{projector}: {done.stdout.decode()}{done.stderr.decode()}"


def fault(node: Node, chance: random.Random, senders: Sequence[SoakSender]) -> None:
    """Kill something, or several things, or let one hang for a while."""
    kind = chance.choice(("kill", "kill", "several", "hang", "sender"))
    if kind == "sender":
        one = chance.choice(senders)
        one.kill()
        one.start()
    elif kind == "hang":
        pid = node.pid(chance.choice(KILLED[2:]))
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)  # it hangs for so long
        os.kill(pid, signal.SIGCONT)
    else:
        node.kill(*chance.sample(KILLED, 1 if kind == "kill" else 3))


@pytest.mark.soak
@pytest.mark.timeout(4 * LASTS_S + 3600)
def test_a_long_load_with_faults_keeps_memory_flat_and_lag_bounded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(7)
    data, usb = tmp_path / "data", tmp_path / "usb"
    data.mkdir()
    (data / "site.toml").write_text(SITE.format(usb=usb))
    with running(tmp_path) as node:
        senders = [SoakSender(node.base, name, tmp_path, rate=RATE / 2) for name in ("alice", "bob")]
        node.senders.extend(senders)
        for one in senders:
            one.start()
        seen, began, before = Seen(), time.monotonic(), node.head()
        faults, fault_at, look_at = 0, began + FAULT_EVERY_S, began
        while (now := time.monotonic()) < began + LASTS_S:
            if now >= fault_at and now < began + LASTS_S - CALM_S:
                fault(node, chance, senders)
                faults, fault_at = faults + 1, time.monotonic() + FAULT_EVERY_S
            if now >= look_at:
                seen.look(node, now - began, calm=now - (fault_at - FAULT_EVERY_S) > CALM_S)
                look_at = now + LOOK_EVERY_S
            time.sleep(0.2)
        took_s, recorded = time.monotonic() - began, node.head() - before
        until(node.ready, "everything works", within_s=120)
        seen.look(node, took_s, calm=True)
        for one in senders:
            one.finish()
        check_journal(node)
        loaded = node.head()
        until(lambda: series_checkpoint(node) >= loaded, "the series pass the load", within_s=600)
        for projector in ("state", "counters", "series", "archive"):
            verified(node, projector)
        store = BackupStore(usb / "node")
        assert check(store, store.manifest()).problems == ()
        with capsys.disabled():
            pace = f"{recorded:,} events in {took_s:.0f} s, {recorded / took_s:.0f} a second, {faults} faults"
            print("", pace, *figures(node, seen, store), sep="\n  ")  # noqa: T201 - the figures of the soak
    for name in seen.memory_mb:
        assert seen.growth(name) < 40, f"{name} grew by {seen.growth(name):.0f} MB"
        assert max(mb for _, mb in seen.memory_mb[name]) < MOST_MB.get(name, 150) * 1.3, name
    for name, lags in seen.lag_s.items():
        assert max(lags) < MOST_LAG_S, f"{name} was {max(lags):.0f} s behind in calm"


def figures(node: Node, seen: Seen, store: BackupStore) -> Iterator[str]:
    """Say what was seen."""
    for name in sorted(seen.memory_mb):
        memory, lag = [mb for _, mb in seen.memory_mb[name]], seen.lag_s.get(name)
        told = f", lag at most {max(lag):.1f} s, usually {median(lag):.1f} s" if lag else ""
        grew = seen.growth(name)
        yield f"{name}: {median(memory):.0f} MB, at most {max(memory):.0f} MB, later {grew:+.1f} MB{told}"
    with closing(node.journal()) as reader:
        last, sealed = reader._db.execute("SELECT max(last), sum(bytes) FROM segment").fetchone()
        if last:
            bodies = sum(len(event.body) for event in reader.read(upto=last))
            ratio = bodies / sealed
            yield f"sealed: {last:,} events, {sealed / 1e6:.1f} MB of {bodies / 1e6:.1f} MB, {ratio:.1f} : 1"
    state = load(Layout(node.data).backup_state)
    size, copied = state.size / 1e6, state.copied / 1e6
    yield f"backups: {len(store.names())} kept, the newest {size:.0f} MB, of which {copied:.0f} MB new"
