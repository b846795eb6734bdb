"""Reports of the counters: figures that add up, and every format harmless whatever names come in."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest

from projectors.counter_queries import Counters
from projectors.counter_report import KINDS, Period, report, whole_days
from projectors.counters import CountersProjector
from projectors.generations import Generations
from projectors.maintenance import due, items
from projectors.runner import Runner
from reporter.counters import FORMATS, as_csv, as_html, as_text, duration, words
from reporter.tables import table
from schemas.errors import ConfigurationError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import BASE_US, S, Said, record

DAY = 86_400
PERIOD = Period(BASE_US, BASE_US + 10 * DAY * S)


def happened(type_: str, at_s: float, system: str = "rig_01", **data: Any) -> Said:
    return Said(f"ups.{type_}", system, at_s, {"stage": "confirmed", **data})


STREAM = [
    Said("device.connected", "rig_01", 0, {"device": "gx"}),
    *(happened("ac_power_loss", DAY * n + 100) for n in range(8)),
    *(happened("ac_power_restored", DAY * n + 400) for n in range(7)),
    happened("thermal_shutdown", 9 * DAY, "rig_02", cause="off_while_hot", detail="=cmd|'/c calc'!A1"),
    happened("battery_low", 8 * DAY, "rig_02", measurement="battery_voltage_v", measured=47.5, threshold=48),
    Said("counters.reset", "rig_02", 9.5 * DAY, {"reason": "<script>alert(1)</script>"}),
    happened("i2c_error", 11 * DAY),
]


@pytest.fixture(scope="module")
def counters() -> Iterator[Counters]:
    journal = MemoryJournal()
    record(journal, STREAM)
    with TemporaryDirectory() as directory:
        projector = CountersProjector(Generations(Path(directory, "counters")), Registry.load())
        Runner(journal, projector, strict=True).finish()
        projector.close()
        with closing(Counters.open(Path(directory))) as one:
            yield one


def test_a_summary_adds_up_and_ranks(counters: Counters) -> None:
    said = report(counters, "summary", PERIOD)

    assert said["total_events"] == 17
    assert sum(one["total_count"] for one in said["event_categories"].values()) == 17
    assert sum(one["events"] for one in said["systems"]) == 17
    assert said["event_categories"]["power"]["top_events"] == [["AC_POWER_LOSS", 8], ["AC_POWER_RESTORED", 7]]
    assert [one["system_id"] for one in said["systems"]] == ["rig_01", "rig_02"]
    assert said["health"]["worst_system"] == "rig_02"


def test_time_without_input_is_told(counters: Counters) -> None:
    (outages,) = report(counters, "summary", PERIOD, "rig_01")["durations"]

    assert (outages["number"], outages["longest_s"]) == (8, 3 * DAY - 100)
    assert outages["total_s"] == 7 * 300 + 3 * DAY - 100
    assert outages["open_since"] is not None


def test_a_detailed_report_lists_what_happened_and_what_was_reset(counters: Counters) -> None:
    said = report(counters, "detailed", PERIOD, "rig_02")

    assert [one["event_type"] for one in said["history"]] == ["THERMAL_SHUTDOWN", "BATTERY_LOW"]
    assert said["history"][1]["measured"] == 47.5
    assert [one["reason"] for one in said["resets"]] == ["<script>alert(1)</script>"]
    assert not said["history_is_cut"]


def test_trends_show_every_day(counters: Counters) -> None:
    said = report(counters, "trends", PERIOD, "rig_01")
    losses = next(one for one in said["types"] if one["event_type"] == "AC_POWER_LOSS")

    assert sum(losses["daily"]) == losses["recent_count"] == 8
    assert losses["trend"] == "decreasing"


def test_the_same_question_gives_the_same_document(counters: Counters) -> None:
    for kind in KINDS:
        assert orjson.dumps(report(counters, kind, PERIOD)) == orjson.dumps(report(counters, kind, PERIOD))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("system", [None, "rig_02", "unknown"])
@pytest.mark.parametrize("format_", FORMATS)
def test_every_report_can_be_written_in_every_format(
    counters: Counters, kind: str, system: str | None, format_: str
) -> None:
    written = FORMATS[format_](report(counters, kind, PERIOD, system))

    assert written.endswith("\n") or format_ == "html"
    assert "None" not in written


def test_hostile_texts_are_harmless(counters: Counters) -> None:
    document = report(counters, "detailed", PERIOD)

    assert "<script>" not in as_html(document)
    assert "&lt;script&gt;" in as_html(document)
    cells = [cell for row in csv.reader(io.StringIO(as_csv(document))) for cell in row]
    assert "'=cmd|'/c calc'!A1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]


def test_a_quiet_time_says_so(counters: Counters) -> None:
    quiet = Period(BASE_US - 9 * DAY * S, BASE_US - 8 * DAY * S)

    assert "Nothing occurred." in as_text(report(counters, "summary", quiet))


def test_numbers_stay_numbers_in_csv() -> None:
    assert table(("a", "b"), [{"a": -1.5, "b": None}]) == "a,b\r\n-1.5,\r\n"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_are_written_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_types_are_written_for_people() -> None:
    assert [words(one) for one in ("AC_POWER_LOSS", "I2C_ERROR", "BATTERY_LOW")] == [
        "AC power loss",
        "I2C error",
        "Battery low",
    ]


def test_whole_days_end_at_the_last_midnight_of_the_place() -> None:
    noon_us = BASE_US // (DAY * S) * DAY * S + 12 * 3600 * S
    day = whole_days(noon_us, 1)
    ahead = whole_days(noon_us, 1, 13 * 3600 * S)

    assert (day.until_us, day.days) == (noon_us - 12 * 3600 * S, 1)
    assert ahead.until_us == noon_us - 3600 * S


def test_maintenance_says_what_is_due_and_what_comes_next() -> None:
    rows = due(
        items(),
        {
            "rig_01": {"genset_engine_operating_s": 1490 * 3600.0},
            "rig_02": {"genset_engine_operating_s": None},
        },
        {("rig_01", "ups.charge_cycle_count"): 280, ("rig_02", "ups.battery_critical"): 6},
        {"rig_01": {"generator_oil": 1250.0}},
    )

    assert [(row.system_id, row.item.name, row.state, row.left) for row in rows] == [
        ("rig_02", "deep_discharge", "due", -1),
        ("rig_01", "generator_oil", "soon", 10),
        ("rig_01", "battery_capacity", "soon", 20),
    ]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"text": "x"}, "give `reading`"),
        ({"text": "x", "reading": "soc_pct", "every_h": 5}, "no measurement in seconds"),
        ({"text": "x", "counts": "ups.nothing", "every": 5}, "no occurrence ups.nothing"),
        ({"text": "x", "counts": "ups.i2c_error", "every": 0}, "above 0"),
        ({"text": "x", "counts": "ups.i2c_error", "evry": 1}, "no key evry"),
        ({}, "`text`"),
    ],
)
def test_an_item_that_does_not_fit_is_refused(row: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        items({"x": row})
