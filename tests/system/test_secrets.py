"""Secrets of a running node stay where they belong: not in logs, process lists, snapshots or answers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ovr.processes import PROJECTORS
from tests.node import ROOT, Node, free_base
from tests.waiting import until

SITE = """
without = [{without}]
[victoria]
url = "http://127.0.0.1:9"
[[producers.victron.gx]]
host = "127.0.0.1"
port = 9
system_id = "rig_01"
password = "{gx}"
"""
WITHOUT = ("replay", "detector", "alerts", *(f"projector-{name}" for name in PROJECTORS))
OF_PEOPLE = "of-alice-5f1d0c"
OF_GX = "of-the-gx-8ab31e"
OF_API = "of-the-api-1c9d44"


@dataclass
class Guarded:
    """A node that runs with passwords, and all of them."""

    node: Node
    secrets: dict[str, str]
    said: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    data = tmp_path_factory.mktemp("guarded") / "data"
    data.mkdir()
    without = ", ".join(f'"{name}"' for name in WITHOUT)
    (data / "site.toml").write_text(SITE.format(gx=OF_GX, without=without))
    (data / "site.toml").chmod(0o600)
    for name, secret in {"api-key": OF_API}.items():
        (data / name).write_text(secret + "\n")
        (data / name).chmod(0o600)
    node = Node(data, free_base())
    environment = {**os.environ, "API_KEY_FILE": str(data / "api-key")}
    with node.log.open("ab") as log:
        command = [sys.executable, "-m", "ovr", "up", "--data", str(data), "--port-base", str(node.base)]
        node.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment)
    try:
        until(lambda: works(node), "the node works", within_s=90)
        said = ask(node)
        own = {path.name: path.read_text().strip() for path in (data / "run" / "secrets").iterdir()}
        people = {"alice": OF_PEOPLE, "gx": OF_GX, "api": OF_API}
        yield Guarded(node, own | people, said)
    finally:
        node.stop()


def works(node: Node) -> bool:
    names = ("mosquitto", "recorder", "web", "victron")
    return all(node.child(name).get("state") == "ready" for name in names)


def ask(node: Node) -> str:
    """Use the node as people do, rightly and wrongly, and return everything that it said."""
    add = [sys.executable, "-m", "ovr", "user", "add", "alice", "--password-stdin", "--data", str(node.data)]
    added = subprocess.run(add, input=f"{OF_PEOPLE}\n", capture_output=True, text=True, check=True, cwd=ROOT)
    publish = ["mosquitto_pub", "-V", "5", "-p", str(node.base), "-u", "alice", "-q", "1", "-m", "{}"]
    for password in (OF_PEOPLE, f"not-{OF_PEOPLE}"):
        words = [*publish, "-t", "ovr/in/alice/rig_01/note.added", "-P", password]
        subprocess.run(words, capture_output=True, check=False, timeout=30)
    answers = [node.ovr(*words) for words in (("doctor",), ("config", "show"))]
    said = [answer.stdout.decode() + answer.stderr.decode() for answer in answers]
    assert all(said)
    return "\n".join([added.stdout, added.stderr, *said])


def holds(guarded: Guarded, text: str) -> list[str]:
    return [name for name, secret in guarded.secrets.items() if secret in text]


def test_there_are_secrets_to_look_for(guarded: Guarded) -> None:
    assert {"recorder", "console", "web", "alice"} <= guarded.secrets.keys()
    assert len(set(guarded.secrets.values())) == len(guarded.secrets)
    assert min(map(len, guarded.secrets.values())) >= 12


def test_no_secret_is_in_a_log(guarded: Guarded) -> None:
    logs = [guarded.node.log, *(guarded.node.data / "run" / "logs").iterdir()]
    assert len(logs) > 4
    found = {log.name: holds(guarded, log.read_text(errors="replace")) for log in logs}
    assert {name: held for name, held in found.items() if held} == {}


def test_no_secret_is_in_the_list_of_processes_or_handed_on_to_a_child(guarded: Guarded) -> None:
    assert guarded.node.process is not None
    processes = [psutil.Process(guarded.node.process.pid)]
    processes += processes[0].children(recursive=True)
    assert len(processes) > 4
    for process in processes:
        assert holds(guarded, " ".join(process.cmdline())) == []
        assert holds(guarded, "\n".join(process.environ().values())) == []


def test_no_secret_is_in_what_commands_say(guarded: Guarded) -> None:
    assert holds(guarded, guarded.said) == []


def test_files_that_hold_secrets_are_their_owners_alone(guarded: Guarded) -> None:
    meant = {"site.toml", "api-key"}  # ours, of this test
    for path in guarded.node.data.rglob("*"):
        if path.is_file() and path.name not in meant and holding(guarded, path):
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.parent.name == "secrets", path


def holding(guarded: Guarded, path: Path) -> bool:
    content = path.read_bytes()
    return any(secret.encode() in content for secret in guarded.secrets.values())


def test_passwords_are_kept_as_hashes_in_files_of_their_owner(guarded: Guarded) -> None:
    data = guarded.node.data
    for path in (data / "users.json", data / "run" / "mosquitto.passwords", data / "run" / "mosquitto.acl"):
        assert path.stat().st_mode & 0o077 == 0
        assert holds(guarded, path.read_text()) == []
    assert "$7$" in (data / "users.json").read_text()
