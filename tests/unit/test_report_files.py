"""The files of a report: whole or not at all, the PDF with its data, photos without what a camera tells."""

import base64
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from PIL import Image
from pypdf import PdfReader

from projectors.report_worker import worker
from reporter import photos, render
from reporter.rows import BLOCKS, ENERGIES, tables
from reporter.system_report import encode

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="session")
def system() -> dict[str, Any]:
    return dict(orjson.loads((SAMPLES / "report_system.json").read_bytes()))


@pytest.fixture(scope="session")
def short(system: dict[str, Any]) -> dict[str, Any]:
    """Give a document that is quick to print."""
    return system | {
        "demand": system["demand"] | {"blocks": system["demand"]["blocks"][:4]},
        "remarks": [],
        "methods_used": [],
        "energy": system["energy"] | {"registers": []},
        **dict.fromkeys(("phases", "imbalance", "load", "battery", "sources", "pv", "genset", "grid")),
        **dict.fromkeys(("shaving", "sustainability", "billing", "phase_curves", "soc_curve")),
        "excursions": {},
        "alarms": [],
        "occurrences": {},
    }


@pytest.fixture(scope="session")
def paper(short: dict[str, Any]) -> bytes:
    return render.paper(short)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    picture = Image.new("RGB", (3000, 2000), "#204060")
    exif = picture.getexif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6
    path = tmp_path / "photo"
    picture.save(path, "JPEG", exif=exif)
    return path


def test_the_pdf_is_a4_with_page_numbers_and_a_running_header(paper: bytes) -> None:
    reader = PdfReader(io.BytesIO(paper))
    size = reader.pages[0].mediabox

    assert [round(float(size.width)), round(float(size.height))] == [595, 842]
    text = reader.pages[1].extract_text()
    assert re.search(rf"2\s*/\s*{len(reader.pages)}", text)
    assert "Rig 1 - main stage, power report" in text


def test_the_pdf_carries_the_document(paper: bytes, short: dict[str, Any]) -> None:
    attached = PdfReader(io.BytesIO(paper)).attachments

    assert attached["data.json"] == [encode(short)]


