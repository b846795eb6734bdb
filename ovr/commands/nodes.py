"""`ovr nodes`: the nodes whose events a cloud holds, and how far."""

from typing import Annotated

import orjson
import typer

from ovr.options import Config, Data, Json

_COLUMNS = ("node", "status", "behind", "events", "facts up to", "samples up to", "systems", "alarms")


def nodes(
    listen_s: Annotated[
        float, typer.Option("--listen", help="Listen so many seconds to what their uplinks say.")
    ] = 0.5,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show each node: how fresh, how far behind it is; exit status 1 when one is silent or in conflict.

    Example: `ovr nodes --data data --json | jq '.nodes[] | {node, status, lag_s}'`
    """
    from rich.console import Console
    from rich.table import Table

    from ovr.fleet import described
    from ovr.node import open_node

    found = described(open_node(data, config), listen_s)
    if json:
        typer.echo(orjson.dumps(found.model_dump(), option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        table = Table(
            "node", "status", "behind", "events", "facts up to", "samples up to", "systems", "alarms"
        )
        for one in found.nodes:
            table.add_row(
                *(one.node, one.status, "" if one.lag_s is None else f"{one.lag_s:,.0f} s"),
                *("" if one.lag_events is None else f"{one.lag_events:,}",),
                *(f"{one.facts.position:,}", f"{one.samples.position:,}"),
                *(f"{len(one.systems)}, {one.active} active", str(one.alarms)),
            )
        console.print(table if found.nodes else "no node's events are here")
        for clash in found.conflicts:
            where = " and ".join(clash.nodes)
            console.print(f"{clash.system_id}: {where} both hear its devices since {clash.since}: rename one")
    if found.conflicts or any(one.status == "silent" for one in found.nodes):
        raise typer.Exit(1)
