"""What a cloud asks for in the end, and what its report says, whichever way the lanes of nodes interleave."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from projectors.report_facts import Wanted
from projectors.report_index import FILE, NAME
from projectors.report_lines import NODES_BEHIND
from projectors.report_making import Sources, make
from projectors.report_wishes import ReportWishes
from reporter.facts import Document
from tests.fleets import bring, entries, lanes
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.report_office import Office, clock, end, samples, start
from tests.streams import Said, record

SITE = "_site"
A = [start(0), *samples(0, 20), Said("note.added", "rig_01", 5, {"text": "Rain."}), end(20), *samples(20, 27)]
B = [
    start(2, system="rig_02"),
    *samples(2, 12, "rig_02", 500.0),
    end(12, "all", event_id="gig"),
    *samples(12, 19, "rig_02"),
]


def _node(name: str, said: list[Said]) -> MemoryJournal:
    journal = MemoryJournal()
    record(journal, [Said(o.type, o.subject, o.at_s, o.data, f"{name}-{n}") for n, o in enumerate(said)])
    return journal


def _report(cloud: MemoryJournal, where: Path) -> Document:
    wishes = ReportWishes()
    sources = Sources(cloud, None, where / "photos", wishes.of, wishes.attendance)
    what = Wanted("gig", None, None, 1, "event_ended")
    made = make(sources, what, cloud.head().position, where / "report", where, lambda _done, _total: None)
    return {name: value for name, value in made.document.items() if name != "made_from"}


@examples(5)
@given(st.data())
def test_the_last_report_is_whole_and_the_same_whatever_the_order(data: st.DataObject) -> None:
    of = {name: entries(name, _node(name, said)) for name, said in (("site_a", A), ("site_b", B))}
    with tempfile.TemporaryDirectory() as directory:
        office = Office(Path(directory, NAME, FILE))
        asked = []
        at_s = 100.0
        for entry in lanes(of, lambda able: data.draw(st.sampled_from(able))):
            at_s += data.draw(st.sampled_from([0.0, 0.0, 0.0, 70.0]))
            bring(office.journal, [entry], recorded_s=at_s)
            asked += office.asked([])
            if data.draw(st.integers(0, 9)) == 0:
                office.projector.close()
                office.restart()
        asked += office.asked([clock(at_s + 10), clock(at_s + 100)])
        office.projector.close()
        in_order = MemoryJournal()
        bring(in_order, (one for every in of.values() for _, one in every), recorded_s=1000)

        assert [one[:2] for one in asked if one[0] != SITE] in (
            [("rig_01", "gig"), ("rig_02", "gig")],
            [("rig_02", "gig"), ("rig_01", "gig")],
        )
        last = [one for one in asked if one[0] == SITE][-1]
        assert last[3] != NODES_BEHIND
        assert last[2] == sum(one[0] == SITE for one in asked)
        assert _report(office.journal, Path(directory, "a")) == _report(in_order, Path(directory, "b"))
