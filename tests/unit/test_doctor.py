"""`ovr doctor`: what is wrong is found, said with what to do, and never stops the other checks."""

import os
import pwd
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bus.journal_writer import SqliteJournal
from ovr import deployment_checks, keeping_checks, machine_checks, node_checks
from ovr.doctor import CHECKS, examine
from ovr.findings import Finding, Grade
from ovr.main import app
from ovr.node import Node, open_node
from schemas.errors import TransientError
from tests.contract.test_journal import T0, entry


def node_at(data: Path, site: str = "") -> Node:
    data.mkdir(exist_ok=True)
    (data / "site.toml").write_text(site)
    return open_node(data, environment={})


def grades(findings: Iterator[Finding]) -> dict[str, Grade]:
    return {finding.what: finding.grade for finding in findings}


def write_journal(data: Path, count: int = 20) -> None:
    with closing(SqliteJournal(data / "journal")) as journal:
        journal.append([entry(n) for n in range(count)], recorded_us=T0)


def test_every_finding_that_is_not_good_says_what_to_do(tmp_path: Path) -> None:
    findings = list(examine(node_at(tmp_path / "data")))
    assert findings
    assert all(finding.remedy for finding in findings if finding.grade is not Grade.GOOD)


def test_a_check_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    def check_first(_: Node) -> Iterator[Finding]:
        yield Finding(Grade.GOOD, "first", "fine")
        raise TransientError("it went away")

    def check_second(_: Node) -> Iterator[Finding]:
        raise PermissionError(13, "Permission denied")

    def check_third(_: Node) -> Iterator[Finding]:
        yield Finding(Grade.GOOD, "third", "fine")

    findings = list(examine(node_at(tmp_path), (check_first, check_second, check_third)))
    assert [finding.what for finding in findings] == ["first", "first", "second", "third"]
    assert findings[1].said == "it went away"
    assert findings[2].grade is Grade.BAD


def test_a_missing_program_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    found = {finding.what: finding for finding in machine_checks.check_programs(node_at(tmp_path))}
    assert found["mosquitto"].grade is Grade.BAD
    assert "apt-get install mosquitto" in found["mosquitto"].remedy
    assert found["victoria-metrics"].grade is Grade.BAD


def test_programs_that_others_run_are_not_looked_for(tmp_path: Path) -> None:
    site = '[broker]\nhost = "mosquitto"\n[victoria]\nurl = "http://victoria-metrics:8428"\n'
    found = grades(machine_checks.check_programs(node_at(tmp_path, site)))
    assert not {"mosquitto", "victoria-metrics"} & found.keys()


def test_an_unmounted_disk_is_bad(tmp_path: Path) -> None:
    node = node_at(tmp_path, f'mount = "{tmp_path}"\n')
    (finding,) = machine_checks.check_mount(node)
    assert finding.grade is Grade.BAD
    assert "mount" in finding.remedy


def test_data_beside_the_mounted_disk_is_bad(tmp_path: Path) -> None:
    (finding,) = machine_checks.check_mount(node_at(tmp_path, 'mount = "/proc"\n'))
    assert finding.grade is Grade.BAD
    assert "site.toml" in finding.remedy


def test_a_clock_in_the_past_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.instants.now_us", lambda: 86_400_000_000)
    (finding,) = machine_checks.check_clock(node_at(tmp_path))
    assert (finding.grade, "1970" in finding.said) == (Grade.BAD, True)


def test_secrets_that_others_can_read_are_bad(tmp_path: Path) -> None:
    node = node_at(tmp_path)
    node.layout.secrets.mkdir(parents=True)
    secret = node.layout.secrets / "recorder"
    secret.write_text("swordfish")
    secret.chmod(0o644)
    (finding,) = [f for f in machine_checks.check_permissions(node) if f.what == "secrets"]
    assert finding.grade is Grade.BAD
    assert str(secret) in finding.remedy
    secret.chmod(0o600)
    assert "secrets" not in grades(machine_checks.check_permissions(node))


def test_data_that_cannot_be_written_is_bad() -> None:
    with tempfile.TemporaryDirectory() as directory:
        node = node_at(Path(directory))
        Path(directory).chmod(0o555)
        with as_nobody():
            found = grades(machine_checks.check_permissions(node))
    assert found["data"] is Grade.BAD


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root for a while, which may write everywhere; anyone else stays who they are."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_taken_port_names_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        node = node_at(tmp_path, f"[listen]\nport_base = {port - 1}\n")
        findings = [f for f in node_checks.check_network(node) if f"{port} is taken" in f.said]
    assert [finding.grade for finding in findings] == [Grade.BAD]
    assert str(os.getpid()) in findings[0].said


def test_passwords_in_the_clear_on_a_network_are_noted(tmp_path: Path) -> None:
    node = node_at(tmp_path, '[listen]\naddress = "0.0.0.0"\n')
    assert grades(node_checks.check_network(node))["network"] is Grade.NOTE


def test_services_that_do_not_answer_are_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "_REACH_S", 0.2)
    site = '[broker]\nhost = "127.0.0.1"\nport = 9\n[victoria]\nurl = "http://127.0.0.1:9"\n'
    found = grades(node_checks.check_services(node_at(tmp_path, site)))
    assert found["broker"] is Grade.BAD
    assert found["victoria-metrics"] is Grade.BAD
    assert found["recorder"] is Grade.BAD


def test_a_sound_journal_is_good(tmp_path: Path) -> None:
    write_journal(tmp_path)
    (finding,) = node_checks.check_journal(node_at(tmp_path))
    assert finding.grade is Grade.GOOD
    assert "position 20" in finding.said


def test_a_changed_event_is_found(tmp_path: Path) -> None:
    write_journal(tmp_path)
    with closing(sqlite3.connect(tmp_path / "journal" / "journal.sqlite")) as db:
        db.execute("UPDATE event SET recorded_us = recorded_us + 1 WHERE position = 7")
        db.commit()
    (finding,) = node_checks.check_journal(node_at(tmp_path))
    assert finding.grade is Grade.BAD
    assert "position 7" in finding.said


def test_only_the_tail_of_a_long_journal_is_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_checks, "_TAIL", 5)
    write_journal(tmp_path)
    (finding,) = node_checks.check_journal(node_at(tmp_path))
    assert "the last 5 events" in finding.said


def test_the_command_prints_findings_and_fails_when_one_is_bad(tmp_path: Path) -> None:
    node_at(tmp_path, f'mount = "{tmp_path}"\n')
    done = CliRunner().invoke(app, ["doctor", "--json", "--data", str(tmp_path)])
    found = {one["what"]: one["grade"] for one in orjson.loads(done.stdout)}
    assert done.exit_code == 1
    assert found["mount"] == "bad"
    spoken = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path)])
    assert "do: connect the disk" in spoken.stdout


def test_all_checks_are_in_the_table() -> None:
    defined = {
        name
        for module in (machine_checks, node_checks, keeping_checks, deployment_checks)
        for name in vars(module)
        if "check_" in name
    }
    assert {check.__name__ for check in CHECKS} == defined
