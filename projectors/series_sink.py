"""Do things to VictoriaMetrics in order, in a thread of its own, and know what it will keep.

Rules that must stay true here:
- operations are done in the order in which they came; what fails for a passing reason is repeated until done;
- few operations wait at a time, so that building the next overlaps posting, and memory is bounded;
- a place is durable when everything up to it was accepted 30 s ago by a process that was seen alive since:
  a killed VictoriaMetrics forgets its last ten seconds;
- another process in place of the VictoriaMetrics we began with is noticed within a second, and given nothing.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bus.journal import Head
from projectors.victoria import Process, Victoria
from schemas.errors import ConfigurationError, TransientError

log = logging.getLogger(__name__)

_FLUSH_EVERY_S = 0.5
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_WAITING = 2
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the stream with the newest `recordedat` up to it, and that of each other node."""

    head: Head
    horizon_us: int
    clocks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Post:
    """Write these lines."""

    lines: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Delete:
    """Make everything searchable, then delete the series that match."""

    selectors: Sequence[str]


@dataclass(frozen=True, slots=True)
class Flush:
    """Make everything searchable soon."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Everything up to this place was submitted before."""

    place: Place


Operation = Post | Delete | Flush | Reached


class Sink:
    """Feeds one VictoriaMetrics, from when its process was first seen until that is gone.

    Attributes:
        lost: another process answers now; make a new sink and go on from what is durable.
        failed: why it will not take anything until a person helps.
        error: why it does not take anything at the moment, in words.
        refused: lines that it refused for what they say; take them away.
        lines: how many it accepted.
        process: what it said of itself last.
    """

    def __init__(self, url: str, process: Process, *, trail_s: float = 30.0, pulse_s: float = 1.0) -> None:
        self.lost = False
        self.failed: ConfigurationError | None = None
        self.error: str | None = None
        self.refused: deque[bytes] = deque()
        self.lines = 0
        self.process = process
        self._began = process
        self._victoria = Victoria(url, timeout_s=_TIMEOUT_S)
        self._trail_s, self._pulse_s = trail_s, pulse_s
        self._queue: queue.Queue[Operation | None] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._places: deque[tuple[float, Place]] = deque()
        self._durable: Place | None = None
        self._reached: Place | None = None
        self._seen_at = 0.0
        self._flush_at: float | None = None
        self._flushed_at = 0.0
        self._thread = threading.Thread(target=self._run, name="series-sink", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation, wait_s: float) -> bool:
        """Hand over an operation; False when there was no room for so long."""
        try:
            self._queue.put(operation, timeout=wait_s)
        except queue.Full:
            return False
        return True

    @property
    def reached(self) -> Place | None:
        """The last place up to which everything was accepted."""
        return self._reached

    @property
    def durable(self) -> Place | None:
        """The last place up to which nothing can be forgotten any more."""
        return self._durable

    @property
    def ignored(self) -> int:
        """How many samples it dropped or could not read since we began; 0 unless something is wrong."""
        now, then = self.process, self._began
        return now.invalid + now.ignored - then.invalid - then.ignored

    def close(self) -> None:
        """Stop after the operation at hand; what waits is let go of."""
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(_LONGEST_DELAY_S)
        self._victoria.close()

    def _run(self) -> None:
        operation: Operation | None = None
        delay_s = _FIRST_DELAY_S
        while not (self._closing.is_set() or self.lost or self.failed):
            operation = operation or self._next()
            try:
                self._watch()
                if not self.lost:
                    self._do(operation)
                    operation, self.error, delay_s = None, None, _FIRST_DELAY_S
            except TransientError as error:
                if self.error is None:
                    log.warning("waiting for VictoriaMetrics: %s", error)
                self.error = str(error)
                self._closing.wait(delay_s)
                delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
            except ConfigurationError as error:
                self.failed = error

    def _next(self) -> Operation | None:
        wait_s = self._pulse_s
        if self._flush_at is not None:
            wait_s = max(self._flush_at - time.monotonic(), 0.0)
        try:
            return self._queue.get(timeout=wait_s) if wait_s else self._queue.get_nowait()
        except queue.Empty:
            return None

    def _watch(self) -> None:
        """See once in a while whether the same process answers, and what is durable for that."""
        now = time.monotonic()
        if now - self._seen_at < self._pulse_s and self.error is None:
            return
        process = self._victoria.process()
        if process.replaces(self.process):
            log.warning("VictoriaMetrics was restarted: going back to what it surely kept")
            self.lost = True
            return
        self.process, self._seen_at = process, now
        while self._places and self._places[0][0] <= now - self._trail_s:
            self._durable = self._places.popleft()[1]

    def _do(self, operation: Operation | None) -> None:
        if isinstance(operation, Post):
            self.refused += self._victoria.post(operation.lines)
            self.lines += len(operation.lines)
        elif isinstance(operation, Delete):
            self._victoria.flush()
            self._victoria.delete(operation.selectors)
        elif isinstance(operation, Reached):
            self._reached = operation.place
            self._places.append((time.monotonic(), operation.place))
        elif isinstance(operation, Flush) and self._flush_at is None:
            self._flush_at = self._flushed_at + _FLUSH_EVERY_S
        if self._flush_at is not None and self._flush_at <= time.monotonic():
            self._victoria.flush()
            self._victoria.forget_results()
            self._flush_at, self._flushed_at = None, time.monotonic()
