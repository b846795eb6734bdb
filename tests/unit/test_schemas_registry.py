import math
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.measurements import unknown
from schemas.registry import Registry

OPERATOR = {
    "window.started",
    "window.ended",
    "window.corrected",
    "location.set",
    "note.added",
    "photo.added",
    "counters.reset",
    "system.registered",
    "alarm.acknowledged",
    "alert.acknowledged",
}
DEVICE = {
    "sample.taken",
    "device.connected",
    "device.disconnected",
    "device.described",
    "alarm.raised",
    "alarm.cleared",
}
UPS = {
    f"ups.{name}"
    for name in (
        "ac_power_loss",
        "ac_power_restored",
        "dc_output_loss",
        "dc_output_restored",
        "battery_low",
        "battery_critical",
        "battery_recovered",
        "charging_started",
        "charging_completed",
        "charge_cycle_count",
        "system_startup",
        "system_shutdown",
        "i2c_error",
        "calibration_performed",
        "temperature_high",
        "overvoltage_detected",
        "undervoltage_detected",
        "overcurrent_detected",
        "thermal_shutdown",
        "communication_error",
    )
}
REST = {
    "alert.raised",
    "alert.cleared",
    "report.requested",
    "report.generated",
    "samples.dropped",
    "journal.restored",
    "map_tiles.loaded",
    "map_provider.preferred",
    "node.progressed",
    "photo.missing",
}

REGISTRY = Registry.load()
TYPES = REGISTRY.types()
SCHEMAS = [(type_, version) for type_ in TYPES for version in range(1, REGISTRY.newest(type_) + 1)]


def refusal(type_: str, data: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        REGISTRY.check(type_, 1, data)
    return caught.value


def test_every_event_type_of_the_design_has_a_schema() -> None:
    assert set(TYPES) == OPERATOR | DEVICE | UPS | REST
    assert len(UPS) == 20


@pytest.mark.parametrize(("type_", "version"), SCHEMAS)
def test_every_schema_is_closed_described_and_bounded(type_: str, version: int) -> None:
    schema = REGISTRY.schema(type_, version)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["$id"] == f"ovr:{type_}:{version}"
    assert schema["title"]
    for part in objects(schema):
        assert part["additionalProperties"] is False
    for part in described(schema):
        assert part["description"], part
        kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
        if "string" in kinds:
            assert "enum" in part or "pattern" in part, part
            assert (
                "enum" in part
                or "maxLength" in part
                or "{64}" in part["pattern"]
                or "[0-2])$" in part["pattern"]
            )
        if "array" in kinds:
            assert "maxItems" in part, part
        if {"number", "integer"} & set(kinds):
            assert isinstance(part["minimum"], int), "float bounds cost eight times as much"
            assert isinstance(part["maximum"], int), "float bounds cost eight times as much"


def objects(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in described(part) if part["type"] == "object"]


def described(part: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [*part.get("properties", {}).values(), *part.get("patternProperties", {}).values()]
    inner += [part["items"]] if "items" in part else []
    return [part, *(deep for each in inner for deep in described(each))]


@pytest.mark.parametrize(("type_", "version"), SCHEMAS)
def test_every_schema_has_examples_that_pass(type_: str, version: int) -> None:
    examples = REGISTRY.schema(type_, version)["examples"]
    assert examples
    for example in examples:
        REGISTRY.check(type_, version, example)


def test_examples_use_names_of_the_vocabulary() -> None:
    for type_ in TYPES:
        for example in REGISTRY.schema(type_, 1)["examples"]:
            named = dict.fromkeys([example["measurement"]] if "measurement" in example else [])
            values = example.get("values", {}) if type_ == "sample.taken" else {}
            assert unknown(values | named) == []


def test_all_ups_schemas_ask_for_the_same() -> None:
    shapes = [
        {key: REGISTRY.schema(type_, 1)[key] for key in ("properties", "required", "additionalProperties")}
        for type_ in sorted(UPS)
    ]
    assert all(shape == shapes[0] for shape in shapes)


@pytest.mark.parametrize(
    ("type_", "data", "field", "hint"),
    [
        ("window.started", {}, "data.event_id", "event_id is missing"),
        ("window.started", {"event_id": 3}, "data.event_id", "give text, got 3"),
        ("window.started", {"event_id": ""}, "data.event_id", "give 1 to 120 characters"),
        ("window.started", {"event_id": "x" * 121}, "data.event_id", "give 1 to 120 characters"),
        ("window.started", {"event_id": "a", "locaton": "b"}, "data.locaton", "did you mean location?"),
        ("window.started", {"event_id": "startup "}, "data.event_id", "without blanks at its ends"),
        ("window.started", {"event_id": "a\nb"}, "data.event_id", "printable"),
        ("window.started", {"event_id": "a\u202eb"}, "data.event_id", "printable"),
        ("window.started", [1], "data", "give an object"),
        ("window.corrected", {"corrects": "a"}, "data", "exactly one of undo or time"),
        ("window.corrected", {"corrects": "a", "undo": False}, "data.undo", "give true, or leave it out"),
        (
            "window.corrected",
            {"corrects": "a", "undo": True, "time": "2026-11-21T05:00:00Z"},
            "data",
            "exactly one of undo or time",
        ),
        ("window.corrected", {"corrects": "a", "time": "2026-02-30T05:00:00Z"}, "data.time", "RFC 3339"),
        ("window.corrected", {"corrects": "a", "time": "2016-12-31T23:59:60Z"}, "data.time", "RFC 3339"),
        ("window.corrected", {"corrects": "a", "time": "2026-11-21T05:00:00"}, "data.time", "RFC 3339"),
        ("window.corrected", {"corrects": "a", "time": "1999-11-21T05:00:00Z"}, "data.time", "RFC 3339"),
        ("location.set", {"name": "x", "lat": 1.0}, "data.lon", "lon is missing"),
        ("location.set", {"name": "x", "lat": 91, "lon": 0}, "data.lat", "from -90 to 90"),
        ("note.added", {"text": "\0"}, "data.text", "line breaks allowed"),
        ("photo.added", {"sha256": "ABC", "media_type": "image/png"}, "data.sha256", "64 lower-case"),
        ("photo.added", {"sha256": "0" * 64, "media_type": "text/html"}, "data.media_type", "image/jpeg"),
        ("report.generated", {"href": "javascript:alert(1)"}, "data", ""),
        (
            "alarm.raised",
            {"alarm": "a", "level": "bad"},
            "data.level",
            "give one of warning, alarm, got 'bad'",
        ),
        (
            "system.registered",
            {"name": "a", "battery": {"cell": 3}},
            "data.battery.cell",
            "did you mean cells?",
        ),
        (
            "counters.reset",
            {"reason": "x", "types": ["note.added"]},
            "data.types.0",
            "such as ups.ac_power_loss",
        ),
        ("map_provider.preferred", {"provider": "esri", "q": 1}, "data.q", "known are provider"),
        ("journal.restored", {"lost_from": 3}, "data", ""),
    ],
)
def test_a_refusal_names_the_field_and_what_to_do(type_: str, data: Any, field: str, hint: str) -> None:
    error = refusal(type_, data)
    assert error.reason == "schema"
    assert error.field.startswith(field)
    assert hint in error.hint


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, math.nan, 10**16, -(10**16), 10**400, "1", True, [], {}]
)
def test_a_reading_is_a_finite_number_or_null(value: Any) -> None:
    error = refusal("sample.taken", {"kind": "a", "interval_ms": 1, "values": {"soc_pct": value}})
    assert error.field in {"data.values.soc_pct", "data"}
    assert error.hint


