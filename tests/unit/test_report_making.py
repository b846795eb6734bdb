"""Reports made from a journal: what they are about, what they say at a cut, and what lies where."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from bus import envelope
from bus.envelope import Envelope
from bus.journal import Entry
from projectors.report_facts import Wanted
from projectors.report_files import laid_down, put, tidy
from projectors.report_making import Made, Progress, Sources, make
from projectors.report_past import Past
from projectors.report_wishes import EventWishes, ReportWishes
from projectors.report_worker import LONGEST_US
from reporter.facts import Branding, ReportSettings
from schemas.errors import InputError, TransientError
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.report_office import SOURCE, end, samples, start
from tests.streams import BASE_US, S, Said, record

DROPPED = {
    "count": 3,
    "from": "2026-11-18T11:07:00Z",
    "to": "2026-11-18T11:07:10Z",
    "reason": "outbox_full",
}
HOSTILE = [
    '../../etc/"><script>alert(1)</script>',
    "=HYPERLINK(1)",
    "🎪" * 30,
    "مهرجان الصيف",
    "a/b\\c:d",
]


def journal(said: Sequence[Said]) -> MemoryJournal:
    made = MemoryJournal()
    record(made, said)
    return made


GIG = [
    Said("system.registered", "rig_01", -10, {"name": "Rig <1>", "rated_w": 5000, "aliases": ["old rig"]}),
    Said("device.described", "rig_01", -5, {"device": "d", "model": "M", "serial": "S1"}),
    Said("alarm.raised", "rig_01", -4, {"alarm": "low_battery", "level": "warning"}),
    start(0, location="Stage"),
    start(10, system="rig_02"),
    *samples(0, 600),
    *samples(0, 600, "rig_02", 500.0),
    Said("alarm.raised", "rig_01", 50, {"alarm": "overload", "level": "alarm", "text": "Overload"}),
    Said("alarm.cleared", "rig_01", 60, {"alarm": "overload"}),
    Said("alarm.cleared", "rig_01", 61, {"alarm": "low_battery"}),
    Said("ups.ac_power_loss", "rig_01", 70, {"stage": "edge"}),
    Said(
        "ups.ac_power_loss",
        "rig_01",
        75,
        {"stage": "confirmed", "cause": "grid_lost", "since": "2026-11-18T11:07:50Z"},
    ),
    Said("ups.ac_power_restored", "rig_01", 95, {"stage": "confirmed", "duration_s": 25}),
    Said("note.added", "rig_01", 80, {"text": "Rain."}),
    Said("note.added", "_site", 800, {"text": "Load-out done.", "event_id": "gig"}),
    Said("location.set", "rig_01", 300, {"name": "Stage 2"}),
    Said(
        "samples.dropped",
        "rig_01",
        400,
        {"count": 7, "from": "2026-11-18T11:10:00Z", "to": "2026-11-18T11:10:07Z", "reason": "outbox_full"},
    ),
    end(500),
    end(550, "rig_02"),
    *samples(600, 605),
]


def made(
    of: MemoryJournal,
    where: Path,
    wanted: Wanted,
    *,
    cut: int | None = None,
    wishes: ReportWishes | None = None,
    progress: Progress = lambda _done, _total: None,
    longest_us: int | None = None,
) -> Made:
    said = wishes or ReportWishes(ReportSettings(time_zone="Europe/London"))
    sources = Sources(of, None, where / "photos", said.of, said.attendance)
    return make(
        sources,
        wanted,
        of.head().position if cut is None else cut,
        where / "report",
        where,
        progress,
        longest_us=longest_us,
    )


def system(**more: Any) -> Wanted:
    return Wanted(
        **{
            "event_id": "gig",
            "system_id": "rig_01",
            "span": None,
            "revision": 1,
            "reason": "window_ended",
            **more,
        }
    )


def event(**more: Any) -> Wanted:
    return system(**{"system_id": None, "reason": "event_ended", **more})


def test_a_system_s_report_says_what_the_journal_does(tmp_path: Path) -> None:
    of = journal(GIG)
    found = made(of, tmp_path, system()).document
    assert found["window"]["from"] == "2026-11-18T11:06:40Z"
    assert found["window"]["ended"]
    assert [one["location"] for one in found["window"]["segments"]] == ["Stage", "Stage 2"]
    assert (found["window"]["started_by"], found["window"]["ended_by"]) == ("tester", "tester")
    assert found["system"]["name"] == "Rig <1>"
    assert found["system"]["serial"] == "S1"
    assert found["summary"]["energy_wh"]["value"] == pytest.approx(1000 * 500 / 3600, abs=0.1)
    assert [(one["name"], one["duration_s"]) for one in found["alarms"]] == [
        ("low_battery", 65),
        ("overload", 10),
    ]
    (loss, restored) = found["occurrences"]["list"]
    assert (loss["type"], loss["cause"], loss["duration_s"]) == ("ups.ac_power_loss", "grid_lost", 25)
    assert restored["duration_s"] is None
    kinds = [(one["kind"], one["caption"]) for one in found["remarks"]]
    assert kinds == [("window", "started"), ("note", None), ("location", None), ("window", "ended")]
    assert found["quality"]["dropped"] == 7
    cut = of.head()
    assert found["made_from"]["cut_position"] == cut.position
    assert found["made_from"]["journal_hash"] == cut.hash.hex()
    assert found["made_from"]["incarnation"] == cut.incarnation


def test_an_event_s_report_holds_those_of_its_systems(tmp_path: Path) -> None:
    wishes = ReportWishes(
        ReportSettings(branding=Branding(client="All")),
        {"gig": EventWishes(client="One", attendance=1200, price_per_kwh=0.4)},
    )
    found = made(journal(GIG), tmp_path, event(), wishes=wishes)
    assert found.folders == ("", "rig_01", "rig_02")
    assert found.document["scope"] == "event"
    assert [one["system_id"] for one in found.document["systems"]] == ["rig_01", "rig_02"]
    assert {one["href"] for one in found.document["systems"]} == {"rig_01/report.html", "rig_02/report.html"}
    assert found.document["settings"]["branding"]["client"] == "One"
    assert found.document["settings"]["price_per_kwh"] == 0.4
    assert "Load-out done." in [one["text"] for one in found.document["remarks"]]
    for where in found.folders:
        names = {path.name for path in (tmp_path / "report" / where).iterdir()}
        assert {"data.json", "report.html"} <= names


def test_the_same_journal_cut_and_settings_give_the_same_bytes(tmp_path: Path) -> None:
    of = journal(GIG)
    cut = of.head().position
    one = made(of, tmp_path / "one", event())
    record(of, [*samples(100, 200, value=9.0), Said("note.added", "rig_01", 90, {"text": "Later."})])
    other = made(of, tmp_path / "other", event(), cut=cut)
    assert one.sha256 == other.sha256
    for where in one.folders:
        name = Path("report", where, "data.json")
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_late_data_change_figures_and_the_report_says_which(tmp_path: Path) -> None:
    of = journal([start(0), *samples(0, 100), *samples(300, 500), end(500), *samples(500, 505)])
    first = made(of, tmp_path / "one", system())
    asked = ask(of, 1)
    tell(of, asked, first, 1)
    record(of, samples(100, 300), recorded_s=900)
    second = made(
        of, tmp_path / "two", system(revision=2, reason="late_data", position=of.head().position + 1)
    )
    before, after = (one.document["summary"]["energy_wh"]["value"] for one in (first, second))
    assert after - before == pytest.approx(1000 * 200 / 3600, abs=1.0)
    assert {"figure": "energy_wh", "before": before, "after": after} in second.document["changed"]
    assert second.document["quality"]["late_samples"] == 200
    assert second.document["revision"] == 2


def ask(of: MemoryJournal, revision: int) -> str:
    data = {"scope": "system", "event_id": "gig", "revision": revision, "cut_position": of.head().position}
    return append(
        of,
        "report.requested",
        {**data, "reason": "window_ended", "from": "2026-11-18T11:06:40Z", "to": "2026-11-18T11:15:00Z"},
    )


def tell(of: MemoryJournal, request: str, one: Made, revision: int) -> None:
    told = one.told()
    data = {"scope": "system", "event_id": "gig", "revision": revision, "cut_position": 5, "href": "x"}
    append(
        of,
        "report.generated",
        {**data, "sha256": told["sha256"], "totals": told["totals"], "request": request},
    )


def append(of: MemoryJournal, kind: str, data: dict[str, Any]) -> str:
    position = of.head().position + 1
    said = Envelope(f"{kind}-{position}", SOURCE, kind, "rig_01", BASE_US + 510 * S, data)
    entry = Entry("reports", said.source, said.id, kind, said.subject, said.time_us, envelope.encode(said))
    of.append([entry], recorded_us=BASE_US + 510 * S)
    return said.id


def test_a_window_that_goes_on_is_reported_up_to_the_cut_and_marked(tmp_path: Path) -> None:
    of = journal([start(0), *samples(0, 300)])
    found = made(of, tmp_path, system(reason="operator")).document
    assert found["provisional"]
    assert found["window"]["duration_s"] == 300


def test_whoever_waits_for_a_long_window_hears_of_every_half_day(tmp_path: Path) -> None:
    """A worker that says nothing for two minutes is taken for dead, however long its work may honestly be."""
    said: list[tuple[int, int]] = []
    span = (BASE_US, BASE_US + 10 * 86_400 * S)
    wanted = system(event_id="long", span=span, reason="operator")
    made(journal(samples(0, 10)), tmp_path, wanted, progress=lambda *one: said.append(one))
    assert len(said) > 20
    assert said[0] == (0, 1)
    assert said[-1] == (1, 1)


def test_a_span_beyond_what_a_worker_may_take_is_refused_in_a_sentence(tmp_path: Path) -> None:
    wanted = system(event_id="long", span=(BASE_US, BASE_US + LONGEST_US + 86_400 * S), reason="operator")
    with pytest.raises(InputError, match=r"93 days of rig_01: a node makes reports of at most 92 days"):
        made(journal(samples(0, 10)), tmp_path, wanted, longest_us=LONGEST_US)
    assert made(journal(samples(0, 10)), tmp_path, wanted).document["window"]["duration_s"] == 93 * 86_400


def test_of_what_happened_to_others_nothing_is_read_but_what_was_said_of_the_event(tmp_path: Path) -> None:
    alarm = {"alarm": "overload", "level": "alarm"}
    of = journal(
        [
            start(0),
            *samples(0, 100),
            *(Said("alarm.raised", "rig_09", at_s, alarm) for at_s in range(20)),
            Said("alarm.raised", "rig_01", 50, alarm),
            Said("note.added", "rig_09", 60, {"text": "Of the gig.", "event_id": "gig"}),
            Said("samples.dropped", "_site", 70, DROPPED),
            end(100),
        ]
    )
    past = Past(of, Registry.load(), of.head().position)
    for every in (False, True):
        found = past.happened(BASE_US, BASE_US + 100 * S, None, {"rig_01"}, remarks_of_all=every)
        types = {name: [event.type for event in events] for name, events in found.items()}
        others = {"rig_09": ["note.added"]} if every else {}
        assert types == {"rig_01": ["alarm.raised"], "_site": ["samples.dropped"]} | others
    found = made(of, tmp_path, event()).document
    assert [one["text"] for one in found["remarks"]] == ["", "Of the gig.", ""]
    assert found["quality"]["dropped"] == 3


def test_any_span_of_any_system_can_be_reported(tmp_path: Path) -> None:
    of = journal(samples(0, 600))
    span = (BASE_US + 100 * S, BASE_US + 460 * S)
    found = made(of, tmp_path, system(event_id="week 47", span=span, reason="operator")).document
    assert found["window"]["duration_s"] == 360
    assert found["summary"]["energy_wh"]["value"] == pytest.approx(100.0, abs=0.1)


def test_each_window_of_a_system_is_a_part_of_the_event(tmp_path: Path) -> None:
    of = journal([start(0), *samples(0, 600), end(200), start(300), end(500), *samples(600, 605)])
    found = made(of, tmp_path, event())
    assert found.folders == ("", "rig_01", "rig_01-2")
    second = made(of, tmp_path / "two", system(span=(BASE_US + 300 * S, BASE_US + 500 * S)))
    assert second.document["window"]["duration_s"] == 200


SECRET = "ACME"


@pytest.mark.parametrize(
    "said",
    [
        [Said("window.ended", "all", 300, {"event_id": "other", "note": SECRET})],
        [start(600, "other", note=SECRET)],
        [Said("note.added", "rig_01", 200, {"text": SECRET, "event_id": "other"})],
        [
            start(100, "other", "rig_02", id="theirs"),
            Said("window.ended", "all", 300, {"event_id": "other"}, "theirs_ended"),
            Said("window.corrected", "all", 310, {"corrects": "theirs_ended", "undo": True, "note": SECRET}),
            Said("window.corrected", "all", 320, {"corrects": "never_was", "undo": True, "note": SECRET}),
        ],
    ],
)
def test_what_is_said_of_another_event_is_in_no_report_of_this_one(tmp_path: Path, said: list[Said]) -> None:
    """Reports go to clients: a system that worked for one stands in what others said all the same."""
    theirs = [start(-100, "before"), Said("window.ended", "rig_01", 0, {"note": SECRET})]
    of = journal([*theirs, start(0), *samples(0, 600), *said, end(600, event_id="gig"), *samples(600, 605)])

    for number, wanted in enumerate((system(), event())):
        where = tmp_path / str(number)
        captions = [one["caption"] for one in made(of, where, wanted).document["remarks"]]
        assert captions == ["started", "ended"]
        for path in (path for path in where.rglob("*") if path.is_file()):
            assert SECRET not in path.read_text(encoding="utf-8")


def test_what_ends_everything_and_is_corrected_is_said_in_every_report(tmp_path: Path) -> None:
    ended = [
        Said("window.ended", "all", 300, {"note": "Storm."}, "storm"),
        Said(
            "window.corrected",
            "all",
            310,
            {"corrects": "storm", "time": "2026-11-18T11:12:00Z", "note": "Later."},
        ),
    ]
    of = journal([start(0), *samples(0, 300), *ended, *samples(300, 400)])
    found = made(of, tmp_path, system(span=(BASE_US, BASE_US + 330 * S))).document
    assert [one["text"] for one in found["remarks"]] == ["", "Storm.", "Later."]


def test_a_span_is_final_once_the_windows_that_it_touches_ended(tmp_path: Path) -> None:
    of = journal(
        [
            *samples(-60, 0),
            start(0, location="A"),
            *samples(0, 300),
            end(300),
            start(400, location="B"),
            *samples(300, 600),
        ]
    )
    over = system(span=(BASE_US - 30 * S, BASE_US + 350 * S), reason="operator")
    into = system(span=(BASE_US + 10 * S, BASE_US + 550 * S), reason="operator")

    assert not made(of, tmp_path, over).document["provisional"]
    assert made(of, tmp_path, into).document["provisional"]
    record(of, [end(600), *samples(600, 605)])
    found = made(of, tmp_path, into).document
    assert not found["provisional"]
    assert [one["location"] for one in found["window"]["segments"]] == ["A", "B"]


def test_an_event_of_nothing_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no window of 'gig'"):
        made(journal(samples(0, 10)), tmp_path, event())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_notes_are_harmless_in_every_file(name: str, tmp_path: Path) -> None:
    said = [
        Said("system.registered", "rig_01", -10, {"name": name[:100]}),
        start(0, name, location=name),
        *samples(0, 200),
        Said("note.added", "rig_01", 20, {"text": name * 20}),
        end(150),
        *samples(200, 205),
    ]
    found = made(journal(said), tmp_path, event(event_id=name))
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert orjson.loads((tmp_path / "report" / "data.json").read_bytes())["event_id"] == name
    for path in (tmp_path / "report").rglob("*.csv"):
        assert not any(line.startswith(("=", "+", "-", "@")) for line in path.read_text().splitlines())
    assert found.folders == ("", "rig_01")


def test_photos_that_are_here_are_shown(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - only this test draws

    picture = tmp_path / "picture.png"
    Image.new("RGB", (40, 30), "red").save(picture)
    sha256 = hashlib.sha256(picture.read_bytes()).hexdigest()
    (tmp_path / "photos").mkdir()
    picture.rename(tmp_path / "photos" / sha256)
    said = [
        *GIG,
        Said("photo.added", "rig_01", 100, {"sha256": sha256, "media_type": "image/png", "caption": "Rack"}),
    ]
    found = made(journal(said), tmp_path, system())
    assert found.document["photos"][0]["caption"] == "Rack"
    assert list((tmp_path / "report" / "photos").iterdir())


def test_a_directory_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    with laid_down(tmp_path, target) as directory:
        (directory / "one").write_text("1")
    with pytest.raises(TransientError), laid_down(tmp_path, target) as directory:
        (directory / "no" / "such").write_text("2")
    assert [path.name for path in target.iterdir()] == ["one"]
    with laid_down(tmp_path, target) as directory:
        (directory / "two").write_text("2")
    assert [path.name for path in target.iterdir()] == ["two"]
    put(target / "report.pdf", b"%PDF")
    assert sorted(path.name for path in target.iterdir()) == ["report.pdf", "two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a"]


def test_there_is_always_a_directory_while_one_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report"
    with laid_down(tmp_path, target) as directory:
        (directory / "one").write_text("1")
    there: list[bool] = []
    rename = Path.rename

    def watched(self: Path, to: Path) -> Path:
        moved = rename(self, to)
        there.append(target.is_dir())
        return moved

    monkeypatch.setattr(Path, "rename", watched)
    with laid_down(tmp_path, target) as directory:
        (directory / "two").write_text("2")
    assert all(there)
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_a_killed_making_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".part-1-x", ".old-1-x", "event_gig"):
        (tmp_path / name).mkdir()
    tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["event_gig"]


def test_a_full_disk_is_for_later(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(TransientError), laid_down(tmp_path, blocked / "report"):
        pass
