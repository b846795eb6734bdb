"""Line protocol through a real VictoriaMetrics: what is written is what is found, label for label."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projectors import lines
from projectors.lines import SampleLines, selector
from projectors.victoria import Series, Victoria
from tests.laws import examples
from tests.services import start_victoria

BASE_MS = 1_795_249_390_991
_fresh = count()


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victoria]:
    with start_victoria(tmp_path_factory.mktemp("victoria")) as service:
        client = Victoria(service.url)
        yield client
        client.close()


def written(victoria: Victoria, body: list[bytes], found: str) -> list[Series]:
    for line in body:
        assert lines.WELL_FORMED.fullmatch(line), line
    assert victoria.post(body) == []
    victoria.flush()
    return list(victoria.export(found))


one_line = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("\\ ,=\"{}'#"),
    min_size=1,
    max_size=40,
)


@examples(25)
@given(st.lists(st.tuples(one_line, one_line), min_size=1, max_size=20, unique=True))
@example([("\\", "a\\"), ("a\\,b", "\\\\ "), (" ", ","), ("=", '"'), ("👩‍👩‍👧 été", "#x=1,y=2 3")])
def test_any_one_line_text_survives_as_a_label(victoria: Victoria, texts: list[tuple[str, str]]) -> None:
    system = f"s{next(_fresh)}"
    tags = [{"event_id": event, "system_id": system, "location": place} for event, place in texts]
    body = [lines.point(lines.series("ovr_event", of), "active", 1, BASE_MS) for of in tags]
    found = written(victoria, body, selector("ovr_event_active", system_id=system))
    labels = [{**of, "__name__": "ovr_event_active"} for of in tags]
    assert sorted(sorted(one.labels.items()) for one in found) == sorted(sorted(of.items()) for of in labels)


@examples(10)
@given(st.lists(one_line, min_size=1, max_size=5, unique=True))
def test_a_selector_finds_and_deletes_exactly_its_series(victoria: Victoria, texts: list[str]) -> None:
    system = f"s{next(_fresh)}"
    tags = [{"event_id": event, "system_id": system} for event in texts]
    written(victoria, [lines.point(lines.series("ovr_event", of), "active", 1, BASE_MS) for of in tags], "x")
    victoria.delete([selector("ovr_event_active", **tags[0])])
    found = victoria.export(selector("ovr_event_active", system_id=system))
    assert {one.labels["event_id"] for one in found} == set(texts[1:])


decimals = st.builds(
    lambda digits, places: digits / 10**places, st.integers(-(10**12), 10**12), st.integers(0, 6)
)
extremes = st.floats(-1e15, 1e15, allow_nan=False) | st.integers(-(10**15), 10**15)


@examples(20)
@given(
    st.lists(decimals | extremes, min_size=1, max_size=30),
    st.integers(946_684_800_000_000, BASE_MS * 1000),
)
@example([43941039592970.25, 5e-324, -0.0, 0.1, 1e15], BASE_MS * 1000)
def test_a_sample_comes_back_exact_to_twelve_digits(
    victoria: Victoria, numbers: list[float], time_us: int
) -> None:
    system = f"s{next(_fresh)}"
    values = {f"x{index}": number for index, number in enumerate(numbers)}
    line = SampleLines().line(system, time_us, {"kind": "k", "values": values})
    assert line is not None
    found = written(victoria, [line], selector(system_id=system))
    assert len(found) == len(values)
    for one in found:
        assert set(one.labels) == {"__name__", "system_id"}
        assert one.times_ms == [time_us // 1000]
        sent, got = values[one.labels["__name__"].removeprefix("k_")], one.values[0]
        # VictoriaMetrics keeps a decimal mantissa of at least 12 digits, and nothing nearer to 0 than 1e-290.
        assert got == sent or got == pytest.approx(sent, rel=1e-12, abs=1e-290)
        assert got == sent or f"{sent:.12g}" != repr(sent).removesuffix(".0")
