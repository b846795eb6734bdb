"""The alerts as a process, as the command line starts it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.connection import Broker
from bus.journal import JournalReader
from bus.sender import Sender
from detection.alert_events import CLEARED, RAISED
from detection.alertmanager import Alertmanager, Target
from detection.alerts import NAME, VERSION, Alerts, Standing
from detection.limits import LimitsOf
from projectors.following import follow
from projectors.generations import Generations
from projectors.live import Live, stop_signals
from projectors.run import wait_for_journal
from projectors.runner import BATCH, Runner
from schemas.registry import Registry

_LAST_WORDS_S = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where alerts go besides the stream.

    Attributes:
        url: of Alertmanager; None: nowhere.
        link: where people see more of an alert.
        every_s: how often what stands is posted again.
    """

    url: str | None = None
    link: str | None = None
    every_s: float = 30.0


def run_alerts(
    data: Path,
    broker: Broker,
    *,
    node_id: str,
    limits_of: LimitsOf,
    delivery: Delivery,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Raise and clear alerts until SIGTERM, SIGINT or `stopped()`.

    Args:
        data: the data directory.
        broker: where to publish.
        node_id: names the site.
        limits_of: how much is allowed on each system.
        delivery: who is told besides the stream.
        stopped: asked now and then; without it, signals end the process.

    Raises:
        ConfigurationError: the URL is none, or another process does this already.
    """
    stopped = stopped or stop_signals()
    source = f"/{node_id}/{NAME}"
    directory = data / NAME
    memory = directory / "memory.sqlite"
    with Generations(directory).only("raising alerts"):
        reader = wait_for_journal(data, stopped)
        if reader is None:
            return
        post = None
        if delivery.url is not None:
            target = Target(delivery.url, node_id, delivery.link)
            post = Alertmanager(target, every_s=delivery.every_s)
        sender = Sender(broker, client=NAME, name=NAME, path=data / "outbox" / f"{NAME}.sqlite")

        def show(standing: tuple[Standing, ...]) -> None:
            # Of a past that is still being read nobody needs to be woken.
            if post is not None and runner.behind <= BATCH:
                post.show(standing)

        def figures() -> Mapping[str, Any]:
            return {} if post is None else post.status()

        alerts = Alerts(
            memory,
            Registry.load(),
            source=source,
            limits_of=limits_of,
            publish=sender.put,
            told_upto=lambda: newest_own(reader, source),
            show=show,
            delivery=figures,
        )
        runner = Runner(reader, alerts)

        def live() -> Live:
            nonlocal runner
            runner = Runner(reader, alerts)
            return Live(runner, alerts, broker, process=NAME)

        try:
            follow(live, reader, memory, NAME, VERSION, stopped)
            sender.flush(_LAST_WORDS_S)
        finally:
            if post is not None:
                post.close()
            sender.close()
            reader.close()


def newest_own(reader: JournalReader, source: str) -> int:
    """Return the position of the newest event of a source among the alerts; 0 when there is none."""
    found = reader.read(types=(RAISED, CLEARED))
    return max((recorded.position for recorded in found if recorded.source == source), default=0)
