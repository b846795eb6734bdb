"""`ovr counters`: how often what happened, how healthy systems are, and what is to be done about it."""

from typing import Annotated, Any

import orjson
import typer

from ovr.commands import counter_reports
from ovr.commands.publish import publish
from ovr.counter_options import At, Days, Since, System, Type, Until, opened, system_of, time_of, types_of
from ovr.listing import print_rows
from ovr.node import open_node
from ovr.options import Config, Data, Json, instant
from projectors import counter_report
from projectors.counter_answers import fleet_health
from projectors.counter_documents import counted, happened, scored
from projectors.counter_periods import CONFIRMED, EVER_US
from projectors.counter_report import last_days
from projectors.maintenance import due, items
from projectors.state_queries import state_now
from schemas.occurrences import PREFIX

app = typer.Typer(
    no_args_is_help=True, help="UPS-style event counters: counts, history, health, alerts and reports."
)


@app.command()
def show(
    system: System = None, at: At = None, data: Data = None, config: Config = None, json: Json = False
) -> None:
    """Show what was counted: ever, since the last reset, in the last day and hour.

    Example: `ovr counters show rig_01`
    """
    node = open_node(data, config)
    with opened(node) as counters:
        rows = [counted(one) for one in counters.show(time_of(at), system_of(node, system))]
    columns = ("event_type", "severity", "total", "since_reset", "last_day", "last_hour", "last_occurrence")
    print_rows(rows, columns, json=json)


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
    node = open_node(data, config)
    with opened(node) as counters:
        found = counters.history(
            system_id=system_of(node, system),
            types=types_of(type_),
            since_us=instant(since, "--from") or 0,
            until_us=instant(until, "--to") or EVER_US,
            stages=(CONFIRMED, "edge") if edges else (CONFIRMED,),
            limit=limit,
        )
    columns = ("time", "system_id", "event_type", "stage", "cause", "measured", "threshold", "duration_s")
    print_rows([happened(one) for one in found], columns, json=json)


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
    node, wanted = open_node(data, config), types_of(type_)
    period = last_days(time_of(at), days)
    with opened(node) as counters:
        rows = counter_report.report(counters, "trends", period, system_of(node, system))["types"]
    rows = [row for row in rows if wanted is None or PREFIX + row["event_type"].lower() in wanted]
    columns = ("event_type", "recent_count", "observed_days", "daily_average", "trend", "total_count")
    print_rows(rows, columns, json=json)


@app.command()
def health(
    system: System = None, at: At = None, data: Data = None, config: Config = None, json: Json = False
) -> None:
    """Show the health score of a system, or of all, with what led to it.

    Example: `ovr counters health`
    """
    node = open_node(data, config)
    now_us, name = time_of(at), system_of(node, system)
    with opened(node) as counters:
        found = counters.each_health(now_us) if name is None else {name: counters.health(now_us, name)}
    worst_first = sorted(found.items(), key=lambda item: (item[1].score, item[0]))
    rows: list[dict[str, Any]] = [{"system_id": one, **scored(said)} for one, said in worst_first]
    fleet = fleet_health(found)
    if json:
        document: dict[str, Any] = {"systems": rows}
        if name is None:
            document["fleet"] = {"score": fleet.score, "grade": fleet.grade.upper(), "worst": fleet.worst}
        typer.echo(orjson.dumps(document).decode())
        return
    for row in rows:
        causes = (f"{one['event_type']} x{one['recent_count']} (-{one['points']})" for one in row["factors"])
        row["factors"] = ", ".join(causes) or "nothing"
    print_rows(rows, ("system_id", "score", "grade", "factors"), json=json)
    if name is None and rows:
        typer.echo(f"fleet: {fleet.score:g} of 100, {fleet.grade}")


@app.command()
def alerts(system: System = None, data: Data = None, config: Config = None, json: Json = False) -> None:
    """List the alerts that are active: counts that crossed their limits.

    Example: `ovr counters alerts`
    """
    node = open_node(data, config)
    name = system_of(node, system)
    rows = [
        {"system_id": one["system_id"], **alarm}
        for one in state_now(node.layout.data)["systems"]
        for alarm in one["alarms"]
        if "alert" in alarm and name in {None, one["system_id"]}
    ]
    print_rows(rows, ("since", "system_id", "alert", "severity", "count", "limit", "text"), json=json)


@app.command()
def maintenance(system: System = None, data: Data = None, config: Config = None, json: Json = False) -> None:
    """Show what maintenance is due, and what comes next.

    What goes by occurrences is counted since a reset named the type: `ovr counters reset SYSTEM --type TYPE`
    says that the work was done. A reset of everything sets back no work.

    Example: `ovr counters maintenance rig_01`
    """
    node = open_node(data, config)
    name, said = system_of(node, system), node.site.maintenance
    wanted = items(said.items)
    with opened(node) as counters:
        since_done = counters.since_named_reset({one.counts for one in wanted if one.counts is not None})
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
        for row in due(wanted, readings, since_done, said.done)
        if name in {None, row.system_id}
    ]
    print_rows(rows, ("state", "system_id", "text", "used", "every", "left", "unit"), json=json)


app.command()(counter_reports.report)
app.command()(counter_reports.export)


@app.command()
def reset(
    system: Annotated[str, typer.Argument(help="Of this system; `all` for every one.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept with your name.", prompt=True)],
    type_: Type = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Count anew from now on; totals stay, and who did it and why is recorded.

    With `--type`, maintenance that goes by this type is noted as done; without, maintenance counts on.

    Example: `ovr counters reset rig_01 --type BATTERY_LOW --reason "battery replaced"`
    """
    said: dict[str, Any] = {"reason": reason}
    types = types_of(type_)
    if types is not None:
        said["types"] = sorted(types)
    publish(system, "counters.reset", [orjson.dumps(said).decode()], data=data, config=config)
