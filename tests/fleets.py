"""Nodes and a cloud without a network: what uplinks bring, in any order that their two lanes allow."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import orjson

from bus import instants
from bus.envelope import Recorded
from bus.journal import Entry, Journal, JournalReader
from projectors.nodes import PROGRESSED
from tests.streams import BASE_US, S

LaneName = tuple[str, bool]
"""A node, and whether it is its lane of facts."""


def brought(node: str, incarnation: str, recorded: Recorded) -> Entry:
    """Make of a row of a node's journal what its uplink brings to the cloud."""
    document = orjson.loads(recorded.body)
    document |= {
        "node": node,
        "nodeincarnation": incarnation,
        "nodeposition": str(recorded.position),
        "noderecordedat": instants.text(recorded.recorded_us),
        "nodeclient": recorded.client,
    }
    stream = None
    if recorded.type == "sample.taken":
        stream = f"{document['data']['kind']}/{document['data']['interval_ms']}"
    return Entry(
        node,
        recorded.source,
        recorded.id,
        recorded.type,
        recorded.subject,
        recorded.time_us,
        orjson.dumps(document),
        stream,
    )


def entries(node: str, journal: JournalReader) -> list[tuple[int, Entry]]:
    """Return all that a node's uplink has to bring, with the positions there."""
    incarnation = journal.head().incarnation
    return [(one.position, brought(node, incarnation, one)) for one in journal.read()]


def lanes(
    of: Mapping[str, Sequence[tuple[int, Entry]]],
    choose: Callable[[list[tuple[str, bool]]], tuple[str, bool]],
) -> Iterable[Entry]:
    """Yield the events of nodes as their lanes bring them: facts may run ahead of samples, never behind.

    Args:
        of: by node, what it has, in order.
        choose: picks one of the lanes that can go on.
    """
    left = {
        (node, facts): [one for one in every if (one[1].type != "sample.taken") is facts]
        for node, every in of.items()
        for facts in (True, False)
    }
    while any(left.values()):
        able = [
            (node, facts)
            for (node, facts), lane in sorted(left.items())
            if lane and (facts or not left[node, True] or lane[0][0] < left[node, True][0][0])
        ]
        yield left[choose(able)].pop(0)[1]


def progressed(node: str, incarnation: str, position: int, recorded_s: float) -> Entry:
    """Say, as an idle uplink does, that all up to a position is there."""
    said = instants.text(BASE_US + round(recorded_s * S))
    data = {"position": position, "recorded_at": said, "hash": "00" * 32, "head": position}
    source = f"/{node}/uplink"
    document = {
        "specversion": "1.0",
        "id": f"p{position}",
        "source": source,
        "type": PROGRESSED,
        "subject": "_site",
        "time": said,
        "data": data,
        "node": node,
        "nodeincarnation": incarnation,
        "nodeposition": str(position),
        "noderecordedat": said,
        "nodeclient": "uplink",
    }
    time_us = BASE_US + round(recorded_s * S)
    body = orjson.dumps(document)
    return Entry(node, source, f"p{position}", PROGRESSED, "_site", time_us, body)


def bring(cloud: Journal, brought_here: Iterable[Entry], *, recorded_s: float) -> None:
    """Record at the cloud what lanes bring."""
    for entry in brought_here:
        cloud.append([entry], recorded_us=BASE_US + round(recorded_s * S))
