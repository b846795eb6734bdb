"""`ovr web`: the HTTP API and the pages."""

from typing import Annotated

import typer

from ovr import starting
from ovr.options import Config, Data
from ovr.starting import Words


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
    starting.web(Words(data, config), address=address, port=port)
