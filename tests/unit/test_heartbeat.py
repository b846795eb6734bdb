"""The file that health checks of containers look at is there while a process works, and only then."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from bus import heartbeat

HEALTHY = Path(__file__).parents[2] / "deploy" / "healthy"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "heartbeat"
    monkeypatch.setenv(heartbeat.VARIABLE, str(path))
    return path


def healthy() -> bool:
    return subprocess.run([HEALTHY], check=False).returncode == 0


def test_a_process_that_works_is_healthy(file: Path) -> None:
    assert not healthy()
    heartbeat.beat(online=True)
    assert file.exists()
    assert healthy()


@pytest.mark.usefixtures("file")
def test_a_process_that_says_otherwise_is_not() -> None:
    heartbeat.beat(online=True)
    heartbeat.beat(online=False)
    heartbeat.beat(online=False)
    assert not healthy()


def test_a_process_that_has_been_silent_for_a_minute_is_not(file: Path) -> None:
    heartbeat.beat(online=True)
    long_ago = time.time() - 90
    os.utime(file, (long_ago, long_ago))
    assert not healthy()


def test_a_file_that_cannot_be_made_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(heartbeat.VARIABLE, "/proc/no/such/file")
    heartbeat.beat(online=True)
    assert not healthy()


def test_without_the_variable_nothing_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    heartbeat.beat(online=True)
    assert list(tmp_path.iterdir()) == []
