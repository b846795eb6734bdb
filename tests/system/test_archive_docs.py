"""The examples of docs/archive.md run as they stand, and find what is there."""

import re
import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bus import instants
from bus.journal_writer import SqliteJournal
from ovr.main import app
from projectors.archive_rebuild import rebuild_archive
from tests.archives import telling
from tests.node import ROOT
from tests.streams import BASE_US, S, Said, record
from tests.waiting import PATIENCE_S

NOON_S = (instants.parse("2026-11-21T12:00:00Z") - BASE_US) / S
DOCUMENT = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = re.findall(r"^(ovr export .*?)(?: +#.*)?$", DOCUMENT, re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    said: list[Said] = [Said("window.started", "rig_01", NOON_S, {"event_id": "festival"})]
    for n in range(240):
        at_s = NOON_S + n / 2
        said += [
            telling("rig_01", at_s, {"ac_out_power_w": 1000.0 + n}),
            telling("001", at_s, {"ac_out_power_w": 50.0 + n}),
        ]
        if n % 10 == 0:
            said.append(telling("rig_01", at_s, {"soc_pct": 80.0}, interval_ms=5000))
    said.append(telling("rig_01", NOON_S + 86_400, {"ac_out_power_w": 7.0, "x_new_c": 1.0}))
    with closing(SqliteJournal(directory / "data" / "journal")) as journal:
        record(journal, said)
    rebuild_archive(directory / "data")
    return directory


def test_the_examples_of_the_documentation_run_and_find_what_is_there(site: Path) -> None:
    assert len(EXAMPLES) == 4
    line = "-" * 20 + "\n"

    done = subprocess.run(
        [sys.executable, "-c", f"print({line!r}, end='')\n".join(EXAMPLES)],
        cwd=site, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    duckdb, pandas, columns, polars = done.stdout.split(line)
    assert "1119.5" in duckdb
    assert "119" in pandas
    assert "x_new_c" in columns
    assert "1239.0" in polars


@pytest.mark.parametrize("command", COMMANDS[:-1])
def test_an_export_of_the_documentation_runs(
    site: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site)

    done = CliRunner().invoke(app, [*shlex.split(command)[1:], "--data", "data"])

    assert done.exit_code == 0, done.stderr
    assert "samples up to position" in done.stderr


def test_an_export_can_go_into_a_pipe_that_is_closed_early(site: Path) -> None:
    line = COMMANDS[-1].replace("ovr ", f"{sys.executable} -m ovr ").replace("rig_01", "rig_01 --data data")
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}

    done = subprocess.run(
        line,
        shell=True,
        cwd=site,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )

    assert len(done.stdout.splitlines()) == 10
    assert "Traceback" not in done.stderr
