"""Windows of one system: what each fact comes to."""

from typing import Any

from projectors.windows import CORRECTED, ENDED, LOCATED, STARTED, Segment, Verdict, WindowFact, fold_windows

S = 1_000_000


def facts(*said: tuple[str, int, dict[str, Any]]) -> list[WindowFact]:
    """Number facts from 1; each has the id f<position>."""
    return [
        WindowFact(position, time_s * S, type_, f"f{position}", rest.pop("subject", "rig_01"), **rest)
        for position, (type_, time_s, rest) in enumerate(said, 1)
    ]


def start(time_s: int, event_id: str, **rest: Any) -> tuple[str, int, dict[str, Any]]:
    return STARTED, time_s, {"event_id": event_id, **rest}


def end(time_s: int, event_id: str | None = None, **rest: Any) -> tuple[str, int, dict[str, Any]]:
    return ENDED, time_s, {"event_id": event_id, **rest}


def locate(time_s: int, location: str) -> tuple[str, int, dict[str, Any]]:
    return LOCATED, time_s, {"location": location}


def correct(time_s: int, corrects: str, **rest: Any) -> tuple[str, int, dict[str, Any]]:
    return CORRECTED, time_s, {"corrects": corrects, **rest}


def spans(*said: tuple[str, int, dict[str, Any]]) -> list[tuple[str, int, int | None]]:
    windows = fold_windows(facts(*said)).windows
    return [(w.event_id, w.started_us // S, None if w.ended_us is None else w.ended_us // S) for w in windows]


def test_a_start_and_an_end_make_a_window() -> None:
    assert spans(start(10, "show"), end(20)) == [("show", 10, 20)]


def test_starting_a_second_event_ends_the_first_and_both_stay_visible() -> None:
    folded = fold_windows(facts(start(10, "a"), start(20, "b")))

    assert [(w.event_id, w.ended_us, w.superseded) for w in folded.windows] == [
        ("a", 20 * S, True),
        ("b", None, False),
    ]
    assert folded.outcomes[2].superseded == "a"
    assert folded.windows[0].ended_by == folded.windows[1].started_by == 2


def test_starting_the_active_event_again_changes_nothing() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), start(15, "a"), end(20)))

    assert [w.segments for w in folded.windows] == [(Segment("x", 10 * S, 20 * S),)]
    assert folded.outcomes[2].verdict is Verdict.ALREADY_ACTIVE


def test_starting_the_active_event_at_another_place_begins_a_segment() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), start(15, "a", location="y")))

    assert folded.windows[0].segments == (Segment("x", 10 * S, 15 * S), Segment("y", 15 * S, None))
    assert folded.outcomes[2].verdict is Verdict.LOCATION_CHANGED


def test_an_end_without_event_id_ends_the_window_active_at_that_time() -> None:
    assert spans(start(10, "a"), start(30, "b"), end(20)) == [("a", 10, 20), ("b", 30, None)]


def test_ending_what_is_not_active_is_told_and_changes_nothing() -> None:
    folded = fold_windows(facts(end(5), start(10, "a"), end(20, "b")))

    assert folded.active is not None
    assert folded.active.event_id == "a"
    assert folded.outcomes[1].verdict is Verdict.NOTHING_ACTIVE
    assert folded.outcomes[3].verdict is Verdict.OTHER_ACTIVE


def test_a_location_set_before_a_window_is_the_windows_location() -> None:
    folded = fold_windows(facts(locate(5, "yard"), start(10, "a")))

    assert folded.windows[0].location == "yard"


def test_a_location_set_during_a_window_begins_a_segment() -> None:
    folded = fold_windows(facts(start(10, "a"), locate(15, "stage"), end(20)))

    assert folded.windows[0].segments == (Segment(None, 10 * S, 15 * S), Segment("stage", 15 * S, 20 * S))


def test_setting_the_same_location_again_begins_no_segment() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), locate(15, "x")))

    assert folded.windows[0].segments == (Segment("x", 10 * S, None),)
    assert folded.outcomes[2].verdict is Verdict.LOCATION_NOTED


