"""The parts of the HTTP API by themselves: keys, limits, CSV, photos, map tiles, charts, pages."""

import asyncio
import gzip
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.types import ASGIApp

from bus import instants
from bus.envelope import Event
from schemas.errors import ConfigurationError, InputError
from schemas.registry import Registry
from web.api import docs_page, ranges
from web.api.app import make_app
from web.api.claims import id_of
from web.api.cloud import parse as parse_fleet
from web.api.csv_rows import NOTES, WINDOWS, rows
from web.api.keys import Caller, Keys, Role, digest_of, draw
from web.api.labels import label
from web.api.limits import Buckets, Limits
from web.api.map_counts import LOADED, PREFERRED, PROVIDERS, Counts, choose
from web.api.measures import Measures
from web.api.photo_files import PhotoFiles, extent, media_type_of
from web.api.problems import KINDS, Problem, refused
from web.api.static import Static
from web.settings import Gateway, MapSettings

TOKENS = MapSettings(mapbox_token="pk.x", esri_token="y", mapbox_free=100, esri_free=200)


@dataclass
class Client:
    """Asks an application without a server."""

    app: ASGIApp

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
                return await client.get(path, headers=headers)

        return asyncio.run(ask())


def keys_file(path: Path, **keys: dict[str, Any]) -> None:
    path.write_bytes(orjson.dumps(keys))
    os.utime(path, ns=(time.time_ns(), time.time_ns() + 1))


def test_a_key_is_known_by_its_hash_and_bound_to_its_systems(tmp_path: Path) -> None:
    path, key = tmp_path / "keys.json", draw()
    keys_file(path, tablet={"role": "operator", "key": digest_of(key), "systems": ["rig_01"]})

    caller = Keys(path).caller(key)

    assert caller == Caller("tablet", Role.OPERATOR, frozenset({"rig_01"}))
    assert caller.may_touch("rig_01")
    assert not caller.may_touch("rig_02")
    assert not caller.may_touch(None)
    assert Keys(path).caller(key + "x") is None


def test_keys_are_read_again_when_they_change_and_kept_when_they_are_damaged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, key = tmp_path / "keys.json", draw()
    keys = Keys(path)
    assert not keys.needed

    keys_file(path, tablet={"role": "viewer", "key": digest_of(key)})
    assert keys.needed
    path.write_text("{")
    assert keys.caller(key) is not None
    path.unlink()
    assert not keys.needed
    assert "everybody who reaches the port may write" in caplog.text


def test_a_damaged_file_of_keys_stops_the_start(tmp_path: Path) -> None:
    for damage in (
        "[]",
        "{",
        '{"a": {"role": "king", "key": "x"}}',
        '{"a": {"role": "admin", "key": "plain"}}',
    ):
        (tmp_path / "keys.json").write_text(damage)
        with pytest.raises(ConfigurationError):
            Keys(tmp_path / "keys.json")


def test_the_key_of_the_environment_may_do_everything(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json", "secret")

    assert keys.needed
    assert keys.caller("secret") == Caller("API_KEY", Role.ADMIN)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=60))
def test_nobody_gets_more_than_the_bucket_and_what_flows_in(asked: list[tuple[str, float]]) -> None:
    buckets, now_s, taken = Buckets(2.0, 5.0), 0.0, dict.fromkeys("abc", 0)
    for address, later_s in asked:
        now_s += later_s
        wait_s = buckets.take(address, now_s)
        taken[address] += wait_s == 0
        assert wait_s <= 0.5
        assert taken[address] <= 5 + 2 * now_s + 1e-6


def test_a_uuid_is_the_id_and_any_other_key_gives_one() -> None:
    uuid = "019aa5a0-1c2b-7d3e-8f00-112233445566"

    assert id_of(uuid) == uuid == id_of(uuid.upper())
    assert id_of("tablet 4") == id_of("tablet 4") != id_of("tablet 5")
    assert len(id_of("x" * 36)) == 36


@given(st.binary(max_size=300))
def test_any_file_gives_rows_or_a_problem(body: bytes) -> None:
    for form in (WINDOWS, NOTES):
        try:
            found = list(rows(body, form))
        except Problem:
            continue
        assert all((row.detail is None) == bool(row.claims) for row in found)


