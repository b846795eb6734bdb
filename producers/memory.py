"""A small file for what a producer has told last, so that its next life tells only what has changed.

Rules that must stay true here:
- it is replaced as a whole; what cannot be read is left out with a warning, and everything is told anew;
- it never knows of an event that is not on the disk yet: whoever writes it sees to that.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from producers.alarms import Alarms

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """What was told.

    Attributes:
        alarms: active ones, as `Alarms.dump` writes them.
        parts: connected ones, by system and polled device.
    """

    alarms: Sequence[Any] = field(default_factory=list)
    parts: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)


class Memory:
    """The memory of one producer."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Told:
        """Read what an earlier life wrote."""
        try:
            said = orjson.loads(self._path.read_bytes())
            parts = {
                (str(system_id), str(device)): _texts(names) for system_id, device, names in said["parts"]
            }
            Alarms().load(said["alarms"])
            return Told(said["alarms"], parts)
        except FileNotFoundError:
            return Told()
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read, alarms and parts are told anew: %s", self._path, error)
            return Told()

    def save(self, told: Told) -> None:
        """Write; blocks until the disk has it."""
        parts = [[*key, names] for key, names in told.parts.items()]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(self._path.suffix + ".part")
        with part.open("wb") as file:
            file.write(orjson.dumps({"alarms": told.alarms, "parts": parts}))
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)


def _texts(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{names!r:.100} is no list of names")
    return names
