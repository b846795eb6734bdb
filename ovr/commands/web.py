"""`ovr web`: the HTTP API and the pages."""

from typing import Annotated

import typer

from ovr.options import Config, Data


def web(
    data: Data = None,
    config: Config = None,
    address: Annotated[
        str | None, typer.Option("--address", help="Listen here.", show_default="as site.toml says")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="On this port.", show_default="the node's fourth, or 8088")
    ] = None,
) -> None:
    """Run the HTTP API, and serve the pages.

    Example: `ovr web --data data --port 8088`
    """
    from ovr.commands.process import made
    from ovr.node import open_node
    from ovr.web import gateway
    from web.api.run import PROCESS, run_web

    node = open_node(data, config)
    made(node)
    run_web(gateway(node, address=address, port=port), node.broker(PROCESS))
