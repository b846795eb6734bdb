"""Play a recording of raw MQTT messages onto a broker, at its own pace or faster.

Rules that must stay true here:
- the whole file is checked before the first message goes out;
- messages go out in the order of the file, at QoS 0 as a GX device sends them;
- what the broker has not taken yet is bounded: playing waits for it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bus import ids
from bus.connection import Broker, Connection
from producers.recording import Row, rows
from schemas.errors import ConfigurationError, InputError, TransientError

_MOST_BACKLOG = 1 << 18
_LONGEST_TURN_S = 0.25
_CONNECT_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: how many messages, in how many seconds."""

    messages: int
    seconds: float


def play_file(
    path: Path,
    broker: Broker,
    *,
    speed: float = 1.0,
    progress: Callable[[int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Played:
    """Publish a recording.

    Args:
        path: JSON lines, as `producers.recording` reads them.
        broker: where to.
        speed: 1 is the recording's own pace, 10 is ten times as fast, 0 as fast as the broker takes it.
        progress: called with the number of messages published so far, now and then.
        stopped: asked now and then; playing ends when it says True.

    Raises:
        InputError: a line of the file is malformed.
        ConfigurationError: there is no such file, or the speed is negative.
        TransientError: the broker cannot be reached.
    """
    if not 0 <= speed < float("inf"):
        raise ConfigurationError("speed is how many times faster than recorded; 0 is as fast as possible")
    check(path)
    connection = Connection(broker, f"play-{ids.token()}")
    try:
        return _play(path, connection, speed, progress or (lambda _: None), stopped)
    finally:
        connection.close()


def check(path: Path) -> int:
    """Read a recording through, and return its number of messages.

    Raises:
        InputError: a line is malformed; the error names it.
        ConfigurationError: the file cannot be read.
    """
    try:
        with path.open("rb") as lines:
            return sum(1 for _ in rows(lines))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except InputError as error:
        raise InputError(error.reason, f"{path.name} {error.field}", error.hint) from error


def _play(
    path: Path,
    connection: Connection,
    speed: float,
    progress: Callable[[int], None],
    stopped: Callable[[], bool],
) -> Played:
    _connect(connection, stopped)
    began_s = time.monotonic()
    count = 0
    with path.open("rb") as lines:
        for row in rows(lines):
            due_s = began_s + row.due_s / speed if speed else 0.0
            _wait(connection, due_s, stopped)
            if stopped():
                break
            _publish(connection, row, stopped)
            count += 1
            if count % 1000 == 0:
                progress(count)
    while connection.backlog and connection.connected and not stopped():
        connection.step(_LONGEST_TURN_S)
    progress(count)
    return Played(count, time.monotonic() - began_s)


def _wait(connection: Connection, due_s: float, stopped: Callable[[], bool]) -> None:
    """Serve the connection until a row is due and the broker has room for it."""
    while not stopped():
        left_s = due_s - time.monotonic()
        if left_s <= 0 and connection.backlog < _MOST_BACKLOG:
            return
        connection.step(min(max(left_s, 0.0), _LONGEST_TURN_S) if left_s > 0 else _LONGEST_TURN_S)


def _publish(connection: Connection, row: Row, stopped: Callable[[], bool]) -> None:
    """Publish a row, after a reconnect if need be; what was lost with the old connection stays lost."""
    while not connection.publish(row.topic, row.payload):
        _connect(connection, stopped)
        if stopped():
            return


def _connect(connection: Connection, stopped: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + _CONNECT_WITHIN_S
    while not connection.connected and not stopped():
        if time.monotonic() > limit_s:
            raise TransientError(connection.refusal or "the broker does not answer")
        connection.step(_LONGEST_TURN_S)
