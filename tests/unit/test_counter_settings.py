"""The settings of the counters, the event counters' YAML file, and the reports that make themselves."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from ovr.config import CountersSettings
from ovr.counter_reports import Maker, Wanted, make
from ovr.counters import settings
from projectors.counter_periods import DAY_US
from projectors.counter_queries import Counters
from projectors.counters import CountersProjector
from projectors.generations import Generations
from projectors.runner import Runner
from schemas.errors import ConfigurationError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, Said, record

# The specification's own example, whole.
SPECIFIED = """
event_counters:
  storage_file: "data/event_counters.json"
  auto_save_interval: 300  # 5 minutes
  history_retention_days: 180
  max_history_per_event: 5000

alert_thresholds:
  I2C_ERROR:
    daily: 10
    hourly: 5
    severity: "WARNING"

reporting:
  auto_generate_daily_report: true
  auto_generate_weekly_report: false
  report_output_directory: "data/reports/"
  export_formats: ["json", "csv"]

health_scoring:
  enabled: true
  calculation_interval: 3600  # 1 hour
  min_events_for_trend: 5
  trend_analysis_days: 30
"""
NOW_US = BASE_US + 20 * DAY_US


def written(directory: Path, text: str) -> Path:
    path = directory / "event_counters.yaml"
    path.write_text(text)
    return path


def test_the_specifications_file_is_read_as_it_stands(tmp_path: Path) -> None:
    found = settings(CountersSettings(yaml=written(tmp_path, SPECIFIED)))

    assert (found.history_days, found.history_most) == (180, 5000)
    assert (found.daily, found.weekly, found.formats) == (True, False, ("json", "csv"))
    assert found.reports == tmp_path / "data" / "reports"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("event_counters: 5", "must be a table"),
        ("- 1", "holds no settings"),
        ("event_counters: {history_retention_days: soon}", "history_retention_days"),
        ("event_counters: {history_retention_dais: 5}", "history_retention_dais .* is not known"),
        ("event_counters: {history_retention_days: 0}", "at least 1"),
        ("event_counters: {history_retention_days: 99999999999}", "history_days .* at most 36,525"),
        ("event_counters: {max_history_per_event: 99999999999}", "history_most .* at most"),
        ("reporting: {export_formats: [pdf]}", "not pdf"),
        ("reporting: {export_formats: [[json]]}", "export_formats .* cannot be"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        settings(CountersSettings(yaml=written(tmp_path, text)))


@contextmanager
def counting(directory: Path, said: Sequence[Said]) -> Iterator[Counters]:
    journal = MemoryJournal()
    record(journal, said)
    place = Generations(directory / "counters")
    projector = CountersProjector(place, Registry.load())
    Runner(journal, projector, strict=True).finish()
    projector.close()
    with closing(Counters.open(directory)) as counters:
        yield counters
    place.serve(place.create())  # the next one counts from the beginning


def lost(day: float) -> Said:
    return Said("ups.ac_power_loss", "rig_01", day * 86_400, {"stage": "confirmed"})


def names(paths: Sequence[Path], directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in paths}


def test_days_and_weeks_that_are_over_get_reports_once(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "reports", formats=("json", "html"))
    with counting(tmp_path, [lost(15), lost(18)]) as counters:
        first = make(counters, wanted, NOW_US)
        again = make(counters, wanted, NOW_US + DAY_US // 4)

    days = {f"daily/2026-12-{day:02}{suffix}" for day in range(3, 8) for suffix in (".json", ".html")}
    weeks = {f"weekly/2026-W49{suffix}" for suffix in (".json", ".html")}
    assert names(first, wanted.directory) == days | weeks
    assert again == []
    said = orjson.loads((wanted.directory / "daily" / "2026-12-06.json").read_bytes())
    assert (said["total_events"], said["from"]) == (1, "2026-12-06T00:00:00.000000Z")


def test_a_late_occurrence_changes_the_report_of_its_day_and_week_only(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "reports", formats=("json",))
    with counting(tmp_path, [lost(15), lost(18)]) as counters:
        make(counters, wanted, NOW_US)
    with counting(tmp_path, [lost(15), lost(18), lost(16.5)]) as counters:
        changed = make(counters, wanted, NOW_US)

    # The day itself, the days whose score it lowers, and the week; not the days before.
    later = {f"daily/2026-12-{day:02}.json" for day in range(4, 8)}
    assert names(changed, wanted.directory) == later | {"weekly/2026-W49.json"}
    said = orjson.loads((wanted.directory / "daily" / "2026-12-04.json").read_bytes())
    assert said["total_events"] == 1


def test_reports_that_cannot_be_written_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "reports"
    blocked.write_text("a file where the directory should be")
    monkeypatch.setattr("bus.instants.now_us", lambda: NOW_US)
    with counting(tmp_path, [lost(15)]) as counters:
        maker = Maker(Wanted(blocked, formats=("json",)), every_s=60)
        maker(counters, 0)
        maker(counters, 30)
        blocked.unlink()
        maker(counters, 61)

    assert caplog.text.count("cannot be written") == 1
    assert list(blocked.glob("daily/*.json"))


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    wanted = Wanted(tmp_path / "reports")
    with counting(tmp_path, [lost(15)]) as counters:
        make(counters, wanted, NOW_US)

    assert not list(wanted.directory.rglob("*.part"))
