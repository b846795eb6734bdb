"""Which node an event comes from, and what its uplink said of its place there. Pure.

Rules that must stay true here:
- an event that was recorded here has no node: its name is the empty text;
- a node's facts never wait for its samples: what one lane brought up to a place there, the facts had brought.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bus import instants
from bus.envelope import Event, Recorded
from projectors.events import SAMPLE

HERE: Final = ""
PROGRESSED: Final = "node.progressed"
RESTORED: Final = "journal.restored"
SAMPLES_LANE: Final = frozenset({SAMPLE, PROGRESSED})
"""What says, where it comes from a node, how far its samples have come."""

MARK: Final = b'"nodeposition"'
"""Stands in the body of every forwarded event, and hardly in others: most need not be read for it."""

NAMED: Final = "({column} = ? OR ({column} > ? AND {column} < ?))"
"""SQL that finds a system in a column of qualified names, whichever node it is of."""

_AT: Final = "@"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a forwarded event was recorded first.

    Attributes:
        node: its node_id.
        incarnation: of the node's journal.
        position: in the node's journal.
        recorded_us: by the node's clock.
        client: whom the node's broker authenticated.
    """

    node: str
    incarnation: str
    position: int
    recorded_us: int
    client: str


def origin(extensions: Mapping[str, Any]) -> Origin | None:
    """Return where an event with these envelope attributes was recorded first; None for here."""
    node = extensions.get("node")
    if not node or "nodeposition" not in extensions:
        return None
    return Origin(
        node,
        extensions.get("nodeincarnation", ""),
        int(extensions["nodeposition"]),
        instants.parse(extensions["noderecordedat"]),
        extensions.get("nodeclient", ""),
    )


def origin_of(recorded: Recorded) -> Origin | None:
    """Return where a row of the journal was recorded first; None for here."""
    return origin(orjson.loads(recorded.body)) if MARK in recorded.body else None


def node_of(said: Event | Recorded) -> str:
    """Name the node that an event comes from; empty for here."""
    if isinstance(said, Event):
        return said.extensions.get("node", HERE) if "nodeposition" in said.extensions else HERE
    found = origin_of(said)
    return HERE if found is None else found.node


def forwarded(recorded: Recorded) -> bool:
    """Tell whether an event was recorded first at another node."""
    return MARK in recorded.body and origin_of(recorded) is not None


def qualified(name: str, node: str) -> str:
    """Name something of a node so that another node's of the same name is another: `rig_01@site_a`."""
    return f"{name}{_AT}{node}" if node else name


def client_of(event: Event) -> str:
    """Name whom the broker authenticated where the event was recorded first."""
    where = origin(event.extensions) if event.extensions else None
    return event.client if where is None else where.client


def name_of(said: Event | Recorded) -> str:
    """Name what an event is about, and whose node says so."""
    return qualified(said.subject, node_of(said))


def names_of(system_id: str) -> tuple[str, str, str]:
    """Return a system's own name, and the bounds between which it lies with any node; see `NAMED`."""
    return system_id, f"{system_id}{_AT}", f"{system_id}{chr(ord(_AT) + 1)}"


def plain(name: str) -> tuple[str, str]:
    """Return the name and the node of a qualified name."""
    found, _, node = name.partition(_AT)
    return found, node