@pytest.mark.parametrize("value", [0, -0.0, 1e15, -(10**15), 5e-324, 81.5, None])
def test_any_finite_number_in_range_is_a_reading(value: float | None) -> None:
    REGISTRY.check("sample.taken", 1, {"kind": "a", "interval_ms": 1, "values": {"soc_pct": value}})


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a b", "ä", "a\n", "__proto__", "a.b"])
def test_a_reading_has_a_plain_name(name: str) -> None:
    error = refusal("sample.taken", {"kind": "a", "interval_ms": 1, "values": {name: 1}})
    assert error.field.startswith("data.values")


def test_a_sample_holds_at_most_512_readings() -> None:
    sample = {"kind": "a", "interval_ms": 1, "values": {f"x_{n}": n for n in range(512)}}
    REGISTRY.check("sample.taken", 1, sample)
    sample["values"] |= {"soc_pct": 1}  # type: ignore[operator]
    assert refusal("sample.taken", sample).hint == "give 1 to 512 entries"


@pytest.mark.parametrize("data", [{"text": b"x"}, {"text": "\ud800"}, {"text": object()}, {1: 2}])
def test_what_is_no_json_is_refused_like_any_other_fault(data: Any) -> None:
    assert refusal("note.added", data).field == "data"


def test_nesting_without_end_is_refused() -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    assert refusal("note.added", {"text": deep}).reason == "schema"


def test_a_long_value_does_not_make_a_long_hint() -> None:
    error = refusal("window.started", {"event_id": "a", "q" * 5000: "b" * 5000})
    assert len(error.hint) < 200
    assert len(error.field) < 60


def test_an_unknown_type_hints_at_near_names() -> None:
    with pytest.raises(InputError, match=r"did you mean window\.started") as caught:
        REGISTRY.check("window.startd", 1, {})
    assert (caught.value.reason, caught.value.field) == ("unknown_type", "type")
    with pytest.raises(InputError, match=r"begin with alarm\., alert\."):
        REGISTRY.newest("q")


def test_an_unknown_version_says_which_are_known() -> None:
    for version in (0, 2):
        with pytest.raises(InputError, match=r"version 1 is known, not \d") as caught:
            REGISTRY.check("note.added", version, {"text": "a"})
        assert caught.value.reason == "unknown_version"
