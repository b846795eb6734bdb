"""Line protocol: what samples and series look like, and what is refused."""

import math

import pytest

from projectors import lines
from projectors.lines import SampleLines, load_compatibility
from schemas.errors import InputError
from schemas.measurements import MEASUREMENTS

TIME_US = 1_795_249_390_991_734


def test_a_sample_is_one_line_in_milliseconds_without_absent_readings() -> None:
    data = {
        "kind": "victron",
        "interval_ms": 500,
        "values": {"ac_out_power_w": 5120.5, "soc_pct": None, "phases": 3},
    }
    line = SampleLines().line("rig_01", TIME_US, data)
    assert line == b"victron,system_id=rig_01 ac_out_power_w=5120.5,phases=3 1795249390991"


def test_a_sample_with_no_reading_at_all_is_no_line() -> None:
    assert SampleLines().line("rig_01", TIME_US, {"kind": "victron", "values": {"soc_pct": None}}) is None


def test_legacy_names_and_label_are_written_beside_ours_when_asked_for() -> None:
    old = SampleLines(load_compatibility())
    meter = old.line("acuvim_13", TIME_US, {"kind": "acuvim", "values": {"ac_power_w": -1.5}})
    inverter = old.line(
        "rig_01", TIME_US, {"kind": "victron", "values": {"ac_out_power_w": 7, "dc_voltage_v": None}}
    )
    assert meter == b"acuvim,system_id=acuvim_13,db=telegraf ac_power_w=-1.5,P=-1.5 1795249390991"
    assert inverter == b"victron,system_id=rig_01,db=telegraf ac_out_power_w=7,ac_out_power=7 1795249390991"


def test_every_legacy_name_stands_for_a_known_measurement() -> None:
    table = load_compatibility()
    assert table.fields
    for names in table.fields.values():
        for legacy, measurement in names:
            assert measurement in MEASUREMENTS
            assert lines.word(legacy) == legacy


@pytest.mark.parametrize("value", [True, "1", math.nan, math.inf, [1], {"a": 1}])
def test_a_reading_that_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="finite number"):
        SampleLines().line("rig_01", TIME_US, {"kind": "victron", "values": {"soc_pct": value}})


@pytest.mark.parametrize("name", ["", "1a", "a b", "a=b", "a,b", 'a"', "a\n", "é", "a-b"])
def test_a_name_that_could_break_a_line_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        SampleLines().line("rig_01", TIME_US, {"kind": "victron", "values": {name: 1.0}})
    with pytest.raises(InputError):
        SampleLines().line("rig_01", TIME_US, {"kind": name, "values": {"soc_pct": 1.0}})


@pytest.mark.parametrize("text", ["two\nlines", "a\r", "\0", "\x7f", "\ud800"])
def test_a_label_that_could_break_a_line_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        lines.series("ovr_event", {"event_id": text})


def test_labels_are_escaped_and_empty_ones_left_out() -> None:
    head = lines.series("ovr_event", {"event_id": "a, b=c\\", "system_id": "rig_01", "location": ""})
    assert head == rb"ovr_event,event_id=a\,\ b\=c\\,system_id=rig_01"
    assert lines.point(head, "active", 1, 5) == head + b" active=1 5"
    assert lines.WELL_FORMED.fullmatch(lines.point(head, "active", 1, 5))


@pytest.mark.parametrize(
    "line",
    [b"", b"a", b"a b", b"a b=c 1", b"a,b c=1 1", b"a b=1", b"a b=1 1\n", b"a b=null 1", b"a,b=c\\ d=1 1"],
)
def test_the_checker_knows_a_malformed_line(line: bytes) -> None:
    assert lines.WELL_FORMED.fullmatch(line) is None