def test_segments_of_no_length_leave_no_trace() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), locate(15, "y"), locate(15, "x"), end(20)))

    assert folded.windows[0].segments == (Segment("x", 10 * S, 20 * S),)


def test_a_window_of_no_length_is_kept_with_one_segment() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), end(10)))

    assert folded.windows[0].segments == (Segment("x", 10 * S, 10 * S),)


def test_a_location_set_at_the_very_end_leaves_no_segment_behind() -> None:
    folded = fold_windows(facts(start(10, "a", location="x"), locate(20, "y"), end(20)))

    assert folded.windows[0].segments == (Segment("x", 10 * S, 20 * S),)
    assert folded.location == "y"


def test_late_facts_land_where_they_belong() -> None:
    assert spans(start(10, "b"), start(5, "a"), end(7)) == [("a", 5, 7), ("b", 10, None)]


def test_all_ends_the_window_of_that_event_id_only() -> None:
    assert spans(start(10, "a"), end(20, "b", subject="all")) == [("a", 10, None)]
    assert spans(start(10, "a"), end(20, "a", subject="all")) == [("a", 10, 20)]
    assert spans(start(10, "a"), end(20, subject="all")) == [("a", 10, 20)]


def test_an_undone_start_never_was() -> None:
    folded = fold_windows(facts(start(10, "typo"), start(12, "a"), correct(13, "f1", undo=True)))

    assert [w.event_id for w in folded.windows] == ["a"]
    assert folded.outcomes[1].verdict is Verdict.UNDONE
    assert folded.outcomes[1].corrected_by == 3
    assert folded.outcomes[3].verdict is Verdict.CORRECTION_COUNTS
    assert folded.outcomes[2].superseded is None


def test_a_moved_end_counts_at_its_new_time() -> None:
    said = (start(10, "a"), end(20), correct(30, "f2", moved_us=25 * S))

    assert spans(*said) == [("a", 10, 25)]
    assert fold_windows(facts(*said)).outcomes[2].corrected_by == 3


def test_the_latest_correction_by_time_counts_whatever_came_last() -> None:
    said = (start(10, "a"), correct(40, "f1", moved_us=8 * S), correct(30, "f1", moved_us=9 * S))

    assert spans(*said) == [("a", 8, None)]
    assert fold_windows(facts(*said)).outcomes[3].verdict is Verdict.CORRECTION_REPLACED


def test_an_undo_can_be_undone() -> None:
    assert spans(start(10, "a"), correct(11, "f1", undo=True), correct(12, "f2", undo=True)) == [
        ("a", 10, None)
    ]


def test_undoing_the_undo_of_an_undo_undoes_again() -> None:
    said = [start(10, "a")] + [correct(10 + n, f"f{n}", undo=True) for n in (1, 2, 3)]

    assert spans(*said) == []


def test_a_corrected_move_moves_to_its_own_new_time() -> None:
    assert spans(start(10, "a"), correct(11, "f1", moved_us=8 * S), correct(12, "f2", moved_us=7 * S)) == [
        ("a", 7, None)
    ]


def test_corrections_that_lead_nowhere_change_nothing() -> None:
    said = (
        start(10, "a"),
        correct(11, "f3", undo=True),
        correct(12, "f2", undo=True),
        correct(13, "gone", undo=True),
    )
    folded = fold_windows(facts(*said))

    assert [w.event_id for w in folded.windows] == ["a"]
    assert {folded.outcomes[p].verdict for p in (2, 3, 4)} == {Verdict.CORRECTS_NOTHING}


def test_a_correction_may_come_before_what_it_corrects() -> None:
    assert spans(correct(30, "f2", undo=True), start(10, "a")) == []


def test_an_end_for_all_can_be_undone_for_one_system() -> None:
    assert spans(start(10, "a"), end(20, subject="all"), correct(30, "f2", undo=True)) == [("a", 10, None)]


def test_the_window_of_an_instant_is_found() -> None:
    folded = fold_windows(facts(start(10, "a"), start(20, "b")))

    found = [window.event_id if (window := folded.at(second * S)) else None for second in (9, 10, 19, 20)]
    assert found == [None, "a", "a", "b"]
