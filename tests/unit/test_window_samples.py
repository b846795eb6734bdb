"""Samples of a report's window: what is kept of a long one, and what is read once for all systems."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bus.journal import JournalReader
from projectors.archive_reader import ArchiveReader
from projectors.generations import Generations
from projectors.samples import Recent, read_samples
from projectors.window_samples import Window, WindowSamples
from reporter.basis import guard
from reporter.coarse import step_s
from reporter.columns import Samples, Series
from reporter.energy import energy
from reporter.facts import ReportSettings
from reporter.system_report import system_report
from reporter.track import track
from reporter.wanted import EVERY
from tests.archives import archive, telling
from tests.journals import MemoryJournal
from tests.reporting import SETTINGS, facts
from tests.streams import BASE_US, S, Said, record

DAY_S = 86_400
LONG_S = 6 * DAY_S
NEVER_US = 2**61


def rig(at_s: float, watts: float, system: str = "rig_01") -> Said:
    values: dict[str, float | None] = {
        "ac_out_power_w": watts,
        "grid_power_w": watts / 2,
        "energy_inverter_to_out_wh": at_s,
    }
    return telling(system, at_s, values)


def read(reader: JournalReader, to_s: float, **how: Recent | ArchiveReader | None) -> Window:
    archived, recent = how.get("archive"), how.get("recent")
    assert archived is None or isinstance(archived, ArchiveReader)
    assert recent is None or isinstance(recent, Recent)
    windows = WindowSamples(reader, archived, ReportSettings(), reader.head().position, recent)
    return windows.read(["rig_01"], BASE_US, BASE_US + round(to_s * S), None)


@pytest.fixture(scope="module")
def long() -> MemoryJournal:
    """Six days with some minutes of samples here and there, over midnights too; zero is crossed."""
    journal = MemoryJournal()
    for begin_s in (0, 700, DAY_S - 250, 3 * DAY_S, LONG_S - 200):
        times = np.arange(begin_s, begin_s + 500, 0.5)
        record(journal, [rig(at_s, 800 * math.sin(at_s / 70) + 300) for at_s in times.tolist()])
    return journal


def told(samples: Samples, name: str, to_s: float) -> tuple[float, float]:
    of = track(samples.series(name), BASE_US, BASE_US + round(to_s * S), 10 * S)
    return energy(of).net_wh, of.covered_s


def test_a_window_of_a_week_has_the_energy_of_its_samples_in_a_quarter_of_the_rows(
    long: MemoryJournal,
) -> None:
    window = read(long, LONG_S).samples
    end_us = BASE_US + LONG_S * S
    whole = read_samples(long, None, "rig_01", BASE_US, end_us, names=EVERY)

    assert window.step_s == 5
    for name in ("ac_out_power_w", "grid_power_w"):
        assert told(window, name, LONG_S) == pytest.approx(told(whole, name, LONG_S), rel=1e-9)
        assert len(window.series(name)) < len(whole.series(name)) / 3


def test_the_highest_second_of_a_week_is_that_of_its_samples(long: MemoryJournal) -> None:
    end_us = BASE_US + LONG_S * S
    known = replace(facts(1), from_us=BASE_US, to_us=end_us)

    peak = system_report(read(long, LONG_S).samples, known, SETTINGS)["demand"]["peaks"][0]

    whole = read_samples(long, None, "rig_01", BASE_US, end_us, names=EVERY)
    sampled = system_report(whole, known, SETTINGS)["demand"]["peaks"][0]
    assert peak == sampled
    assert (peak["kind"], peak["power_w"]["value"]) == ("sliding", 1100.0)


def test_the_highest_second_is_known_where_half_a_day_told_a_phase_that_the_window_hardly_did() -> None:
    """What a window's power is made of is known at its end only."""
    journal, to_s = MemoryJournal(), 2 * DAY_S
    for begin_s, watts in ((0.0, 1000.0), (DAY_S, 2000.0), (DAY_S * 1.5, 1500.0)):
        times = np.arange(begin_s, begin_s + (5 if begin_s == DAY_S else 100), 0.5).tolist()
        phases: dict[str, float | None] = {"ac_out_l1_power_w": watts, "ac_out_l2_power_w": watts}
        third: dict[str, float | None] = {"ac_out_l3_power_w": 1.0} if begin_s == DAY_S else {}
        record(journal, [telling("rig_01", at_s, phases | third) for at_s in times])
    known = replace(facts(1), from_us=BASE_US, to_us=BASE_US + to_s * S)

    peak = system_report(read(journal, to_s).samples, known, SETTINGS)["demand"]["peaks"][0]

    assert (peak["power_w"]["value"], peak["kind"]) == (4000.0, "sliding")


