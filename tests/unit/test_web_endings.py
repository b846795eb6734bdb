"""What an end came to, as it is answered."""

import pytest

from web.api.endings import ending_of

Row = tuple[str, str, str | None]


@pytest.mark.parametrize(
    ("subject", "rows", "verdict", "events", "instead"),
    [
        ("rig_01", [("rig_01", "ended", "Fest A")], "ended", ["Fest A"], None),
        ("rig_01", [("rig_01", "other_active", "Fest B")], "other_active", [], "Fest B"),
        ("rig_01", [("rig_01", "nothing_active", None)], "nothing_active", [], None),
        ("rig_01", [("rig_01", "undone", "Fest A")], "undone", [], None),
        ("old_name", [("rig_01", "ended", "Fest A")], "ended", ["Fest A"], None),
        (
            "all",
            [("rig_02", "ended", "B"), ("rig_01", "ended", "A"), ("rig_03", "ended", "B")],
            "ended",
            ["B", "A"],
            None,
        ),
        ("all", [], "nothing_active", [], None),
        ("all", [("rig_01", "undone", None), ("rig_02", "undone", None)], "undone", [], None),
    ],
)
def test_what_an_end_came_to_is_summed_up(
    subject: str, rows: list[Row], verdict: str, events: list[str], instead: str | None
) -> None:
    found = ending_of(subject, rows)

    assert found is not None
    assert (found.verdict, found.events, found.active_event_id) == (verdict, events, instead)
    assert (found.warning is None) == (verdict == "ended")
    assert instead is None or instead in str(found.warning)


def test_what_the_state_says_nothing_of_is_not_guessed() -> None:
    assert ending_of("rig_01", []) is None
