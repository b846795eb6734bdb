"""A backup taken under load, killed at any moment, becomes a working node again."""

import hashlib
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus.envelope import decode
from ovr.backup import Backup
from ovr.backup_check import check
from ovr.backup_state import load
from ovr.backup_store import BackupStore
from ovr.layout import Layout
from ovr.node import open_node
from ovr.restoring import restore
from schemas.errors import ConfigurationError
from tests.load_sender import number
from tests.node import ROOT, Node, check_journal, free_base, running
from tests.waiting import until

WITHOUT = (
    "alerts",
    "detector",
    "projector-archive",
    "projector-counters",
    "projector-reports",
    "replay",
    "web",
)


def photo(node: Node, content: bytes) -> str:
    """Store a photo as the web process does."""
    sha256 = hashlib.sha256(content).hexdigest()
    (node.data / "photos").mkdir(exist_ok=True)
    (node.data / "photos" / sha256).write_bytes(content)
    return sha256


def done(node: Node, *words: str) -> Any:
    answer = node.ovr(*words, "--json")
    assert answer.returncode == 0, answer.stdout.decode() + answer.stderr.decode()
    return orjson.loads(answer.stdout)


def notes(node: Node) -> set[int]:
    with closing(node.journal()) as reader:
        return {
            number("note.added", dict(decode(one.body).data)) for one in reader.read(types=["note.added"])
        }


def test_a_backup_under_load_that_was_killed_and_taken_again_is_a_working_node(tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    with running(tmp_path / "living", without=WITHOUT) as node:
        alice = node.load("alice")
        node.grow(200)
        sha256 = photo(node, random.Random(1).randbytes(100_000))
        command = (sys.executable, "-m", "ovr", "backup", "--data", str(node.data), "--to", str(usb))
        with subprocess.Popen(command, cwd=ROOT) as killed:
            until(lambda: [*usb.glob("*/objects/*")], "the backup has begun")
            killed.kill()
        promised = {*alice.promised}
        node.grow(60)

        made = done(node, "backup", "--to", str(usb), "--victoria")

        store = BackupStore(usb / "node")
        manifest = store.manifest()
        assert (manifest.name, manifest.head.position) == (made["name"], made["position"])
        assert check(store, manifest).problems == ()
        assert not [*(node.data / "victoria-metrics" / "snapshots").iterdir()]
        assert load(Layout(node.data).backup_state).name == made["name"]
        node.grow(1)
        again = Backup(open_node(node.data), store).make()
        assert again.manifest.head.position > made["position"]
        with pytest.raises(ConfigurationError, match="holds the node"):
            restore(open_node(node.data), store, manifest, replace=True)
        assert node.ready()
        alice.kill()

    new = Node(tmp_path / "new" / "data", free_base())
    done(new, "restore", str(usb), "--name", made["name"])
    assert [*(new.data / "victoria-metrics" / "data").rglob("values.bin")]
    assert hashlib.sha256((new.data / "photos" / sha256).read_bytes()).hexdigest() == sha256
    new.start()
    try:
        new.up()
        new.grow(10)
        check_journal(new)
        assert promised <= notes(new)
        with closing(new.journal()) as reader:
            assert [one.position for one in reader.read(types=["journal.restored"])] == [made["position"] + 1]
    finally:
        new.stop()
