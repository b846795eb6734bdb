"""`ovr simulate`: a virtual site, whose devices speak the protocols of real ones on this machine."""

from typing import Annotated

import typer

from ovr import starting
from ovr.options import Config, Data, Speed
from ovr.starting import Words


def simulate(
    scenario: Annotated[
        str | None,
        typer.Argument(help="A scenario's name, or the path of a .toml file.", show_default="festival"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Another weather, other noise.", show_default="the scenario's"),
    ] = None,
    speed: Speed = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Run a virtual site: GX devices, meters, inverters and UPSes of a scenario, on real protocols.

    How producers reach them is in DIR/simulator/devices.toml (`devices_file`), what is true of them in
    DIR/simulator/truth.jsonl. Where a node runs, what the scenario's operators do is recorded there. With
    `--speed` the site's clock begins a day back, since nobody believes times in the future; give a node the
    same with `[clock]`.

    Example: `ovr simulate festival --data data/demo`
    """
    starting.simulate(Words(data, config, (scenario,) if scenario else ()), seed=seed, speed=speed)
