"""When which report is asked for, and what becomes of it."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from projectors.report_index import FILE, NAME, TABLES, Reports
from projectors.report_lines import OPERATOR
from projectors.report_rows import Parcel, next_pdf
from projectors.reports import Wishes
from tests.report_office import SOURCE, Office, clock, end, samples, start
from tests.streams import BASE_US, S, Said, record, sample

SITE = "_site"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / NAME / FILE)


def index(office: Office) -> Reports:
    return Reports(office.path.parent.parent)


GIG = [start(0), *samples(0, 100), end(100)]


def test_a_window_that_ended_is_asked_for_once_a_later_sample_came(office: Office) -> None:
    assert office.asked(GIG) == []
    asked = office.asked(samples(100, 101))
    assert asked == [("rig_01", "gig", 1, "window_ended"), (SITE, "gig", 1, "event_ended")]
    request = office.told[0]
    assert request.data["cut_position"] == len(GIG) + 1
    assert request.data["from"] == "2026-11-18T11:06:40.000000Z"
    assert request.source == SOURCE


def test_it_is_asked_for_after_5_s_of_stream_time_at_the_latest(office: Office) -> None:
    office.asked(GIG)
    assert office.asked([clock(101), clock(103.9)]) == []
    assert [one[0] for one in office.asked([clock(106)])] == ["rig_01", SITE]


def test_every_fast_stream_must_be_past_the_end_and_slow_ones_need_not(office: Office) -> None:
    def other(at_s: float, interval_ms: int) -> Said:
        return sample("rig_01", at_s, 1.0, kind="acuvim", interval_ms=interval_ms)

    said = [start(0), *samples(0, 100), other(98, 500), other(95, 5000), end(100)]
    assert office.asked(said) == []
    assert office.asked(samples(100, 101)) == []
    assert len(office.asked([other(100.5, 500)])) == 2


def test_an_event_is_asked_for_when_its_last_window_is(office: Office) -> None:
    both = [start(0), start(0, system="rig_02"), *samples(0, 50), *samples(0, 50, "rig_02"), end(50)]
    assert office.asked(both + samples(50, 60)) == [("rig_01", "gig", 1, "window_ended")]
    last = [end(60, "rig_02"), *samples(60, 61, "rig_02")]
    assert office.asked(last) == [("rig_02", "gig", 1, "window_ended"), (SITE, "gig", 1, "event_ended")]


def test_end_all_asks_for_every_system_and_then_for_the_event(office: Office) -> None:
    said = [start(0), start(0, system="rig_02"), end(50, "all", event_id="gig")]
    asked = office.asked([*said, clock(60)])
    assert [one[0] for one in asked] == ["rig_01", "rig_02", SITE]


def test_a_window_that_another_ended_is_reported_too(office: Office) -> None:
    asked = office.asked([start(0), start(50, "next"), *samples(50, 52)])
    assert asked == [("rig_01", "gig", 1, "window_ended"), (SITE, "gig", 1, "event_ended")]


def test_a_window_of_no_length_is_not_reported(office: Office) -> None:
    assert office.asked([start(0), end(0), clock(60)]) == []


def test_late_samples_lead_to_a_new_revision_after_a_quiet_minute(office: Office) -> None:
    office.asked([start(0), *samples(0, 40), *samples(60, 100), end(100), *samples(100, 101)])
    late = samples(40, 60)
    record(office.journal, late, recorded_s=200)
    assert office.asked([clock(250)]) == []
    assert office.asked([clock(262)]) == [("rig_01", "gig", 2, "late_data"), (SITE, "gig", 2, "late_data")]
    assert office.asked([clock(400)]) == []


def test_samples_after_the_window_are_not_late(office: Office) -> None:
    office.asked([*GIG, *samples(100, 120)])
    assert office.asked([*samples(120, 130), clock(400)]) == []


def meter(*at: float) -> list[Said]:
    return [sample("rig_01", at_s, 1.0, kind="acuvim", interval_ms=30_000) for at_s in at]


def test_the_sample_behind_the_end_that_a_slow_stream_brings_later_leads_to_one_new_revision(
    office: Office,
) -> None:
    """The line over the end, and with it the window's last moments, is not known without that sample."""
    office.asked([start(0), *meter(0, 30, 60, 90), end(110), clock(111), clock(117)])
    office.restart()
    assert office.asked([*meter(120, 150), clock(178)]) == []
    assert office.asked([clock(182)]) == [("rig_01", "gig", 2, "late_data"), (SITE, "gig", 2, "late_data")]
    assert office.asked([*meter(180, 210), clock(400)]) == []


def test_a_sample_that_comes_too_long_after_the_end_to_be_joined_changes_nothing(office: Office) -> None:
    office.asked([start(0), *meter(0, 30, 60, 90), end(110), clock(117)])
    assert office.asked([*meter(151, 181), clock(400)]) == []


