"""The law of `ovr_event`: whatever the steps, what was written is what a fresh rebuild would write."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from projectors import markers
from projectors.markers import Key, Span, Stay

SECOND_US = 1_000_000
instants = st.integers(0, 400).map(lambda half: half * SECOND_US // 2) | st.integers(0, 200_000_000)
stays = st.builds(
    lambda event, location, start, length: Stay(
        event, location, start, None if length is None else start + length
    ),
    st.sampled_from(["startup", "load_test"]),
    st.sampled_from(["", "yard"]),
    instants,
    st.none() | instants,
)
histories = st.lists(st.tuples(st.lists(stays, max_size=4), st.integers(0, 90_000)), min_size=1, max_size=6)
Written = dict[tuple[Key, int], int]


def whole(spans: Mapping[Key, Sequence[Span]], horizon_ms: int) -> Written:
    return {
        (key, time_ms): value
        for key, series in spans.items()
        for time_ms, value in markers.points(series, horizon_ms)
    }


def apply(
    written: Written, plan: markers.Plan, spans: Mapping[Key, Sequence[Span]], horizon_ms: int
) -> Written:
    kept = {place: value for place, value in written.items() if place[0][0] not in plan.rewrite}
    for key, added in plan.append.items():
        for time_ms, value in added:
            assert kept.get((key, time_ms), value) == value, "an append contradicts what is written"
            kept[key, time_ms] = value
    rewritten = {key: series for key, series in spans.items() if key[0] in plan.rewrite}
    return kept | whole(rewritten, horizon_ms)


@given(histories)
def test_steps_of_any_size_write_what_a_rebuild_writes(history: list[tuple[list[Stay], int]]) -> None:
    written: Written = {}
    old: Mapping[Key, tuple[Span, ...]] = {}
    horizon = 0
    for stays_now, passed in history:
        new, later = markers.spans(stays_now), horizon + passed
        written = apply(written, markers.plan(old, horizon, new, later), new, later)
        assert written == whole(new, later)
        old, horizon = new, later


@given(histories)
def test_an_append_repeats_little_and_time_alone_never_rewrites(
    history: list[tuple[list[Stay], int]],
) -> None:
    stays_now, passed = history[0]
    spans = markers.spans(stays_now)
    plan = markers.plan(spans, passed, spans, passed + 90_000)
    assert not plan.rewrite
    before, after = whole(spans, passed), whole(spans, passed + 90_000)
    added = {(key, time_ms) for key, points in plan.append.items() for time_ms, _ in points}
    assert added >= after.keys() - before.keys()
    future_ends = {(key, s.end_ms) for key, of in spans.items() for s in of if (s.end_ms or 0) > passed}
    assert added <= (after.keys() - before.keys()) | future_ends


@given(st.lists(stays, max_size=5), st.integers(0, 200_000))
def test_the_next_repetition_is_the_first_horizon_that_adds_a_point(found: list[Stay], horizon: int) -> None:
    spans = markers.spans(found)
    due = markers.next_repeat_ms(spans, horizon)
    now = whole(spans, horizon)
    assert whole(spans, (due or 1_000_000) - 1) == now
    if due is not None and due < 100_000_000:
        assert not any(markers.plan(spans, horizon, spans, due).rewrite)


@given(st.lists(stays, max_size=5), st.integers(0, 200_000))
def test_a_point_is_one_while_active_and_zero_at_the_end(found: list[Stay], horizon: int) -> None:
    for series in markers.spans(found).values():
        for time_ms, value in markers.points(series, horizon):
            active = any(s.start_ms <= time_ms and (s.end_ms is None or time_ms < s.end_ms) for s in series)
            assert value == int(active)


def test_a_span_that_nobody_ends_is_repeated_for_a_year_however_far_a_clock_leaps() -> None:
    span = Span(1000, None)
    for horizon_ms in (markers.LONGEST_MS * 3, markers.LONGEST_MS * 10_000):
        assert span.newest(horizon_ms) == 1000 + markers.LONGEST_MS
        assert list(span.repeats(markers.LONGEST_MS - 60_000, horizon_ms))[-1] == span.newest(horizon_ms)
        assert markers.next_repeat_ms({("gig", ""): (span,)}, horizon_ms) is None
