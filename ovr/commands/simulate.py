"""`ovr simulate`: a virtual site, whose devices speak the protocols of real ones on this machine."""

import logging
from typing import Annotated

import typer

from bus import instants
from bus.connection import Broker
from ovr.node import Node, open_node
from ovr.options import Config, Data, Speed
from ovr.processes import DEMO
from producers.pace import Pace, pace, since_yesterday
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)


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
    from producers.simulator.run import run_site

    node = open_node(data, config)
    run_site(
        _broker(node),
        node_id=node.site.node_id,
        data=node.layout.data,
        scenario=scenario or node.site.simulator.scenario or DEMO,
        seed=node.site.simulator.seed if seed is None else seed,
        paced=_paced(node, speed),
    )


def _broker(node: Node) -> Broker | None:
    try:
        return node.broker("simulator")
    except ConfigurationError:
        log.info("no node runs in %s: what operators do is not recorded", node.layout.data)
        return None


def _paced(node: Node, speed: float | None) -> Pace:
    said = node.site.clock
    if speed is None:
        return pace(said.speed, said.real_zero, said.zero)
    return since_yesterday(speed, instants.now_us())