def test_what_trickles_in_late_is_waited_for_twice_as_long_each_time(office: Office) -> None:
    office.asked([start(0), *samples(0, 100), end(100), *samples(100, 101)])
    came = []
    for number in range(120):  # three hours, a sample each minute and a half
        at_s = 200 + 90 * number
        record(office.journal, samples(number % 99, number % 99 + 1), recorded_s=at_s)
        came += [
            at_s for one in office.asked([clock(at_s + second) for second in (20, 50, 80)]) if one[0] != SITE
        ]
    assert came == [200]

    def quiet_s(at_s: int) -> float:
        record(office.journal, samples(5, 6), recorded_s=at_s)
        return next(second for second in range(5, 4000, 5) if office.asked([clock(at_s + second - 1)]))

    assert [quiet_s(70_000 + 5000 * number) for number in range(7)] == [120, 240, 480, 960, 1920, 3600, 3600]
    undo = Said("location.set", "rig_01", 50, {"name": "Stage 2"})
    record(office.journal, [undo], recorded_s=200_000)
    assert office.asked([clock(200_050)]) == []
    assert ("rig_01", "gig", 10, "corrected") in office.asked([clock(200_062)])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            Said("window.corrected", "rig_01", 300, {"corrects": "the_end", "time": "2026-11-18T11:08:00Z"}),
            "corrected",
        ),
        (Said("alarm.raised", "rig_01", 50, {"alarm": "overload", "level": "alarm"}), "late_data"),
        (Said("ups.ac_power_loss", "rig_01", 50, {"stage": "confirmed"}), "late_data"),
        (Said("note.added", "rig_01", 50, {"text": "Rain."}), "late_data"),
        (Said("location.set", "rig_01", 50, {"name": "Stage 2"}), "corrected"),
        (
            Said(
                "samples.dropped",
                SITE,
                300,
                {
                    "count": 3,
                    "from": "2026-11-18T11:07:00Z",
                    "to": "2026-11-18T11:07:10Z",
                    "reason": "outbox_full",
                },
            ),
            "late_data",
        ),
    ],
)
def test_what_changes_a_reported_past_leads_to_a_new_revision(
    office: Office, said: Said, reason: str
) -> None:
    office.asked([start(0), *samples(0, 100), end(100, id="the_end"), *samples(100, 101)])
    record(office.journal, [said], recorded_s=300)
    asked = office.asked([clock(370)])
    assert asked == [("rig_01", "gig", 2, reason), (SITE, "gig", 2, reason)]


def test_a_window_that_goes_on_is_reported_again_when_it_ends_again(office: Office) -> None:
    office.asked([start(0), *samples(0, 100), end(100, id="the_end"), *samples(100, 101)])
    undo = Said("window.corrected", "rig_01", 110, {"corrects": "the_end", "undo": True})
    assert office.asked([undo, *samples(110, 300)]) == []
    asked = office.asked([end(300), *samples(300, 301)])
    assert asked == [("rig_01", "gig", 2, "window_ended"), (SITE, "gig", 2, "event_ended")]


def test_a_system_that_takes_part_again_has_a_report_of_each_window(office: Office) -> None:
    office.asked([*GIG, *samples(100, 101)])
    asked = office.asked([start(200), *samples(200, 300), end(300), *samples(300, 301)])
    assert asked == [("rig_01", "gig", 1, "window_ended"), (SITE, "gig", 2, "event_ended")]


def test_what_never_was_is_withdrawn(office: Office) -> None:
    office.asked(
        [Said("window.started", "rig_01", 0, {"event_id": "gig"}, "the_start"), *GIG[1:], *samples(100, 101)]
    )
    assert {one.state for one in index(office).find("gig")} == {"requested"}
    undo = Said("window.corrected", "rig_01", 110, {"corrects": "the_start", "undo": True})
    assert office.asked([undo, clock(300)]) == []
    assert {one.state for one in index(office).find("gig")} == {"withdrawn"}


def test_facts_that_came_late_altogether_are_reported_after_5_s(office: Office) -> None:
    office.asked(samples(0, 200))
    record(office.journal, [start(10), end(90)], recorded_s=201)
    assert office.asked([clock(202)]) == []
    assert len(office.asked([clock(206)])) == 2


def test_a_past_that_is_recorded_late_is_reported_when_its_samples_are_past_the_end(office: Office) -> None:
    said = [start(0), *samples(0, 100), end(100), *samples(95, 101)]
    record(office.journal, said, recorded_s=10_000)
    office.runner.finish()
    asked = [one for one in office.told if one.type == "report.requested"]
    assert [one.data["cut_position"] for one in asked] == [len(said)] * 2


