"""Laws of the window fold: order and batches do not matter, windows never overlap, segments tile them."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from projectors.windows import TYPES, Window, WindowFact, fold_windows

_IDS = st.sampled_from([f"f{n}" for n in range(8)])
_TIMES = st.integers(0, 12)
_NAMES = st.sampled_from(["a", "b", "c"])


@st.composite
def _facts(draw: st.DrawFn) -> list[WindowFact]:
    count = draw(st.integers(0, 12))
    return [
        WindowFact(
            position=position,
            time_us=draw(_TIMES),
            type=draw(st.sampled_from(sorted(TYPES))),
            id=draw(_IDS),
            subject=draw(st.sampled_from(["rig_01", "all"])),
            event_id=draw(st.none() | _NAMES),
            location=draw(st.none() | _NAMES),
            corrects=draw(st.none() | _IDS),
            undo=draw(st.booleans()),
            moved_us=draw(st.none() | _TIMES),
        )
        for position in range(1, count + 1)
    ]


@given(_facts(), st.randoms())
def test_any_order_of_arrival_gives_the_same_windows(facts: list[WindowFact], random: object) -> None:
    shuffled = list(facts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert fold_windows(shuffled) == fold_windows(facts)


@given(_facts())
def test_windows_follow_each_other_without_overlap(facts: list[WindowFact]) -> None:
    windows = fold_windows(facts).windows

    for before, after in itertools.pairwise(windows):
        assert before.ended_us is not None
        assert before.started_us <= before.ended_us <= after.started_us


@given(_facts())
def test_segments_tile_their_window(facts: list[WindowFact]) -> None:
    for window in fold_windows(facts).windows:
        _assert_tiled(window)


@given(_facts())
def test_every_fact_has_an_outcome(facts: list[WindowFact]) -> None:
    folded = fold_windows(facts)

    assert folded.outcomes.keys() == {fact.position for fact in facts}
    assert len({window.started_by for window in folded.windows}) == len(folded.windows)


def _assert_tiled(window: Window) -> None:
    first, last = window.segments[0], window.segments[-1]
    assert (first.from_us, last.to_us) == (window.started_us, window.ended_us)
    for before, after in zip(window.segments, window.segments[1:], strict=False):
        assert before.to_us == after.from_us
        assert before.location != after.location
    if len(window.segments) > 1:
        assert all(segment.to_us is None or segment.from_us < segment.to_us for segment in window.segments)
