"""The nodes of a cloud for people at its command line: its state, and what the uplinks say on the bus."""

import sqlite3
import time
from contextlib import closing
from typing import Final

import orjson

from bus import instants
from bus.ids import token
from ovr.node import Node
from ovr.users import CONSOLE
from ovr.watch import Watch
from projectors.generations import Generations
from projectors.state import NAME
from schemas.errors import ConfigurationError
from web.api.nodes import Nodes, describe
from web.api.uplinks import Said, read

_TURN_S: Final = 0.05
_PATIENCE_S: Final = 5.0


def described(node: Node, listen_s: float) -> Nodes:
    """Describe the nodes whose events are here.

    Raises:
        ConfigurationError: there is no state, or no broker to listen to.
    """
    path = Generations(node.layout.data / NAME).current() if (node.layout.data / NAME).is_dir() else None
    if path is None:
        raise ConfigurationError(f"there is no state in {node.layout.data}: run `ovr rebuild {NAME}`")
    said = _heard(node, listen_s)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        row = db.execute("SELECT position FROM checkpoint").fetchone()
        return describe(db, said, instants.now_us(), row[0] if row else 0)


def _heard(node: Node, listen_s: float) -> dict[str, Said]:
    """Listen to the bus for a moment, from the first word on."""
    watch = Watch(node.broker(CONSOLE), f"nodes-{token()}")
    patience = time.monotonic() + _PATIENCE_S
    while not watch.health and time.monotonic() < patience:
        watch.connection.step(_TURN_S)
    until = time.monotonic() + listen_s
    while time.monotonic() < until:
        watch.connection.step(_TURN_S)
    said = {name: read(orjson.dumps(dict(one))) for name, one in watch.health.items()}
    watch.connection.close()  # which forgets what was heard
    return {name: one for name, one in said.items() if one is not None}
