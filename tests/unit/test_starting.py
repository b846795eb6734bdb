"""A node's processes start without the command line, and mean by their words what it means by them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ovr import starting
from ovr.config import ProducerSettings, SimulatorSettings, Site
from ovr.layout import Layout
from ovr.main import app
from ovr.ports import Ports
from ovr.processes import plan
from ovr.starting import Words, asked
from ovr.uplink_settings import UplinkSettings
from tests.node import ROOT

SITE = Site(
    uplink=UplinkSettings(host="cloud.example"),
    producers=(ProducerSettings("host", "host"), ProducerSettings("gx", "victron")),
    simulator=SimulatorSettings(scenario="festival"),
)
LINES = [
    spec.command[3:]
    for spec in plan(SITE, Layout(Path("here/data")), Ports(20_000), ("--config", "site.toml"))
    if spec.command[1:3] == ("-m", "ovr")
]
LARGE = ("typer", "pydantic", "rich", "numpy", "pyarrow", "influxdb_client", "fastapi", "weasyprint")


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_the_words_of_the_supervisor_mean_what_they_mean_on_the_command_line(
    line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = asked(line)
    assert found is not None
    run, words = found
    told: list[tuple[Words, dict[str, Any]]] = []
    monkeypatch.setattr(starting, run.__name__, lambda words, **more: told.append((words, more)))

    done = CliRunner().invoke(app, line)

    assert done.exit_code == 0, done.output
    ((said, more),) = told
    assert said == words
    assert set(more.values()) <= {None}


def test_each_process_is_read_from_the_words_of_the_supervisor() -> None:
    assert {line[0] for line in LINES} == {*starting.PROCESSES}
    assert asked(["produce", "gx", "--data", "d", "--option", "a=1", "--option", "b=x"]) == (
        starting.produce,
        Words(Path("d"), None, ("gx",), ("a=1", "b=x")),
    )


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["--help"],
        ["status"],
        ["record", "--help"],
        ["record", "--data"],
        ["record", "--data=d"],
        ["record", "--data", "d", "--data", "e"],
        ["record", "--data", "--config", "c"],
        ["record", "more"],
        ["record", "--option", "a=1"],
        ["project", "--data", "d"],
        ["produce", "gx", "--option", "a"],
        ["produce", "gx", "-o", "a=1"],
        ["simulate", "--speed", "10"],
        ["web", "--port", "80"],
    ],
)
def test_all_other_words_are_left_to_the_command_line(line: list[str]) -> None:
    assert asked(line) is None


def test_a_process_loads_neither_the_command_line_nor_what_others_need() -> None:
    code = f"import sys, ovr.__main__, bus.recorder; print([n for n in {LARGE} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_what_only_a_person_can_mend_is_said_in_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ovr", "project", "nonsense", "--data", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={"OVR_BROKER_HOST": "127.0.0.1"}, capture_output=True, check=False
    )
    assert done.returncode == 78
    assert done.stderr.decode().startswith("ovr: there is no projector nonsense: choose state, ")
    assert done.stderr.count(b"\n") == 1
