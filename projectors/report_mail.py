"""The mail that brings a report: its main figures at once, the PDF beside, and a link. Pure.

Rules that must stay true here:
- nothing that somebody typed reaches a header unchecked or the page unescaped;
- the mail says what the report says, in its words and its time zone.
"""

from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from projectors.report_names import safe
from reporter.voice import Document, Voice, cleaned, voice

_FIGURES: Final = {
    "system": (
        ("summary", "energy_wh"),
        ("summary", "energy_export_wh"),
        ("summary", "peak_15min_w"),
        ("summary", "peak_1min_w"),
        ("summary", "mean_w"),
        ("summary", "power_factor_ratio"),
    ),
    "event": (
        ("totals", "energy_wh"),
        ("totals", "genset_wh"),
        ("totals", "pv_wh"),
        ("totals", "battery_out_wh"),
    ),
}


def message(
    document: Document,
    said: Mapping[str, Any],
    sender: str,
    paper: bytes | None,
    delivery: Mapping[str, Any],
) -> EmailMessage:
    """Write the mail to one recipient.

    Args:
        document: of the report.
        said: of its delivery: recipient, event_id, system_id, scope, revision, id.
        sender: the address it comes from.
        paper: the PDF, where there is one.
        delivery: with the `base_url` for links, where there is one.
    """
    doc = cleaned(document)
    says = voice(doc)
    company = (doc["settings"].get("branding") or {}).get("company")
    letter = EmailMessage()
    letter["Subject"] = _line(_title(doc, says))
    letter["From"] = Address(_line(company or ""), addr_spec=sender)
    letter["To"] = Address(addr_spec=said["recipient"])
    letter["Message-ID"] = f"<{safe(said['id'])}.{safe(said['recipient'])}@{sender.rpartition('@')[2]}>"
    letter["Date"] = format_datetime(says.clock.at(doc["window"]["to"]))
    letter["Auto-Submitted"] = "auto-generated"
    told = {
        "t": says.t,
        "title": _title(doc, says),
        "rows": [(label, value) for label, value in _rows(doc, says)],
        "changed": [_change(one, says) for one in doc["changed"]],
        "provisional": _provisional(doc, says),
        "link": link(said, delivery.get("base_url"), "html"),
        "attached": paper is not None,
        "made_from": doc["made_from"],
        "footer": (doc["settings"].get("branding") or {}).get("footer"),
    }
    letter.set_content(_text(told))
    letter.add_alternative(_template().render(**told), subtype="html")
    if paper is not None:
        name = f"{safe(said['event_id'])}_r{said['revision']}.pdf"
        letter.add_attachment(paper, maintype="application", subtype="pdf", filename=name)
    return letter


def link(said: Mapping[str, Any], base_url: str | None, kind: str) -> str | None:
    """Return where a report is read; None where nobody said how this node is reached."""
    if not base_url:
        return None
    asked: dict[str, Any] = {"revision": said["revision"]}
    if said["system_id"] is not None:
        asked["system_id"] = said["system_id"]
    return f"{base_url.rstrip('/')}/api/reports/{quote(said['event_id'], safe='')}/{kind}?{urlencode(asked)}"


def _title(doc: Document, says: Voice) -> str:
    name = (doc.get("system") or {}).get("name") or doc.get("system_id")
    title = says.t(f"title.{doc['scope']}", event=doc["event_id"], system=name)
    if doc["provisional"]:
        title = says.t("title.provisional", title=title)
    return title if doc["revision"] == 1 else f"{title} ({says.t('revision', n=doc['revision'])})"


def _provisional(doc: Document, says: Voice) -> str:
    """Say why figures will change; nothing when they will not."""
    if not doc["provisional"]:
        return ""
    if not doc.get("behind"):
        return says.t("mark.provisional_about")
    return says.t("mark.behind_about", nodes=", ".join(doc["behind"]))


def _rows(doc: Document, says: Voice) -> list[tuple[str, Markup | str]]:
    window = doc["window"]
    rows: list[tuple[str, Markup | str]] = [
        (says.t("fact.when"), says.clock.span(window["from"], window["to"]))
    ]
    for section, key in _FIGURES[doc["scope"]]:
        found = doc.get(section) or {}
        if isinstance(found.get(key), Mapping) and found[key].get("value") is not None:
            rows.append((_label(says, key), says.figure(found, key).striptags()))
    if doc["scope"] == "event":
        rows.append((says.t("mail.systems"), str(len(doc["systems"]))))
    coverage = doc["quality"].get("coverage_pct")
    rows.append((says.t("key.coverage_pct"), says.share(coverage)))
    return rows


def _change(one: Mapping[str, Any], says: Voice) -> str:
    unit = "" if not isinstance(one["after"], int | float) else one["figure"].rpartition("_")[2]
    before, after = (None if one[name] is None else float(one[name]) for name in ("before", "after"))
    return says.t(
        "mark.change",
        figure=_label(says, one["figure"]),
        before=says.say(before, unit),
        after=says.say(after, unit),
    )


def _label(says: Voice, key: str) -> str:
    for group in ("key", "mail.key"):
        if says.t.knows(f"{group}.{key}"):
            return says.t(f"{group}.{key}")
    return key.rpartition("_")[0].replace("_", " ")


def _text(told: Mapping[str, Any]) -> str:
    t = told["t"]
    lines = [told["title"], ""]
    if told["provisional"]:
        lines += [f"{t('mark.provisional')} {told['provisional']}", ""]
    lines += [f"{label}: {value}" for label, value in told["rows"]]
    if told["changed"]:
        lines += ["", t("mail.changed"), *(f"- {one}" for one in told["changed"])]
    if told["attached"]:
        lines += ["", t("mail.attached")]
    if told["link"]:
        lines += ["", told["link"]]
    if told["footer"]:
        lines += ["", told["footer"]]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    """Make one line of a text, as a header wants it."""
    return " ".join(text.split())[:200]


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("reporter"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("mail.html")
