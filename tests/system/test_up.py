"""`ovr up`: a node that starts, lets in whom it knows, mends itself, and leaves nothing behind."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from bus.connection import Broker, Connection
from ovr.processes import MOSQUITTO, VICTORIA, binary
from schemas.errors import ConfigurationError
from tests.node import SMALL_SITE, free_base
from tests.node import ovr as commanded
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[2]
EX_CONFIG = 78
_LEFT_OUT = ["alerts", "detector", "projector-counters", "projector-archive", "projector-reports", "web"]
FEW = f"without = {_LEFT_OUT}\n"
WINDOW = '{"event_id":"startup","location":"warehouse"}'
ENVIRONMENT = {name: text for name, text in os.environ.items() if not name.startswith("OVR_")}


def ovr(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command; what starts processes is one itself."""
    if words[0] not in {"up", "demo"}:
        done = commanded(*words)
        return subprocess.CompletedProcess(words, done.returncode, done.stdout.decode(), done.stderr.decode())
    command = [sys.executable, "-m", "ovr", *words]
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


@dataclass
class Node:
    """A running `ovr up`."""

    data: Path
    port: int
    process: subprocess.Popen[bytes]

    def status(self) -> tuple[int, dict[str, Any]]:
        done = ovr("status", "--json", "--data", str(self.data))
        return done.returncode, orjson.loads(done.stdout)

    def snapshot(self) -> dict[str, Any]:
        try:
            said = orjson.loads((self.data / "run" / "supervisor.json").read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            said = {}
        assert isinstance(said, dict)
        return said

    def ready(self) -> bool:
        assert self.process.poll() is None, (self.data / "up.log").read_text()
        said = self.snapshot()
        return said.get("pid") == self.process.pid and bool(said["ready"])

    def child(self, name: str) -> dict[str, Any]:
        (one,) = [one for one in self.snapshot()["processes"] if one["name"] == name]
        assert isinstance(one, dict)
        return one

    def pids(self) -> list[int]:
        return [one["pid"] for one in self.snapshot()["processes"]]

    def add_user(self, name: str, *words: str) -> str:
        done = ovr("user", "add", name, "--json", "--data", str(self.data), *words)
        assert done.returncode == 0, done.stderr
        said = orjson.loads(done.stdout)
        assert said["broker_told"]
        return str(said["password"])


@contextmanager
def started(data: Path, site: str) -> Iterator[Node]:
    """Run `ovr up` until the block ends."""
    data.mkdir(exist_ok=True)
    (data / "site.toml").write_text(site)
    base = free_base()
    command = [sys.executable, "-m", "ovr", "up", "--data", str(data), "--port-base", str(base)]
    with (data / "up.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log)
    try:
        yield Node(data, base, process)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def running(data: Path, *, site: str = "") -> Iterator[Node]:
    """Run `ovr up` until the block ends, and begin when everything is ready."""
    with started(data, site) as node:
        until(node.ready, "the node is ready")
        yield node


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    try:
        for name in (MOSQUITTO, VICTORIA):
            binary(name)
    except ConfigurationError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("up")
    with running(
        directory / "data", site='node_id = "edge-01"\n[producers.host]\ninterval_ms = 500\n'
    ) as one:
        yield one


def test_status_tells_programs_that_all_is_ready(node: Node) -> None:
    code, said = node.status()
    assert code == 0
    assert said["ready"]
    assert said["node_id"] == "edge-01"
    assert {one["name"]: one["state"] for one in said["processes"]} == dict.fromkeys(
        (
            "mosquitto",
            "victoria-metrics",
            "recorder",
            "replay",
            "projector-state",
            "projector-counters",
            "detector",
            "alerts",
            "projector-series",
            "projector-archive",
            "projector-reports",
            "web",
            "host",
        ),
        "ready",
    )


def test_status_tells_people_each_process_in_a_line(node: Node) -> None:
    done = ovr("status", "--data", str(node.data))
    assert done.returncode == 0
    for word in ("recorder", "projector-state", "host", "position", "ready"):
        assert word in done.stdout


def test_what_an_operator_publishes_is_on_the_stream_and_in_the_tables(node: Node) -> None:
    password = node.add_user("alice")
    heard: list[str] = []
    subscribed: list[bool] = []
    reader = Connection(Broker(port=node.port, username="alice", password=password), "alice-reads")
    reader.subscribe("ovr/events/#", lambda message: heard.append(message.topic), qos=1)
    reader.on_connect(subscribed.append)
    until(lambda: subscribed, "alice is let in", turn=lambda: reader.step(0.05))
    reader.step(0.0)

    topic = "ovr/in/alice/rig_01/window.started"
    assert publish(node.port, "alice", password, topic, WINDOW) == 0

    wanted = "ovr/events/rig_01/window.started"
    until(lambda: wanted in heard, "it is on the stream", turn=lambda: reader.step(0.05))
    until(lambda: windows(node) == [("rig_01", "startup")], "it is in the tables")
    reader.close()


def test_samples_of_a_producer_are_in_the_tables(node: Node) -> None:
    until(lambda: "host_edge_01" in systems(node), "the host's readings are in the tables")


def test_a_removed_user_and_strangers_are_not_let_in(node: Node) -> None:
    password = node.add_user("bob")
    topic = "ovr/in/bob/rig_02/note.added"
    assert publish(node.port, "bob", password, topic, '{"text":"here"}') == 0
    assert ovr("user", "remove", "bob", "--data", str(node.data)).returncode == 0
    until(lambda: publish(node.port, "bob", password, topic, "{}") != 0, "bob is not let in")
    assert publish(node.port, "mallory", "guess", topic, "{}") != 0


def test_users_are_listed_without_their_passwords(node: Node) -> None:
    password = node.add_user("carol", "--role", "browser")
    listed = ovr("user", "list", "--json", "--data", str(node.data))
    assert {"name": "carol", "role": "browser"} in orjson.loads(listed.stdout)
    assert password not in listed.stdout
    assert "$7$" not in listed.stdout


@pytest.mark.parametrize("name", ["recorder", "mosquitto"])
def test_a_killed_process_is_started_again(node: Node, name: str) -> None:
    before = node.child(name)
    os.kill(before["pid"], signal.SIGKILL)

    def mended() -> bool:
        now = node.child(name)
        return bool(now["restarts"] > before["restarts"] and now["state"] == "ready")

    until(mended, f"{name} works again")
    until(node.ready, "everything works again")


def test_rebuilt_series_take_their_place_while_the_node_runs(node: Node) -> None:
    before = {name: node.child(name)["pid"] for name in ("victoria-metrics", "projector-series", "recorder")}
    done = ovr("rebuild", "series", "--data", str(node.data))
    assert done.returncode == 0, done.stderr
    until(node.ready, "everything works again")
    after = {name: node.child(name)["pid"] for name in before}
    assert after["recorder"] == before["recorder"]
    assert after["victoria-metrics"] != before["victoria-metrics"]
    assert after["projector-series"] != before["projector-series"]
    assert not (node.data / "victoria-metrics.next").exists()
    assert not (node.data / "run" / "swap-series").exists()


def test_no_secret_is_on_a_command_line(node: Node) -> None:
    secrets = [path.read_text().strip() for path in (node.data / "run" / "secrets").iterdir()]
    lines = [" ".join(psutil.Process(pid).cmdline()) for pid in node.pids()]
    assert secrets
    assert not any(secret in line for secret in secrets for line in lines)


def test_a_second_node_on_the_same_data_is_refused_by_the_firsts_pid(node: Node) -> None:
    done = ovr("up", "--data", str(node.data), "--port-base", str(free_base()))
    assert done.returncode == EX_CONFIG
    assert str(node.process.pid) in done.stderr
    assert node.ready()


def test_a_taken_port_is_told_with_its_owner(node: Node, tmp_path: Path) -> None:
    done = ovr("up", "--data", str(tmp_path), "--port-base", str(node.port))
    assert done.returncode == EX_CONFIG
    assert f"port {node.port} is taken by mosquitto" in done.stderr


def test_a_missing_mount_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'mount = "{tmp_path}"\n')
    done = ovr("up", "--data", str(tmp_path))
    assert done.returncode == EX_CONFIG
    assert "nothing is mounted at" in done.stderr


def test_a_wrong_configuration_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("nod_id = 'x'\n")
    done = ovr("up", "--data", str(tmp_path))
    assert done.returncode == EX_CONFIG
    assert "did you mean node_id?" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_of_a_node_that_does_not_run_is_not_ready(tmp_path: Path) -> None:
    done = ovr("status", "--data", str(tmp_path))
    assert done.returncode not in {0, 2}
    assert "ovr up" in done.stderr


def test_a_process_that_a_person_must_help_fails_and_the_others_work(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(data, f'{FEW}[producers.meter]\nkind = "nothing"\n') as one:
        until(lambda: state(one, "meter") == "failed", "the producer is given up")
        assert state(one, "recorder") == "ready"
        meter = one.child("meter")
        assert "there is no producer nothing" in meter["message"]
        assert meter["restarts"] == 0
        code, said = one.status()
        assert (code, said["ready"]) == (1, False)


def test_a_stopped_node_leaves_no_process_and_a_killed_one_none_either(tmp_path: Path) -> None:
    with running(tmp_path / "data", site=FEW) as first:
        pids = first.pids()
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        until(lambda: not alive(pids), "the children of a killed supervisor end")
    with running(tmp_path / "data", site=FEW) as second:
        pids = second.pids()
        second.process.terminate()
        assert second.process.wait(PATIENCE_S) == 0
        assert not alive(pids)
        assert ovr("status", "--data", str(second.data)).returncode not in {0, 2}


@pytest.mark.parametrize(
    ("scenario", "site"),
    [(str(SMALL_SITE), FEW), pytest.param("festival", "", marks=pytest.mark.soak)],
    ids=["small", "festival"],
)
def test_a_demo_for_some_seconds_says_what_it_recorded(tmp_path: Path, scenario: str, site: str) -> None:
    data = tmp_path / "demo"
    data.mkdir()
    (data / "site.toml").write_text(site)
    words = ("--data", str(data), "--port-base", str(free_base()), "--for", "3s")
    done = ovr("demo", "--scenario", scenario, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mosquitto_pub" in done.stdout
    assert "recorded " in done.stdout
    assert "readings" in done.stdout


def state(node: Node, name: str) -> str | None:
    found = [one["state"] for one in node.snapshot().get("processes", []) if one["name"] == name]
    return found[0] if found else None


def publish(port: int, user: str, password: str, topic: str, body: str) -> int:
    command = ["mosquitto_pub", "-p", str(port), "-u", user, "-P", password, "-V", "5", "-q", "1"]
    done = subprocess.run(
        [*command, "-t", topic, "-m", body], capture_output=True, check=False, timeout=PATIENCE_S
    )
    return done.returncode


def alive(pids: Sequence[int]) -> list[int]:
    found = []
    for pid in pids:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


def windows(node: Node) -> list[tuple[str, str]]:
    return ask(node, "SELECT system_id, event_id FROM windows")


def systems(node: Node) -> set[str]:
    return {str(row[0]) for row in ask(node, "SELECT DISTINCT system_id FROM readings")}


def ask(node: Node, query: str) -> list[Any]:
    path = (node.data / "state" / "current").resolve()
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
