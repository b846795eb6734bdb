"""Installing, upgrading and rolling back, in a root of its own.

systemd's own programs make users and directories; the service manager, Docker and the making of a virtual
environment have stand-ins.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose_files import ROOT

PYTHON = """#!/bin/sh
# Stands in for `python3 -m venv PLACE` and for that place's `python -m pip install … TREE`.
case $2 in
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  pip)
    for tree; do :; done
    here=$(dirname "$0")
    version=$(sed -n 's/^version = "\\(.*\\)"$/\\1/p' "$tree/pyproject.toml")
    sed "s/@VERSION@/$version/" "$STANDINS/ovr" >"$here/ovr" && chmod +x "$here/ovr" ;;
esac
"""
OVR = """#!/bin/sh
case $1 in
  config)
    ! grep -q "not_in_@VERSION@" "$OVR_ROOT/etc/ovr/site.toml" || exit 78
    printf '{\\n  "node_id": "x",\\n  "data": "%s",\\n' "${OVR_TEST_DATA:-/var/lib/ovr}"
    [ -z "$OVR_TEST_DATA" ] || printf '  "backup": {\\n    "to": "/mnt/usb",\\n  }\\n'
    echo '}' ;;
  journal) echo "position 41" ;;
  status) [ ! -e "$OVR_ROOT/broken-@VERSION@" ] ;;