def test_names_that_turn_out_to_be_one_system_keep_their_reports(office: Office) -> None:
    office.asked(
        [start(0, system="old"), *samples(0, 100, "old"), end(100, "old"), *samples(100, 101, "old")]
    )
    registered = Said("system.registered", "rig_01", 150, {"name": "Rig 1", "aliases": ["old"]})
    assert office.asked([registered, clock(300)]) == []
    record(office.journal, samples(50, 51, "old"), recorded_s=301)
    assert ("rig_01", "gig", 2, "late_data") in office.asked([clock(400)])


def ask(at_s: float, cut: int, system: str = "rig_01", **more: object) -> Said:
    data = {
        "scope": "event" if system == SITE else "system",
        "event_id": "gig",
        "revision": 1,
        "cut_position": cut,
    }
    return Said("report.requested", system, at_s, {**data, "reason": "operator", **more})


def test_what_an_operator_asks_for_is_the_next_revision(office: Office) -> None:
    office.asked([*GIG, *samples(100, 101)])
    office.asked([ask(150, 50), ask(151, 10**6, SITE), ask(152, 60)])
    found = [(one.system_id, one.revision, one.reason, one.cut_position) for one in index(office).find("gig")]
    head = office.journal.head().position
    assert found[:3] == [
        ("rig_01", 3, "operator", 60),
        (None, 2, "operator", head - 1),
        ("rig_01", 2, "operator", 50),
    ]


def test_any_span_can_be_asked_for(office: Office) -> None:
    office.asked([*GIG, *samples(100, 101)])
    span = {"from": "2026-11-18T11:07:00Z", "to": "2026-11-18T11:07:30Z"}
    office.asked([ask(150, 90, **span), ask(151, 90, **span)])
    newest, before, *_ = index(office).find("gig")
    assert (newest.revision, before.revision) == (2, 1)
    assert newest.from_us == BASE_US + 20 * S


def test_what_was_asked_for_is_made_and_told_once(office: Office) -> None:
    office.asked([*GIG, *samples(100, 101)])
    office.work()
    generated = [one for one in office.told if one.type == "report.generated"]
    assert [(one.subject, one.data["revision"]) for one in generated] == [("rig_01", 1), (SITE, 1)]
    assert [one.data["request"] for one in generated] == [one.id for one in office.told[:2]]
    found = index(office).find("gig")
    assert {(one.state, one.pdf) for one in found} == {("ready", "ready")}
    assert all(one.generated_us for one in found)
    assert all(one.directory.startswith("reports/event_gig_20261118T1108") for one in found)
    office.restart()
    office.take()
    office.work()
    assert len(office.told) == 4


def test_a_revision_tells_what_changed(office: Office) -> None:
    office.asked([start(0), *samples(0, 50), *samples(60, 100), end(100), *samples(100, 101)])
    office.work()
    record(office.journal, samples(50, 60), recorded_s=200)
    office.asked([clock(300)])
    office.work()
    newest = index(office).find("gig", scope="system")[0]
    assert newest.revision == 2
    assert newest.changed == [{"figure": "energy_wh", "before": 1.0, "after": 1.5}]
    assert office.told[-1].data["changed"] == "energy_wh: 1 -> 1.5"


def test_a_failure_is_tried_again_and_then_kept_with_its_reason(office: Office) -> None:
    office.desk.fails["make rig_01"] = ["no room"] * 3
    office.asked([*GIG, *samples(100, 101)])
    office.work(1)
    assert index(office).find("gig", scope="system")[0].state in {"requested", "making"}
    office.work(20)
    failed = index(office).find("gig", scope="system")[0]
    assert (failed.state, failed.error) == ("failed", "no room")
    assert index(office).find("gig", scope="event")[0].state == "ready"
    status = office.projector.status()
    assert status["dead_letters"] == 1
    assert status["failure"] == "gig: no room"
    index(office).retry([failed.position])
    office.work()
    assert index(office).get(failed.position).state == "ready"  # type: ignore[union-attr]
    assert office.projector.status()["dead_letters"] == 0


def test_a_pdf_that_fails_takes_nothing_from_the_rest(office: Office) -> None:
    office.desk.fails["pdf rig_01"] = ["too long"] * 3
    office.asked([*GIG, *samples(100, 101)])
    office.work(20)
    states = sorted((one.state, str(one.pdf)) for one in index(office).find("gig"))
    assert states == [("ready", "failed"), ("ready", "ready")]


def test_what_a_person_waits_for_is_printed_first() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(TABLES)
        for position, reason in ((1, "window_ended"), (2, "event_ended"), (3, OPERATOR)):
            db.execute(
                "INSERT INTO report (position, source, id, scope, event_id, revision, reason, cut_position,"
                " requested_us, directory, state)"
                " VALUES (?, 's', 'i', 'event', 'gig', 1, ?, 1, 0, 'd', 'ready')",
                (position, reason),
            )
            db.execute("INSERT INTO pdf (position, folder) VALUES (?, '')", (position,))
        first, second = next_pdf(db, ()), next_pdf(db, (3,))
    assert first is not None
    assert second is not None
    assert (first.position, second.position) == (3, 1)


