"""Reports in a cloud: of what its nodes bring, provisional until all of them have caught up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bus.journal import Entry
from projectors.report_facts import Wanted
from projectors.report_index import FILE, NAME
from projectors.report_making import Made, Sources, make
from projectors.report_wishes import ReportWishes
from reporter.facts import ReportSettings
from reporter.highlights import marks
from reporter.voice import voice
from tests.fleets import bring, entries, progressed
from tests.journals import MemoryJournal
from tests.report_office import Office, clock, end, samples, start
from tests.streams import Said, record

SITE = "_site"
A = [start(0), *samples(0, 100), end(100), *samples(100, 110)]
B = [
    start(0, system="rig_02"),
    *samples(0, 80, "rig_02", 500.0),
    end(80, "rig_02"),
    *samples(80, 90, "rig_02", 500.0),
]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / NAME / FILE)


class Lanes:
    """What a node's uplink has to bring."""

    def __init__(self, node: str, said: Sequence[Said]) -> None:
        self.journal = MemoryJournal()
        record(self.journal, [replace(one, id=one.id or f"{node}-{n}") for n, one in enumerate(said)])
        every = entries(node, self.journal)
        self.facts = [entry for _, entry in every if entry.type != "sample.taken"]
        self.samples = [entry for _, entry in every if entry.type == "sample.taken"]


def asked(office: Office, brought: Sequence[Entry], at_s: float) -> list[tuple[str, str, int, str]]:
    bring(office.journal, brought, recorded_s=at_s)
    return office.asked([])


def test_a_window_waits_for_its_node_s_samples_and_not_for_the_cloud_s_clock(office: Office) -> None:
    a = Lanes("site_a", A)
    assert asked(office, [*a.facts, *a.samples[:50]], 5000) == []
    assert office.asked([clock(5030)]) == []
    assert asked(office, a.samples[50:], 5040) == [
        ("rig_01", "gig", 1, "window_ended"),
        (SITE, "gig", 1, "event_ended"),
    ]


def test_an_event_is_reported_provisionally_and_finally_when_the_last_node_has_caught_up(
    office: Office,
) -> None:
    a, b = Lanes("site_a", A), Lanes("site_b", B)
    first = asked(office, [*a.facts, *b.facts, *a.samples, *b.samples[:10]], 5000)
    assert first == [("rig_01", "gig", 1, "window_ended")]
    assert office.asked([clock(5061)]) == [(SITE, "gig", 1, "nodes_behind")]
    assert office.asked([clock(6000)]) == []
    assert asked(office, b.samples[10:], 9000) == [
        ("rig_02", "gig", 1, "window_ended"),
        (SITE, "gig", 2, "caught_up"),
    ]


def test_a_node_without_new_samples_says_that_all_is_there(office: Office) -> None:
    a = Lanes("site_a", [start(0), *samples(0, 100), end(100)])
    assert asked(office, [*a.facts, *a.samples], 5000) == []
    said = progressed("site_a", a.journal.head().incarnation, a.journal.head().position, 110)
    assert [one[0] for one in asked(office, [said], 5001)] == ["rig_01", SITE]


def test_a_node_that_fell_silent_in_the_middle_is_not_waited_for(office: Office) -> None:
    a, b = Lanes("site_a", A), Lanes("site_b", B[:40])
    record(office.journal, [], recorded_s=0)
    assert asked(office, [*b.facts, *b.samples, *a.facts, *a.samples], 110) == [
        ("rig_01", "gig", 1, "window_ended")
    ]
    assert office.asked([clock(700), clock(1000), clock(1400), clock(2100)]) == [
        (SITE, "gig", 1, "nodes_behind")
    ]
    whole = Lanes("site_b", B)
    late = asked(office, [*whole.facts[1:], *whole.samples[39:]], 2200)
    assert late[-1] == (SITE, "gig", 2, "caught_up")


def test_end_all_at_one_node_ends_nothing_of_another(office: Office) -> None:
    a = Lanes("site_a", [start(0), *samples(0, 10), end(10, "all", event_id="gig"), *samples(10, 20)])
    b = Lanes("site_b", B[:20])
    assert asked(office, [*a.facts, *b.facts, *b.samples, *a.samples], 30) == [
        ("rig_01", "gig", 1, "window_ended")
    ]


def test_what_a_node_asks_of_its_own_reports_is_not_made_here(office: Office) -> None:
    data = {"scope": "event", "event_id": "gig", "revision": 1, "cut_position": 3, "reason": "operator"}
    a = Lanes("site_a", [*A, Said("report.requested", SITE, 200, data)])
    asked(office, [*a.facts, *a.samples], 5000)
    assert [one.said["reason"] for one in office.desk.done if "reason" in one.said] == []


def wanted(**more: Any) -> Wanted:
    said = {"event_id": "gig", "system_id": None, "span": None, "revision": 1, "reason": "event_ended"}
    return Wanted(**{**said, **more})


def made(of: MemoryJournal, where: Path, what: Wanted, cut: int | None = None) -> Made:
    wishes = ReportWishes(ReportSettings(time_zone="UTC"))
    sources = Sources(of, None, where / "photos", wishes.of, wishes.attendance)
    position = of.head().position if cut is None else cut
    return make(sources, what, position, where / "report", where, lambda _done, _total: None)


def _figures(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "made_from"}


def test_the_cloud_s_report_has_the_figures_of_the_nodes_own(tmp_path: Path) -> None:
    noted = [
        Said("note.added", "rig_01", 20, {"text": "Rain."}),
        Said("location.set", "rig_01", 30, {"name": "B"}),
    ]
    a, b = Lanes("site_a", [*A[:50], *noted, *A[50:]]), Lanes("site_b", B)
    cloud = MemoryJournal()
    bring(cloud, [*b.facts, *a.facts, *a.samples, *b.samples], recorded_s=5000)
    for number, (lanes, system_id) in enumerate(((a, "rig_01"), (b, "rig_02"))):
        what = wanted(system_id=system_id, reason="window_ended")
        own = made(lanes.journal, tmp_path / f"own{number}", what).document
        here = made(cloud, tmp_path / f"here{number}", what).document
        assert _figures(here) == _figures(own)
        assert here["summary"]["energy_wh"]["value"] > 0


def test_a_provisional_report_names_the_nodes_that_are_behind(tmp_path: Path) -> None:
    a, b = Lanes("site_a", A), Lanes("site_b", B)
    cloud = MemoryJournal()
    bring(cloud, [*a.facts, *b.facts, *a.samples, *b.samples[:10]], recorded_s=5000)
    cut = cloud.head().position
    bring(cloud, b.samples[10:], recorded_s=9000)

    early = made(cloud, tmp_path, wanted(reason="nodes_behind"), cut).document
    whole = made(cloud, tmp_path, wanted(reason="caught_up", revision=2)).document

    assert (early["provisional"], early["behind"]) == (True, ["site_b"])
    assert "site_b" in marks(early, voice(early))[0]["text"]
    assert (whole["provisional"], "behind" in whole) == (False, False)
    assert marks(whole, voice(whole))[0]["label"] == "Complete."
