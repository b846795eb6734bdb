"""Rebuilding the series beside those that serve, and comparing the two."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType

import pytest

from bus import instants
from bus.journal_writer import SqliteJournal
from bus.sealing import Keeping
from projectors import series_rebuild, series_verify, victoria_server
from projectors.lines import selector
from projectors.series_rebuild import rebuild_series
from projectors.series_verify import verify_series
from projectors.victoria import Victoria as Client
from schemas.errors import ConfigurationError
from tests.services import start_victoria
from tests.system.test_series import content, fill, live


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(tmp_path / "journal")
    fill(opened, 120)
    yield opened
    opened.close()


def test_a_rebuild_takes_the_place_of_what_served_and_is_gone_on_from(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    with start_victoria(tmp_path) as old, live(journal, tmp_path / "series", old.url) as made:
        made.settle()
        Client(old.url).post([b"stray,system_id=rig_01 x=1 1795240000000"])
        before = content(old.url)
    reached: list[int] = []
    place = rebuild_series(tmp_path, progress=lambda position, _: reached.append(position))
    assert place.position == reached[-1] == journal.head().position
    fill(journal, 10, first=120)
    with start_victoria(tmp_path) as new, live(journal, tmp_path / "series", new.url) as made:
        after = content(new.url)
        assert {
            labels for labels in before if dict(labels)["__name__"] == "stray_x"
        } == before.keys() - after.keys()
        assert all(before[labels] == samples for labels, samples in after.items())
        made.catch_up()
        assert made.runner.taken == journal.head().position - place.position
    assert not list(tmp_path.glob("*.next")) + list(tmp_path.glob("*.old"))


def test_a_rebuild_under_a_running_victoria_metrics_without_supervisor_is_refused_and_leaves_it_alone(
    tmp_path: Path, journal: SqliteJournal
) -> None:
    with start_victoria(tmp_path) as old, live(journal, tmp_path / "series", old.url) as made:
        made.settle()
        before = content(old.url)
        with pytest.raises(ConfigurationError, match="stop it"):
            rebuild_series(tmp_path)
        assert content(old.url) == before


def test_a_supervisor_is_asked_to_swap(tmp_path: Path, journal: SqliteJournal) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "supervisor.json").write_text(json.dumps({"pid": os.getpid()}))
    asked: list[int] = []

    def swap(number: int, _: FrameType | None) -> None:
        asked.append(number)
        series_rebuild.swap(tmp_path)
        (tmp_path / series_rebuild.REQUEST).unlink()

    before = signal.signal(signal.SIGHUP, swap)
    try:
        with (run / "supervisor.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            rebuild_series(tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert asked == [signal.SIGHUP]
    assert (tmp_path / "victoria-metrics").is_dir()
    assert journal.head().position


def test_a_swap_cut_short_is_finished_by_the_next(tmp_path: Path) -> None:
    for name in ("victoria-metrics.next", "victoria-metrics.old", "series", "series.next"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    series_rebuild.swap(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"victoria-metrics", "series"}
    assert (tmp_path / "series" / "series.next").exists()
    assert (tmp_path / "victoria-metrics" / "victoria-metrics.next").exists()


def test_verifying_finds_nothing_in_good_series_and_names_what_is_missing_or_added(
    tmp_path: Path, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_verify, "_PAUSE_S", 0.01)
    with start_victoria(tmp_path) as serving, live(journal, tmp_path / "series", serving.url) as made:
        made.settle()
        fill(journal, 10, first=120)
        made.catch_up()
        good = verify_series(tmp_path, serving.url)
        assert (good.faults, good.compared > 300) == ([], True)
        client = Client(serving.url)
        client.delete([selector("victron_dc_voltage_v", system_id="rig_02")])
        client.post([b"ovr_event,event_id=e,system_id=rig_01 active=1 1795240000000"])
        client.close()
        bad = verify_series(tmp_path, serving.url)
    assert len([fault for fault in bad.faults if fault.endswith("is missing") and "rig_02" in fault]) == 40
    (added,) = (fault for fault in bad.faults if fault.endswith("should not be there"))
    assert added.startswith("2026-11-21T05:46:40.000000Z {")
    assert 'event_id="e"' in added


def test_readings_that_the_journal_has_erased_are_kept_and_what_follows_from_nothing_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_verify, "_PAUSE_S", 0.01)
    monkeypatch.setattr(series_verify, "AHEAD_US", 0)
    keeping = Keeping(seal_after_days=0, samples_days=0, events=20, block=20)
    with (
        closing(SqliteJournal(tmp_path / "journal", keeping)) as journal,
        start_victoria(tmp_path) as serving,
        live(journal, tmp_path / "series", serving.url) as made,
    ):
        fill(journal, 120)
        made.settle()
        whole = verify_series(tmp_path, serving.url)
        while journal.tidy(instants.now_us()):
            pass
        assert journal.erased_upto() > 60
        fill(journal, 30, first=120)
        made.catch_up()
        found = verify_series(tmp_path, serving.url)
        client = Client(serving.url)
        client.delete([selector("victron_dc_voltage_v", system_id="rig_02")])
        client.post([b"ovr_event,event_id=e,system_id=rig_01 active=1 1795240000000"])
        client.close()
        bad = verify_series(tmp_path, serving.url)
    assert (whole.faults, whole.kept, found.faults) == ([], 0, [])
    assert found.kept > 60
    assert {fault.rpartition(" = ")[2].partition(" ")[2] for fault in bad.faults} == {
        "is missing",
        "should not be there",
    }, bad.faults


def test_without_the_binary_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="apt-get install victoria-metrics"):
        victoria_server.command(tmp_path, 1)
