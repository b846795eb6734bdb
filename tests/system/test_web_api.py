"""The HTTP API of a running node: what is written is recorded, and what is read is what was recorded."""

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender
from ovr.api_keys import ApiKeys
from ovr.layout import Layout
from projectors import report_index
from tests.waiting import until
from tests.web_node import Api, serving

DOCUMENT = Path(__file__).parents[2] / "docs" / "http-api.md"
EXAMPLES = Path(__file__).parents[1] / "samples" / "event_service_curl.sh"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d0000000c49444154789c6360400000000e0001"
    "27d4f6e00000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    without = '"projector-reports", "projector-archive"'
    with serving(tmp_path_factory.mktemp("node"), without=without) as found:
        yield found


def shell(api: Api, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it is printed, on our port; jq and rg may not be installed here."""
    here = f"http://localhost:{api.port}"
    command = command.replace("http://localhost:8088", here).replace("https://map.<domain>", here)
    tools = 'jq() { cat; }; rg() { grep -E "$@"; }; curl() { command curl --silent --fail-with-body "$@"; };'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{tools} {command}"], capture_output=True, text=True, check=False
    )


def printed() -> list[str]:
    paragraphs = EXAMPLES.read_text(encoding="utf-8").split("\n\n")[1:]
    return ["\n".join(line for line in one.splitlines() if not line.startswith("#")) for one in paragraphs]


def test_every_request_of_the_event_service_works_as_printed(api: Api) -> None:
    assert shutil.which("curl")
    for command in printed():
        done = shell(api, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout


def test_every_request_of_our_own_description_works_as_printed(api: Api, tmp_path: Path) -> None:
    begun = instants.text(instants.now_us() - 3_600_000_000)
    (tmp_path / "windows.csv").write_text(f"system_id,event_id,started_at\nrig_30,as printed,{begun}\n")
    page = DOCUMENT.read_text(encoding="utf-8")
    commands = [one.removesuffix("```") for one in re.findall(r"^curl (?:.*\\\n)*.*$", page, re.MULTILINE)]
    assert len(commands) >= 3
    for command in commands:
        done = shell(api, f"cd {tmp_path} && {command}")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert json.loads(done.stdout)


def test_a_start_is_answered_when_it_is_recorded(api: Api) -> None:
    said = api.start("Big-Rig 7", "Sommerfest 2026", location="Bühne 1", note="Zwei\nZeilen", operator="Ada")

    row = api.at(said["position"])
    assert (row.id, row.type, row.subject, row.client) == (said["id"], "window.started", "big_rig_7", "web")
    assert row.source == "/edge_01/web"
    assert api.data(said["position"]) == {
        "event_id": "Sommerfest 2026",
        "location": "Bühne 1",
        "note": "Zwei\nZeilen",
    }
    status = api.get("/api/status", params={"system_id": "big_rig_7"}).json()
    assert (status["active"], status["event_id"], status["location"]) == (True, "Sommerfest 2026", "Bühne 1")
    newest = api.get("/api/timeline", params={"system_id": "big_rig_7"}).json()["items"][0]
    assert (newest["id"], newest["operator"], newest["verdict"]) == (said["id"], "Ada", "started")


def test_what_is_read_shows_what_was_written_before(api: Api) -> None:
    for number in range(5):
        api.start("rig_02", f"act {number}")
        assert api.get("/api/status", params={"system_id": "rig_02"}).json()["event_id"] == f"act {number}"


def test_an_end_without_an_event_ends_what_is_active(api: Api) -> None:
    api.start("rig_03", "load test")

    said = api.post("/api/event/end", {"system_id": "rig_03"}).json()

    assert said["event_id"] == "load test"
    assert said["report_url"] == f"http://127.0.0.1:{api.port}/api/reports/load%20test/html?system_id=rig_03"
    assert api.get("/api/status", params={"system_id": "rig_03"}).json()["active"] is False


def test_ending_all_ends_every_system_of_the_event_and_no_other(api: Api) -> None:
    for system in ("rig_04", "rig_05"):
        api.start(system, "stage a")
    api.start("rig_06", "stage b")

    said = api.post("/api/event/end_all", {"event_id": "stage a"}).json()

    assert said["report_url"].endswith("/api/reports/stage%20a/html")
    active = {one["system_id"]: one["event_id"] for one in api.get("/api/status").json()["systems"]}
    assert (active["rig_04"], active["rig_05"], active["rig_06"]) == (None, None, "stage b")


def test_a_start_can_be_moved_and_undone(api: Api) -> None:
    started = api.start("rig_08", "moved")
    earlier = instants.text(instants.now_us() - 3_600_000_000)
    correct = {"system_id": "rig_08", "corrects": started["id"]}

    assert api.post("/api/window/correct", {**correct, "time_to": earlier}).status_code == 200
    assert api.get("/api/status", params={"system_id": "rig_08"}).json()["started_at"] == earlier
    assert api.post("/api/window/correct", {**correct, "undo": True}).status_code == 200
    assert api.get("/api/status", params={"system_id": "rig_08"}).json()["active"] is False


def test_an_end_that_ends_nothing_says_so(api: Api) -> None:
    api.start("rig_40", "fest b")

    other = api.post("/api/event/end", {"system_id": "rig_40", "event_id": "fest a"}).json()
    assert (other["verdict"], other["active_event_id"], other["report_url"]) == (
        "other_active",
        "fest b",
        None,
    )
    assert other["warning"] == "Nothing was ended: rig_40 takes part in fest b."
    assert (other["ok"], other["event_id"], other["ended"]) == (True, "fest a", [])
    became = api.get(f"/api/actions/{other['id']}").json()
    assert (became["verdict"], became["active_event_id"]) == ("other_active", "fest b")
    done = api.post("/api/event/end", {"system_id": "rig_40", "event_id": "fest b"}).json()
    assert (done["verdict"], done["warning"]) == ("ended", None)
    assert done["ended"] == [{"system_id": "rig_40", "event_id": "fest b"}]
    nothing = api.post("/api/event/end", {"system_id": "rig_40"}).json()
    assert (nothing["verdict"], nothing["event_id"], nothing["report_url"]) == ("nothing_active", None, None)
    none = api.post("/api/event/end_all", {"event_id": "fest a"}).json()
    assert (none["verdict"], none["report_url"], none["report_urls"]) == ("nothing_active", None, {})


def test_a_repeated_end_is_answered_the_same_though_something_else_is_active_by_now(api: Api) -> None:
    api.start("rig_41", "first")
    api.start("rig_42", "first")
    one, every = ({"id": ids.uuid7()} for _ in range(2))
    first = api.post("/api/event/end", {"system_id": "rig_41", **one})
    api.start("rig_41", "second")
    again = api.post("/api/event/end", {"system_id": "rig_41", **one})

    assert first.json() == again.json()
    assert again.json()["event_id"] == "first"
    assert api.get("/api/status", params={"system_id": "rig_41"}).json()["event_id"] == "second"
    first = api.post("/api/event/end_all", every)
    api.start("rig_41", "third")
    again = api.post("/api/event/end_all", every)
    assert first.json() == again.json()
    assert {"first", "second"} <= set(again.json()["report_urls"])
    assert "third" not in again.json()["report_urls"]


def test_a_repeated_request_is_recorded_once_and_answered_the_same(api: Api) -> None:
    said = {"system_id": "rig_09", "event_id": "twice", "id": ids.uuid7()}

    first, again = (api.post("/api/event/start", said) for _ in range(2))

    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(api.recorded(said["id"])) == 1


def test_a_key_in_the_header_is_as_good_as_an_id(api: Api) -> None:
    note = {"system_id": "rig_09", "msg": "Once."}
    headers = {"Idempotency-Key": "tablet 4, note 17"}

    first, again = (api.post("/api/note", note, headers=headers).json() for _ in range(2))
    other = api.post("/api/note", note, headers={"Idempotency-Key": "tablet 4, note 18"}).json()

    assert first == again
    assert other["id"] != first["id"]


def test_a_key_of_another_request_is_refused(api: Api) -> None:
    key = ids.uuid7()
    api.post("/api/note", {"system_id": "rig_09", "msg": "One.", "id": key})

    answer = api.post("/api/note", {"system_id": "rig_09", "msg": "Another.", "id": key})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "idempotency_key_reused"
    assert len(api.recorded(key)) == 1


@pytest.mark.parametrize(
    ("path", "said", "field"),
    [
        ("/api/event/start", {"system_id": "rig_01"}, "event_id"),
        ("/api/event/start", {"system_id": "../../etc", "event_id": "x"}, "system_id"),
        ("/api/event/start", {"system_id": "all", "event_id": "x"}, "system_id"),
        ("/api/event/start", {"system_id": "_site", "event_id": "x"}, "system_id"),
        ("/api/location/set", {"system_id": "_site", "location": "x"}, "system_id"),
        ("/api/event/end", {"system_id": " All "}, "system_id"),
        ("/api/event/start", {"system_id": "rig_01", "event_id": "x", "locaton": "here"}, "locaton"),
        ("/api/event/start", {"system_id": "rig_01", "event_id": "two\nlines"}, "event_id"),
        ("/api/note", {"system_id": "rig_01", "msg": "bell \u0007"}, "msg"),
        ("/api/note", {"system_id": "rig_01", "msg": "x", "time": "2099-01-01T00:00:00Z"}, "time"),
        ("/api/note", {"system_id": "rig_01", "msg": "x", "time": "yesterday"}, "time"),
        ("/api/location/set", {"system_id": "rig_01", "location": "x", "lat": 91, "lon": 0}, "lat"),
        ("/api/location/set", {"system_id": "rig_01", "location": "x", "lat": 1}, ""),
        ("/api/window/correct", {"system_id": "rig_01", "corrects": "x"}, ""),
        ("/api/map-tiles/increment", {"provider": "osm", "count": 1}, "provider"),
        ("/api/counters/reset", {"system_id": "rig_01", "types": ["rm -rf"], "reason": "x"}, "types.0"),
        ("/api/systems/rig_01", {"name": "Rig", "colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_the_field(
    api: Api, path: str, said: dict[str, Any], field: str
) -> None:
    head = api.node.head()

    answer = api.post(path, said)

    problem = answer.json()
    assert answer.status_code == 422, problem
    assert problem.get("field", "") == field
    assert problem["type"].startswith("/api/docs#problem-")
    assert problem["detail"].endswith((".", "?"))
    assert api.node.head() - head < 20
    since = [one for one in api.get("/api/timeline").json()["items"] if one["position"] > head]
    assert not [one for one in since if one["client"] == "web"]


def test_a_body_that_is_no_json_is_a_bad_request(api: Api) -> None:
    headers = {"Content-Type": "application/json"}

    assert api.client.post("/api/note", content=b"{", headers=headers).status_code == 400
    assert api.client.post("/api/note", content=b"\xff\xfe{}", headers=headers).status_code in {400, 422}
    assert api.client.post("/api/note", content=b"[" * 50_000, headers=headers).status_code in {400, 422}


def test_what_was_written_can_be_asked_for_by_its_id(api: Api) -> None:
    said = api.start("rig_10")

    became = api.get(f"/api/actions/{said['id']}").json()

    assert (became["state"], became["position"]) == ("confirmed", said["position"])
    assert api.get(f"/api/actions/{ids.uuid7()}").status_code == 404


def test_a_photo_is_stored_said_and_handed_out(api: Api) -> None:
    form = {"system_id": "rig_11", "caption": "Door open", "id": ids.uuid7()}

    answers = [api.client.post("/api/photo", data=form, files={"file": ("x.png", PNG)}) for _ in range(2)]

    digest = sha256(PNG).hexdigest()
    assert [one.json()["sha256"] for one in answers] == [digest, digest]
    assert answers[0].json() == answers[1].json()
    assert api.data(answers[0].json()["position"]) == {
        "sha256": digest,
        "media_type": "image/png",
        "caption": "Door open",
        "bytes": len(PNG),
        "width": 3,
        "height": 2,
    }
    assert [path.name for path in (api.node.data / "photos").iterdir()] == [digest]
    got = api.get(f"/api/photos/{digest}")
    assert got.content == PNG
    assert got.headers["content-type"] == "image/png"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    known = api.get(f"/api/photos/{digest}", headers={"If-None-Match": got.headers["etag"]})
    assert known.status_code == 304
    (listed,) = api.get("/api/photos", params={"system_id": "rig_11"}).json()["photos"]
    assert (listed["sha256"], listed["caption"]) == (digest, "Door open")


def test_a_photo_that_an_uplink_brings_is_stored_once_under_its_hash(api: Api) -> None:
    body = PNG + b"of a node"
    digest = hashlib.sha256(body).hexdigest()

    answers = [api.client.put(f"/api/photos/{digest}", content=body).status_code for _ in range(2)]
    torn = api.client.put(f"/api/photos/{'0' * 64}", content=body)
    large = api.client.put(f"/api/photos/{'1' * 64}", content=PNG + bytes(2 << 20))

    assert answers == [204, 204]
    assert (torn.status_code, torn.json()["field"]) == (422, "sha256")
    assert large.status_code == 413
    assert api.get(f"/api/photos/{digest}").content == body


def test_what_is_no_photo_is_refused_and_leaves_nothing(api: Api) -> None:
    before = sorted((api.node.data / "photos").glob("*"))
    page = b"<html><script>alert(1)</script></html>"

    answer = api.client.post("/api/photo", files={"file": ("x.jpg", page, "image/jpeg")})
    large = api.client.post("/api/photo", files={"file": ("x.png", PNG + bytes(2 << 20))})

    assert (answer.status_code, answer.json()["reason"]) == (415, "not_an_image")
    assert (large.status_code, large.json()["reason"]) == (413, "too_large")
    assert sorted((api.node.data / "photos").glob("*")) == before
    assert api.served()


def test_a_large_body_without_a_length_is_cut_off(api: Api) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 65_536

    try:
        answer = api.client.post("/api/note", content=endless(), headers={"Content-Type": "application/json"})
    except httpx.HTTPError:  # it stopped listening while we were still sending
        answer = None
    assert answer is None or answer.status_code == 413
    assert api.served()


def test_windows_are_imported_once_and_whole_or_not_at_all(api: Api) -> None:
    good = (
        "system_id;event_id;started_at;ended_at;note\n"
        "rig_12;old;2026-05-01T10:00:00Z;2026-05-02T10:00:00+02:00;a\n"
    )
    bad = good + "rig_12;;2026-05-03T10:00:00Z;;\nrig 12!;x;2026-05-03T10:00:00Z;;\nrig_12;y;tomorrow;;\n"
    headers = {"Content-Type": "text/csv"}

    def send(text: str, dry_run: str) -> httpx.Response:
        return api.client.post(
            "/api/import/windows", content=text.encode(), headers=headers, params={"dry_run": dry_run}
        )

    tried, refused = send(bad, "true").json(), send(bad, "false")
    assert [(row["row"], row["ok"], row["field"]) for row in tried["rows"]] == [
        (2, True, None),
        (3, False, "event_id"),
        (4, False, "system_id"),
        (5, False, "started_at"),
    ]
    assert tried["recorded"] == 0
    assert refused.status_code == 422
    assert [one["row"] for one in refused.json()["errors"]] == [3, 4, 5]

    assert send(good, "true").json()["events"] == 2
    first, again = send(good, "false").json(), send(good, "false").json()
    assert first["recorded"] == again["recorded"] == 2
    assert first["rows"] == again["rows"]
    items = api.get("/api/timeline", params={"event_id": "old"}).json()["items"]
    types = [one["type"] for one in items if one["type"].startswith("window.")]
    assert types == ["window.ended", "window.started"]


def test_notes_are_imported(api: Api) -> None:
    text = 'time,system_id,msg\n2026-05-01T10:00:00Z,rig_12,"Refuelled, 120 L"\n2026-05-01T11:00:00Z,,Rain\n'

    said = api.client.post("/api/import/notes?dry_run=false", content=text.encode()).json()

    assert (said["recorded"], said["waiting"]) == (2, 0)
    notes = api.get("/api/notes", params={"system_id": "rig_12"}).json()["notes"]
    assert [one["msg"] for one in notes] == ["Refuelled, 120 L"]


def test_a_registered_system_answers_to_its_other_names(api: Api) -> None:
    said = {"name": "Main stage left", "kind": "bess", "aliases": ["Dicke Berta"], "rated_w": 45_000}
    assert api.post("/api/systems/rig_13", said).status_code == 200
    until(lambda: api.start("dicke berta", "named")["system_id"] == "rig_13", "the alias is known")

    (known,) = [one for one in api.get("/api/systems").json()["systems"] if one["system_id"] == "rig_13"]

    assert (known["name"], known["aliases"], known["rated_w"]) == ("Main stage left", ["dicke_berta"], 45_000)
    assert api.get("/api/status", params={"system_id": "Dicke Berta"}).json()["system_id"] == "rig_13"
    answer = api.get("/s/Dicke Berta", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/#/system/rig_13")
    label = api.get("/api/systems/rig_13/label.svg")
    assert label.headers["content-type"] == "image/svg+xml"
    assert "rig_13</text>" in label.text


def test_the_timeline_goes_back_page_by_page(api: Api) -> None:
    for number in range(7):
        api.post("/api/note", {"system_id": "rig_14", "msg": f"note {number}"})

    seen, before = [], None
    while True:
        asked = {"system_id": "rig_14", "limit": 3} | ({"before": before} if before else {})
        page = api.get("/api/timeline", params=asked).json()
        seen += [one["data"]["text"] for one in page["items"]]
        before = page["next"]
        if before is None:
            break

    assert seen == [f"note {number}" for number in range(6, -1, -1)]


def test_suggestions_are_what_was_named_before_the_newest_first(api: Api) -> None:
    api.start("rig_15", "suggested a", location="Tor 1")
    api.start("rig_15", "suggested b", location="Tor 2")

    said = api.get("/api/suggestions").json()

    assert said["events"][:2] == ["suggested b", "suggested a"]
    assert said["locations"][:2] == ["Tor 2", "Tor 1"]


def test_charts_show_what_was_sampled(api: Api) -> None:
    def found() -> list[float]:
        since = instants.text(instants.now_us() - 60_000_000)
        asked = {"system_id": "host_edge_01", "names": "cpu_pct,memory_used_pct", "from": since, "points": 60}
        answer = api.get("/api/range", params=asked)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert len(said["series"]["cpu_pct"]["mean"]) == 60
        return [value for value in said["series"]["memory_used_pct"]["mean"] if value is not None]

    until(found, "the series are searchable")
    assert all(0 < value < 100 for value in found())


def sampled(api: Api, system: str, begin_us: int, powers: Sequence[float], **more: float) -> None:
    """Send one sample a second."""
    sender = Sender(
        Broker(port=api.node.base), client=f"meter_{system}", name="meter", path=api.node.data.parent / system
    )
    for second, power in enumerate(powers):
        values = {"ac_power_w": power, **more}
        data = {"kind": "acuvim", "interval_ms": 1000, "values": values}
        time_us = begin_us + second * instants.SECOND_US
        sender.put(Envelope(ids.uuid7(), f"/test/{system}", "sample.taken", system, time_us, data))
    assert sender.flush(60)
    sender.close()


def test_an_event_says_what_it_came_to_so_far(api: Api) -> None:
    """Half of the time is not measured: the energy is that of the other half, and the coverage says so."""
    begin_us = (instants.now_us() // instants.SECOND_US - 300) * instants.SECOND_US
    powers = {"load_1": [3600.0] * 60 + [7200.0] * 60, "load_2": [7200.0] * 60 + [3600.0] * 60}
    for system, own in powers.items():
        sampled(api, system, begin_us, own)
        said = {"system_id": system, "event_id": "so/far"}
        begin, end = instants.text(begin_us), instants.text(begin_us + 240 * instants.SECOND_US)
        assert api.post("/api/event/start", {**said, "time": begin}).status_code == 200
        assert api.post("/api/event/end", {**said, "time": end}).status_code == 200

    def asked() -> Any:
        answer = api.get("/api/events/so%2Ffar")
        assert answer.status_code == 200, answer.text
        return answer.json()

    until(lambda: (asked()["totals"]["coverage_pct"] or 0) >= 49.5, "the series are searchable", within_s=60)
    said = asked()
    assert (said["active"], said["started_at"]) == (False, instants.text(begin_us))
    assert said["totals"]["energy_wh"] == pytest.approx(360, rel=0.02)
    assert said["totals"]["peak_w"] == pytest.approx(10_800, rel=0.02)
    assert said["totals"]["coverage_pct"] == pytest.approx(50, abs=1)
    assert [(one["system_id"], one["peak_w"], one["counted"]) for one in said["systems"]] == [
        ("load_1", 7200, True),
        ("load_2", 7200, True),
    ]
    (listed,) = [one for one in api.get("/api/events").json()["events"] if one["event_id"] == "so/far"]
    assert (listed["systems"], listed["active"]) == (2, False)
    assert api.get("/api/events/never%20was").status_code == 404
    small = api.get("/api/sparklines", params={"system_ids": "load_1,load_2,nobody"}).json()
    assert small["systems"].keys() == {"load_1", "load_2"}
    assert max(filter(None, small["systems"]["load_1"]["max"])) == 7200


def test_the_timeline_tells_what_is_asked_for(api: Api) -> None:
    api.start("rig_22", "typed")
    api.post("/api/note", {"system_id": "rig_22", "msg": "here"})

    def types(asked: str) -> list[str]:
        said = api.get("/api/timeline", params={"system_id": "rig_22", "types": asked}).json()
        return [one["type"] for one in said["items"]]

    assert types("") == ["note.added", "window.started"]
    assert types("note.added, photo.added") == ["note.added"]
    assert types("photo.added") == []
    assert api.get("/api/timeline", params={"types": "sample.taken"}).status_code == 422


@pytest.mark.parametrize(
    "asked",
    [
        {"names": 'cpu_pct"} or up{a="'},
        {"names": "cpu_pct", "from": "2026-01-01T00:00:00Z", "to": "2020-01-01T00:00:00Z"},
        {"names": "cpu_pct", "from": "1990-01-01T00:00:00Z"},
        {"names": ",".join(["cpu_pct", *(f"x_{n}" for n in range(20))])},
        {"names": "cpu_pct", "points": 1_000_000},
        {"names": "cpu_pct", "system_id": '"}'},
    ],
)
def test_charts_of_anything_else_are_refused(api: Api, asked: dict[str, Any]) -> None:
    assert api.get("/api/range", params={"system_id": "host_edge_01", **asked}).status_code == 422


def test_counters_answer_for_each_system(api: Api) -> None:
    until(lambda: api.get("/api/counters").json()["systems"], "the counters know a system")

    one = api.get("/api/counters/host_edge_01").json()

    assert (one["system_id"], one["grade"]) == ("host_edge_01", "excellent")
    assert api.get("/api/counters/nobody_99").status_code == 404
    assert api.post("/api/counters/reset", {"system_id": "host_edge_01", "reason": "Serviced"}).json()["ok"]


def test_map_tiles_are_counted_together_and_told_to_prometheus(api: Api) -> None:
    month = instants.text(instants.now_us())[:7]
    before = api.get("/api/map-tiles/status").json()["providers"]["esri"]["tiles"]
    keyed = {"provider": "esri", "count": 7, "month_key": month, "id": ids.uuid7()}

    said = api.post("/api/map-tiles/increment", {"provider": "esri", "count": 5}).json()
    for _ in range(2):
        api.post("/api/map-tiles/increment", keyed)

    assert said["status"] == "recorded"
    status = api.get("/api/map-tiles/status").json()
    assert status["providers"]["esri"]["tiles"] == before + 12
    fleet = api.get("/api/fleet/map-tiles/status").json()
    assert fleet["nodes"]["edge_01"]["esri"] == before + 12
    labels = 'deployment_id="tour",node_id="edge_01",provider="esri"'
    metrics = api.get("/metrics").text
    assert f"map_tiles_month_total{{{labels}}} {before + 12:.1f}" in metrics
    assert f"map_tiles_month_pct{{{labels}}}" in metrics
    assert 'route="/api/map-tiles/increment"' in metrics


def test_a_preferred_provider_is_used(api: Api) -> None:
    for provider in ("mapbox", "esri"):
        api.post("/api/fleet/map-provider/preferred", {"provider": provider})
        assert api.get("/api/map-tiles/status").json()["provider"] == provider


def test_a_site_plan_is_kept_with_its_places(api: Api) -> None:
    assert api.client.put("/api/site-plan", files={"file": ("plan.png", PNG)}).status_code == 204
    assert api.client.put("/api/site-plan/places", json={"Tor 1": {"x": 0.25, "y": 1}}).status_code == 204

    plan = api.get("/api/site-plan").json()

    assert (plan["width"], plan["height"], plan["places"]) == (3, 2, {"Tor 1": {"x": 0.25, "y": 1.0}})
    assert api.get(plan["image_url"]).content == PNG
    assert api.client.put("/api/site-plan/places", json={"x": {"x": 2, "y": 0}}).status_code == 422


def test_the_pages_know_how_to_begin(api: Api) -> None:
    said = api.get("/api/ui").json()

    assert (said["node_id"], said["deployment_id"], said["prefix"]) == ("edge_01", "tour", "ovr")
    assert said["mqtt"]["port"] == api.node.base + 1
    assert said["key_required"] is False
    assert said["secure"] is False
    behind = api.get("/api/ui", headers={"X-Forwarded-Proto": "https", "Host": "edge.example"}).json()
    assert behind["secure"] is True
    assert behind["base_url"] == "https://edge.example"


def test_health_says_who_and_how(api: Api) -> None:
    said = api.get("/health").json()

    assert (said["status"], said["node_id"], said["deployment_id"]) == ("ok", "edge_01", "tour")
    assert api.client.head("/health").status_code == 200


def test_every_answer_says_what_browsers_may_do(api: Api) -> None:
    for path in ("/", "/api/status", "/api/nothing", "/api/docs"):
        headers = api.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src" in headers["content-security-policy"]
        assert "server" not in headers


def test_a_page_of_another_site_cannot_write(api: Api) -> None:
    note = {"system_id": "rig_01", "msg": "Evil."}

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert api.post("/api/note", note, headers=headers).status_code == 403
    own = {"Origin": f"http://127.0.0.1:{api.port}", "Sec-Fetch-Site": "same-origin"}
    assert api.post("/api/note", note, headers=own).status_code == 200


def test_a_name_that_is_not_ours_is_not_answered(api: Api) -> None:
    """A page whose name was made to point here is served nothing."""
    for path in ("/", "/api/status", "/api/ui", "/metrics"):
        answer = api.get(path, headers={"Host": f"evil.example:{api.port}"})
        assert (answer.status_code, answer.json()["type"]) == (421, "/api/docs#problem-wrong-host")


def test_the_description_is_complete_and_shown_without_internet(api: Api) -> None:
    document, page = api.get("/api/openapi.json").json(), api.get("/api/docs").text

    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"], path
            assert operation["description"], path
            assert "500" in operation["responses"], path
        assert path.replace("{", "{") in page
    assert not re.search(r'(src|href)="https?://(?!www\.rfc-editor\.org)', page)
    assert "<script" not in page


@pytest.mark.parametrize(
    "name",
    [
        "../../site.toml",
        "..%2f..%2fsite.toml",
        "....//....//etc/passwd",
        "/etc/passwd",
        "%00",
        "..\\..\\site.toml",
        ".",
    ],
)
def test_no_id_leads_out_of_its_place(api: Api, name: str) -> None:
    document: dict[str, Any] = api.get("/api/openapi.json").json()
    for path, item in document["paths"].items():
        if "{" in path and "get" in item:
            for typed in (name, quote(name, safe="")):
                code, body = raw_get(api, re.sub(r"\{[^}]*\}", typed.replace("\\", r"\\"), path))
                assert code < 500, (path, typed, body)
                assert b"[producers" not in body
                assert b"root:x" not in body
    assert raw_get(api, "/%2e%2e/%2e%2e/site.toml")[0] == 404
    assert raw_get(api, "/../../site.toml")[0] == 404


def raw_get(api: Api, path: str) -> tuple[int, bytes]:
    """Ask for a path as it stands: clients would tidy it up first."""
    with api.connected() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split(b" ", 2)[1]), answer


def checked(api: Api, examples: Callable[[str], int]) -> Iterator[tuple[str, FailureGroup]]:
    """Try what the description allows, and what it forbids, so often at each path; yield what is wrong."""
    load_all_checks()
    left_out: Any = CHECKS.get_by_names(
        [
            "positive_data_acceptance",  # there are rules that no schema can say
            "use_after_free",
            "ensure_resource_availability",
            "ignored_auth",
            "object_level_authorization",
        ]
    )
    document = schemathesis.openapi.from_url(f"http://127.0.0.1:{api.port}/api/openapi.json")
    for found in document.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        times = examples(operation.path)
        if operation.path.endswith("/pdf") or not times:
            continue  # a PDF is waited for, as long as somebody may be making it: see the test of that
        for mode in GenerationMode:

            @settings(
                max_examples=times,
                deadline=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
                derandomize=True,
                database=None,
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(excluded_checks=left_out, timeout=30)

            try:
                check()
            except Unsatisfiable:
                continue  # nothing can be wrong with a request that says nothing
            except FailureGroup as error:
                yield f"{operation.label} {mode.value}", error


def test_whatever_is_sent_the_answer_is_as_described(api: Api) -> None:
    """Each operation once, those that are used most a little more, none that waits for a report."""
    times = dict.fromkeys(("/api/event/start", "/api/note", "/api/status", "/api/timeline"), 3)
    times["/api/reports/{event_id}/html"] = 0
    assert not [
        f"{label}: {error.exceptions}" for label, error in checked(api, lambda path: times.get(path, 1))
    ]
    assert api.served()


@pytest.mark.soak
def test_whatever_is_sent_for_long_the_answer_is_as_described(api: Api) -> None:
    assert not [f"{label}: {error.exceptions}" for label, error in checked(api, lambda _: 100)]
    assert api.served()


def test_an_unknown_address_is_no_page_of_ours(api: Api) -> None:
    assert api.get("/api/nothing").json()["status"] == 404
    assert api.post("/api/nothing", {}).status_code == 404
    wrong = api.post("/api/status", {})
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET"


def put_report(api: Api, position: int, **row: Any) -> Path:
    """Write a report as the reports projector leaves it."""
    directory = Path("reports") / f"r{position}"
    known = {
        "position": position,
        "source": "/edge_01/web",
        "id": ids.uuid7(),
        "scope": "event",
        "revision": 1,
        "reason": "event_ended",
        "cut_position": position,
        "requested_us": instants.now_us(),
        "directory": str(directory),
        "state": "ready",
        "totals": json.dumps({"energy_wh": 1234.5}),
        "changed": "[]",
        "made": json.dumps({"coverage_pct": 99.0, "provisional": False}),
        "told_us": instants.now_us(),
    } | row
    path = api.node.data / directory
    path.mkdir(parents=True, exist_ok=True)
    for name, content in (("data.json", "{}"), ("report.html", "<html>r</html>"), ("blocks.csv", "a,b")):
        (path / name).write_text(content)
    with closing(sqlite3.connect(api.node.data / "reports" / "index.sqlite", isolation_level=None)) as db:
        db.executescript(report_index.TABLES)
        names, marks = ", ".join(known), ", ".join("?" * len(known))
        db.execute(f"INSERT OR REPLACE INTO report ({names}) VALUES ({marks})", tuple(known.values()))
        db.execute("INSERT OR REPLACE INTO pdf (position, folder) VALUES (?, '')", (position,))
    return path


def test_reports_are_listed_and_handed_out(api: Api) -> None:
    event = "Fête 1/2"
    put_report(api, 7, event_id=event)
    made = json.dumps({"systems": [{"system_id": "rig_20", "folder": "rig_20"}]})
    path = put_report(api, 8, event_id=event, revision=2, made=made)
    put_report(api, 9, event_id=event, scope="system", system_id="rig_20")
    place = f"/api/reports/{quote(event, safe='')}"

    listed = api.get("/api/reports", params={"event_id": event}).json()["reports"]
    assert [(one["revision"], one["system_id"], one["state"]) for one in listed] == [
        (1, "rig_20", "ready"),
        (2, None, "ready"),
        (1, None, "ready"),
    ]
    assert listed[0]["totals"] == {"energy_wh": 1234.5}
    assert listed[0]["coverage_pct"] == 99.0
    for one in listed:
        answer = api.get(one["html_url"])
        assert (answer.status_code, answer.text) == (200, "<html>r</html>")
        assert "script-src" not in answer.headers["content-security-policy"]
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert api.get(one["json_url"]).json() == {}
        assert api.get(one["csv_url"]).headers["content-type"] == "text/csv; charset=utf-8"
    assert api.get(f"{place}/html").text == "<html>r</html>"
    (path / "rig_20").mkdir()
    (path / "rig_20" / "report.html").write_text("<html>part</html>")
    assert api.get(f"{place}/rig_20/report.html").text == "<html>part</html>"
    assert api.get(f"{place}/rig_21/report.html").status_code == 404
    assert api.get(f"{place}/..%2Fr7/report.html").status_code == 404
    assert api.get(place, params={"revision": 3}).status_code == 404
    assert api.get(f"{place}/csv", params={"table": "../data"}).status_code == 422
    assert api.get(f"{place}/csv", params={"table": "energies"}).status_code == 404


def test_a_pdf_that_is_being_made_is_waited_for(api: Api) -> None:
    path = put_report(api, 10, event_id="printed")
    maker = threading.Timer(0.5, (path / "report.pdf").write_bytes, (b"%PDF-1.7",))
    maker.start()

    answer = api.get("/api/reports/printed/pdf", timeout=30)

    maker.join()
    assert (answer.status_code, answer.content) == (200, b"%PDF-1.7")
    assert answer.headers["content-type"] == "application/pdf"


def test_a_report_that_is_asked_for_is_asked_for_once(api: Api) -> None:
    api.start("rig_21", "wanted")
    said = {"event_id": "wanted", "id": ids.uuid7()}

    first, again = (api.post("/api/reports/generate", said) for _ in range(2))

    assert first.json() == again.json()
    assert first.json()["report_url"].endswith("/api/reports/wanted/html")
    data = api.data(first.json()["position"])
    assert (data["scope"], data["event_id"], data["reason"]) == ("event", "wanted", "operator")
    assert data["cut_position"] < first.json()["position"]
    assert api.post("/api/reports/generate", {"event_id": "never was"}).status_code == 404
    own = api.post("/api/reports/generate", {"event_id": "wanted", "system_id": "Rig 21"}).json()
    assert own["system_id"] == "rig_21"


def test_a_report_can_be_sent(api: Api) -> None:
    put_report(api, 11, event_id="mailed")

    answer = api.post("/api/reports/mailed/send", {"to": ["office@example.com"]})

    assert answer.json()["to"] == ["office@example.com"]
    (queued,) = report_index.Reports(api.node.data).deliveries(11)
    assert (queued["recipient"], queued["state"]) == ("office@example.com", "waiting")
    for wrong in ("office", "a@b,c@d", "a b@c", "x@y\nBcc: z@w"):
        assert api.post("/api/reports/mailed/send", {"to": [wrong]}).status_code == 422


def test_keys_guard_what_they_must(api: Api) -> None:
    done = api.node.ovr("key", "add", "tablet", "--json", "--system", "Rig 16")
    assert done.returncode == 0, done.stderr
    keys = ApiKeys(Layout(api.node.data))
    bound = {"X-API-Key": json.loads(done.stdout)["key"]}
    admin, viewer = ({"X-API-Key": keys.add(role, role)[0]} for role in ("admin", "viewer"))
    note = {"system_id": "rig_16", "msg": "Who?"}
    try:
        missing = api.post("/api/note", note)
        assert (missing.status_code, missing.json()["type"]) == (401, "/api/docs#problem-key-needed")
        assert api.post("/api/note", note, headers={"x-api-key": "ovr_wrong"}).status_code == 401
        assert api.post("/api/note", note, headers=viewer).status_code == 403
        said = api.post("/api/note", note, headers=bound).json()
        assert b'"apikey":"tablet"' in api.at(said["position"]).body
        assert api.post("/api/note", {**note, "system_id": "rig_17"}, headers=bound).status_code == 403
        assert api.post("/api/event/end_all", {}, headers=bound).status_code == 403
        assert api.post("/api/systems/rig_16", {"name": "x"}, headers=bound).status_code == 403
        assert api.post("/api/note", {**note, "system_id": "rig_17"}, headers=admin).status_code == 200
        assert api.get("/api/status").status_code == 200
        assert api.get("/api/reports/guarded").status_code == 401
        assert api.get("/api/reports/guarded/csv").status_code == 404
        assert api.get("/api/ui", headers=bound).json()["key_name"] == "tablet"
        assert api.get("/api/status", headers={"X-API-Key": "x"}).status_code == 200
        tries = count()

        def guess() -> int:
            return api.get("/api/ui", headers={"X-API-Key": f"x{next(tries)}"}).status_code

        until(lambda: guess() == 429, "guessing is slow")
    finally:
        for name in ("tablet", "admin", "viewer"):
            keys.remove(name)
    assert api.post("/api/note", note).status_code == 200
    kept = (api.node.data / "keys.json").read_bytes()
    kept += b"".join(path.read_bytes() for path in (api.node.data / "run" / "logs").glob("web.log*"))
    for key in (admin, bound, viewer):
        assert key["X-API-Key"].encode() not in kept
