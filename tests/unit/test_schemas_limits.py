from typing import Any

import orjson
import pytest

from schemas import limits
from schemas.errors import InputError

NOW_US = 1_795_237_200_000_000
MINUTE_US = 60_000_000


def nested(depth: int) -> Any:
    value: Any = []
    for level in range(depth - 1):
        value = [value] if level % 2 else {"a": value}
    return value


def test_a_payload_may_have_64_kib() -> None:
    limits.check_size(b" " * 65536)
    with pytest.raises(InputError, match="at most 65536 bytes, not 65537") as caught:
        limits.check_size(b" " * 65537)
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("depth", range(1, 9))
def test_a_document_may_be_nested_eight_deep(depth: int) -> None:
    limits.check_depth(nested(depth), orjson.dumps(nested(depth)))


@pytest.mark.parametrize("depth", [9, 10, 500])
def test_a_document_that_is_nested_deeper_is_refused(depth: int) -> None:
    document = nested(depth)
    with pytest.raises(InputError) as caught:
        limits.check_depth(document, b"[" * depth)
    assert caught.value.reason == "too_deep"


def test_many_brackets_side_by_side_are_no_depth() -> None:
    document = {"a": [[] for _ in range(5000)], "b": "[[[[[[[[[[[[[["}
    limits.check_depth(document, orjson.dumps(document))


@pytest.mark.parametrize("ahead_us", [-(10**15), -MINUTE_US, 0, 5 * MINUTE_US])
def test_a_time_that_can_be_true_passes(ahead_us: int) -> None:
    limits.check_time(max(limits.EARLIEST_US, NOW_US + ahead_us), NOW_US)


def test_a_time_ahead_of_the_recorder_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="301 s ahead") as caught:
        limits.check_time(NOW_US + 5 * MINUTE_US + 1_000_000, NOW_US)
    assert (caught.value.reason, caught.value.field) == ("time_future", "time")


def test_a_time_before_2000_is_refused_with_a_hint() -> None:
    with pytest.raises(InputError, match="set the sender's clock") as caught:
        limits.check_time(limits.EARLIEST_US - 1, NOW_US)
    assert (caught.value.reason, caught.value.field) == ("time_past", "time")
