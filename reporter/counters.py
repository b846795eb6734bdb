"""Reports of the counters as text, CSV and HTML. Pure.

Rules that must stay true here: every name that came from outside is escaped where it stands; a CSV cell never
begins a formula; nothing is left out that the document says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from jinja2 import Environment, PackageLoader, select_autoescape

from reporter.tables import table

Document = Mapping[str, Any]
HISTORY: Final = (
    "time",
    "system_id",
    "event_type",
    "severity",
    "cause",
    "device",
    "measurement",
    "measured",
    "threshold",
    "duration_s",
    "detail",
)
_TYPES = (
    "event_type",
    "category",
    "severity",
    "recent_count",
    "total_count",
    "daily_average",
    "trend",
    "first_occurrence",
    "last_occurrence",
)
_environment = Environment(
    loader=PackageLoader("reporter"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)


def duration(seconds: float) -> str:
    """Write a duration for people: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - of a clock
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86_400
    if not hours:
        rest = whole % 60
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    if not days:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def days(number: float) -> str:
    """Write how many days: `1 day`, `2.5 days`."""
    return f"{number:g} day" if number == 1 else f"{number:g} days"


def moment(text: str | None) -> str:
    """Write an RFC 3339 time for people, to the second."""
    return "" if text is None else f"{text[:10]} {text[11:19]} UTC"


def words(label: str) -> str:
    """Write a type for people: `AC_POWER_LOSS` is `AC power loss`."""
    said = " ".join(word if word in {"AC", "DC", "I2C"} else word.lower() for word in label.split("_"))
    return said[:1].upper() + said[1:]


def title(document: Document) -> str:
    """Name a report."""
    whose = document["system_id"] or "fleet"
    return f"Event counters: {document['report_type']}, {whose}"


def as_json(document: Document) -> str:
    """Write the document itself."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def as_csv(document: Document) -> str:
    """Write the widest table of the document: single occurrences, else types, else systems and categories."""
    if "history" in document:
        return table(HISTORY, document["history"])
    if "types" in document:
        return table(_TYPES, document["types"])
    rows = [
        {"category": category, "event_type": label, "count": number}
        for category, said in document["event_categories"].items()
        for label, number in said["top_events"]
    ]
    return table(("category", "event_type", "count"), rows)


def as_text(document: Document) -> str:
    """Write the report for a terminal."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Document) -> Iterator[str]:
    health = document["health"]
    yield title(document)
    yield f"{moment(document['from'])} to {moment(document['to'])}, {days(document['period_days'])}"
    yield ""
    yield f"Health     {health['score']:g} of 100, {health['grade']}"
    for factor in health["factors"]:
        yield f"           -{factor['points']} {words(factor['event_type'])} x{factor['recent_count']}"
    if health.get("worst_system"):
        yield f"           lowest: {health['worst_system']}"
    yield f"Events     {document['total_events']}"
    for said in document.get("event_categories", {}).values():
        if said["total_count"]:
            top = ", ".join(f"{words(label)} {number}" for label, number in said["top_events"])
            yield f"           {said['name']}: {said['total_count']} ({top})"
    for one in document.get("durations", ()):
        lasts = ", lasts still" if one["open_since"] else ""
        yield (
            f"Time       {words(one['event_type'])}: {duration(one['total_s'])} in {one['number']},"
            f" longest {duration(one['longest_s'])}{lasts}"
        )
    yield from _type_lines(document.get("types", ()))
    for one in document.get("resets", ()):
        yield f"Reset      {moment(one['time'])} {one['system_id']} by {one['client']}: {one['reason']}"
    yield from _history_lines(document)
    if not document["total_events"]:
        yield "Nothing occurred."


def _history_lines(document: Document) -> Iterator[str]:
    if document.get("history"):
        yield ""
    for one in document.get("history", ()):
        what = f"{words(one['event_type'])}  {one.get('cause', '')}".rstrip()
        yield f"{moment(one['time'])}  {one['system_id']}  {what}"
    if document.get("history_is_cut"):
        yield "(older ones are not listed)"


def _type_lines(types: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if types:
        yield ""
        yield f"{'':32}{'period':>8}{'a day':>8}{'ever':>8}  trend"
    for one in types:
        yield (
            f"{words(one['event_type']):32}{one['recent_count']:>8}{one['daily_average']:>8g}"
            f"{one['total_count']:>8}  {one['trend'].replace('_', ' ')}"
        )


def as_html(document: Document) -> str:
    """Write a page that stands alone: no scripts, no files beside it."""
    template = _environment.get_template("counters.html")
    return template.render(
        report=document,
        title=title(document),
        words=words,
        moment=moment,
        days=days,
        duration=duration,
        bars=_bars,
    )


def _bars(daily: Sequence[int]) -> list[tuple[float, float, int]]:
    """Place the bars of a small chart: left edge and height in percent, and the number."""
    most = max(*daily, 1)
    return [(100 * n / len(daily), 100 * number / most, number) for n, number in enumerate(daily)]


FORMATS: Final[Mapping[str, Callable[[Document], str]]] = {
    "json": as_json,
    "csv": as_csv,
    "text": as_text,
    "html": as_html,
}
SUFFIXES: Final[Mapping[str, str]] = {"json": ".json", "csv": ".csv", "text": ".txt", "html": ".html"}
