"""The runner's loop: what is saved when, what fails how."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bus import envelope
from bus.envelope import Envelope, Recorded
from bus.journal import Head
from projectors.runner import ProjectionError, Runner
from projectors.sqlite_model import DeadLetter
from projectors.state import StateProjector
from schemas.errors import ConfigurationError, TransientError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record, sample, tables

_REGISTRY = Registry.load()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Flaky(StateProjector):
    """Fails as often as it is told to."""

    failures: list[Exception]
    poison: int = 0
    slow_poison: int = 0
    swallowed: bool = False

    def open(self) -> Head | None:
        self.swallowed = False
        return super().open()

    def take(self, recorded: Recorded) -> None:
        if recorded.position == self.poison:
            raise ValueError("this event is beyond me")
        self.swallowed = self.swallowed or recorded.position == self.slow_poison
        super().take(recorded)

    def save(self, place: Head, letters: Iterable[DeadLetter] = ()) -> None:
        if self.failures:
            raise self.failures.pop()
        if self.swallowed:
            raise ValueError("something I took is beyond me")
        super().save(place, letters)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def projector(tmp_path: Path) -> Iterator[Flaky]:
    made = Flaky(tmp_path / "state.sqlite", _REGISTRY)
    made.failures = []
    yield made
    made.close()


@pytest.fixture
def runner(journal: MemoryJournal, projector: Flaky, clock: Clock) -> Runner:
    return Runner(journal, projector, clock=clock)


def note(at_s: float) -> Said:
    return Said("note.added", "rig_01", at_s, {"text": f"at {at_s}"})


def count(path: Path, table: str) -> int:
    return len(tables(path)[table])


def test_an_operators_fact_is_saved_at_once(journal: MemoryJournal, runner: Runner, tmp_path: Path) -> None:
    record(journal, [note(1)])

    runner.turn()

    assert count(tmp_path / "state.sqlite", "notes") == 1
    assert runner.saved == journal.head()


def test_samples_wait_for_others_and_are_saved_in_time(
    journal: MemoryJournal, runner: Runner, clock: Clock, tmp_path: Path
) -> None:
    record(journal, [sample("rig_01", 1, 5.0)])
    runner.turn()
    early = count(tmp_path / "state.sqlite", "latest_samples")

    clock.now += 1.0
    runner.turn()

    assert (early, count(tmp_path / "state.sqlite", "latest_samples")) == (0, 1)


def test_a_fact_takes_waiting_samples_along(journal: MemoryJournal, runner: Runner, tmp_path: Path) -> None:
    record(journal, [sample("rig_01", 1, 5.0)])
    runner.turn()
    record(journal, [note(2)])

    runner.turn()

    assert count(tmp_path / "state.sqlite", "latest_samples") == 1


def test_an_event_that_cannot_be_applied_becomes_a_dead_letter_and_the_rest_goes_on(
    journal: MemoryJournal, projector: Flaky, runner: Runner, tmp_path: Path
) -> None:
    projector.poison = 2
    record(journal, [note(1), note(2), note(3)])

    runner.finish()

    content = tables(tmp_path / "state.sqlite")
    assert [row[0] for row in content["notes"]] == [1, 3]
    assert [(row[0], row[6]) for row in content["dead_letters"]] == [
        (2, "ValueError: this event is beyond me")
    ]
    assert runner.buried == 1
    assert runner.saved == journal.head()


def test_a_leap_passes_an_event_that_cannot_be_applied(
    journal: MemoryJournal, projector: Flaky, clock: Clock, tmp_path: Path
) -> None:
    projector.poison = 2
    record(journal, [note(1), note(2), note(3), sample("rig_01", 4, 1.0)])

    Runner(journal, projector, leap_from=1, clock=clock).finish()

    content = tables(tmp_path / "state.sqlite")
    assert [row[0] for row in content["notes"]] == [1, 3]
    assert [row[0] for row in content["dead_letters"]] == [2]


def test_a_leap_finds_an_event_that_can_be_taken_but_not_saved(
    journal: MemoryJournal, projector: Flaky, clock: Clock, tmp_path: Path
) -> None:
    projector.slow_poison = 2
    record(journal, [note(1), note(2), note(3), sample("rig_01", 4, 1.0)])
    runner = Runner(journal, projector, leap_from=1, batch=2, clock=clock)

    while runner.saved != journal.head():
        runner.turn()
        clock.now += 10.0

    content = tables(tmp_path / "state.sqlite")
    assert [row[0] for row in content["notes"]] == [1, 3]
    assert [row[0] for row in content["dead_letters"]] == [2]


def test_a_version_from_the_future_is_a_dead_letter(
    journal: MemoryJournal, runner: Runner, tmp_path: Path
) -> None:
    said = Envelope("e1", "/test", "note.added", "rig_01", BASE_US, {"text": "new"}, version=99)
    journal.append([replace(note(1).entry(1), body=envelope.encode(said))], recorded_us=BASE_US + S)

    runner.finish()

    (letter,) = tables(tmp_path / "state.sqlite")["dead_letters"]
    assert "unknown_version" in letter[6]


def test_an_event_that_cannot_be_applied_stops_a_strict_run_and_is_named(
    journal: MemoryJournal, projector: Flaky
) -> None:
    projector.poison = 2
    record(journal, [note(1), note(2), note(3)])

    with pytest.raises(ProjectionError, match=r"position 2 \(note.added of rig_01\).*beyond me"):
        Runner(journal, projector, strict=True).finish()


def test_what_fails_from_outside_is_tried_again_and_blames_no_event(
    journal: MemoryJournal, projector: Flaky, runner: Runner, clock: Clock, tmp_path: Path
) -> None:
    projector.failures = [TransientError("the disk is full")] * 5
    record(journal, [note(1)])
    problems = []

    while projector.failures:
        runner.turn()
        problems.append(runner.problem)
        clock.now += 10
    runner.turn()

    assert problems == ["the disk is full"] * 5
    assert runner.problem is None
    assert count(tmp_path / "state.sqlite", "notes") == 1
    assert count(tmp_path / "state.sqlite", "dead_letters") == 0


def test_a_fault_that_passes_leaves_no_dead_letter(
    journal: MemoryJournal, projector: Flaky, runner: Runner, tmp_path: Path
) -> None:
    projector.failures = [ValueError("once"), ValueError("twice")]
    record(journal, [note(1), note(2)])

    runner.finish()

    assert count(tmp_path / "state.sqlite", "notes") == 2
    assert count(tmp_path / "state.sqlite", "dead_letters") == 0


def test_a_crash_while_saving_leaves_neither_effect_nor_checkpoint(
    journal: MemoryJournal,
    projector: StateProjector,
    runner: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(journal, [note(1)])
    monkeypatch.setattr("projectors.sqlite_model.SqliteModel.save_place", _crash)

    with pytest.raises(KeyboardInterrupt):
        runner.turn()
    projector.close()

    content = tables(tmp_path / "state.sqlite")
    assert (content["notes"], content["checkpoint"]) == ([], [])


def test_a_journal_that_took_the_place_of_ours_is_an_error_that_says_what_to_do(
    journal: MemoryJournal, projector: Flaky, runner: Runner
) -> None:
    record(journal, [note(1)])
    runner.turn()
    other = MemoryJournal()
    record(other, [note(1), note(2)])

    with pytest.raises(ConfigurationError, match="ovr rebuild state"):
        Runner(other, projector).turn()


def test_a_model_of_another_version_is_an_error_that_says_what_to_do(
    journal: MemoryJournal, projector: Flaky, runner: Runner, tmp_path: Path
) -> None:
    record(journal, [note(1)])
    runner.turn()
    projector.close()
    with sqlite3.connect(tmp_path / "state.sqlite") as db:
        db.execute("UPDATE checkpoint SET version = 99")
    db.close()

    with pytest.raises(ConfigurationError, match=r"version 99.*ovr rebuild state"):
        Runner(journal, projector).turn()


def test_the_place_moves_over_events_that_are_not_wanted(
    journal: MemoryJournal, runner: Runner, clock: Clock
) -> None:
    record(journal, [Said("ups.ac_power_loss", "rig_01", 1, {})])
    runner.turn()
    clock.now += 60

    runner.turn()

    assert runner.behind == 0
    assert runner.saved == journal.head()


def test_the_place_of_a_leap_is_one_at_which_the_samples_are_the_newest(
    journal: MemoryJournal, projector: Flaky, clock: Clock
) -> None:
    record(journal, [note(1), sample("rig_01", 2, 1.0), sample("rig_01", 3, 2.0), note(4)])
    runner = Runner(journal, projector, leap_from=1, clock=clock)

    runner.turn()

    assert runner.saved == journal.head()
    assert runner.taken == 3


def _crash(*_: object) -> None:
    raise KeyboardInterrupt
