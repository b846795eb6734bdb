"""Whatever a message holds, the schemas give a pass or a reason, and never anything else."""

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.limits import check_depth
from schemas.measurements import MEASUREMENTS, unknown
from schemas.registry import Registry

REGISTRY = Registry.load()
TYPES = st.sampled_from(REGISTRY.types())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
FIELDS = sorted({name for type_ in REGISTRY.types() for name in REGISTRY.schema(type_, 1)["properties"]})


def verdict(type_: str, data: Any) -> InputError | None:
    try:
        REGISTRY.check(type_, 1, data)
    except InputError as error:
        return error
    return None


@given(TYPES, JSON | st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON, max_size=6))
def test_any_data_passes_or_is_refused_with_field_and_hint(type_: str, data: Any) -> None:
    error = verdict(type_, data)
    if error is not None:
        assert error.reason == "schema"
        assert error.field.startswith("data")
        assert 0 < len(error.hint) < 600
    else:
        orjson.dumps(data)


@given(st.data())
def test_one_wrong_member_in_an_example_is_the_one_that_is_named(data: st.DataObject) -> None:
    type_ = data.draw(TYPES)
    schema = REGISTRY.schema(type_, 1)
    example = data.draw(st.sampled_from(schema["examples"]))
    name = data.draw(st.sampled_from(sorted(schema["properties"])))
    unfit: Any = data.draw(st.sampled_from([b"", {"Q q": 1}, [[]], None, "\0", -1e300]))
    error = verdict(type_, {**example, name: unfit})
    assert error is not None
    assert error.field == "data" or error.field.startswith(f"data.{name}")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), st.floats(), min_size=1, max_size=8
    )
)
def test_readings_pass_exactly_when_all_are_finite_and_in_range(values: dict[str, float]) -> None:
    error = verdict("sample.taken", {"kind": "a", "interval_ms": 500, "values": values})
    assert (error is None) == all(abs(value) <= 1e15 for value in values.values())


@given(st.dictionaries(st.sampled_from(sorted(MEASUREMENTS)) | st.text(), st.none(), max_size=20))
def test_unknown_is_what_is_neither_in_the_vocabulary_nor_free(values: dict[str, None]) -> None:
    assert unknown(values) == sorted(n for n in values if n not in MEASUREMENTS and not n.startswith("x_"))


@given(JSON, st.integers(1, 6))
def test_depth_is_refused_exactly_when_it_is_too_great(document: Any, limit: int) -> None:
    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0

    payload = json.dumps(document).encode()
    try:
        check_depth(document, payload, limit)
        refused = False
    except InputError:
        refused = True
    outermost = isinstance(document, (dict, list))
    assert refused == (outermost and depth(document) > limit)
