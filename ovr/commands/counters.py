"""`ovr counters`: how often what happened, how healthy systems are, and reports of it."""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from bus import instants
from ovr.commands.stream import canonical
from ovr.node import Node, open_node
from ovr.options import Config, Data, Json, instant
from schemas.errors import ConfigurationError
from schemas.occurrences import PREFIX, TABLE

if TYPE_CHECKING:
    from projectors.counter_queries import Counters
    from projectors.counter_report import Period

app = typer.Typer(
    no_args_is_help=True, help="UPS-style event counters: counts, history, health, alerts and reports."
)
System = Annotated[
    str | None, typer.Argument(help="Of this system.", show_default="the whole fleet", metavar="[SYSTEM]")
]
At = Annotated[str | None, typer.Option("--at", help="As it was at this time.", show_default="now")]
Days = Annotated[float, typer.Option("--days", help="Over so many days.", min=0.001)]
Type = Annotated[
    list[str] | None,
    typer.Option("--type", help="Only this type, such as AC_POWER_LOSS; may be repeated."),
]
Since = Annotated[str | None, typer.Option("--from", help="From this time on.")]
Until = Annotated[str | None, typer.Option("--to", help="Up to this time.", show_default="now")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Into this file.", show_default="the terminal")]


_WIDE = 240
_TIMES = frozenset({"time", "since", "first_occurrence", "last_occurrence"})


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


@app.command()
def show(
    system: System = None, at: At = None, data: Data = None, config: Config = None, json: Json = False
) -> None:
    """Show what was counted: ever, since the last reset, in the last day and hour.

    Example: `ovr counters show rig_01`
    """
    node = open_node(data, config)
    with _opened(node) as counters:
        found = counters.show(_now(at), _one(node, system))
    rows = [
        {
            "event_type": one.occurrence.label,
            "category": one.occurrence.category,
            "severity": one.occurrence.severity.upper(),
            "total": one.total,
            "since_reset": one.since_reset,
            "flickers": one.flickers,
            "last_hour": one.last_hour,
            "last_day": one.last_day,
            "first_occurrence": instants.text(one.first_us),
            "last_occurrence": instants.text(one.last_us),
            "lasts_since": instants.text(one.open_since_us) if one.open_since_us is not None else None,
        }
        for one in found
    ]
    _print(
        rows,
        json,
        ("event_type", "severity", "total", "since_reset", "last_day", "last_hour", "last_occurrence"),
    )


@app.command()
def history(
    system: System = None,
    type_: Type = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", help="At most so many, the newest first.", min=1)] = 50,
    edges: Annotated[
        bool, typer.Option("--edges", help="Also what did not last long enough to count.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """List single occurrences, the newest first.

    Example: `ovr counters history rig_01 --type AC_POWER_LOSS --from 2026-11-01T00:00:00Z`
    """
    from projectors.counter_report import happened

    node = open_node(data, config)
    with _opened(node) as counters:
        found = counters.history(
            system_id=_one(node, system),
            types=_types(type_),
            since_us=instant(since, "--from") or 0,
            until_us=instant(until, "--to") or 2**62,
            stages=("confirmed", "edge") if edges else ("confirmed",),
            limit=limit,
        )
    rows = [happened(one) for one in found]
    _print(
        rows,
        json,
        ("time", "system_id", "event_type", "stage", "cause", "measured", "threshold", "duration_s"),
    )


@app.command()
def stats(
    system: System = None,
    type_: Type = None,
    days: Days = 30,
    at: At = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show figures over some days: how many, how many a day, and the trend.

    Example: `ovr counters stats rig_01 --days 7`
    """
    from projectors.counter_report import last_days, report

    node = open_node(data, config)
    with _opened(node) as counters:
        rows = report(counters, "trends", last_days(_now(at), days), _one(node, system))["types"]
    wanted = _types(type_)
    rows = [row for row in rows if wanted is None or PREFIX + row["event_type"].lower() in wanted]
    _print(
        rows, json, ("event_type", "recent_count", "observed_days", "daily_average", "trend", "total_count")
    )


@app.command()
def health(
    system: System = None, at: At = None, data: Data = None, config: Config = None, json: Json = False
) -> None:
    """Show the health score of a system, or of all, with what led to it.

    Example: `ovr counters health`
    """
    node = open_node(data, config)
    now_us, name = _now(at), _one(node, system)
    with _opened(node) as counters:
        systems = [name] if name is not None else list(counters.systems())
        found = {one: counters.health(now_us, one) for one in systems}
        fleet = counters.health(now_us)
    rows: list[dict[str, Any]] = [
        {
            "system_id": one,
            "score": said.score,
            "grade": said.grade.upper(),
            "factors": [
                {"event_type": f.occurrence.label, "recent_count": f.recent, "points": f.points}
                for f in said.factors
            ],
        }
        for one, said in sorted(found.items(), key=lambda item: (item[1].score, item[0]))
    ]
    if json:
        document: Any = {"systems": rows}
        if name is None:
            document["fleet"] = {"score": fleet.score, "grade": fleet.grade.upper(), "worst": fleet.worst}
        typer.echo(orjson.dumps(document).decode())
        return
    for row in rows:
        causes = ", ".join(
            f"{one['event_type']} x{one['recent_count']} (-{one['points']})" for one in row["factors"]
        )
        row["factors"] = causes or "nothing"
    _print(rows, json, ("system_id", "score", "grade", "factors"))
    if name is None and rows:
        typer.echo(f"fleet: {fleet.score:g} of 100, {fleet.grade}")


@app.command()
def alerts(system: System = None, data: Data = None, config: Config = None, json: Json = False) -> None:
    """List the alerts that are active: counts that crossed their limits.

    Example: `ovr counters alerts`
    """
    from projectors.state_queries import state_now

    node = open_node(data, config)
    name = _one(node, system)
    rows = [
        {"system_id": one["system_id"], **alarm}
        for one in state_now(node.layout.data)["systems"]
        for alarm in one["alarms"]
        if "alert" in alarm and name in {None, one["system_id"]}
    ]
    _print(rows, json, ("since", "system_id", "alert", "severity", "count", "limit", "text"))


@app.command()
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
    from projectors.counter_report import report as make
    from reporter.counters import FORMATS

    node = open_node(data, config)
    with _opened(node) as counters:
        document = make(counters, kind.value, _period(days, since, until), _one(node, system))
    _write(FORMATS[format_.value](document), out)


@app.command()
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
    from projectors.counter_report import happened
    from projectors.counter_report import report as make
    from reporter.counters import HISTORY, as_json
    from reporter.tables import table

    if format_ not in {Format.JSON, Format.CSV}:
        raise typer.BadParameter("export as json or csv; `ovr counters report` writes text and html")
    node = open_node(data, config)
    period, name = _period(days, since, until), _one(node, system)
    with _opened(node) as counters:
        found = counters.history(
            system_id=name, since_us=period.since_us, until_us=period.until_us, limit=2**31
        )
        rows = [happened(one) for one in found]
        if format_ is Format.CSV:
            _write(table(HISTORY, rows), out)
            return
        document = make(counters, "detailed", period, name)
    _write(as_json({**document, "history": rows, "history_is_cut": False}), out)


@app.command()
def maintenance(system: System = None, data: Data = None, config: Config = None, json: Json = False) -> None:
    """Show what maintenance is due, and what comes next.

    Example: `ovr counters maintenance rig_01`
    """
    from projectors.maintenance import due, items
    from projectors.state_queries import state_now

    node = open_node(data, config)
    name, said = _one(node, system), node.site.maintenance
    with _opened(node) as counters:
        counted = {
            (one, row.occurrence.type): row.since_reset
            for one in counters.systems()
            for row in counters.show(instants.now_us(), one)
        }
    readings: dict[str, dict[str, float | None]] = {}
    for one in state_now(node.layout.data)["systems"]:
        for reading in one["readings"]:
            readings.setdefault(one["system_id"], {}).update(reading["values"])
    rows = [
        {
            "system_id": row.system_id,
            "item": row.item.name,
            "text": row.item.text,
            "state": row.state,
            "used": row.used,
            "every": row.item.every,
            "left": row.left,
            "unit": row.item.unit,
        }
        for row in due(items(said.items), readings, counted, said.done)
        if name in {None, row.system_id}
    ]
    _print(rows, json, ("state", "system_id", "text", "used", "every", "left", "unit"))


@app.command()
def reset(
    system: Annotated[str, typer.Argument(help="Of this system; `all` for every one.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with your name.", prompt=True)],
    type_: Type = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Count anew from now on; totals stay, and who did it and why is recorded.

    Example: `ovr counters reset rig_01 --type BATTERY_LOW --reason "battery replaced"`
    """
    from ovr.commands.publish import publish

    said: dict[str, Any] = {"reason": reason}
    types = _types(type_)
    if types is not None:
        said["types"] = sorted(types)
    publish(system, "counters.reset", [orjson.dumps(said).decode()], data=data, config=config)


def _opened(node: Node) -> "closing[Counters]":
    from projectors.counter_queries import Counters

    return closing(Counters.open(node.layout.data))


def _now(at: str | None) -> int:
    return instant(at, "--at") or instants.now_us()


def _one(node: Node, system: str | None) -> str | None:
    return None if system is None else canonical(node, [system])[0]


def _types(said: list[str] | None) -> set[str] | None:
    """Read types as people write them: AC_POWER_LOSS, ac_power_loss or ups.ac_power_loss."""
    if not said:
        return None
    types = {PREFIX + one.lower().removeprefix(PREFIX) for one in said}
    if unknown := types - TABLE.occurrences.keys():
        known = ", ".join(one.label for one in TABLE.occurrences.values())
        raise ConfigurationError(f"there is no type {min(unknown).removeprefix(PREFIX)}; there are: {known}")
    return types


def _period(days: float, since: str | None, until: str | None) -> "Period":
    from projectors.counter_report import Period, last_days

    until_us = _now(until)
    since_us = instant(since, "--from")
    period = last_days(until_us, days) if since_us is None else Period(since_us, until_us)
    if period.since_us >= period.until_us:
        raise typer.BadParameter("the period ends before it begins", param_hint="--from")
    return period


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    part = out.with_name(out.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(out)
    typer.echo(f"written to {out}", err=True)


def _print(rows: list[dict[str, Any]], json: bool, columns: tuple[str, ...]) -> None:
    """Print rows for people, or all they hold for programs."""
    if json:
        typer.echo(orjson.dumps(rows).decode())
        return
    if not rows:
        typer.echo("nothing to show")
        return
    from rich.console import Console
    from rich.table import Table

    from ovr.event_lines import visible

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        number = isinstance(rows[0].get(column), int | float)
        shown.add_column(column.replace("_", " "), justify="right" if number else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(visible(_cell(column, row.get(column))) for column in columns))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    console.print(shown)


def _cell(column: str, value: Any) -> str:
    """Write a value for people, times to the second."""
    if value is None:
        return ""
    if column in _TIMES:
        return str(value)[:19].replace("T", " ")
    return f"{value:g}" if isinstance(value, float) else str(value)
