"""The network of a node: what is written is right, works between real namespaces, and can be taken back."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.compose_files import ROOT

SCRIPTS = ROOT / "deploy" / "network"
ENVIRONMENT = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
SETTINGS = {
    "LAN": "enp3s0",
    "GX_DEVICE_MAC": "02:00:00:00:00:aa",
    "GX_DEVICE_ADDRESS": "192.168.100.7",
    "NTP_SERVERS": '"0.pool.ntp.org 1.pool.ntp.org"',
}


def settings(directory: Path, **changed: str) -> Path:
    """Write a file of settings: those that come with us, with some changed."""
    lines = (SCRIPTS / "vars.env").read_text().splitlines()
    for name, value in {**SETTINGS, **changed}.items():
        lines = [f"{name}={value}" if line.startswith(f"{name}=") else line for line in lines]
    path = directory / "network.env"
    path.write_text("\n".join(lines) + "\n")
    return path


def script(name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [SCRIPTS / name, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=ENVIRONMENT)


def done(name: str, *words: str | Path) -> str:
    result = script(name, *words)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def files(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install below a root of its own."""
    root = tmp_path_factory.mktemp("root")
    done("install", "--root", root, settings(tmp_path_factory.mktemp("settings")))
    return root


@pytest.fixture(scope="module")
def seen(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run a node with these rules and this dnsmasq between three networks, and return what each could do."""
    work = tmp_path_factory.mktemp("stage")
    conf = work / "dnsmasq.conf"
    conf.write_text((root / "etc/dnsmasq.d/ovr.conf").read_text().replace("/var/lib/misc", str(work)))
    stage = ["-m", "tests.network_stage", str(root / "etc/nftables.d/ovr.nft"), str(conf), str(work)]
    inside = [
        "unshare",
        "--map-root-user",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        sys.executable,
    ]
    result = subprocess.run(
        [*inside, *stage], capture_output=True, text=True, check=False, env=ENVIRONMENT, cwd=ROOT, timeout=120
    )
    log = work / "dnsmasq.log"
    assert result.returncode == 0, result.stderr + (log.read_text() if log.exists() else "")
    said = json.loads(result.stdout)
    assert isinstance(said, dict)
    return said


def test_the_gx_reaches_the_internet_as_the_node(seen: dict[str, Any]) -> None:
    assert seen["gx to the internet"] == "198.51.100.2"


def test_networks_of_devices_are_closed_to_each_other_and_to_the_internet(seen: dict[str, Any]) -> None:
    assert seen["lan to the internet"] is None
    assert seen["lan to gx"] is None
    assert seen["internet to gx"] is None
    assert seen["node to gx"] == "192.168.100.1"


def test_the_node_takes_only_what_the_settings_say_on_each_side(seen: dict[str, Any]) -> None:
    assert seen["internet to node 443"] == "198.51.100.1"
    assert seen["internet to node 1883"] is None
    assert seen["gx to node 22"] is None
    assert seen["lan to node 22"] == "10.10.4.50"


def test_the_nodes_name_leads_to_it_on_each_side(seen: dict[str, Any]) -> None:
    assert (seen["name for gx"], seen["name for lan"]) == ("192.168.100.1", "10.10.4.1")


def test_devices_get_addresses_and_the_gx_always_the_same(seen: dict[str, Any]) -> None:
    node = "192.168.100.1"
    assert seen["lease for gx"] == {"address": "192.168.100.7", "router": node, "names": node, "time": node}
    offered = seen["lease for lan"]
    assert offered["address"].startswith("10.10.4.1")
    assert offered["time"] == "10.10.4.1"


def test_a_dry_run_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    said = done("install", "--dry-run", "--root", root, settings(tmp_path))
    assert "masquerade" in said
    assert "would: systemctl restart ovr-firewall.service" in said
    assert files(root) == {}


def test_a_second_run_finds_nothing_to_change(root: Path, tmp_path: Path) -> None:
    before = files(root)
    said = done("install", "--root", root, settings(tmp_path))
    assert "wrote" not in said
    assert files(root) == before


def test_what_is_not_wanted_any_more_is_taken_away(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    done("install", "--root", root, settings(tmp_path))
    done("install", "--root", root, settings(tmp_path, LAN="", LAN_INTERNET="no"))
    assert not (root / "etc/systemd/network/10-ovr-lan.network").exists()
    assert "enp3s0" not in (root / "etc/nftables.d/ovr.nft").read_text()


def test_undoing_puts_back_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc/dnsmasq.d").mkdir(parents=True)
    (root / "etc/dnsmasq.d/ovr.conf").write_text("# of somebody else\n")
    done("install", "--root", root, settings(tmp_path))
    assert len(files(root)) > 5
    assert "would remove" in done("undo", "--dry-run", "--root", root)
    done("undo", "--root", root)
    assert files(root) == {"etc/dnsmasq.d/ovr.conf": "# of somebody else\n"}


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("WAN", "", "WAN"),
        ("GX", "enp1s0", "three interfaces"),
        ("GX_ADDRESS", "192.168.100.1", "GX_ADDRESS"),
        ("GX_ADDRESS", "192.168.300.1/24", "GX_ADDRESS"),
        ("GX_DEVICE_MAC", "aa:bb", "GX_DEVICE_MAC"),
        ("WAN_PORTS", "22;443", "WAN_PORTS"),
        ("LAN_INTERNET", "perhaps", "LAN_INTERNET"),
        ("NAME", "'a b'", "NAME"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_written(
    tmp_path: Path, name: str, value: str, word: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    result = script("install", "--root", root, settings(tmp_path, **{name: value}))
    assert result.returncode == 2
    assert word in result.stderr
    assert files(root) == {}


def test_time_logs_and_the_firewall_are_taken_by_their_programs(root: Path, tmp_path: Path) -> None:
    chrony = subprocess.run(
        [chronyd(), "-p", "-f", root / "etc/chrony/conf.d/ovr.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert chrony.returncode == 0, chrony.stderr
    assert "allow 192.168.100.0/24" in chrony.stdout
    system = tmp_path / "usr/lib/systemd/system"
    shutil.copytree("/lib/systemd/system", system, symlinks=True)
    shutil.copy(root / "etc/systemd/system/ovr-firewall.service", system)
    (tmp_path / "usr/sbin").mkdir()
    (tmp_path / "usr/sbin/nft").write_text("#!/bin/sh\n")
    (tmp_path / "usr/sbin/nft").chmod(0o755)
    verify = ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", "ovr-firewall.service"]
    said = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    assert "SystemMaxUse=200M" in (root / "etc/systemd/journald.conf.d/ovr.conf").read_text()


def test_verifying_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    result = script("verify", settings(tmp_path, GX="nosuch0"))
    assert result.returncode == 1
    assert "BAD   GX: there is no interface nosuch0" in result.stdout
    assert result.stdout.count("BAD ") == result.stdout.count("do: ")


def chronyd() -> str:
    beside = Path(sys.executable).with_name("chronyd")
    return str(beside) if beside.exists() else "/usr/sbin/chronyd"
