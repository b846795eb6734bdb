"""`ovr counters report` and `export`: the counters of any period in documents and files."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ovr.counter_options import Days, Out, Since, System, Until, opened, period_of, system_of
from ovr.node import open_node
from ovr.options import Config, Data
from projectors import counter_report
from projectors.counter_documents import happened
from reporter.counters import FORMATS, HISTORY, as_json
from reporter.tables import table

_ALL = 2**31


class Kind(StrEnum):
    """What a report holds."""

    SUMMARY = "summary"
    DETAILED = "detailed"
    TRENDS = "trends"


class Format(StrEnum):
    """What a report is written as."""

    JSON = "json"
    CSV = "csv"
    TEXT = "text"
    HTML = "html"


def report(
    system: System = None,
    kind: Annotated[Kind, typer.Option("--kind", "-k", help="How much it holds.")] = Kind.SUMMARY,
    format_: Annotated[Format, typer.Option("--format", "-f", help="What it is written as.")] = Format.TEXT,
    days: Days = 30,
    since: Since = None,
    until: Until = None,
    out: Out = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write a report of any period, of a system or of the fleet.

    Example: `ovr counters report rig_01 --kind detailed --format html --days 7 -o rig_01.html`
    """
    node = open_node(data, config)
    period, name = period_of(days, since, until), system_of(node, system)
    with opened(node) as counters:
        document = counter_report.report(counters, kind.value, period, name)
    _write(FORMATS[format_.value](document), out)


def export(
    system: System = None,
    format_: Annotated[Format, typer.Option("--format", "-f", help="json or csv.")] = Format.JSON,
    days: Days = 30,
    since: Since = None,
    until: Until = None,
    out: Out = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Export counts, statistics and history as JSON, or single occurrences as CSV.

    Example: `ovr counters export --format csv --days 365 -o occurrences.csv`
    """
    if format_ not in {Format.JSON, Format.CSV}:
        raise typer.BadParameter("export as json or csv; `ovr counters report` writes text and html")
    node = open_node(data, config)
    period, name = period_of(days, since, until), system_of(node, system)
    with opened(node) as counters:
        found = counters.history(
            system_id=name, since_us=period.since_us, until_us=period.until_us, limit=_ALL
        )
        rows = [happened(one) for one in found]
        if format_ is Format.CSV:
            _write(table(HISTORY, rows), out)
            return
        document = counter_report.report(counters, "detailed", period, name)
    _write(as_json({**document, "history": rows, "history_is_cut": False}), out)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    part = out.with_name(out.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)
    typer.echo(f"written to {out}", err=True)
