"""What `ovr` is made of is pinned and asked about at a database of vulnerabilities, or it says that not."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.compose_files import ROOT

AUDIT = ROOT / "deploy" / "audit"


@contextmanager
def database(
    vulnerable: dict[str, str], *, broken: bool = False
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Answer as osv.dev does; yield the address and what was asked."""
    asked: list[dict[str, Any]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            asked.extend(queries)
            names = [one["package"]["name"] for one in queries]
            results = [{"vulns": [{"id": vulnerable[name]}]} if name in vulnerable else {} for name in names]
            body = b"<html>" if broken else json.dumps({"results": results}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def audit(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OVR_AUDIT_URL": url}
    command = [sys.executable, str(AUDIT), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def program() -> ModuleType:
    loader = SourceFileLoader("audit", str(AUDIT))
    spec = spec_from_loader("audit", loader)
    assert spec is not None
    module = sys.modules["audit"] = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_package_is_asked_about_with_its_version() -> None:
    with database({}) as (url, asked):
        done = audit(url)
    assert done.returncode == 0, done.stdout
    said = {(one["package"]["ecosystem"], one["package"]["name"]): one["version"] for one in asked}
    assert said["PyPI", "jinja2"]
    assert said["npm", "preact"]
    assert f"{len(asked)} packages, 0 with" in done.stdout


def test_a_vulnerability_in_what_nodes_run_is_a_failure() -> None:
    with database({"jinja2": "GHSA-1111-2222-3333"}) as (url, _):
        done = audit(url)
    assert done.returncode == 1
    assert "GHSA-1111-2222-3333" in done.stdout


def test_one_in_what_only_builds_is_told_and_is_no_failure() -> None:
    with database({"vite": "GHSA-1111-2222-3333"}) as (url, _):
        done = audit(url)
    assert done.returncode == 0
    assert "builds only): GHSA-1111-2222-3333" in done.stdout


def test_without_the_database_it_is_said_that_nothing_was_audited() -> None:
    for words, status in (((), 0), (("--strict",), 2)):
        done = audit("http://127.0.0.1:9", *words)
        assert done.returncode == status
        assert "NOTHING WAS AUDITED" in done.stdout


def test_an_answer_that_is_none_counts_as_not_audited() -> None:
    with database({}, broken=True) as (url, _):
        assert audit(url, "--strict").returncode == 2


def test_what_is_not_pinned_is_found(program: ModuleType, tmp_path: Path) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text('[build-system]\nrequires = ["b"]\n[project]\ndependencies = ["a==1", "c>=2"]\n')
    lock = tmp_path / "package-lock.json"
    lock.write_text(
        json.dumps({"packages": {"": {}, "node_modules/x": {"version": "1", "integrity": "sha512-"}}})
    )
    assert len(program.unpinned(project, lock)) == 2
    lock.write_text(json.dumps({"packages": {"node_modules/x": {"version": "1", "resolved": "git+ssh://x"}}}))
    assert len(program.unpinned(project, lock)) == 4


def test_what_was_accepted_is_looked_at_again_after_its_last_day(program: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text('[accepted.X-1]\nreason = "never reached"\nuntil = 2027-01-31\n')
    day = program.date
    assert program.accepted(file, day(2027, 1, 31)) == {"X-1": "never reached"}
    assert program.accepted(file, day(2027, 2, 1)) == {}
