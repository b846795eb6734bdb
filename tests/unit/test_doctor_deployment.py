"""`ovr doctor` on what a deployment is made of: certificates, units, containers, devices, the cloud."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ovr import deployment_checks, health_findings
from ovr.findings import Finding, Grade
from ovr.node import Node, open_node
from tests.compose_files import ROOT

SCRIPT = ROOT / "deploy" / "certificates"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    (tmp_path / "site.toml").write_text('[listen]\ncert_file = "tls/node.crt"\nkey_file = "tls/node.key"\n')
    return open_node(tmp_path, environment={})


def certificates(*words: str | Path) -> None:
    subprocess.run([SCRIPT, *words], check=True, capture_output=True, env={**os.environ, "OVR_GROUP": "0"})


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def sign_for(directory: Path, days: int) -> None:
    """Give the node a certificate that ends so many days from now."""
    certificates("node", directory, "edge-01.lan")
    key, crt, request = directory / "node.key", directory / "node.crt", directory / "request"
    if days >= 0:
        openssl("req", "-x509", "-key", key, "-subj", "/CN=x", "-days", str(days), "-out", crt)
        return
    # Only `openssl ca` signs for the past.
    openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", request)
    (directory / "index").touch()
    (directory / "serial").write_text("01\n")
    (directory / "ca.conf").write_text(
        f"[ca]\ndefault_ca=c\n[c]\ndatabase={directory}/index\nserial={directory}/serial\n"
        f"new_certs_dir={directory}\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n"
    )
    dates = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    files = ("-config", directory / "ca.conf", "-keyfile", key, "-in", request, "-out", crt)
    openssl("ca", "-batch", "-selfsign", *dates, *files)


def grades(findings: list[Finding]) -> list[Grade]:
    assert all(finding.remedy for finding in findings if finding.grade is not Grade.GOOD)
    return [finding.grade for finding in findings]


@pytest.mark.parametrize(("days", "grade"), [(100, Grade.GOOD), (10, Grade.NOTE), (-1, Grade.BAD)])
def test_a_certificate_is_judged_by_when_it_ends(node: Node, tmp_path: Path, days: int, grade: Grade) -> None:
    sign_for(tmp_path / "tls", days)
    assert grades(list(deployment_checks.check_certificates(node))) == [grade]


def test_a_certificate_that_is_missing_or_none_is_bad(node: Node, tmp_path: Path) -> None:
    assert grades(list(deployment_checks.check_certificates(node))) == [Grade.BAD]
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "node.crt").write_text("no certificate\n")
    assert grades(list(deployment_checks.check_certificates(node))) == [Grade.BAD]


def test_what_a_container_does_not_have_is_looked_at_in_the_one_that_has_it(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTBEAT_FILE", "/tmp/heartbeat")
    (found,) = deployment_checks.check_certificates(node)
    assert found.grade is Grade.NOTE
    assert "exec observe ovr doctor" in found.remedy
    (tmp_path / "tls").mkdir()
    assert grades(list(deployment_checks.check_certificates(node))) == [Grade.BAD]


def test_a_key_that_others_can_read_is_bad(node: Node, tmp_path: Path) -> None:
    sign_for(tmp_path / "tls", 100)
    (tmp_path / "tls" / "node.key").chmod(0o644)
    assert grades(list(deployment_checks.check_certificates(node))) == [Grade.GOOD, Grade.BAD]


def program(directory: Path, name: str, output: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\ncat <<'END'\n{output}END\n")
    (directory / name).chmod(0o755)


def test_units_are_asked_of_systemd(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [
        ("ovr.service", "loaded", "active", "success", "enabled"),
        ("ovr-firewall.service", "loaded", "active", "success", "disabled"),
        ("ovr-certificates.service", "loaded", "failed", "exit-code", "static"),
        ("ovr-vmalert.service", "not-found", "inactive", "success", ""),
    ]
    names = ("Id", "LoadState", "ActiveState", "Result", "UnitFileState")
    said = ["".join(f"{name}={one}\n" for name, one in zip(names, block, strict=True)) for block in blocks]
    program(tmp_path, "systemctl", "\n".join(said))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = list(deployment_checks.check_units(node))
    assert [finding.what for finding in found] == [block[0] for block in blocks[:3]]
    assert grades(found) == [Grade.GOOD, Grade.NOTE, Grade.BAD]


def test_containers_are_asked_of_docker(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        "recorder\trunning\tUp 3 hours (healthy)",
        "prepare\texited\tExited (0) 3 hours ago",
        "web\trunning\tUp 3 hours (unhealthy)",
        "host\trestarting\tRestarting (1) 5 seconds ago",
    ]
    program(tmp_path, "docker", "\n".join(rows) + "\n")
    (tmp_path / "edge.env").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(deployment_checks, "_ENV_FOLDER", tmp_path)
    found = list(deployment_checks.check_containers(node))
    assert grades(found) == [Grade.GOOD, Grade.GOOD, Grade.BAD, Grade.BAD]
    assert "logs web" in found[2].remedy


def test_without_systemd_and_docker_nothing_is_said(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert list(deployment_checks.check_units(node)) == []
    assert list(deployment_checks.check_containers(node)) == []


def health(**said: Any) -> list[Finding]:
    return list(health_findings.findings(said.pop("name", "modbus"), said))


def test_a_device_that_does_not_answer_is_bad_and_one_that_sleeps_is_not() -> None:
    devices = {
        "acuvim_13/acuvim": {"connected": True, "detail": ""},
        "acuvim_14/acuvim": {"connected": False, "detail": "timeout after 2 s"},
        "fronius_21/sunspec": {"connected": False, "detail": "asleep"},
    }
    found = health(devices=devices)
    assert grades(found) == [Grade.BAD, Grade.GOOD, Grade.GOOD]
    assert "acuvim_14" in found[0].what
    assert "1 of 3 answer" in found[-1].said


def test_a_producer_without_devices_is_told_how_to_find_some() -> None:
    assert grades(health(devices={})) == [Grade.NOTE]


def test_an_outbox_that_dropped_samples_or_has_a_fault_is_told() -> None:
    assert grades(health(outbox={"dropped": 5, "fault": None})) == [Grade.NOTE]
    assert grades(health(outbox={"dropped": 0, "fault": "the disk is full"})) == [Grade.BAD]
    assert health(outbox={"dropped": 0, "fault": None, "pending": 3}) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"connected": True, "lag_s": 0.0, "lag_events": 0}, [Grade.GOOD]),
        ({"connected": True, "lag_s": 4000.0, "lag_events": 90_000}, [Grade.NOTE]),
        ({"connected": False, "lag_s": 1.0, "lag_events": 2, "fault": "refused"}, [Grade.BAD]),
        ({"connected": True, "rejected": 2, "photos_missing": 1}, [Grade.GOOD, Grade.NOTE, Grade.NOTE]),
    ],
)
def test_the_cloud_is_judged_by_whether_it_is_reached_and_how_far_it_is(
    said: dict[str, Any], expected: list[Grade]
) -> None:
    assert grades(health(name="uplink", lanes={}, **said)) == expected