def test_without_its_memory_it_makes_all_again_and_tells_nothing(office: Office, tmp_path: Path) -> None:
    office.asked([*GIG, *samples(100, 101)])
    office.work()
    told = len(office.told)
    again = Office(
        tmp_path / "again" / NAME / FILE, office.journal, silent_upto=office.journal.head().position
    )
    again.take()
    again.work()
    assert len([one for one in again.desk.done if getattr(one, "kind", "") == "make"]) == 2
    assert again.told == []
    assert len(office.told) == told
    names = ("position", "revision", "directory", "state", "generated_sha256")
    for one, other in zip(index(office).find(), index(again).find(), strict=True):
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    record(again.journal, samples(50, 51), recorded_s=300)
    assert again.asked([clock(400)]) == [("rig_01", "gig", 2, "late_data"), (SITE, "gig", 2, "late_data")]


def test_a_past_before_its_first_start_is_not_reported_unasked(tmp_path: Path) -> None:
    office = Office(tmp_path / NAME / FILE, silent_upto=10**6)
    assert office.asked([*GIG, *samples(100, 101)]) == []


def test_a_site_may_want_no_reports_unasked(tmp_path: Path) -> None:
    office = Office(tmp_path / NAME / FILE, wishes=Wishes(automatic=False))
    assert office.asked([*GIG, *samples(100, 101), ask(150, 50)]) == []
    office.work()
    assert [one.reason for one in index(office).find()] == ["operator"]


def test_reports_are_sent_once_a_revision_and_recipient(tmp_path: Path) -> None:
    wishes = Wishes(
        recipients=lambda scope, _: [("mail", "a@x"), ("webhook", "http://h")] if scope == "event" else []
    )
    office = Office(tmp_path / NAME / FILE, wishes=wishes)
    office.desk.fails["mail"] = ["busy", "busy"]
    office.asked([*GIG, *samples(100, 101), ask(150, 50, SITE)])
    office.work(30)
    office.restart()
    office.take()
    office.work()
    sent = [(one.channel, one.recipient) for one in office.desk.done if isinstance(one, Parcel)]
    assert sorted(sent) == [("mail", "a@x")] * 3 + [("webhook", "http://h")]
    (event,) = [one for one in index(office).find(scope="event") if one.reason == "event_ended"]
    assert {one["state"] for one in index(office).deliveries(event.position)} == {"done"}


def test_late_data_that_change_no_figure_are_mailed_to_nobody(tmp_path: Path) -> None:
    wishes = Wishes(recipients=lambda _scope, _event: [("mail", "a@x"), ("webhook", "http://h")])
    office = Office(tmp_path / NAME / FILE, wishes=wishes)

    def sent(at_s: int) -> list[tuple[str, int]]:
        record(office.journal, samples(50, 51), recorded_s=at_s)
        office.asked([clock(at_s + 300)])
        office.desk.done.clear()
        office.work(30)
        parcels = [one for one in office.desk.done if isinstance(one, Parcel)]
        return sorted((one.channel, one.said["revision"]) for one in parcels)

    office.desk.fails = {"make rig_01": ["no room"] * 3, "make event": ["no room"] * 3}
    office.asked([*GIG, *samples(100, 101)])
    office.work(30)
    office.desk.same = True
    assert sent(200) == [("mail", 2)] * 2 + [("webhook", 2)] * 2  # nobody knows of a report before
    assert sent(1000) == [("webhook", 3)] * 2
    office.desk.same = False
    assert sent(5000) == [("mail", 4)] * 2 + [("webhook", 4)] * 2


@pytest.mark.parametrize("batch", [1, 7, 2000])
def test_batches_and_restarts_change_nothing(tmp_path: Path, batch: int) -> None:
    said = [
        start(0),
        start(0, system="rig_02"),
        *samples(0, 30),
        *samples(0, 30, "rig_02"),
        end(30),
        *samples(30, 40),
        end(40, "all", event_id="gig"),
        *samples(40, 60),
        clock(60),
        *samples(5, 6),
        clock(130),
    ]
    said = [replace(one, id=f"s{number}") for number, one in enumerate(said)]
    whole = Office(tmp_path / "whole" / NAME / FILE)
    whole.asked(said)
    wanted = [(one.id, one.data) for one in whole.told]
    assert len(wanted) > 3
    split = Office(tmp_path / "split" / NAME / FILE, batch=batch)
    for first in range(0, len(said), 9):
        split.asked(said[first : first + 9])
        split.restart()
    assert [one[0] for one in wanted] == [one.id for one in split.told]
