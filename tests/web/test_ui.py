"""The field UI, in a real browser on a real node: what is tapped is recorded once, whatever fails."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender
from tests.browsers import DESK, PHONE, PLAIN_HOST, SCREENS, Pages, chromium, picture, recorded
from tests.node import Node, running
from tests.waiting import until

OPERATOR = ("window.started", "window.ended", "window.corrected", "location.set", "note.added", "photo.added")
CONTRAST = ("color-contrast",)
AT_ONCE_S = 10.0  # on a machine that is busy; a quiet one needs far less than a second
# Writing to disk takes as long as on a worn phone: what comes after it comes late.
SLOW_DISK = """
const add = IDBTransaction.prototype.addEventListener;
IDBTransaction.prototype.addEventListener = function (what, told, ...more) {
  const late = event => setTimeout(() => told.call(this, event), 700);
  return add.call(this, what, what === 'complete' ? late : told, ...more);
};
"""
ENHANCED = ("color-contrast-enhanced", "target-size")  # 7:1


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    without = ["alerts", "detector", "replay", "projector-archive"]
    with running(tmp_path_factory.mktemp("ui"), without=without) as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture
def pages(browser: Browser, node: Node) -> Iterator[Pages]:
    made = Pages(browser, f"http://127.0.0.1:{node.base + 3}")
    yield made
    made.close()


def of(node: Node, system: str) -> list[dict[str, object]]:
    return [one for one in recorded(node, OPERATOR) if one["system"] == system]


def told(node: Node, system: str, count: int) -> list[dict[str, object]]:
    """Wait until so many facts about a system are recorded."""
    until(lambda: len(of(node, system)) >= count, f"{count} facts about {system} are recorded")
    return of(node, system)


def test_a_technician_starts_notes_moves_ends_and_views_the_report(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()

    ui.act("START", system="rig_01", event="Load test", location="Warehouse")
    ui.page.locator("input[type=file]").first.set_input_files(
        {"name": "board.jpg", "mimeType": "image/jpeg", "buffer": picture()}
    )
    expect(ui.page.get_by_alt_text("Photo 1")).to_be_visible()
    ui.act("ADD NOTE", note="Fan is loud")
    ui.act("SET LOCATION", location="Field 4")
    ui.settled()
    expect(ui.page.get_by_text(re.compile("In Load test since"))).to_be_visible()
    ui.act("END")

    said = told(node, "rig_01", 5)
    ui.settled()
    assert [one["type"] for one in said] == [
        "window.started",
        "note.added",
        "photo.added",
        "location.set",
        "window.ended",
    ]
    assert said[0]["location"] == "Warehouse"
    assert said[1]["text"] == "Fan is loud"
    assert said[3]["name"] == "Field 4"
    photo = node.data / "photos"
    stored = [
        path for path in photo.rglob("*") if path.is_file() and path.name.startswith(str(said[2]["sha256"]))
    ]
    assert stored
    assert stored[0].stat().st_size < 600_000
    with pages.browser.contexts[0].expect_page() as opened:
        ui.page.get_by_role("link", name=re.compile("View report")).click()
    expect(opened.value.get_by_text("Load test").first).to_be_visible()


def test_two_browsers_see_each_others_actions_at_once(pages: Pages) -> None:
    one, other = pages.new(), pages.new(viewport=DESK)
    one.open("act")
    one.live()
    one.act("START", system="rig_02", event="Rehearsal")
    one.settled()
    other.open("system/rig_02")
    other.live()
    expect(other.page.get_by_text("Started Rehearsal")).to_be_visible()

    needed_s = []
    for text in ("seen from afar", "and again", "and once more"):
        one.fill("Note", text)
        begun = time.monotonic()
        one.page.get_by_role("button", name="ADD NOTE").click()
        other.page.get_by_text(text).wait_for()
        needed_s.append(time.monotonic() - begun)
    other.open("act")
    other.fill("System", "rig_02")
    other.page.get_by_text(re.compile("In Rehearsal since")).wait_for()
    other.page.get_by_role("button", name="END", exact=True).click()
    one.page.get_by_text("Not in an event").wait_for()

    assert min(needed_s) < AT_ONCE_S


def test_what_is_tapped_without_a_network_arrives_once_and_in_order(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()
    ui.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    context = ui.page.context

    context.set_offline(True)
    ui.act("START", system="rig_03", event="Offline")
    ui.act("ADD NOTE", note="typed in the field")
    ui.act("END")
    expect(ui.page.locator(".status-waiting")).to_contain_text("3 waiting")
    ui.page.reload()
    expect(ui.page.locator(".status-waiting")).to_contain_text("3 waiting")
    expect(ui.page.locator(".waiting-one")).to_have_count(3)
    assert of(node, "rig_03") == []
    context.set_offline(False)

    ui.live()
    ui.settled()
    assert [one["type"] for one in of(node, "rig_03")] == ["window.started", "note.added", "window.ended"]


def test_the_next_tap_needs_not_wait_for_the_disk(node: Node, pages: Pages) -> None:
    """What is typed while the last tap is still being written belongs to the next one."""
    ui = pages.new()
    ui.page.add_init_script(SLOW_DISK)
    ui.open("act")
    ui.act("START", system="rig_10", event="Slow disk", location="Here")
    ui.act("ADD NOTE", note="at once")
    ui.act("SET LOCATION", location="There")
    ui.act("END")

    ui.settled()
    said = told(node, "rig_10", 4)
    types = ["window.started", "note.added", "location.set", "window.ended"]
    assert [one["type"] for one in said] == types
    assert (said[1]["text"], said[2]["name"]) == ("at once", "There")


def test_a_page_that_cannot_keep_anything_still_sends_what_is_tapped(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.page.add_init_script("IDBObjectStore.prototype.add = () => { throw new Error('full'); };")
    ui.open("act")
    ui.act("START", system="rig_11", event="Full disk")
    ui.act("END")

    ui.settled()
    assert [one["type"] for one in told(node, "rig_11", 2)] == ["window.started", "window.ended"]
    expect(ui.page.get_by_text("keeps nothing on disk")).to_be_visible()


def test_what_was_done_last_can_be_taken_back(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()
    ui.act("START", system="rig_04", event="Wrong one")
    ui.settled()
    ui.page.get_by_role("button", name=re.compile("Undo")).click()

    started, corrected = told(node, "rig_04", 2)
    assert corrected["corrects"] == started["id"]
    assert corrected["undo"] is True
    expect(ui.page.get_by_text("Not in an event")).to_be_visible()


def test_a_tap_that_the_finger_made_twice_is_recorded_once(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()
    ui.fill("System", "rig_13")
    ui.fill("Event", "Gloves")
    ui.page.get_by_role("button", name="START", exact=True).dblclick()
    ui.act("ADD NOTE", note="after both")
    ui.settled()

    assert [one["type"] for one in told(node, "rig_13", 2)] == ["window.started", "note.added"]


def test_an_end_of_another_event_is_told_and_ends_what_runs_when_asked(node: Node, pages: Pages) -> None:
    """Nobody believes that something was ended; what was said with the END is recorded with it, as tapped."""
    ui = pages.new()
    ui.open("act")
    ui.live()
    ui.act("START", system="rig_14", event="Fest B")
    ui.settled()
    other = pages.new(settings={"event": "Fest A"})
    other.open("act?system=rig_14")
    other.live()
    expect(other.page.get_by_role("combobox", name="Event")).to_have_value("Fest B")
    other.page.locator("input[type=file]").first.set_input_files(
        {"name": "board.jpg", "mimeType": "image/jpeg", "buffer": picture()}
    )
    expect(other.page.get_by_alt_text("Photo 1")).to_be_visible()
    other.act("END", event="Fest A", note="Wet")
    expect(other.page.get_by_role("alert")).to_contain_text("rig_14 is in Fest B, not in Fest A.")
    expect(other.page.get_by_text("Report of Fest A is being made")).to_have_count(0)

    other.fill("Note", "typed for later")
    other.page.get_by_role("button", name="End Fest B").click()
    expect(other.page.get_by_text("Not in an event")).to_be_visible()
    said = [
        (one["type"], one.get("event_id"), one.get("note") or one.get("caption"))
        for one in told(node, "rig_14", 4)
    ]
    assert said[1:] == [
        ("window.ended", "Fest A", "Wet"),
        ("photo.added", "Fest A", "Wet"),
        ("window.ended", "Fest B", None),
    ]
    expect(other.page.get_by_label("Note", exact=True)).to_have_value("typed for later")
    expect(other.page.get_by_role("link", name=re.compile("View report"))).to_contain_text("Fest B")


def test_a_start_can_be_corrected_afterwards(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()
    ui.act("START", system="rig_05", event="Late start")
    ui.settled()
    ui.open("system/rig_05")
    ui.page.get_by_role("button", name="Correct", exact=True).click()
    ui.page.get_by_role("button", name="15 min earlier").click()
    ui.page.get_by_role("button", name="Confirm").click()

    started, corrected = told(node, "rig_05", 2)
    assert corrected["corrects"] == started["id"]
    expect(ui.page.get_by_text(re.compile(r"corrected$"))).to_be_visible()


def test_a_stage_starts_together_and_all_end_only_when_the_button_is_held(node: Node, pages: Pages) -> None:
    ui = pages.new(viewport=DESK)
    ui.open("act")
    ui.live()
    for system in ("amp_1", "amp_2"):
        ui.act("ADD NOTE", system=system, note="is here")
    ui.settled()
    ui.page.get_by_role("button", name="Several").click()
    for system in ("amp_1", "amp_2"):
        ui.page.get_by_label(system).check()
    ui.act("START", event="Stage")
    told(node, "amp_2", 2)
    ui.page.get_by_role("button", name=re.compile("END ALL")).click(delay=200)
    assert [one["type"] for one in of(node, "amp_2")] == ["note.added", "window.started"]
    assert of(node, "all") == []

    ui.hold("END ALL")
    assert [one.get("event_id") for one in told(node, "all", 1)] == ["Stage"]


def test_a_page_outlives_its_broker(node: Node, pages: Pages) -> None:
    ui = pages.new()
    ui.open("act")
    ui.live()
    node.kill("mosquitto")
    ui.live()
    ui.act("ADD NOTE", system="rig_06", note="after the restart")
    ui.settled()
    ui.open("system/rig_06")
    expect(ui.page.get_by_text("after the restart")).to_be_visible()
    until(lambda: len(of(node, "rig_06")) == 1, "it is recorded once")


def test_an_alarm_that_somebody_takes_care_of_is_so_for_everybody(
    node: Node, pages: Pages, tmp_path: Path
) -> None:
    alarm = {"alarm": "grid_lost", "device": "vebus/276", "level": "alarm"}
    with closing(Sender(Broker(port=node.base), client="gx", name="gx", path=tmp_path / "gx")) as sender:
        sender.put(Envelope(ids.uuid7(), "/test/gx", "alarm.raised", "rig_12", instants.now_us(), alarm))
        assert sender.flush(60)
    one, other = pages.new(settings={"operator": "Ada"}), pages.new()
    one.open("alerts")
    one.page.get_by_role("button", name="Acknowledge", exact=True).click()
    one.page.get_by_label("Note (optional)").fill("Generator is on its way")
    one.page.get_by_role("button", name="Confirm").click()

    one.settled()
    (said,) = [row for row in recorded(node, ("alarm.acknowledged",)) if row["system"] == "rig_12"]
    assert (said["alarm"], said["device"]) == ("grid_lost", "vebus/276")
    other.open("alerts")
    expect(
        other.page.get_by_text(re.compile("Ada takes care of it.*Generator is on its way"))
    ).to_be_visible()
    expect(other.page.locator("nav .nav-count")).to_have_count(0)
    other.open("now")
    tile = other.page.locator(".tile", has_text="rig_12")
    expect(tile).to_contain_text("acknowledged")
    expect(tile).to_contain_text("Alarm")


EVIL = "<img src=x onerror=window.hacked=1>"
# Texts that no screen but the API takes, or that other screens show.
TYPED_ELSEWHERE: dict[str, dict[str, Any]] = {
    "/api/systems/rig_07": {"name": EVIL},
    "/api/location/set": {"system_id": "rig_07", "location": f"{EVIL} map", "lat": 52.5, "lon": 13.4},
    "/api/counters/reset": {"system_id": "rig_07", "reason": EVIL},
    "/api/alarm/acknowledge": {"system_id": "rig_07", "alarm": "overload", "note": EVIL},
}


def test_text_is_text_wherever_it_is_shown(node: Node, pages: Pages, tmp_path: Path) -> None:
    """Whatever is typed, by people, devices or other programs, runs nowhere."""
    evil = EVIL
    ui = pages.new(settings={"operator": "<script>window.hacked=1</script>"})
    with closing(Sender(Broker(port=node.base), client="ups", name="ups", path=tmp_path / "ups")) as sender:
        alarm = {"alarm": "overload", "level": "alarm", "device": EVIL, "text": EVIL}
        sender.put(Envelope(ids.uuid7(), "/test/ups", "alarm.raised", "rig_07", instants.now_us(), alarm))
        assert sender.flush(60)
    ui.open("act")
    ui.live()
    ui.act("START", system="rig_07", event=evil, location=f"{evil} here", note=f"{evil} note")
    ui.page.locator("input[type=file]").first.set_input_files(
        {"name": "<b>.jpg", "mimeType": "image/jpeg", "buffer": picture(200, 100)}
    )
    expect(ui.page.get_by_alt_text("Photo 1")).to_be_visible()
    ui.act("ADD NOTE", note=f"{evil} second")
    told(node, "rig_07", 3)
    for path, said in TYPED_ELSEWHERE.items():
        assert ui.page.request.post(f"{ui.url}{path}", data=said).ok, path
    for screen in (
        *SCREENS,
        "system/rig_07",
        "counters/rig_07",
        "event/%3Cimg%20src%3Dx%20onerror%3Dwindow.hacked%3D1%3E",
    ):
        ui.open(screen)
        ui.quiet()
    expect(ui.page.get_by_role("heading", name=evil)).to_be_visible()
    expect(ui.page.get_by_text(f"{evil} second").first).to_be_visible()
    assert ui.page.evaluate("window.hacked") is None


EVERY_SCREEN = (*SCREENS, "system/rig_08", "event/Accessible", "counters/host_node")


def not_accessible(
    pages: Pages, viewport: ViewportSize, theme: str, rules: Sequence[str]
) -> dict[str, list[str]]:
    """Return what axe-core finds, by screen."""
    starter = pages.new()
    starter.act("START", system="rig_08", event="Accessible", location="Stage", note="with a note")
    starter.settled()
    ui = pages.new(viewport=viewport, settings={"theme": theme}, reduced_motion="reduce")
    found = {}
    for screen in EVERY_SCREEN:
        ui.open(screen)
        ui.live()
        ui.quiet()
        found[screen] = ui.violations(rules)
    return {screen: wrong for screen, wrong in found.items() if wrong}


def test_every_screen_is_accessible(pages: Pages) -> None:
    assert not_accessible(pages, PHONE, "auto", ()) == {}


@pytest.mark.soak
@pytest.mark.parametrize(
    ("theme", "viewport", "rules"),
    [
        ("auto", DESK, ()),
        ("bright", PHONE, ENHANCED),
        ("bright", DESK, ENHANCED),
        ("night", PHONE, ()),
        ("night", DESK, CONTRAST),
    ],
)
def test_every_screen_is_accessible_in_every_theme(
    pages: Pages, theme: str, viewport: ViewportSize, rules: Sequence[str]
) -> None:
    assert not_accessible(pages, viewport, theme, rules) == {}


def test_plain_http_keeps_what_is_tapped_and_says_what_it_lacks(node: Node, browser: Browser) -> None:
    pages = Pages(browser, f"http://{PLAIN_HOST}:{node.base + 3}")
    ui = pages.new()
    ui.open("settings")
    ui.live()
    assert ui.page.evaluate("isSecureContext") is False
    expect(ui.page.get_by_text("plain http")).to_be_visible()

    ui.page.route("**/api/note", lambda route: route.abort())
    ui.act("ADD NOTE", system="rig_09", note="over plain http")
    expect(ui.page.locator(".status-waiting")).to_contain_text("1 waiting")
    ui.page.reload()
    expect(ui.page.locator(".waiting-one")).to_contain_text("over plain http")
    assert of(node, "rig_09") == []
    ui.page.unroute("**/api/note")

    assert [one["text"] for one in told(node, "rig_09", 1)] == ["over plain http"]
    ui.settled()
    pages.close()
