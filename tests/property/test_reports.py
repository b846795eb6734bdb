"""Laws of the reports projector: what is asked for depends on the stream alone."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.envelope import Envelope
from projectors.report_index import FILE, NAME
from tests.laws import examples
from tests.report_office import Office, clock, end, start
from tests.streams import Said, record, sample

SYSTEMS = ("rig_01", "rig_02")
EVENTS = ("gig", "other")


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[Said, float]]:
    """Draw facts and samples in order of recording, some of them late; each with when it is recorded."""
    said: list[tuple[Said, float]] = []
    now_s = 0.0
    for number in range(draw(st.integers(1, 40))):
        now_s += draw(st.sampled_from([0.2, 1.0, 4.0, 6.0, 30.0, 70.0]))
        at_s = now_s - draw(st.sampled_from([0.0, 0.0, 0.0, 5.0, 40.0, 200.0]))
        system, event_id = draw(st.sampled_from(SYSTEMS)), draw(st.sampled_from(EVENTS))
        kind = draw(
            st.sampled_from(
                ["sample"] * 6 + ["start", "start", "end", "all", "undo", "move", "place", "clock"]
            )
        )
        said.append((_said(kind, f"s{number}", system, event_id, at_s, draw(st.integers(0, 39))), now_s))
    return said


def _said(kind: str, id_: str, system: str, event_id: str, at_s: float, other: int) -> Said:
    made: dict[str, Said] = {
        "sample": sample(system, at_s, 1.0, interval_ms=1000),
        "start": start(at_s, event_id, system),
        "end": end(at_s, system),
        "all": end(at_s, "all", event_id=event_id),
        "undo": Said("window.corrected", system, at_s, {"corrects": f"s{other}", "undo": True}),
        "move": Said(
            "window.corrected", system, at_s, {"corrects": f"s{other}", "time": "2026-11-18T11:07:10Z"}
        ),
        "place": Said("location.set", system, at_s, {"name": f"place {other}"}),
        "clock": clock(at_s),
    }
    one = made[kind]
    return Said(one.type, one.subject, one.at_s, one.data, id_)


def brief(told: list[Envelope]) -> list[tuple[Any, ...]]:
    return [(one.id, one.subject, dict(one.data)) for one in told if one.type == "report.requested"]


def whole(journal_said: list[tuple[Said, float]], path: Path) -> Office:
    """Record all, as one batch, and fold it in one go."""
    office = Office(path / NAME / FILE)
    for said, now_s in journal_said:
        record(office.journal, [said], recorded_s=now_s)
    office.runner.finish()
    return office


@examples(10)
@given(streams(), st.integers(1, 12), st.integers(1, 7))
def test_batches_and_crashes_change_nothing(said: list[tuple[Said, float]], every: int, batch: int) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        at_once = whole(said, Path(one))
        split = Office(Path(other) / NAME / FILE, at_once.journal, batch=batch)
        for upto in range(every, len(said) + every, every):
            split.runner.upto = upto
            split.runner.finish()
            split.restart()
        split.runner.finish()
        assert brief(split.told) == brief(at_once.told)


@examples(10)
@given(streams())
def test_each_report_is_the_next_revision_of_a_window_as_it_is(said: list[tuple[Said, float]]) -> None:
    with TemporaryDirectory() as one:
        office = whole(said, Path(one))
        revisions: dict[tuple[Any, ...], int] = {}
        for event in office.told:
            data = event.data
            assert data["from"] < data["to"]
            assert 0 < data["cut_position"] <= len(said)
            if data["scope"] == "event":
                key = (data["event_id"],)
                assert data["revision"] == revisions.get(key, 0) + 1
                revisions[key] = data["revision"]
        assert len({event.id for event in office.told}) == len(office.told)


@examples(10)
@given(streams())
def test_a_lost_memory_asks_for_nothing_that_was_asked_for(said: list[tuple[Said, float]]) -> None:
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        office = whole(said, Path(one))
        office.deliver()
        head = office.journal.head().position
        again = Office(Path(other) / NAME / FILE, office.journal, silent_upto=head)
        again.runner.finish()
        assert brief(again.told) == []
