"""`ovr status`: how a node is."""

from typing import Annotated

import orjson
import typer

from ovr.options import Config, Data, Json


def status(
    process: Annotated[
        str | None, typer.Option("--process", help="Only tell whether this one is ready, for health checks.")
    ] = None,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show every process, position, lag, pace and the disk; exit status 0 when all is ready.

    Example: `ovr status --data data --json | jq .ready`
    """
    from rich.console import Console

    from ovr import status as node_status
    from ovr.config import CLOUD
    from ovr.node import open_node
    from ovr.supervisor import ONLINE
    from ovr.view import table

    node = open_node(data, config)
    if process is not None:
        state = node_status.process_status(node, process)
        typer.echo(f"{process} {state}")
        raise typer.Exit(0 if state == ONLINE else 1)
    said = node_status.status(node)
    if node.site.role == CLOUD:
        said["nodes"] = node_status.nodes(node)
    if json:
        typer.echo(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        console.print(table(said))
        head, disk = said["head"], said["disk"]
        console.print(
            f"{said['node_id']} in {said['data']}: position {head['position'] if head else 0:,},"
            f" {said['events_per_s'] or 0:,} events/s, {said['outbox_pending']:,} not confirmed,"
            f" {said['dead_letters']:,} dead letters, {disk['free_bytes'] / 1e9:,.1f} GB free",
            soft_wrap=True,
        )
        for one in said.get("nodes", ()):
            behind = "" if one["lag_s"] is None else f", {one['lag_s']:,.0f} s behind"
            console.print(f"node {one['node']}: {one['status']}{behind}")
        console.print("ready" if said["ready"] else "NOT ready")
    if not said["ready"]:
        raise typer.Exit(1)
