"""A system's report as a page: what it says, what it never says, and that nothing in it can do harm."""

import copy
import re
import tomllib
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from jinja2 import Environment, nodes

from reporter.facts import Alarm, Remark
from reporter.html import SYSTEM, html
from reporter.system_report import system_report
from reporter.texts import texts
from tests.reporting import SETTINGS, T0, facts, samples, stream

SAMPLES = Path(__file__).parents[1] / "samples"
TEMPLATES = Path(str(files("reporter"))) / "templates" / "report"
HOSTILE = [
    "../../etc/passwd",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "x" * 10_000,
    "\U0001f4a3\U0001f3ad\u200d\U0001f525",
    "\u202egnp.exe\u202c",
    "\u05d0\u05d1\u05d2 \u0627\u0644",
    "=cmd|' /C calc'!A0",
    "{{ 7 * 7 }} {0} {energy} %s",
    "line\nbreak\r\n\x00\x0b\x1b[31m",
    "</style><style>*{display:none}",
    "]]>--><!--",
]


class Page(HTMLParser):
    """Collect what a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script", "title", "desc"}:
            self.text.append(data)

    @property
    def said(self) -> str:
        return re.sub(r"[ \n\t]+", " ", " ".join(self.text))


@pytest.fixture(scope="session")
def system() -> dict[str, Any]:
    return dict(orjson.loads((SAMPLES / "report_system.json").read_bytes()))


@pytest.fixture(scope="session")
def written(system: dict[str, Any]) -> str:
    return html(system)


def replaced(found: Any, text: str) -> Any:
    """Put a text in place of every text that an operator, a device or a setting may choose."""
    chosen = {
        "event_id",
        "system_id",
        "name",
        "maker",
        "model",
        "serial",
        "firmware",
        "text",
        "caption",
        "client",
    }
    chosen |= {
        "company",
        "footer",
        "location",
        "device",
        "started_by",
        "ended_by",
        "cause",
        "note",
        "software",
    }
    if isinstance(found, dict):
        return {
            key: text if key in chosen and isinstance(one, str) else replaced(one, text)
            for key, one in found.items()
        }
    return [replaced(one, text) for one in found] if isinstance(found, list) else found


def test_the_page_stands_alone(system: dict[str, Any]) -> None:
    page = Page(html(system))

    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in {"src", "href"}:
                assert value is not None
                assert value.startswith(("#", "data:image/", "photos/")), (tag, value[:40])


def test_the_same_document_gives_the_same_bytes(system: dict[str, Any]) -> None:
    assert html(system) == html(copy.deepcopy(system))


def test_key_figures_have_units_and_stand_before_everything_else(system: dict[str, Any]) -> None:
    said = Page(html(system)).said

    for figure in ("151.7\u202fkWh", "29.6\u202fkW", "39.8\u202fkW", "14 h 6 min"):
        assert figure in said
    assert said.index("151.7\u202fkWh") < said.index("Power over time") < said.index("Energy is computed")


def test_times_are_local_and_the_zone_and_utc_are_told(system: dict[str, Any]) -> None:
    said = Page(html(system)).said

    assert "Sat 15 Aug, 10:00 \u2013 Sun 16 Aug 2026, 01:30" in said
    assert "Europe/Berlin (UTC+02:00)" in said
    assert "2026-08-15 08:00:00 UTC to 2026-08-15 23:30:00 UTC" in said


def test_the_place_in_the_journal_is_printed(system: dict[str, Any]) -> None:
    said = Page(html(system)).said

    for key in ("journal_hash", "incarnation", "journal", "configuration_sha256", "software"):
        assert system["made_from"][key] in said


def test_what_was_not_measured_is_said_and_never_a_zero(system: dict[str, Any]) -> None:
    nothing = copy.deepcopy(system)
    for figure in nothing["summary"].values():
        figure |= {"value": None, "why": "no_data", "coverage_pct": 0.0, "grade": "D"}
        figure.pop("at", None)
    nothing["curve"]["points"] = [None] * len(nothing["curve"]["points"])
    nothing["load"] = nothing["imbalance"] = nothing["billing"] = None
    nothing["quality"] |= {"coverage_pct": 0.0, "grade": "D"}

    page = html(nothing)
    key = page[page.index('<div class="key">') : page.index("<section")]

    assert "No energy of" in page
    assert "not measured" in key
    assert not re.search(r">\s*0(\.0+)?\s*(\u202f?kWh|\u202f?W)", key)
    assert 'id="curve"' not in page


def test_a_figure_without_a_value_says_why(system: dict[str, Any]) -> None:
    changed = copy.deepcopy(system)
    changed["summary"]["power_factor_ratio"] = {
        "value": None,
        "why": "no_reactive_power",
        "coverage_pct": 0.0,
        "grade": "D",
    }

    assert "no reactive power was measured" in html(changed)


def test_what_was_measured_beside_a_counter_is_said_where_its_energy_stands(system: dict[str, Any]) -> None:
    added = copy.deepcopy(system)
    added["billing"]["measured_ends_wh"] = 85.0
    added["energy"]["methods"][-1]["measured_ends_wh"] = 85.0

    said = Page(html(added)).text

    assert "within a minute" not in " ".join(Page(html(system)).text)
    assert sum("85\u202fWh of it were measured" in one for one in said) == 2


def test_a_report_that_is_not_final_says_so_first(system: dict[str, Any]) -> None:
    page = html(system | {"provisional": True})

    assert page.index("Provisional.") < page.index('class="verdict"')


def test_a_new_revision_says_what_changed(system: dict[str, Any]) -> None:
    changed = [{"figure": "energy_wh", "before": 150_000.0, "after": 151_662.6}]

    said = Page(html(system | {"revision": 2, "changed": changed})).said

    assert "Changed in revision 2: Energy was 150.0\u202fkWh, is 151.7\u202fkWh." in said


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_notes_do_no_harm(system: dict[str, Any], written: str, text: str) -> None:
    hostile = replaced(system, text)
    hostile["settings"]["branding"] |= {"client": text, "logo": text, "colour": text}
    hostile["energy"]["registers"][0]["name"] = text

    page = html(hostile)
    honest, seen = Page(written), Page(page)

    assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in honest.tags}
    assert {name for _, attributes in seen.tags for name in attributes} <= {
        name for _, attributes in honest.tags for name in attributes
    }
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e]", page)
    assert len(page) < 3 * len(written)


def test_names_from_outside_are_isolated(system: dict[str, Any]) -> None:
    name = "\u05d0\u05d1\u05d2"

    page = html(system | {"event_id": name})

    assert f"<bdi>{name}</bdi>" in page


def test_every_chart_is_told_in_words_and_every_id_is_there_once(system: dict[str, Any]) -> None:
    page = Page(html(system))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]

    assert len(ids) == len(set(ids))
    for tag, attributes in page.tags:
        if tag == "svg":
            assert set((attributes["aria-labelledby"] or "").split()) <= set(ids)
        if tag == "img":
            assert attributes["alt"]


def test_gaps_are_hatched_and_break_the_line(system: dict[str, Any]) -> None:
    whole = copy.deepcopy(system)
    whole["quality"]["gaps"] = []

    assert html(system).count('stroke-width="0.7"') > html(whole).count('stroke-width="0.7"')


def test_headings_do_not_skip_a_level(system: dict[str, Any]) -> None:
    levels = [int(tag[1]) for tag, _ in Page(html(system)).tags if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_client_colour_is_used_and_a_wrong_one_is_not(system: dict[str, Any]) -> None:
    wrong = copy.deepcopy(system)
    wrong["settings"]["branding"]["colour"] = "red;}body{display:none"

    assert "--accent:#0b6e4f" in html(system)
    assert "display:none}" not in html(wrong).split("--accent:")[1][:40]


def test_sections_follow_what_the_document_has(system: dict[str, Any]) -> None:
    page = html(system | {"phases": {}, "imbalance": None, "phase_curves": None})

    assert 'id="phases"' not in page
    assert "Phases" in page[page.index("Not in this report") :]
    assert set(re.findall(r'<h2 id="(\w+)"', html(system))) <= set(SYSTEM)


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_says_anything_by_itself(template: Path) -> None:
    tree = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
    text = " ".join(data.data for data in tree.find_all(nodes.TemplateData))
    outside = re.sub(r"<style>.*?</style>|<[^<>]*>|<[^<>]*$|^[^<>]*>", " ", text, flags=re.DOTALL)

    assert not re.findall(r"[A-Za-z]{2,}", re.sub(r'\w[\w-]*="[^"]*"?|"|&\w+;', " ", outside))


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_every_text_of_a_template_is_in_the_catalogue(template: Path) -> None:
    tree = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
    said = texts("en")
    for call in tree.find_all(nodes.Call):
        match call:
            case nodes.Call(node=nodes.Name(name="t"), args=[nodes.Const(value=str(key)), *_]):
                assert said.knows(key), key
            case nodes.Call(
                node=nodes.Getattr(node=nodes.Name(name="t"), attr="count"),
                args=[nodes.Const(value=str(key)), *_],
            ):
                assert said.knows(f"{key}.one"), key
                assert said.knows(f"{key}.other"), key
            case _:
                pass


def test_the_words_of_the_sample_are_in_the_catalogue(system: dict[str, Any]) -> None:
    said = texts("en")
    phases = system["system"]["device"]["phases"]
    words = [
        *(("energy.method", one["method"]) for one in system["energy"]["methods"]),
        *(("energy.why", one["why"]) for one in system["energy"]["methods"]),
        *(("demand.kind", one["kind"]) for one in system["demand"]["peaks"]),
        *(("quality.note", note) for note in system["quality"]["notes"]),
        *(("voltage.classes", one["class"]) for one in system["excursions"]["events"]),
        *(("why", one["why"]) for one in system["summary"].values() if "why" in one),
        *(("key", key) for key in system["summary"]),
        *(("methods", f"{word}.what") for word in system["methods_used"]),
        ("billing.sources", system["billing"]["source"]),
        ("billing.why", system["billing"]["why"]),
        ("configuration", phases["configuration"]),
        ("source", phases["source"]),
    ]

    assert [f"{group}.{word}" for group, word in words if not said.knows(f"{group}.{word}")] == []


def test_the_catalogue_is_one_flat_table_of_texts() -> None:
    catalogue = tomllib.loads((TEMPLATES.parents[1] / "texts" / "en.toml").read_text(encoding="utf-8"))

    assert catalogue["none"] == "not measured"
    assert all(isinstance(text, str) and text for text in texts("en").entries.values())


def test_thousands_of_alarms_and_notes_make_no_endless_document_and_no_endless_page() -> None:
    alarms = tuple(Alarm(f"alarm {n}", "warning", "x", "", "", T0 + n, T0 + n + 1) for n in range(3000))
    notes = tuple(Remark(T0 + n, "eve", "note", f"note {n}", system_id="rig_01") for n in range(5000))

    document = system_report(samples(), facts(1, alarms=alarms, remarks=notes), SETTINGS)
    page = html(document)

    assert document["left_out"] == {"remarks": 4000, "photos": 0, "alarms": 2000}
    assert len(document["alarms"]) == len(document["remarks"]) == 1000
    assert "2,000 more are in the journal only." in page
    assert "4,000 more are in the journal only." in page
    assert len(page) < 200_000


def test_a_system_that_told_one_sample_or_none_has_a_page_that_says_so() -> None:
    one = samples(stream([10.0], {"ac_out_power_w": [500.0]}))

    for told in (samples(), one, samples(stream([10.0, 20.0], {"battery_temperature_c": [20.0, 21.0]}))):
        page = html(system_report(told, facts(1), SETTINGS))

        assert "Data quality D" in page
        assert not re.search(r"\bnan\b", page.lower())