esac
"""
LOGGING = """#!/bin/sh
echo "$(basename "$0") $*" >>"$OVR_ROOT/log"
[ "$(basename "$0")" != docker ] || echo "version ${EDGE_VERSION:-}" >>"$OVR_ROOT/log"
"""


@dataclass(frozen=True)
class Host:
    """A root, and trees of two versions beside it."""

    root: Path
    directory: Path

    def tree(self, version: str) -> Path:
        place = self.directory / f"tree-{version}"
        if not place.exists():
            ignored = shutil.ignore_patterns("tls", "secrets.d")
            shutil.copytree(ROOT / "deploy", place / "deploy", ignore=ignored)
            for name in ("compose.yml", "compose.cloud.yml", "README.md"):
                shutil.copy(ROOT / name, place)
            text = (ROOT / "pyproject.toml").read_text()
            (place / "pyproject.toml").write_text(
                text.replace('version = "0.1.0"', f'version = "{version}"', 1)
            )
        return place

    def release(self, *words: str, version: str = "0.1.0", **more: str) -> subprocess.CompletedProcess[str]:
        standins = self.directory / "standins"
        environment = {
            "PATH": f"{standins}:{os.environ['PATH']}",
            "PYTHON": str(standins / "python"),
            "STANDINS": str(standins),
            "OVR_ROOT": str(self.root),
            "OVR_PATIENCE_S": "0",
            "OVR_GROUP": "0",
            **more,
        }
        script = self.tree(version) / "deploy" / "release"
        return subprocess.run(
            [script, "--root", self.root, *words],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )

    def done(self, *words: str, version: str = "0.1.0", **more: str) -> str:
        result = self.release(*words, version=version, **more)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    @property
    def current(self) -> str:
        return (self.root / "opt/ovr/current").readlink().name

    @property
    def pinned(self) -> str:
        lines = (self.root / "etc/ovr/edge.env").read_text().splitlines()
        return next(line for line in lines if line.startswith("EDGE_VERSION=")).partition("=")[2]

    def log(self) -> Sequence[str]:
        path = self.root / "log"
        return path.read_text().splitlines() if path.exists() else []

    def everything(self) -> dict[str, tuple[int, bytes]]:
        files = (path for path in sorted(self.root.rglob("*")) if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    standins = tmp_path / "standins"
    standins.mkdir()
    for name, text in {"python": PYTHON, "ovr": OVR, "systemctl": LOGGING, "docker": LOGGING}.items():
        (standins / name).write_text(text)
        (standins / name).chmod(0o755)
    root = tmp_path / "root"
    root.mkdir()
    return Host(root, tmp_path)


@pytest.fixture
def node(host: Host) -> Host:
    """Run version 0.1.0, with something recorded."""
    host.done("install")
    host.done("upgrade")
    (host.root / "var/lib/ovr/journal").write_text("the only truth")
    return host


def test_a_dry_run_changes_nothing(host: Host) -> None:
    for words in (["install"], ["install", "containers"], ["upgrade"], ["remove"]):
        assert "would: " in host.done("--dry-run", *words)
        assert not host.everything()


def test_a_dry_run_of_an_upgrade_changes_nothing_on_a_running_node(node: Host) -> None:
    before = node.everything()
    said = node.done("--dry-run", "upgrade", version="0.2.0")
    assert "would: systemctl restart ovr.service" in said
    assert node.everything() == before


def test_installing_makes_the_user_its_places_and_a_configuration(host: Host) -> None:
    host.done("install")
    assert "ovr:x:10001:10001:" in (host.root / "etc/passwd").read_text()
    for place, mode in {"etc/ovr/tls": 0o750, "etc/ovr/secrets": 0o750, "var/lib/ovr": 0o750}.items():
        assert (host.root / place).stat().st_mode & 0o777 == mode
    assert "EDGE_VERSION=" in (host.root / "etc/ovr/edge.env").read_text()
    assert not (host.root / "opt/ovr/current").exists()
    assert host.log() == []


def test_installing_again_keeps_what_was_configured(node: Host) -> None:
    site = node.root / "etc/ovr/site.toml"
    site.write_text('node_id = "edge-07"\n')
    node.done("install")
    assert site.read_text() == 'node_id = "edge-07"\n'
    assert node.current == node.pinned == "0.1.0"


def test_an_upgrade_pins_and_runs_the_new_release_and_notes_where_the_journal_was(node: Host) -> None:
    node.done("upgrade", version="0.2.0")
    assert node.current == node.pinned == "0.2.0"
    assert node.log()[-1] == "systemctl restart ovr.service"
    assert (node.root / "opt/ovr/current/bin/ovr").exists()
    assert (node.root / "etc/systemd/system/ovr.service").exists()
    noted = (node.root / "var/lib/ovr-releases.log").read_text()
    assert "0.1.0 -> 0.2.0, journal position 41" in noted


def test_a_release_that_does_not_come_up_gives_way_to_the_one_before(node: Host) -> None:
    (node.root / "broken-0.2.0").touch()
    result = node.release("upgrade", version="0.2.0")
    assert result.returncode == 1
    assert "0.1.0 runs again, and no data was touched" in result.stderr
    assert node.current == node.pinned == "0.1.0"
    assert node.log().count("systemctl restart ovr.service") == 3


def test_a_release_that_does_not_understand_the_configuration_is_not_started(node: Host) -> None:
    with (node.root / "etc/ovr/site.toml").open("a") as site:
        site.write("# not_in_0.2.0\n")
    before = len(node.log())
    result = node.release("upgrade", version="0.2.0")
    assert result.returncode == 1
    assert "nothing was changed" in result.stderr
    assert node.current == node.pinned == "0.1.0"
    assert len(node.log()) == before


def test_rolling_back_returns_to_the_release_before_and_forward_again(node: Host) -> None:
    node.done("upgrade", version="0.2.0")
    node.done("rollback", version="0.2.0")
    assert node.current == node.pinned == "0.1.0"
    node.done("rollback", "0.2.0")
    assert node.current == node.pinned == "0.2.0"


def test_a_release_that_is_not_there_is_not_pinned(node: Host) -> None:
    result = node.release("rollback", "0.9.9")
    assert result.returncode == 1
    assert node.current == node.pinned == "0.1.0"


def test_what_the_file_pins_is_what_runs_after_apply(node: Host) -> None:
    node.done("upgrade", version="0.2.0")
    env = node.root / "etc/ovr/edge.env"
    env.write_text(env.read_text().replace("EDGE_VERSION=0.2.0", "EDGE_VERSION=0.1.0"))
    node.done("apply", version="0.2.0")
    assert node.current == "0.1.0"


def test_three_releases_are_kept_and_the_one_that_runs(node: Host) -> None:
    for version in ("0.2.0", "0.3.0", "0.4.0"):
        node.done("upgrade", version=version)
    said = node.done("list").split()
    assert sorted(word for word in said if word[0].isdigit() and word != "0.1.0") == [
        "0.2.0",
        "0.3.0",
        "0.4.0",
        "0.4.0",
    ]
    assert "0.1.0" not in said


def test_recorded_data_is_never_touched(node: Host) -> None:
    journal = node.root / "var/lib/ovr/journal"
    before = (journal.stat().st_mtime_ns, journal.read_text())
    node.done("upgrade", version="0.2.0")
    node.done("rollback", version="0.2.0")
    node.done("remove")
    assert (journal.stat().st_mtime_ns, journal.read_text()) == before
    assert (node.root / "etc/ovr/site.toml").exists()
    assert not (node.root / "opt/ovr").exists()
    assert not list((node.root / "etc/systemd/system").glob("ovr*.service"))


def test_the_units_may_write_where_the_data_is_and_wait_for_its_disk(node: Host) -> None:
    node.done("upgrade", version="0.2.0", OVR_TEST_DATA="/mnt/esata/ovr")
    said = (node.root / "etc/systemd/system/ovr.service.d/data.conf").read_text().splitlines()
    assert {"RequiresMountsFor=/mnt/esata/ovr", "ReadWritePaths=/mnt/esata/ovr"} <= set(said)
    assert "ReadWritePaths=-/mnt/usb" in said
    node.done("rollback", version="0.2.0")
    assert not (node.root / "etc/systemd/system/ovr.service.d/data.conf").exists()


def test_containers_are_built_started_and_rolled_back_by_their_version(host: Host) -> None:
    host.done("install", "containers")
    host.done("upgrade")
    host.done("upgrade", version="0.2.0")
    said = host.log()
    assert any(" build recorder" in line for line in said)
    assert "version 0.2.0" in said
    assert any("releases/0.2.0/compose.yml" in line and "up --detach" in line for line in said)
    assert host.current == host.pinned == "0.2.0"
    host.done("rollback", version="0.2.0")
    assert "releases/0.1.0/compose.yml" in [line for line in host.log() if " up " in line][-1]
    assert (host.root / "etc/ovr/secrets/grafana_admin").stat().st_mode & 0o007 == 0


def test_a_cloud_has_a_file_of_its_own(host: Host) -> None:
    host.done("--env", "cloud", "install", "containers")
    host.done("--env", "cloud", "upgrade")
    assert "CLOUD_VERSION=0.1.0" in (host.root / "etc/ovr/cloud.env").read_text()
    assert any("compose.cloud.yml" in line and "up --detach" in line for line in host.log())
    assert 'node_id = "cloud"' in (host.root / "etc/ovr/site.toml").read_text()
