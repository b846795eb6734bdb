"""A projector as a process: the runner's turns, woken by the recorder, with health and retained messages.

Rules that must stay true here:
- the journal is the source, the bus only wakes: without a broker, or without `ovr/head`, it is polled;
- a stop saves what was taken.
"""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from bus import instants
from bus.connection import Broker, Connection
from bus.health import Health
from bus.link import Wake
from bus.measuring import Histogram
from bus.topics import Topics
from projectors.projector import Projector
from projectors.runner import Runner
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

_POLL_S = 0.25
_BACKLOG = 4_000_000
_MOST_UNANSWERED = 1000


class Live:
    """Runs one projector beside the recorder until it is stopped."""

    def __init__(
        self,
        runner: Runner,
        projector: Projector,
        broker: Broker,
        *,
        process: str | None = None,
        wake: Callable[[], Sequence[Wake]] = tuple,
    ) -> None:
        """Prepare.

        Args:
            runner: of the projector.
            projector: to be run.
            broker: where to publish, and what wakes it.
            process: its name, where that is not `projector-NAME`.
            wake: what besides the broker ends its waiting: whatever can be read from.
        """
        self._runner = runner
        self._wake = wake
        self._projector = projector
        topics = Topics(broker.prefix)
        process = process or f"projector-{projector.name}"
        self._connection = Connection(broker, process)
        self._health = Health(self._connection, topics, process)
        self._health.ask = self._figures
        self._batches = self._health.histograms["batch"] = Histogram()
        self._connection.subscribe(topics.head, lambda _: None)
        self._connection.on_connect(lambda _: projector.republish())

    def run(self, stopped: Callable[[], bool]) -> None:
        """Follow the journal until `stopped()`.

        Raises:
            ConfigurationError: a person must act; health says so.
        """
        try:
            more = False
            while not stopped():
                self._connection.step(0.0 if more else _POLL_S, wake=self._wake())
                more = self._turn()
            self._finish()
        except ConfigurationError as error:
            self._health.update(problem=str(error))
            raise
        finally:
            self._health.goodbye()
            self._connection.close()
            self._projector.close()

    def _turn(self) -> bool:
        began, taken = time.monotonic(), self._runner.taken
        more = self._runner.turn()
        if self._runner.taken != taken:
            self._batches.observe(time.monotonic() - began)
        self._say()
        self._tell()
        return more

    def _say(self) -> None:
        """Publish what is due, as fast as the broker takes it; the rest stays due."""
        messages = iter(self._projector.messages(time.monotonic()))
        while self._has_room and (message := next(messages, None)) is not None:
            topic, payload = message
            self._connection.publish(topic, payload, qos=1, retain=True)

    @property
    def _has_room(self) -> bool:
        connection = self._connection
        waiting = connection.backlog >= _BACKLOG or connection.unacknowledged >= _MOST_UNANSWERED
        return connection.connected and not waiting

    def _tell(self) -> None:
        runner = self._runner
        behind_us = instants.now_us() - runner.newest_us if runner.behind and runner.newest_us else 0
        saved = runner.saved
        self._health.update(
            status="online" if runner.problem is None else "blocked",
            problem=runner.problem,
            position=saved.position if saved else 0,
            journal=saved.journal if saved else None,
            incarnation=saved.incarnation if saved else None,
            lag_events=runner.behind,
            lag_s=round(max(0, behind_us) / instants.SECOND_US, 1),
            taken=runner.taken,
            **self._projector.status(),
        )
        self._health.tick()

    def _figures(self) -> dict[str, int]:
        """Say what /metrics tells besides health; from another thread."""
        saved = self._runner.saved
        return {"checkpoint": saved.position if saved else 0}

    def _finish(self) -> None:
        try:
            self._runner.flush()
        except TransientError as error:
            log.warning("stopped with events unsaved, they come again: %s", error)


def stop_signals() -> Callable[[], bool]:
    """Let SIGTERM and SIGINT ask for a stop; the function returned tells whether one did."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    return lambda: bool(asked)
