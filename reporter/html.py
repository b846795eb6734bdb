"""A document as one page of HTML that stands alone: no scripts, nothing loaded, safe whatever it holds.

Rules that must stay true here: the page says what the document says and nothing else; every text that came
from outside is escaped by the template engine, cleaned of control characters and isolated; the same
document and photos give the same bytes.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import ChainableUndefined, Environment, PackageLoader
from markupsafe import Markup

from reporter import charts_of_event, charts_of_system, highlights, highlights_event
from reporter.charts import Style
from reporter.charts_event import heat
from reporter.colours import Palette, palettes
from reporter.findings_said import said
from reporter.voice import Document, Voice, cleaned, cut, voice

MOST_BLOCKS: Final = 960  # ten days of quarter hours; the CSV has all
MOST_ON_PAPER: Final = 192
MOST_REMARKS: Final = 200
MOST_ALARMS: Final = 40
MOST_FINDINGS: Final = 60
MOST_SYSTEMS: Final = 300
GLOSSARY: Final = {
    "system": (
        "kwh",
        "kw",
        "kva",
        "demand",
        "load_factor",
        "power_factor",
        "imbalance",
        "duration",
        "coverage",
        "register",
        "soc",
        "revision",
    ),
    "event": (
        "kwh",
        "kw",
        "demand",
        "coincident",
        "diversity",
        "load_factor",
        "coverage",
        "register",
        "co2",
        "revision",
    ),
}
"""Words that a client may not know, in their order; texts under `glossary`."""
_LONGEST_LOGO: Final = 2_000_000
_LOGOS: Final = (
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/svg+xml;base64,",
    "data:image/webp;base64,",
)
Has = Callable[[Document], bool]


def _always(_: Document) -> bool:
    return True


SYSTEM: Final[Mapping[str, Has]] = {
    "curve": lambda doc: any((doc.get("curve") or {}).get("points") or ()),
    "energy": lambda doc: bool(doc["energy"]["methods"]),
    "demand": lambda doc: bool(doc["demand"]["peaks"]),
    "load": lambda doc: bool(doc.get("load")),
    "phases": lambda doc: bool(doc.get("phases")),
    "battery": lambda doc: bool(doc.get("battery")),
    "sources": lambda doc: any(doc.get(key) for key in ("pv", "genset", "grid")),
    "shaving": lambda doc: bool(doc.get("shaving")),
    "sustainability": lambda doc: bool(doc.get("sustainability")),
    "voltage": lambda doc: any((doc.get("excursions") or {}).get(key) for key in ("voltage", "frequency")),
    "alarms": _always,
    "timeline": lambda doc: bool(doc.get("remarks")),
    "billing": lambda doc: bool(doc.get("billing")),
    "quality": _always,
    "method": _always,
    "glossary": _always,
    "blocks": lambda doc: bool(doc["demand"]["blocks"]),
}
EVENT: Final[Mapping[str, Has]] = {
    "profile": lambda doc: bool(doc["profile"]["systems"]),
    "systems": lambda doc: bool(doc["systems"]),
    "peaks": lambda doc: bool(doc["peaks"]),
    "heat": lambda doc: bool(doc["heat"]["systems"]),
    "next_time": lambda doc: bool(doc.get("findings")),
    "event_sustainability": lambda doc: bool(doc.get("sustainability")),
    "alarms": _always,
    "timeline": lambda doc: bool(doc.get("remarks")),
    "event_billing": lambda doc: bool(doc.get("billing")),
    "event_quality": _always,
    "method": _always,
    "glossary": _always,
}
"""Sections in their order, and when a document has them."""


def html(document: Document, photos: Mapping[str, str] | None = None, *, paper: bool = False) -> str:
    """Write a document as a page.

    Args:
        document: of either scope.
        photos: sha256 of a photo -> data URI, or the address of a file beside the page.
        paper: for the PDF: only what a printed page needs.
    """
    doc = cleaned(document)
    says = voice(doc, paper=paper)
    light, dark = palettes((doc["settings"].get("branding") or {}).get("colour"))
    style = Style(light, says.clock)
    event = doc["scope"] == "event"
    told = (_event if event else _system)(doc, says, style, paper=paper)
    return (
        environment()
        .get_template("report/page.html")
        .render(
            doc=doc,
            t=says.t,
            voice=says,
            paper=paper,
            event=event,
            most_alarms=MOST_ALARMS,
            light=light,
            dark=dark,
            variables=_variables,
            heats=[heat(Style(dark, says.clock), n / 10) for n in range(11)],
            brand=_brand(doc),
            remarks=_remarks(doc, photos or {}),
            more_remarks=max(0, len(doc.get("remarks") or ()) - MOST_REMARKS),
            **told,
        )
    )


def _system(doc: Document, says: Voice, style: Style, *, paper: bool) -> dict[str, Any]:
    name = doc["system"].get("name") or doc["system_id"]
    sections = [key for key, has in SYSTEM.items() if has(doc)]
    blocks = doc["demand"]["blocks"]
    shown = MOST_ON_PAPER if paper else MOST_BLOCKS
    return {
        "title": says.t("title.system", event=cut(doc["event_id"], 80), system=cut(str(name), 80)),
        "heading": says.name(name),
        "kicker": says.name(doc["event_id"]),
        "running_foot": says.t(
            "foot.running", revision=doc["revision"], position=doc["made_from"]["cut_position"]
        ),
        "facts": highlights.facts(doc, says),
        "marks": highlights.marks(doc, says),
        "verdict": highlights.verdict(doc, says),
        "points": highlights.points(doc, says),
        "badge": highlights.badge(doc["quality"], says),
        "key": highlights.key_figures(doc, says),
        "sections": sections,
        "left_out": [key for key in SYSTEM if key not in sections],
        "charts": charts_of_system.charts(doc, says, style, paper=paper),
        "rated_w": charts_of_system.rating(doc),
        "exports": any((one.get("export_wh") or 0) > 0 for one in doc["energy"]["methods"]),
        "glossary": GLOSSARY["system"],
        "block_rows": _block_rows(blocks[:shown], says),
        "more_blocks": max(0, len(blocks) - shown),
    }


def _event(doc: Document, says: Voice, style: Style, *, paper: bool) -> dict[str, Any]:
    names = {one["system_id"]: str(one["name"]) for one in doc["systems"]}
    found = doc.get("findings") or ()
    return {
        "title": says.t("title.event", event=cut(doc["event_id"], 80)),
        "heading": says.name(doc["event_id"]),
        "kicker": "",
        "running_foot": says.t(
            "foot.running", revision=doc["revision"], position=doc["made_from"]["cut_position"]
        ),
        "facts": highlights_event.facts(doc, says),
        "marks": highlights.marks(doc, says),
        "verdict": highlights_event.verdict(doc, says),
        "points": highlights_event.points(doc, says),
        "badge": highlights.badge(doc["quality"], says),
        "key": highlights_event.key_figures(doc, says),
        "sections": [key for key, has in EVENT.items() if has(doc)],
        "charts": charts_of_event.charts(doc, says, style, paper=paper),
        "findings": [(one["severity"], said(one, names, says)) for one in found[:MOST_FINDINGS]],
        "more_findings": max(0, len(found) - MOST_FINDINGS),
        "most_systems": MOST_SYSTEMS,
        "names": names,
        "glossary": GLOSSARY["event"],
    }


def _brand(doc: Document) -> dict[str, str]:
    given = doc["settings"].get("branding") or {}
    logo = given.get("logo")
    shown = isinstance(logo, str) and logo.startswith(_LOGOS) and len(logo) <= _LONGEST_LOGO
    return {
        "logo": str(logo) if shown else "",
        "company": cut(str(given.get("company") or ""), 120),
        "footer": cut(str(given.get("footer") or ""), 1000),
    }


def _remarks(doc: Document, photos: Mapping[str, str]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for number, one in enumerate((doc.get("remarks") or ())[:MOST_REMARKS], 1):
        address = photos.get(one.get("sha256") or "", "")
        inside = address.startswith("data:")
        picture, file = (address, "") if inside else ("", address)
        told.append({**one, "number": number, "picture": picture, "file": file})
    return told


def _block_rows(blocks: Any, says: Voice) -> list[dict[str, Any]]:
    rows, before = [], ""
    for one in blocks:
        day = says.clock.day(one["from"])
        rows.append({**one, "time": says.clock.time(one["from"]), "day": day if day != before else ""})
        before = day
    return rows


def _variables(palette: Palette) -> Markup:
    return Markup("".join(f"--{role}:{colour};" for role, colour in palette.items()))  # noqa: S704 - our colours


def prepare() -> None:
    """Compile all templates: half a second of the first page of a process, which need not wait for it."""
    for name in environment().list_templates(filter_func=lambda name: name.startswith("report/")):
        environment().get_template(name)


@cache
def environment() -> Environment:
    """Give the template engine of reports: everything escaped, templates compiled once."""
    return Environment(
        loader=PackageLoader("reporter"),
        autoescape=True,
        undefined=ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
