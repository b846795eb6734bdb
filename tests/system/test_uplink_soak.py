"""Two nodes and a cloud as hosts of their own, with TLS and users: a cable cut, a cable bad, and kills."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.envelope import Recorded
from bus.journal_sqlite import SqliteJournalReader
from bus.uplink_batch import unspliced
from ovr.layout import Layout
from ovr.users import Users
from schemas.errors import TransientError
from tests.certificates import authority
from tests.netns import Host, Spoilt, hosts
from tests.property.test_fleet_state import described
from tests.waiting import until

pytestmark = pytest.mark.soak
EVENTS = int(os.environ.get("SOAK_EVENTS", "720000"))
RATE = 400  # events a second of both nodes together, of which an hour is simulated
ROOT = Path(__file__).parents[2]
PASSWORD = "of an uplink in a test"
QUIET = [
    "replay",
    "projector-counters",
    "projector-series",
    "projector-archive",
    "projector-reports",
    "detector",
    "alerts",
    "web",
]
BAD = Spoilt(delay_s=0.04, jitter_s=0.02, reorder=0.1, duplicate=0.05, loss=0.01)
SLOW = replace(BAD, bytes_per_s=250_000)


@dataclass
class Machine:
    """A host that runs `ovr up`."""

    host: Host
    data: Path
    process: subprocess.Popen[bytes] | None = None
    loads: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        with (self.data / "up.log").open("ab") as log:
            command = self.host.command(sys.executable, "-m", "ovr", "up", "--data", str(self.data))
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def snapshot(self) -> dict[str, Any]:
        try:
            return dict(orjson.loads((self.data / "run" / "supervisor.json").read_bytes()))
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}

    def process_of(self, name: str) -> dict[str, Any]:
        return next((one for one in self.snapshot().get("processes", ()) if one["name"] == name), {})

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.data / "up.log").read_text()[-3000:]
        return bool(self.snapshot().get("ready"))

    def spent_s(self, name: str) -> float:
        """Return the CPU time that a process has taken."""
        said = Path(f"/proc/{self.process_of(name)['pid']}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self, name: str) -> None:
        """Kill a process; the supervisor starts it again."""
        old = self.process_of(name)["pid"]
        os.kill(old, signal.SIGKILL)
        until(lambda: self.process_of(name).get("pid") not in {None, old}, f"{name} is back", within_s=120)

    def load(self, count: int) -> None:
        words = (sys.executable, "-m", "tests.uplink_load", str(self.data), str(count))
        self.loads.append(subprocess.Popen(self.host.command(*words), cwd=ROOT))

    def loaded(self) -> None:
        for load in self.loads:
            assert load.wait(3600) == 0
        self.loads.clear()

    def head(self) -> int:
        try:
            with closing(SqliteJournalReader(self.data / "journal")) as reader:
                return reader.head().position
        except TransientError:
            return 0

    def events(self) -> Iterator[Recorded]:
        with closing(SqliteJournalReader(self.data / "journal")) as reader:
            yield from reader.read()

    def stop(self) -> None:
        for load in self.loads:
            load.kill()
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)


@contextmanager
def fleet(directory: Path) -> Iterator[tuple[Machine, Machine, Machine]]:
    """Run a cloud with TLS and users, and two nodes that know it."""
    with ExitStack() as stack:
        here = stack.enter_context(hosts("ovrcloud", "ovra", "ovrb"))
        ca = authority(directory / "tls")
        certificate, key = ca.sign(here[0].address)
        without = f'without = {[*QUIET]}\n[victoria]\nurl = "http://127.0.0.1:9"\n'
        (directory / "password").write_text(PASSWORD)
        listen = f'address = "{here[0].address}"\ncert_file = "{certificate}"\nkey_file = "{key}"\n'
        uplink = f'host = "{here[0].address}"\nca_file = "{ca.certificate}"\n'
        uplink += f'password_file = "{directory / "password"}"\n'
        sites = [f'node_id = "cloud"\n{without}[listen]\nport_base = 20000\n{listen}']
        sites += [
            f'node_id = "{name}"\n{without}[listen]\nport_base = 20000\n[uplink]\n{uplink}'
            for name in ("site_a", "site_b")
        ]
        machines = []
        for host, site, name in zip(here, sites, ("cloud", "site_a", "site_b"), strict=True):
            data = directory / name
            data.mkdir()
            (data / "site.toml").write_text(site)
            machines.append(Machine(host, data))
            stack.callback(machines[-1].stop)
        for name in ("site_a", "site_b"):
            Users(Layout(machines[0].data)).add(name, "uplink", PASSWORD)
        for machine in machines:
            machine.start()
        for machine in machines:
            until(machine.ready, f"{machine.host.name} is up", within_s=120)
        yield machines[0], machines[1], machines[2]


def test_the_cloud_has_each_event_of_both_nodes_once_whatever_the_link_does(tmp_path: Path) -> None:
    with fleet(tmp_path) as (cloud, a, b):
        nodes = (a, b)
        for node in nodes:
            node.load(EVENTS // 10)
            node.loaded()
        until(lambda: cloud.head() >= a.head() + b.head(), "the cloud has all", within_s=300)
        before = cloud.head()

        for node in nodes:
            node.host.plugged = False
            node.load(EVENTS)
        until(lambda: a.head() > before, "the nodes go on", within_s=300)
        a.kill("mosquitto")
        b.kill("uplink")
        for node in nodes:
            node.loaded()
        assert cloud.head() <= before + 2

        wanted, sent = a.head() + b.head(), sum(node.host.sent for node in nodes)
        spent_s = cloud.spent_s("recorder"), a.spent_s("uplink") + b.spent_s("uplink")
        began_s = time.monotonic()
        for node in nodes:
            node.host.plugged = True
        _caught_up(cloud, wanted)
        recorder_s = cloud.spent_s("recorder") - spent_s[0]
        uplinks_s = a.spent_s("uplink") + b.spent_s("uplink") - spent_s[1]
        speed = (wanted - before) / (time.monotonic() - began_s)
        each = (sum(node.host.sent for node in nodes) - sent) / (wanted - before)
        sys.stderr.write(
            f"\ncaught up {wanted - before:,} events at {speed:,.0f}/s, {speed / RATE:.1f} times as fast as "
            f"{RATE}/s came in; {each:.0f} bytes on the wire an event, frames and acknowledgements included; "
            f"CPU an event: {1e6 * recorder_s / (wanted - before):.0f} µs of the cloud's recorder, "
            f"{1e6 * uplinks_s / (wanted - before):.0f} µs of an uplink\n"
        )

        for node, spoilt in zip(nodes, (BAD, SLOW), strict=True):
            node.host.spoilt = spoilt
            node.load(EVENTS // 10)
        half = cloud.head() + EVENTS // 20
        until(lambda: cloud.head() > half, "events come over bad cables", within_s=600)
        cloud.kill("recorder")
        a.kill("uplink")
        b.kill("mosquitto")
        a.host.plugged = False
        until(lambda: cloud.head() > half + EVENTS // 40, "the other node goes on", within_s=600)
        cloud.kill("mosquitto")
        a.host.plugged = True
        for node in nodes:
            node.loaded()
        began_s, start = time.monotonic(), cloud.head()
        wanted = a.head() + b.head()
        _caught_up(cloud, wanted)
        sys.stderr.write(
            f"over bad cables: {wanted - start:,} events in {time.monotonic() - began_s:.1f} s\n"
        )
        for node in nodes:
            _check(cloud, node)
        _check_state(cloud, nodes, tmp_path)


def _caught_up(cloud: Machine, wanted: int) -> None:
    until(lambda: cloud.head() >= wanted, "the cloud has all", within_s=3600)


def _check(cloud: Machine, node: Machine) -> None:
    """Assert that the cloud holds the node's journal: each event once, as it was, in order per lane."""
    name = node.data.name
    lanes = {facts: _lane(node, facts=facts) for facts in (True, False)}
    seen = 0
    for one in cloud.events():
        if one.client != name or one.source == f"/{name}/uplink":
            continue
        there = next(lanes[one.type != "sample.taken"])
        _, event = unspliced(one.body)
        assert (event.position, event.recorded_us, event.client, event.body) == (
            there.position,
            there.recorded_us,
            there.client,
            there.body,
        )
        seen += 1
    assert seen == node.head()


def _check_state(cloud: Machine, nodes: Sequence[Machine], directory: Path) -> None:
    """Assert that the cloud's state is the union of the nodes'."""
    found = []
    for machine in (cloud, *nodes):
        with closing(SqliteJournalReader(machine.data / "journal")) as reader:
            found.append(described(reader, directory / f"{machine.data.name}.state"))
    union, *own = found
    assert union["systems"] == {name: system for one in own for name, system in one["systems"].items()}
    assert union["windows"] == sorted((window for one in own for window in one["windows"]), key=repr)


def _lane(node: Machine, *, facts: bool) -> Iterator[Recorded]:
    return (one for one in node.events() if (one.type != "sample.taken") is facts)
