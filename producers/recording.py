"""Recordings of raw MQTT messages: JSON lines with `t`, `topic` and `payload`.

Pure. `t` is in seconds since the recording began; rows with a negative `t` are the snapshot that comes first.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

import orjson

from schemas.errors import InputError

_LONGEST_TOPIC = 65_535


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a recording."""

    t_s: float
    topic: str
    payload: bytes

    @property
    def due_s(self) -> float:
        """Give when it is due after the start: the snapshot at once."""
        return max(0.0, self.t_s)


def rows(lines: Iterable[bytes]) -> Iterator[Row]:
    """Read a recording line by line; empty lines are skipped.

    Raises:
        InputError: a line is no row; its field says which line it is.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _row(f"line {number}", line)


def _row(where: str, line: bytes) -> Row:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(
            "not_json", where, f"write one JSON object a line; the parser says: {error}"
        ) from error
    if not isinstance(document, dict):
        raise InputError("not_an_object", where, 'write {"t": 0.5, "topic": "N/…", "payload": "…"}')
    t_s, topic, payload = document.get("t"), document.get("topic"), document.get("payload")
    if isinstance(t_s, bool) or not isinstance(t_s, int | float) or not isfinite(t_s):
        raise InputError("t", where, f"t must be a number of seconds, got {t_s!r:.40}")
    if not isinstance(payload, str):
        raise InputError("payload", where, f"payload must be the message as text, got {payload!r:.40}")
    if not isinstance(topic, str) or not _fits(topic):
        raise InputError("topic", where, f"topic must be a topic without # and +, got {topic!r:.60}")
    return Row(float(t_s), topic, payload.encode())


def _fits(topic: str) -> bool:
    return (
        0 < len(topic.encode()) <= _LONGEST_TOPIC
        and not topic.startswith("$")
        and not any(letter in topic for letter in "#+\0")
    )
