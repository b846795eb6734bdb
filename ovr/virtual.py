"""A node's virtual site: which scenario it plays, how fast, and who records what its operators do."""

import logging

from bus import instants
from bus.connection import Broker
from ovr.node import Node
from ovr.processes import DEMO
from producers.pace import Pace, pace, since_yesterday
from producers.simulator.run import run_site
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)


def run(node: Node, scenario: str | None, *, seed: int | None, speed: float | None) -> None:
    """Run it until it is told to stop.

    Args:
        node: where it runs.
        scenario: a name or a file; None for the configured one.
        seed: another weather; None for the configured one.
        speed: of its clock, from a day back on; None for the configured one.
    """
    said = node.site.simulator
    run_site(
        _broker(node),
        node_id=node.site.node_id,
        data=node.layout.data,
        scenario=scenario or said.scenario or DEMO,
        seed=said.seed if seed is None else seed,
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