def test_the_same_row_is_the_same_event() -> None:
    text = b"time,msg\n2026-05-01T10:00:00Z,a\n2026-05-01T12:00:00+02:00,a\n"

    one, other = rows(text, NOTES)

    assert one.claims[0].key == other.claims[0].key


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (b"time,mesage\n", "did you mean msg"),
        (b"msg\n", "Name the columns"),
        (b"time,msg,msg\n", "Name the columns"),
        (b"\xff\xfe", "UTF-8"),
        (b'time,msg\n2026-05-01T10:00:00Z,"open', "no CSV"),
        (b"time,msg\n" + b"2026-05-01T10:00:00Z,x\n" * 5001, "at most"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(text: bytes, word: str) -> None:
    with pytest.raises(Problem) as caught:
        list(rows(text, NOTES))
    assert word in str(caught.value.detail)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"\0\0\0\x1cftypavif", "image/avif"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"<svg xmlns=", None),
        (b"", None),
    ],
)
def test_an_image_is_known_by_its_first_bytes(head: bytes, media_type: str | None) -> None:
    assert media_type_of(head) == media_type


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reading_of_an_extent_fail(tail: bytes) -> None:
    for head in (b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b""):
        found = extent(head + tail)
        assert found is None or (found[0] > 0 and found[1] > 0)


def test_the_extent_of_a_jpeg_stands_in_its_frame_header() -> None:
    head = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc2\x00\x11\x08\x03\x20\x05\x00"

    assert extent(head) == (1280, 800)


def test_a_photo_that_cannot_be_stored_leaves_nothing(tmp_path: Path) -> None:
    files = PhotoFiles(tmp_path / "photos")
    with pytest.raises(Problem):
        files.store([b"no", b" image"])
    assert list((tmp_path / "photos").iterdir()) == []
    assert files.path("../keys.json") is None
    assert files.path("A" * 64) is None


def tiles(position: int, provider: str, count: int, month: str = "2026-11", node: str = "edge") -> Event:
    data = {"provider": provider, "count": count, "month_key": month}
    return event(position, LOADED, data, node)


def event(position: int, type_: str, data: dict[str, Any], node: str = "edge") -> Event:
    return Event(position, position, "web", f"/{node}/web", str(position), type_, "_site", position, data)


def test_a_provider_over_the_limit_is_left_for_the_other_and_both_over_stay_where_they_are() -> None:
    counts = Counts(TOKENS)
    counts.take(tiles(1, "mapbox", 94))
    assert counts.using("2026-11") == "mapbox"
    counts.take(tiles(2, "mapbox", 1))
    assert counts.using("2026-11") == "esri"
    counts.take(tiles(3, "esri", 190))
    assert counts.blocked(counts.total("2026-11")) == {"mapbox", "esri"}
    assert counts.using("2026-11") == "esri"
    assert counts.using("2026-12") == "mapbox"
    counts.take(event(4, PREFERRED, {"provider": "esri"}))
    assert counts.using("2026-12") == "esri"


@given(
    st.lists(
        st.tuples(st.sampled_from(PROVIDERS), st.integers(1, 60), st.sampled_from(["a", "b"])), max_size=20
    )
)
def test_tiles_of_all_nodes_add_up_and_the_choice_is_free_when_one_is(
    said: list[tuple[str, int, str]],
) -> None:
    counts = Counts(TOKENS)
    for position, (provider, count, node) in enumerate(said, start=1):
        counts.take(tiles(position, provider, count, node=node))

    total = counts.total("2026-11")

    assert total == {name: n for name in PROVIDERS if (n := sum(c for p, c, _ in said if p == name))}
    blocked = counts.blocked(total)
    chosen = choose(counts.using("2026-11"), blocked, TOKENS)
    assert chosen not in blocked or blocked == set(PROVIDERS)


