"""The nodes whose events are brought here: how far, how fresh, and what two of them claim."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, Field

from bus import instants, system_ids
from bus.instants import SECOND_US, text
from projectors import state_fold, windows
from schemas.errors import InputError
from web.api import state_tables
from web.api.access import Reader, Served
from web.api.reading import Stores
from web.api.service import Service
from web.api.uplinks import Said

router = APIRouter(tags=["node"])
NODES_SAY: Final = windows.TYPES | state_fold.ACKNOWLEDGED.keys() | {"counters.reset", "system.registered"}
"""What is said of a system where it is."""

FRESH_S: Final = 90.0
"""An idle uplink tells once a minute how far all is here."""

Standing = Literal["live", "behind", "silent"]


class Lane(BaseModel):
    """How far one of the two lanes of an uplink has come."""

    position: Annotated[int, Field(description="In the node's journal: all of the lane is here up to there.")]
    recorded_at: Annotated[str | None, Field(description="When the node recorded that, by its clock.")]


class Restored(BaseModel):
    """That a node's journal was brought back from a copy."""

    time: str
    lost_from: int | None = None
    lost_to: int | None = None


class NodeStatus(BaseModel):
    """One node."""

    node: str
    status: Annotated[
        Standing,
        Field(
            description="live: all is here but the last moments; behind: it is catching up; silent: neither."
        ),
    ]
    connected: Annotated[bool | None, Field(description="What its uplink says; null when it was not heard.")]
    facts: Lane
    samples: Lane
    head: Annotated[int | None, Field(description="The newest position at the node, as it said last.")]
    lag_events: int | None
    lag_s: Annotated[float | None, Field(description="How far the samples here are behind the time.")]
    fault: str | None
    incarnation: str
    restored: Restored | None
    systems: list[str]
    active: Annotated[int, Field(description="How many of its systems take part in an event.")]
    alarms: int


class Conflict(BaseModel):
    """Two nodes hear devices of the same system at the same time: two machines with one name."""

    system_id: str
    nodes: list[str]
    since: str


class Nodes(BaseModel):
    """The nodes of a cloud; elsewhere there are none."""

    nodes: list[NodeStatus]
    conflicts: list[Conflict]
    position: int
    time: str


@router.get("/api/nodes", summary="The nodes that bring their events here")
async def nodes(served: Served, who: Reader) -> Nodes:
    """Say of each node how far its events are here, what its uplink says now, and which systems are its."""
    del who
    now_us = instants.now_us()
    said = served.uplinks.said()
    return await served.reading(_nodes, served.reading.stores, said, now_us)


async def not_a_node_s(served: Service, system_id: str) -> None:
    """Let through what is about a system of this place.

    Raises:
        InputError: the system is a node's, which hears nothing of what is said here.
    """
    node = await served.reading(_said_at, served.reading.stores, system_id)
    if node:
        raise InputError(
            "at_a_node", "subject", f"say this at {node}: its systems hear nothing of what is said here"
        )


def _said_at(stores: Stores, system_id: str) -> str:
    if system_id == system_ids.ALL:
        row = stores.state().execute("SELECT min(node) FROM nodes").fetchone()
    else:
        row = stores.state().execute("SELECT node FROM systems WHERE system_id = ?", (system_id,)).fetchone()
    return str(row[0]) if row is not None and row[0] else ""


def _nodes(stores: Stores, said: Mapping[str, Said], now_us: int) -> Nodes:
    return describe(stores.state(), said, now_us, state_tables.position(stores))


def describe(db: sqlite3.Connection, said: Mapping[str, Said], now_us: int, position: int) -> Nodes:
    """Describe the nodes.

    Args:
        db: the state's tables.
        said: what their uplinks say, by node.
        now_us: the time.
        position: up to which the tables hold.
    """
    systems: dict[str, list[str]] = defaultdict(list)
    active: dict[str, int] = defaultdict(int)
    found = db.execute("SELECT node, system_id, event_id FROM systems ORDER BY system_id").fetchall()
    for node, system_id, event_id in found:
        systems[node].append(system_id)
        active[node] += event_id is not None
    counted = db.execute("SELECT node, count(*) FROM alarms WHERE since_us IS NOT NULL GROUP BY node")
    alarms = dict(counted.fetchall())
    rows = db.execute(
        "SELECT node, incarnation, facts_position, facts_recorded_us, samples_position, samples_recorded_us,"
        " restored FROM nodes ORDER BY node"
    ).fetchall()
    claimed = db.execute(
        "SELECT system_id, node, other, since_us FROM conflicts ORDER BY system_id, node"
    ).fetchall()
    nodes = [_node(row, said.get(row[0]), now_us, systems[row[0]], active[row[0]]) for row in rows]
    for one in nodes:
        one.alarms = alarms.get(one.node, 0)
    return Nodes(
        nodes=nodes,
        conflicts=[Conflict(system_id=one[0], nodes=[one[1], one[2]], since=text(one[3])) for one in claimed],
        position=position,
        time=text(now_us),
    )


def _node(
    row: tuple[Any, ...], said: Said | None, now_us: int, systems: list[str], active: int
) -> NodeStatus:
    name, incarnation, facts, facts_us, samples, samples_us, restored = row
    connected = None if said is None else said.connected
    age_s = max(0.0, (now_us - samples_us) / SECOND_US) if samples_us else None
    waits_s = said.lag_s if said is not None and said.connected else age_s
    return NodeStatus(
        node=name,
        status=standing(connected, waits_s),
        connected=connected,
        facts=Lane(position=max(facts, samples), recorded_at=_text(max(facts_us, samples_us))),
        samples=Lane(position=samples, recorded_at=_text(samples_us)),
        head=None if said is None else said.head,
        lag_events=None if said is None else said.lag_events,
        lag_s=waits_s if waits_s is None else round(waits_s, 1),
        fault=None if said is None else said.fault,
        incarnation=incarnation,
        restored=_restored(restored),
        systems=systems,
        active=active,
        alarms=0,
    )


def standing(connected: bool | None, lag_s: float | None) -> Standing:
    """Say in a word how a node is: by what its uplink says, or by the age of what is here."""
    fresh = lag_s is not None and lag_s <= FRESH_S
    if connected is None:
        return "live" if fresh else "silent"
    if not connected:
        return "silent"
    return "live" if fresh else "behind"


def _restored(said: str | None) -> Restored | None:
    if said is None:
        return None
    time_us, _, data = orjson.loads(said)
    return Restored(time=text(time_us), lost_from=data.get("lost_from"), lost_to=data.get("lost_to"))


def _text(time_us: int) -> str | None:
    return text(time_us) if time_us else None
