"""The series projector with a real journal and a real VictoriaMetrics."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from bus import instants
from bus.journal import Journal, JournalReader
from bus.journal_writer import SqliteJournal
from projectors.lines import load_compatibility
from projectors.runner import Runner
from projectors.series import VERSION
from projectors.series_projector import SeriesProjector, Settings
from projectors.series_store import SeriesStore
from projectors.victoria import EVERYTHING
from projectors.victoria import Victoria as Client
from schemas.errors import ConfigurationError
from tests.series_stream import SECOND_US, Step, entry, journal_of, sample, steps
from tests.services import Victoria, start_victoria
from tests.waiting import PATIENCE_S, until

Content = dict[tuple[tuple[str, str], ...], dict[int, float]]
QUICK = Settings(trail_s=0.0, pulse_s=0.02, mark_every_s=0.0, keep_every=1)


def content(url: str) -> Content:
    client = Client(url)
    client.flush()
    found = {
        tuple(sorted(one.labels.items())): dict(zip(one.times_ms, one.values, strict=True))
        for one in client.export()
        if one.labels["__name__"] != "ovr_series_position"
    }
    client.close()
    return found


class Live:
    """A projector in its runner."""

    def __init__(self, journal: JournalReader, directory: Path, url: str, how: Settings, batch: int) -> None:
        self.store = SeriesStore(directory, VERSION)
        self.projector = SeriesProjector(journal, self.store, url, how)
        self.runner = Runner(journal, self.projector, batch=batch)
        self._journal = journal

    def turn(self) -> None:
        if not self.runner.turn():
            self.runner.flush()
            time.sleep(0.002)

    def until(self, condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
        until(condition, what, turn=self.turn, within_s=within_s)

    def catch_up(self) -> None:
        head = self._journal.head().position
        self.until(lambda: self.projector.accepted(head), f"position {head} accepted")

    def settle(self) -> None:
        """Wait until everything is durable, and its mark is in VictoriaMetrics."""
        self.catch_up()
        head = self._journal.head()
        until(
            lambda: self.projector.durable == head.position,
            "all is durable",
            turn=lambda: self.projector.save(head),
        )
        sink = self.projector._sink
        assert sink is not None
        until(sink._queue.empty, "the mark is written")


@contextmanager
def live(
    journal: JournalReader, directory: Path, url: str, how: Settings = QUICK, batch: int = 50
) -> Iterator[Live]:
    made = Live(journal, directory, url, how, batch)
    try:
        yield made
    finally:
        made.projector.close()
        made.store.close()


def empty(url: str) -> None:
    client = Client(url)
    client.flush()
    client.delete([EVERYTHING])
    client.close()


def rebuilt(journal: JournalReader, fresh: Victoria, directory: Path) -> Content:
    empty(fresh.url)
    with live(journal, directory / f"rebuild-{time.monotonic_ns()}", fresh.url) as made:
        made.catch_up()
        return content(fresh.url)


def fill(journal: Journal, count: int, *, first: int = 0) -> None:
    base_us = instants.now_us() - 600 * SECOND_US
    for number in range(first, first + count):
        time_us = base_us + number * SECOND_US // 2
        made = [sample(f"rig_0{number % 3}", time_us, ac_out_power_w=number / 8, dc_voltage_v=51.2)]
        if number % 40 == 5:
            made.append(
                entry("window.started", "rig_01", time_us, {"event_id": f"e{number}", "location": "a, b"})
            )
        journal.append(made, recorded_us=time_us)


@pytest.fixture
def victoria(tmp_path: Path) -> Iterator[Victoria]:
    with start_victoria(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with start_victoria(tmp_path_factory.mktemp("shared")) as service:
        yield service


def test_samples_and_windows_answer_the_queries_of_existing_dashboards(
    tmp_path: Path, victoria: Victoria
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    now_us = instants.now_us()
    journal.append(
        [
            entry(
                "window.started",
                "rig_01",
                now_us - 90 * SECOND_US,
                {"event_id": "load_test", "location": "yard"},
            ),
            sample("rig_01", now_us - SECOND_US, dc_voltage_v=51.5, ac_out_power_w=5120.0),
            sample("rig_02", now_us - SECOND_US, dc_voltage_v=48.0),
        ],
        recorded_us=now_us,
    )
    with live(journal, tmp_path / "series", victoria.url, Settings(load_compatibility())) as made:
        made.catch_up()
        client = Client(victoria.url)

        def ask(query: str) -> list[dict[str, Any]]:
            made.turn()
            return client.query(query, now_us // 1000)

        until(lambda: ask('ovr_event_active{system_id="rig_01"}'), "the window is found", within_s=2.0)
    joined = client.query(
        'victron_dc_voltage_v and on(system_id) ovr_event_active{event_id="load_test"} == 1', now_us // 1000
    )
    assert [one["metric"]["system_id"] for one in joined] == ["rig_01"]
    assert client.query('victron_ac_out_power{db="telegraf"}', now_us // 1000)[0]["value"][1] == "5120"
    (window,) = client.export("ovr_event_active")
    assert window.values == [1, 1, 1, 1]
    client.close()


def test_a_victoria_metrics_killed_after_accepting_is_given_again_what_it_forgot(
    tmp_path: Path, victoria: Victoria, shared: Victoria
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    fill(journal, 100)
    with live(journal, tmp_path / "series", victoria.url, replace(QUICK, trail_s=30.0)) as made:
        made.catch_up()
        victoria.kill()
        fill(journal, 20, first=100)
        victoria.start()
        made.until(lambda: made.projector.rewinds, "the restart is noticed")
        made.catch_up()
        assert content(victoria.url) == rebuilt(journal, shared, tmp_path)


def test_a_wiped_victoria_metrics_is_filled_from_the_beginning(
    tmp_path: Path, victoria: Victoria, shared: Victoria
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    fill(journal, 60)
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.settle()
        victoria.stop()
        victoria.wipe()
        victoria.start()
        made.until(lambda: made.projector.rewinds, "the restart is noticed")
        made.catch_up()
        assert content(victoria.url) == rebuilt(journal, shared, tmp_path)


def test_a_victoria_metrics_wiped_while_nobody_looked_is_filled_from_the_beginning(
    tmp_path: Path, victoria: Victoria, shared: Victoria
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    fill(journal, 60)
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.settle()
    victoria.stop()
    victoria.wipe()
    victoria.start()
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.catch_up()
        assert content(victoria.url) == rebuilt(journal, shared, tmp_path)


def test_a_restart_goes_on_from_the_checkpoint(tmp_path: Path, victoria: Victoria) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    fill(journal, 60)
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.settle()
    with live(journal, tmp_path / "series", victoria.url) as again:
        again.until(lambda: again.runner.place, "it stands")
        assert again.runner.taken == 0
        assert again.projector.durable == journal.head().position


def test_an_alias_learned_late_moves_the_history_to_the_one_system(
    tmp_path: Path, victoria: Victoria, shared: Victoria
) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    now_us = instants.now_us() - 60 * SECOND_US
    journal.append(
        [
            sample("bess_1", now_us, soc_pct=50),
            entry("window.started", "bess_1", now_us, {"event_id": "startup"}),
            sample("bess_10", now_us, soc_pct=70),
        ],
        recorded_us=now_us,
    )
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.catch_up()
        assert any(("system_id", "bess_1") in labels for labels in content(victoria.url))
        journal.append(
            [entry("system.registered", "rig_01", now_us, {"name": "Rig", "aliases": ["BESS-1"]})],
            recorded_us=now_us,
        )
        made.catch_up()
        found = content(victoria.url)
    assert {dict(labels)["system_id"] for labels in found} == {"rig_01", "bess_10"}
    assert found == rebuilt(journal, shared, tmp_path)


def test_a_swapped_journal_is_an_error_with_instructions(tmp_path: Path, victoria: Victoria) -> None:
    journal = SqliteJournal(tmp_path / "journal")
    fill(journal, 10)
    with live(journal, tmp_path / "series", victoria.url) as made:
        made.settle()
    other = SqliteJournal(tmp_path / "other")
    fill(other, 20)
    for directory in (tmp_path / "series", tmp_path / "empty"):
        with live(other, directory, victoria.url) as made, pytest.raises(ConfigurationError, match="rebuild"):
            made.until(lambda: False, "the error")


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_facts_in_any_order_give_the_export_of_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory, shared: Victoria, found: list[Step]
) -> None:
    journal = journal_of(found)
    exports = []
    for batch in (1, 50):
        empty(shared.url)
        with live(journal, tmp_path_factory.mktemp("series"), shared.url, batch=batch) as made:
            if journal.events:
                made.catch_up()
            exports.append(content(shared.url))
    assert exports[0] == exports[1]
