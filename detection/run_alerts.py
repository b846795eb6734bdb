"""The alerts as a process, as the command line starts it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bus.connection import Broker
from detection.alert_events import CLEARED, RAISED
from detection.alertmanager import Alertmanager, Target
from detection.alerts import NAME, Alerts, Standing
from detection.limits import LimitsOf
from detection.process import run, source_of
from projectors.runner import BATCH
from schemas.registry import Registry

_OWN: Final = (RAISED, CLEARED)
_DOING: Final = "raising alerts"


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
    source = source_of(node_id, NAME)
    alerts = Alerts(Registry.load(), source=source, limits_of=limits_of)
    if delivery.url is None:
        run(data, broker, alerts, source=source, own=_OWN, doing=_DOING, stopped=stopped)
        return
    target = Target(delivery.url, node_id, delivery.link)
    post = Alertmanager(target, every_s=delivery.every_s)
    standing: tuple[Standing, ...] | None = None

    def kept() -> None:
        nonlocal standing  # who delivers alerts is shown only what is remembered
        standing = alerts.standing()

    def turn(behind: int) -> None:
        if standing is not None and behind <= BATCH:  # of a past that is still being read nobody is woken
            post.show(standing)

    try:
        run(
            data,
            broker,
            alerts,
            source=source,
            own=_OWN,
            doing=_DOING,
            kept=kept,
            turn=turn,
            figures=post.status,
            stopped=stopped,
        )
    finally:
        post.close()
