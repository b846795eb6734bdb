"""`ovr counters`: what is asked about systems that are known, and about those that are not."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from bus.instants import text
from bus.journal_writer import SqliteJournal
from ovr.main import app
from projectors.counters import kind
from projectors.rebuild import rebuild
from projectors.state import STATE
from tests.streams import BASE_US, S, Said, record, sample

HOUR_S = 3600
LOSSES = [Said("ups.ac_power_loss", "rig_01", n * HOUR_S, {"stage": "confirmed"}) for n in range(4)]
NAMES = Said("system.registered", "rig_01", 0, {"name": "Rig 1", "aliases": ["Stage 3"]})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a journal, its counters and its state; of meter_1 there is nothing but samples."""
    directory = tmp_path_factory.mktemp("data")
    journal = SqliteJournal(directory / "journal")
    record(journal, [NAMES, *LOSSES, sample("meter_1", 4 * HOUR_S, 5.0)])
    journal.close()
    for one in (kind(), STATE):
        rebuild(one, directory)
    return directory


def asked(data: Path, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["counters", *words, "--data", str(data)])
    return done.exit_code, done.output


@pytest.mark.parametrize("command", ["show", "history", "stats", "health", "report", "export", "maintenance"])
def test_a_system_that_nobody_knows_is_refused_with_those_that_may_be_meant(data: Path, command: str) -> None:
    status, said = asked(data, command, "rgi_01")

    assert status == 78
    assert "there is no system rgi_01; there is rig_01" in said


@pytest.mark.parametrize("name", ["rig_01", "Rig 01", "Stage 3"])
def test_a_system_is_known_by_all_its_names(data: Path, name: str) -> None:
    status, said = asked(data, "history", name, "--json")

    assert status == 0
    assert [one["system_id"] for one in orjson.loads(said)] == ["rig_01"] * 4


def test_a_system_that_told_nothing_but_samples_is_known(data: Path) -> None:
    assert asked(data, "health", "meter_1")[0] == 0


def test_counts_of_a_time_are_of_that_time_in_every_column(data: Path) -> None:
    at = text(BASE_US + (HOUR_S + 1) * S)
    status, said = asked(data, "show", "rig_01", "--at", at, "--json")

    assert status == 0
    (row,) = orjson.loads(said)
    assert (row["total"], row["since_reset"], row["last_day"], row["last_hour"]) == (2, 2, 2, 1)
    assert row["last_occurrence"] == text(BASE_US + HOUR_S * S)