def test_the_pdf_that_a_node_hands_to_everybody_has_no_document_in_it(
    tmp_path: Path, short: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document needs a key, the PDF does not."""
    monkeypatch.setattr("os.nice", lambda _: 0)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "data.json").write_bytes(encode(short))

    worker({"kind": "pdf", "data": str(tmp_path)})({"directory": "x", "folder": ""}, print)

    reader = PdfReader(tmp_path / "x" / "report.pdf")
    assert reader.attachments == {}
    assert b"pdfaid" in reader.trailer["/Root"]["/Metadata"].get_object().get_data()  # type: ignore[index]
    assert encode(short)[:200] not in (tmp_path / "x" / "report.pdf").read_bytes()


def test_the_pdf_has_bookmarks_tags_and_a_title(paper: bytes) -> None:
    reader = PdfReader(io.BytesIO(paper))
    catalogue: Any = reader.trailer["/Root"]
    about: Any = reader.metadata

    assert len(reader.outline) > 0
    assert catalogue["/MarkInfo"]["/Marked"]
    assert "power report" in about["/Title"]
    assert b"pdfaid" in catalogue["/Metadata"].get_object().get_data()


def test_charts_in_the_pdf_have_their_colours(paper: bytes) -> None:
    drawn = b"".join(
        page.get_contents().get_data()  # type: ignore[union-attr]
        for page in PdfReader(io.BytesIO(paper)).pages[:2]
    )
    accent = [int("0b6e4f"[n : n + 2], 16) / 255 for n in (0, 2, 4)]

    def uses(operator: bytes) -> bool:
        found = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) " + operator + rb"\b", drawn)
        parts = [[float(part) for part in one] for one in found]
        return any(max(abs(a - b) for a, b in zip(one, accent, strict=True)) < 0.01 for one in parts)

    assert uses(b"RG"), "the curve is stroked in the client's colour"
    assert uses(b"rg"), "its band is filled with it"


def test_the_same_document_gives_the_same_pdf(paper: bytes, short: dict[str, Any]) -> None:
    assert render.paper(short) == paper


def test_hard_texts_are_printed_and_kept(short: dict[str, Any]) -> None:
    hard = "\u05d0\u05d1 \u202eX <script>&amp; \U0001f4a3 =1+1" + "x" * 10_000
    document = short | {
        "event_id": hard,
        "curve": None,
        "demand": {"peaks": [], "blocks": []},
        "energy": short["energy"] | {"methods": []},
        "remarks": [{**short["photos"][0], "kind": "note", "text": hard, "client": hard}],
    }

    reader = PdfReader(io.BytesIO(render.paper(document)))

    assert reader.attachments["data.json"] == [encode(document)]
    assert len(reader.pages) < 20


def test_a_report_is_written_whole(tmp_path: Path, system: dict[str, Any], photo: Path) -> None:
    sha256 = system["photos"][0]["sha256"]
    target = tmp_path / "reports" / "x"

    render.write(system, target, {sha256: photo}, pdf=False)

    names = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert names == ["blocks.csv", "data.json", "energies.csv", f"photos/{sha256}.jpg", "report.html"]
    assert (target / "data.json").read_bytes() == encode(system)
    assert "data:image/jpeg;base64," in (target / "report.html").read_text()
    assert list(target.parent.iterdir()) == [target]


def test_a_report_that_cannot_be_made_leaves_the_old_one(
    tmp_path: Path, system: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x"
    render.write(system, target, pdf=False)
    before = (target / "report.html").read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(render, "add", full)
    with pytest.raises(OSError, match="No space"):
        render.write(system | {"revision": 2}, target, pdf=False)

    assert (target / "report.html").read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_report_takes_the_place_of_the_old_one(tmp_path: Path, system: dict[str, Any]) -> None:
    target = tmp_path / "x"
    render.write(system, target, pdf=False)
    render.write(system | {"revision": 2}, target, pdf=False)

    assert orjson.loads((target / "data.json").read_bytes())["revision"] == 2
    assert list(tmp_path.iterdir()) == [target]


def test_a_photo_is_small_upright_and_tells_nothing_else(photo: Path) -> None:
    made = photos.small(photo)
    assert made is not None
    picture = Image.open(io.BytesIO(made))

    assert picture.size == (853, 1280)
    assert not picture.getexif()
    assert b"SecretCamera" not in made
    assert photos.small(photo) == made


@pytest.mark.parametrize("body", [b"", b"<svg onload='x'/>", b"\xff\xd8\xff", b"GIF89a", b"%PDF-1.7"])
def test_what_is_no_photo_is_left_out(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(body)

    assert photos.small(path) is None
    assert photos.small(tmp_path / "missing") is None


def test_a_picture_that_would_unfold_to_an_enormous_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (12_000, 12_000)).save(path)

    assert photos.small(path) is None


def test_a_transparent_picture_stands_on_white(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(path)

    made = photos.small(path)

    assert made is not None
    assert Image.open(io.BytesIO(made)).getpixel((5, 5)) == (255, 255, 255)


def noise(side: int) -> bytes:
    """Draw a picture that is large for its size."""
    out = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(out, "JPEG", quality=photos.QUALITY)
    return out.getvalue()


def inside(found: Mapping[str, str]) -> list[bytes]:
    return [
        base64.b64decode(one.removeprefix("data:image/jpeg;base64,"))
        for one in found.values()
        if one.startswith("data:")
    ]


def test_photos_stand_in_the_page_as_large_as_there_is_room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page is looked at where nothing lies beside it: in a mail, or at an address of its own."""
    monkeypatch.setattr(photos, "MOST_INSIDE", 1_000_000)
    made = {f"{n:064x}": noise(900) for n in range(4)}
    few = dict(list(made.items())[:1])
    assert inside(photos.addresses(few)) == list(few.values())
    assert sum(map(len, made.values())) > photos.MOST_INSIDE

    shown = inside(photos.addresses(made))

    assert len(shown) == len(made)
    assert sum(map(len, shown)) <= photos.MOST_INSIDE
    assert {Image.open(io.BytesIO(one)).size for one in shown} == {(640, 640)}


def test_many_photos_are_made_smaller_once_and_each_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits hears of each photo, and does not wait for all of them at widths that are too large."""
    widths, heard = list[int](), list[int]()

    def smaller(_: bytes, widest: int) -> bytes:
        widths.append(widest)
        return bytes(widest)

    monkeypatch.setattr(photos, "_smaller", smaller)
    monkeypatch.setattr(photos, "MOST_INSIDE", 200 * 400)

    found = photos.addresses({f"{n:064x}": bytes(1280) for n in range(200)}, lambda: heard.append(1))

    assert [widths.count(width) for width in (960, 640, 480)] == [8, 8, 8]
    assert (widths.count(320), len(heard)) == (200, 200)
    assert len(inside(found)) == 200


def test_photos_of_which_some_told_too_little_are_made_smaller_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {f"{n:064x}": noise(600) if n % 2 else b"x" * 1000 for n in range(16)}
    monkeypatch.setattr(photos, "_smaller", lambda body, widest: body[1000 : len(body) * widest // 1280])
    monkeypatch.setattr(photos, "MOST_INSIDE", sum(map(len, made.values())) // 2)

    assert len(inside(photos.addresses(made))) == len(made)


def test_each_photo_of_a_report_is_told(system: dict[str, Any], photo: Path) -> None:
    heard = list[int]()
    there = {system["photos"][0]["sha256"]: photo}

    render.files(system, there, lambda: heard.append(1))

    assert len(heard) == 1


def test_what_finds_no_room_however_small_lies_beside_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "MOST_INSIDE", 100)
    sha256 = f"{7:064x}"

    assert photos.addresses({sha256: noise(400)}) == {sha256: f"photos/{sha256}.jpg"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 64, "A" * 64])
def test_a_name_that_is_no_hash_is_no_file(name: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        photos.file_name(name)


def test_the_15_minute_table_is_complete_and_plain(system: dict[str, Any]) -> None:
    text = tables(system)["blocks.csv"]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))

    assert text.splitlines()[0] == ",".join(BLOCKS)
    assert len(rows) == len(system["demand"]["blocks"])
    assert rows[0]["from"] == "2026-08-15T08:00:00Z"
    assert float(rows[0]["energy_wh"]) == system["demand"]["blocks"][0]["energy_wh"]
    assert text.endswith("\r\n")


def test_energies_are_told_by_each_method(system: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(tables(system)["energies.csv"], newline="")))

    assert list(rows[0]) == list(ENERGIES)
    assert [one["method"] for one in rows] == [one["method"] for one in system["energy"]["methods"]]
    assert [one["method"] for one in rows if one["chosen"] == "true"] == [system["energy"]["chosen"]]
