"""Run one producer as a process: its devices, the runner, the outbox and health, until SIGTERM or Ctrl-C.

Rules that must stay true here:
- a clean stop leaves nothing behind: polls end, devices are told as stopped, the outbox keeps what is not
  confirmed;
- a fault that only a person can mend ends the process with `ConfigurationError`.
"""

import asyncio
import logging
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender
from producers.clock import SystemClock
from producers.pulse import Pulse
from producers.registry import PRODUCERS
from producers.runner import Runner
from producers.source import Setting, Source
from producers.spool import Spool
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

_SAVE_EVERY_S = 5.0
_LAST_WORDS_S = 2.0


def run_host(broker: Broker, *, node_id: str, data: Path, client: str = "host") -> None:
    """Publish the readings of this machine as system `host_<node_id>` until a signal ends it."""
    run_producer("host", broker, client=client, node_id=node_id, data=data)


def run_simulator(
    broker: Broker,
    *,
    node_id: str,
    data: Path,
    client: str = "simulator",
    scenario: str = "festival",
    seed: int | None = None,
) -> None:
    """Publish a simulated site until a signal ends it."""
    options = {"scenario": scenario, "seed": seed}
    run_producer("simulator", broker, client=client, node_id=node_id, data=data, options=options)


def run_producer(
    kind: str,
    broker: Broker,
    *,
    client: str,
    node_id: str,
    data: Path,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Run a producer until a signal ends it.

    Args:
        kind: a key of `PRODUCERS`.
        broker: where to publish.
        client: our name at the broker, in topics and of the files in `data`.
        node_id: names the site.
        data: the data directory.
        options: what the configuration says about this producer.

    Raises:
        ConfigurationError: the options are wrong, or another process has our name.
    """
    if kind not in PRODUCERS:
        raise ConfigurationError(f"there is no producer {kind}: choose one of {', '.join(sorted(PRODUCERS))}")
    clock = SystemClock()
    own = data / "producers"
    setting = Setting(node_id, data, own / f"{client}.json", clock, options or {})
    source = PRODUCERS[kind](setting)
    sender = Sender(broker, client=client, name="producer", path=data / "outbox" / f"{client}.sqlite")

    async def publish(event: Envelope) -> None:
        if event.type == "sample.taken":
            sender.put(event)  # into memory
        else:
            await asyncio.to_thread(sender.put, event)  # onto the disk

    runner = Runner(
        source=f"/{node_id}/{client}", publish=publish, clock=clock, spool=Spool(own / f"{client}.held")
    )
    pulse = Pulse(broker, client, lambda: runner.status() | {"outbox": sender.status()})
    try:
        asyncio.run(_main(runner, source, sender))
        sender.flush(_LAST_WORDS_S)
    finally:
        sender.close()
        pulse.close()


async def _main(runner: Runner, source: Source, sender: Sender) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner.load(source.specs())
    watching = asyncio.create_task(_watch(source, sender, stop))
    try:
        await runner.run(stop)
    finally:
        stop.set()
        _save(source)
        await watching


async def _watch(source: Source, sender: Sender, stop: asyncio.Event) -> None:
    """Save now and then, and give up when the outbox says that only a person can help."""
    while not stop.is_set():
        _save(source)
        status = sender.status()
        if status["stopped"]:
            stop.set()
            raise ConfigurationError(status["fault"])
        try:
            async with asyncio.timeout(_SAVE_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue


def _save(source: Source) -> None:
    try:
        source.save()
    except OSError as error:
        log.warning("cannot save where we are: %s", error)
