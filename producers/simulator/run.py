"""Run a virtual site as a process: its servers, its operators' events and its health, until a signal."""

import asyncio
import signal
import time
from contextlib import ExitStack
from pathlib import Path

from bus.connection import Broker
from bus.envelope import Envelope
from bus.pulse import Pulse
from bus.sender import Sender
from producers import pace, paced_loop
from producers.clock import SystemClock
from producers.pace import REAL, Pace
from producers.simulator import scenario_file
from producers.simulator.site import VirtualSite

CLIENT = "simulator"
_LAST_WORDS_S = 2.0


def run_site(
    broker: Broker | None,
    *,
    node_id: str,
    data: Path,
    scenario: str = "festival",
    seed: int | None = None,
    paced: Pace = REAL,
) -> None:
    """Be a site until a signal ends it.

    Args:
        broker: where its operators' events and its health go; None where there is no node.
        node_id: names the node.
        data: the data directory; its files are in `simulator/` there.
        scenario: a name of ours, or a path.
        seed: another than the scenario's own.
        paced: how time runs.

    Raises:
        ConfigurationError: the scenario says what cannot be, or another process has our name.
    """
    pace.check(paced, time.time_ns() // 1000)
    read = scenario_file.load(scenario, seed=seed)
    with ExitStack() as stack:
        sender = None
        if broker is not None:
            path = data / "outbox" / f"{CLIENT}.sqlite"
            sender = Sender(broker, client=CLIENT, name="site", path=path)
            stack.callback(sender.close)

        async def send(event: Envelope) -> None:
            if sender is not None:
                await asyncio.to_thread(sender.put, event)

        clock = paced.clock(SystemClock())
        source = f"/{node_id}/{CLIENT}"
        site = VirtualSite(read, data / CLIENT, clock, source=source, send=send, paced=paced)
        paced_loop.run(_main(site, broker, sender), paced)
        if sender is not None:
            sender.flush(_LAST_WORDS_S)


async def _main(site: VirtualSite, broker: Broker | None, sender: Sender | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with ExitStack() as stack:

        def ready() -> None:
            """Say that we are online, now that everything answers."""
            if broker is not None and sender is not None:
                pulse = Pulse(broker, CLIENT, lambda: site.status() | {"outbox": sender.status()})
                stack.callback(pulse.close)

        await site.run(stop, ready)
