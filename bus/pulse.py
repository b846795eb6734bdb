"""The health of a process on the bus, on a connection and in a thread of its own.

The outbox's connection belongs to its sender, and polls must not wait for a broker that does not answer;
so health gets a small connection that may hang as long as it likes.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from bus.connection import Broker, Connection
from bus.health import Health
from bus.topics import Topics

log = logging.getLogger(__name__)

_TURN_S = 0.5
_FIGURES_EVERY_S = 5.0


class Pulse:
    """Publishes the health of this process until it is closed.

    Args:
        process: its name, as in `ovr/health/<process>`.
        figures: asked every five seconds, from another thread.
    """

    def __init__(self, broker: Broker, process: str, figures: Callable[[], dict[str, Any]]) -> None:
        self._connection = Connection(broker, f"{process}-health")
        self._health = Health(self._connection, Topics(broker.prefix), process)
        self._figures = figures
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Say that the process stopped on purpose."""
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        due_s = 0.0
        while not self._closing.is_set():
            if time.monotonic() >= due_s:
                due_s = time.monotonic() + _FIGURES_EVERY_S
                self._health.update(**self._figures())
            self._connection.step(_TURN_S)
            self._health.tick()
        self._health.goodbye()
        self._connection.close()
