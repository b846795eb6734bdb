"""A node's load: samples of 50 readings from many systems, and facts among them, as fast as they are taken.

`python -m tests.uplink_load DATA COUNT`, on the node with that data directory; ends when all is confirmed.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

from bus import ids, instants
from bus.envelope import Envelope
from bus.sender import Sender
from ovr.node import open_node
from schemas.measurements import MEASUREMENTS

SYSTEMS = 20
INTERVAL_US = 50_000
NAMES = [name for name in MEASUREMENTS if name.startswith(("ac_", "battery_", "dc_"))][:50]


def events(node_id: str, count: int) -> Iterator[Envelope]:
    """Make events: each system is sampled at 20 Hz, and now and then something is said."""
    chance = random.Random(node_id)
    level = {name: chance.uniform(1, 5000) for name in NAMES}
    source, begin_us = f"/{node_id}/console", instants.now_us() - count * INTERVAL_US // SYSTEMS
    for number in range(count):
        time_us = begin_us + number * INTERVAL_US // SYSTEMS
        system = f"{node_id}_rig_{number % SYSTEMS:02d}"
        type_, data = "sample.taken", _sample(chance, level)
        if number % 500 == 7:
            type_, data = (
                "window.started",
                {"event_id": f"night_{number // 5000}", "location": f"Stage {number}"},
            )
        elif number % 500 == 307:
            type_, data = "window.ended", {}
        elif number % 100 == 50:
            type_, data = "note.added", {"text": f"note {number}"}
        yield Envelope(ids.uuid7(time_us), source, type_, system, time_us, data)


def _sample(chance: random.Random, level: dict[str, float]) -> dict[str, object]:
    values = {name: round(middle + chance.gauss(0, middle / 100), 2) for name, middle in level.items()}
    return {"kind": "victron", "interval_ms": 50, "values": values}


def main() -> None:
    """Send it all."""
    node = open_node(Path(sys.argv[1]))
    sender = Sender(
        node.broker("console"), client="console", name="load", path=node.layout.outbox / "load.sqlite"
    )
    for event in events(node.site.node_id, int(sys.argv[2])):
        sender.put(event)
    if not sender.flush(1200):
        raise SystemExit(f"not all is confirmed: {sender.status()}")
    sender.close()


if __name__ == "__main__":
    main()