def test_a_counter_in_steps_tells_readings_and_no_means(long: MemoryJournal) -> None:
    counted = read(long, LONG_S).samples.series("energy_inverter_to_out_wh")

    assert (counted.value == (counted.time_us - BASE_US) / S).all()


def test_what_is_recent_is_read_once_and_changes_nothing(tmp_path: Path, long: MemoryJournal) -> None:
    generations = Generations(tmp_path, trees=True)
    root = generations.create()
    archive(long, root, upto=140)
    generations.serve(root)
    reader = ArchiveReader(tmp_path)
    recent = Recent.read(long, reader, ["rig_01"], 0, NEVER_US, long.head().position, EVERY)
    assert recent is not None

    for to_s in (1200.0, float(LONG_S)):
        ways = [
            read(long, to_s),
            read(long, to_s, archive=reader),
            read(long, to_s, archive=reader, recent=recent),
        ]

        for other in ways[1:]:
            assert other.samples.stretches == ways[0].samples.stretches
            for mine, theirs in zip(ways[0].samples.streams, other.samples.streams, strict=True):
                assert (mine.time_us == theirs.time_us).all()
                assert mine.values.keys() == theirs.values.keys()
                for name, column in mine.values.items():
                    np.testing.assert_array_equal(column, theirs.values[name])


@pytest.mark.parametrize(("days", "step"), [(1, 0), (1.25, 0), (2, 1), (7, 5), (31, 10), (4000, 10)])
def test_the_longer_a_window_the_longer_its_steps(days: float, step: int) -> None:
    assert step_s(round(days * DAY_S * S)) == step


def test_no_step_is_longer_than_a_gap_may_be() -> None:
    assert step_s(31 * DAY_S * S, max_gap_s=3.0) == 2
    assert step_s(31 * DAY_S * S, max_gap_s=1.9) == 1


def test_a_long_window_is_never_kept_as_it_was_sampled_however_short_a_gap_may_be() -> None:
    """So that memory stays small; samples within a second are joined, as the means of seconds are."""
    fast = Series(np.arange(3, dtype=np.int64) * 900_000, np.ones(3), 200)

    assert step_s(92 * DAY_S * S, max_gap_s=0.5) == 1
    assert guard(fast, replace(SETTINGS, max_gap_s=0.5)) == S


def test_the_edges_of_a_window_are_measured_however_rarely_a_device_is_asked() -> None:
    journal = MemoryJournal()
    slow = [
        telling("rig_01", at_s, {"ac_power_w": 600.0}, interval_ms=300_000) for at_s in range(0, 7200, 300)
    ]
    record(journal, slow)
    windows = WindowSamples(journal, None, ReportSettings(), journal.head().position)

    found = windows.read(["rig_01"], BASE_US + 1350 * S, BASE_US + 4950 * S, None).samples
    power = track(found.series("ac_power_w"), BASE_US + 1350 * S, BASE_US + 4950 * S, 450 * S)

    assert energy(power).plus_wh == pytest.approx(600.0)
    assert power.coverage_pct == pytest.approx(100.0)
