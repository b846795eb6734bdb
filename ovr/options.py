"""The options that commands share, and how times on the command line are read."""

from pathlib import Path
from typing import Annotated

import typer

from bus import instants

Data = Annotated[
    Path | None,
    typer.Option("--data", help="The data directory.", show_default="data, or what site.toml says"),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "--site", help="The configuration.", show_default="site.toml in the data directory"
    ),
]
PortBase = Annotated[
    int | None,
    typer.Option(
        "--port-base",
        help="MQTT here, websockets +1, VictoriaMetrics +2, HTTP +3.",
        show_default="18830, or free ones",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Systems = Annotated[list[str] | None, typer.Option("--system", help="Only this system; may be repeated.")]
Types = Annotated[list[str] | None, typer.Option("--type", help="Only this type of event; may be repeated.")]
As = Annotated[
    str, typer.Option("--as", help="The user to be at the broker; OVR_BROKER_PASSWORD is its password.")
]
Scenario = Annotated[
    str | None,
    typer.Option("--scenario", help="Of the virtual site: a name, or a .toml file.", show_default="festival"),
]
Speed = Annotated[
    float | None,
    typer.Option(
        "--speed", help="Run the site's time so many times as fast.", show_default="as [clock] says"
    ),
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait.")]


def instant(value: str | None, option: str) -> int | None:
    """Read a time given as an option, in microseconds.

    Raises:
        typer.BadParameter: it is no time with an offset.
    """
    if value is None:
        return None
    try:
        return instants.parse(value)
    except ValueError as error:
        raise typer.BadParameter(f"{error}", param_hint=option) from error


def seconds(value: str) -> float:
    """Read a duration such as `30s`, `5m`, `2h` or `90`.

    Raises:
        typer.BadParameter: it is none.
    """
    factors = {"s": 1.0, "m": 60.0, "h": 3600.0}
    text = value.strip().lower()
    factor = factors.get(text[-1:], 1.0)
    try:
        amount = float(text.rstrip("smh"))
    except ValueError:
        amount = -1.0
    if not 0 < amount * factor < float("inf"):
        raise typer.BadParameter(f"{value!r} is no duration: write 30s, 5m or 2h")
    return amount * factor