def test_what_the_cloud_says_is_read_or_refused() -> None:
    said = {
        "month_key": "2026-11",
        "preferred": "esri",
        "preferred_at": "2026-11-21T05:00:00Z",
        "providers": {"mapbox": {"tiles": 5}, "esri": {"tiles": 7}},
    }
    fleet = parse_fleet(orjson.dumps(said))
    assert (fleet.tiles, fleet.preferred) == ({"mapbox": 5, "esri": 7}, "esri")
    assert fleet.preferred_us == instants.parse("2026-11-21T05:00:00Z")
    for wrong in (b"[]", b"{", b'{"providers": {}}'):
        with pytest.raises((ValueError, KeyError, TypeError)):
            parse_fleet(wrong)


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_no_text_becomes_part_of_a_query_unless_it_has_the_form_of_ours(
    kind: str, measurement: str, system_id: str
) -> None:
    query = ranges.expression([kind], measurement, system_id, 1000)
    allowed = set("abcdefghijklmnopqrstuvwxyz0123456789_.")
    assert query is None or set(kind + measurement + system_id) <= allowed


def test_figures_are_put_on_the_grid_and_what_is_missing_stays_so() -> None:
    found = [
        {"metric": {"rollup": "avg"}, "values": [[101.0, "5"], [103.0, "NaN"]]},
        {"metric": {"rollup": "max"}, "values": [[102.0, "9"], [999.0, "1"]]},
        {"metric": {"rollup": "avg"}, "values": [[101.0, "6"], [102.0, "7"]]},
        {"metric": {}, "values": [[101.0, "1"]]},
    ]

    grid = ranges.columns(found, 100_000, 1000, 3)

    assert grid == {"mean": [5.0, 7.0, None], "min": [None] * 3, "max": [None, 9.0, None]}


def test_a_label_holds_nothing_but_what_it_should() -> None:
    svg = label("https://edge.example/s/rig_01", 'rig"<script>')

    assert "<script>" not in svg
    assert svg.count("<title>") == 1


def test_problems_name_the_field_of_the_request() -> None:
    error = InputError("schema", "data.text", "give text")

    said = refused(error).document()

    assert (said["field"], said["detail"], said["status"]) == ("msg", "Give text.", 422)


def pages(directory: Path) -> Client:
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<html>page</html>")
    (directory / "assets" / "app-1a2b.js").write_text("let a = 1;")
    (directory / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(b"let a = 1;"))
    (directory.parent / "secret").write_text("secret")
    app = Starlette()
    app.router.default = Static(directory)
    return Client(app)


def test_pages_are_cached_by_their_names_and_sent_compressed(tmp_path: Path) -> None:
    client = pages(tmp_path / "static")

    asset = client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "br, gzip"})
    assert (asset.text, asset.headers["content-encoding"]) == ("let a = 1;", "gzip")
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["vary"] == "Accept-Encoding"
    plain = client.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    page = client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304


def test_any_address_of_the_pages_is_the_page_and_no_other_file(tmp_path: Path) -> None:
    client = pages(tmp_path / "static")

    html = {"Accept": "text/html"}
    assert client.get("/system/rig_01", headers=html).text == "<html>page</html>"
    for path in ("/missing.js", "/../secret", "/%2e%2e/secret", "/assets/../../secret", "/api/x"):
        assert client.get(path, headers={"Accept": "*/*"}).status_code == 404


def test_the_description_names_every_problem() -> None:
    gateway = Gateway("edge", "", Path(), "ovr", "127.0.0.1", 8088, "http://127.0.0.1:1")
    app = make_app(gateway, Measures("edge", ""), Limits(1.0))
    client = Client(app)

    page = client.get("/api/docs").text
    document = client.get("/api/openapi.json").json()

    for kind in KINDS:
        assert f"problem-{kind}" in page
    assert docs_page.page(document) == page
    assert document["paths"]["/api/event/start"]["post"]["responses"]["202"]["headers"]["Location"]


def test_every_event_that_is_written_has_a_type_that_is_known() -> None:
    types = Registry.load().types()
    for written in ("window.started", "window.ended", "window.corrected", "location.set", "note.added"):
        assert written in types
    for written in ("photo.added", "counters.reset", "system.registered", LOADED, PREFERRED):
        assert written in types
