"""What the commands about counters share: their options, and what those mean."""

from contextlib import closing, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from bus import instants
from ovr.commands.stream import canonical
from ovr.node import Node
from ovr.options import instant
from projectors.counter_queries import Counters
from projectors.counter_report import Period, last_days
from projectors.state_queries import state_now
from schemas.errors import ConfigurationError
from schemas.occurrences import PREFIX, TABLE

_FEW = 5
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


def opened(node: Node) -> closing[Counters]:
    """Open the counters of a node for the length of a block.

    Raises:
        ConfigurationError: there are none.
    """
    return closing(Counters.open(node.layout.data))


def time_of(at: str | None) -> int:
    """Read a time; without one it is now."""
    return instant(at, "--at") or instants.now_us()


def system_of(node: Node, said: str | None) -> str | None:
    """Name the system that somebody means; None for the fleet.

    Raises:
        ConfigurationError: nothing is known of such a system.
    """
    if said is None:
        return None
    (name,) = canonical(node, [said])
    known: set[str] = set()
    with suppress(ConfigurationError), opened(node) as counters:
        name = counters.named(name)
        known |= counters.systems().keys()
    if name not in known:  # one that never told anything but samples
        with suppress(ConfigurationError):
            known |= {one["system_id"] for one in state_now(node.layout.data)["systems"]}
    if known and name not in known:
        near = get_close_matches(name, known, n=3) or sorted(known)[:_FEW]
        raise ConfigurationError(f"there is no system {name}; there is {', '.join(near)}")
    return name


def types_of(said: list[str] | None) -> set[str] | None:
    """Read types as people write them: AC_POWER_LOSS, ac_power_loss or ups.ac_power_loss.

    Raises:
        ConfigurationError: one is not known.
    """
    if not said:
        return None
    types = {PREFIX + one.lower().removeprefix(PREFIX) for one in said}
    if unknown := types - TABLE.occurrences.keys():
        known = ", ".join(one.label for one in TABLE.occurrences.values())
        raise ConfigurationError(f"there is no type {min(unknown).removeprefix(PREFIX)}; there are: {known}")
    return types


def period_of(days: float, since: str | None, until: str | None) -> Period:
    """Read a period: so many days up to a time, or from one time to another.

    Raises:
        typer.BadParameter: it ends before it begins.
    """
    until_us = time_of(until)
    since_us = instant(since, "--from")
    period = last_days(until_us, days) if since_us is None else Period(since_us, until_us)
    if period.since_us >= period.until_us:
        raise typer.BadParameter("the period ends before it begins", param_hint="--from")
    return period
